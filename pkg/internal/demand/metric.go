package demand

import (
	"unique"

	autoscaling "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// A metric is what an HPA names of a metric, without the object it is read for:
// one query answers for all of them. The namespace is that of the HPA, also where
// the object is a Namespace, whose name the HPA's controller ignores: a team may
// have a rule of its own for the name, and some rules ask for each namespace by
// itself.
type metric struct {
	external  bool
	namespace string
	name      string
	of        schema.GroupResource // zero if external
	selector  string               // as the HPA's client writes it into its requests
}

// key is the key that a read of the metric asks for.
func (m metric) key(keys Keys) (snapshot.Key, error) {
	selector, err := labels.Parse(m.selector)
	if err != nil {
		return snapshot.Key{}, err
	}
	if m.external {
		return keys.ExternalKey(m.namespace, m.name, selector)
	}
	return keys.CustomKey(m.namespace, m.name, m.of, selector)
}

// metricsOf are the custom and external metrics of an HPA.
func metricsOf(hpa *autoscaling.HorizontalPodAutoscaler) []unique.Handle[metric] {
	var metrics []unique.Handle[metric]
	for _, spec := range hpa.Spec.Metrics {
		if m, ok := metricOf(hpa.Namespace, spec); ok {
			metrics = append(metrics, unique.Make(m))
		}
	}
	return metrics
}

// metricOf is false for resource metrics, for what lacks its fields, and for a
// selector that the HPA's controller would refuse too.
func metricOf(namespace string, spec autoscaling.MetricSpec) (metric, bool) {
	switch {
	case spec.Type == autoscaling.PodsMetricSourceType && spec.Pods != nil:
		m, ok := identified(spec.Pods.Metric)
		m.namespace, m.of = namespace, schema.GroupResource{Resource: "pods"}
		return m, ok
	case spec.Type == autoscaling.ObjectMetricSourceType && spec.Object != nil:
		m, ok := identified(spec.Object.Metric)
		m.namespace, m.of = namespace, resourceOf(spec.Object.DescribedObject)
		return m, ok
	case spec.Type == autoscaling.ExternalMetricSourceType && spec.External != nil:
		m, ok := identified(spec.External.Metric)
		m.external, m.namespace = true, namespace
		return m, ok
	default:
		return metric{}, false
	}
}

// identified goes the way of the HPA's own client, which writes the selector as
// text. That of no selector is empty, and means all series.
func identified(id autoscaling.MetricIdentifier) (metric, bool) {
	selector, err := metav1.LabelSelectorAsSelector(id.Selector)
	if err != nil {
		return metric{}, false
	}
	return metric{name: id.Name, selector: selector.String()}, true
}

// resourceOf is the resource of a kind by the rules of English plurals, as in
// Kubernetes' own clients. Of a custom resource with an irregular plural the
// first read is the first demand.
func resourceOf(object autoscaling.CrossVersionObjectReference) schema.GroupResource {
	plural, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(object.APIVersion, object.Kind))
	return plural.GroupResource()
}
