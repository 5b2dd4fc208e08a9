package demand

import (
	"unique"

	autoscaling "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
)

// mirrored is the Watcher as the copy of the cluster's HPAs: a mirror.Copy.
type mirrored struct{ *Watcher }

// Set wants what is new of an HPA. Most updates are of a status: they change
// nothing here.
func (m mirrored) Set(hpa *autoscaling.HorizontalPodAutoscaler) {
	metrics := metricsOf(hpa)
	if !m.set(mirror.NameOf(hpa), metrics) {
		return
	}
	for _, one := range metrics {
		m.want(one.Value())
	}
}

// Delete forgets an HPA. Its keys live as long as another HPA has the metric,
// and then as long as keys do that nobody reads.
func (m mirrored) Delete(hpa *autoscaling.HorizontalPodAutoscaler) { m.set(mirror.NameOf(hpa), nil) }

// Replace wants all metrics of all HPAs.
func (m mirrored) Replace(hpas map[types.NamespacedName]*autoscaling.HorizontalPodAutoscaler) {
	all := make(map[types.NamespacedName][]unique.Handle[metric])
	for name, hpa := range hpas {
		if metrics := metricsOf(hpa); len(metrics) > 0 {
			all[name] = metrics
		}
	}
	m.mu.Lock()
	m.metrics = all
	m.mu.Unlock()
	m.wantAll()
}

// slim keeps the metrics of an HPA.
func slim(hpa *autoscaling.HorizontalPodAutoscaler) *autoscaling.HorizontalPodAutoscaler {
	return &autoscaling.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: hpa.Namespace, Name: hpa.Name, ResourceVersion: hpa.ResourceVersion},
		Spec:       autoscaling.HorizontalPodAutoscalerSpec{Metrics: hpa.Spec.Metrics},
	}
}
