package demand

import (
	"context"
	"fmt"
	"slices"
	"unique"

	autoscaling "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

var resource = schema.GroupResource{Group: autoscaling.GroupName, Resource: "horizontalpodautoscalers"}

// listerWatcher makes the calls and remembers how the last one went.
func (w *Watcher) listerWatcher() cache.ListerWatcher {
	all := w.opts.Client.HorizontalPodAutoscalers(metav1.NamespaceAll)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := all.List(ctx, options)
			w.called("list", err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			events, err := all.Watch(ctx, options)
			w.called("watch", err)
			return events, err
		},
	}, w.opts.Client)
}

func (w *Watcher) called(verb string, err error) {
	if err != nil {
		err = fmt.Errorf("%s %s: %w", verb, resource, err)
	}
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w (hint: grant list and watch on %s in all namespaces)", err, resource)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// A source is what the reflector writes to, a cache.TransformingStore: an
// informer would hold every object a second time.
type source struct{ *Watcher }

// Add wants what is new of an HPA. Most updates are of a status: they change
// nothing here.
func (s source) Add(obj any) error {
	hpa, err := hpaOf(obj)
	if err != nil {
		return err
	}
	if metrics := metricsOf(hpa); s.set(nameOf(hpa), metrics) {
		for _, m := range metrics {
			s.want(m.Value())
		}
	}
	return nil
}

// set reports whether the HPA had other metrics before.
func (s source) set(hpa types.NamespacedName, metrics []unique.Handle[metric]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(s.hpas[hpa], metrics) {
		return false
	}
	if len(metrics) == 0 {
		delete(s.hpas, hpa)
	} else {
		s.hpas[hpa] = metrics
	}
	return true
}

func (s source) Update(obj any) error { return s.Add(obj) }

// Delete forgets an HPA. Its keys live as long as another HPA has the metric,
// and then as long as keys do that nobody reads.
func (s source) Delete(obj any) error {
	hpa, err := hpaOf(obj)
	if err != nil {
		return err
	}
	s.set(nameOf(hpa), nil)
	return nil
}

// Replace makes the list the truth.
func (s source) Replace(list []any, _ string) error {
	hpas := make(map[types.NamespacedName][]unique.Handle[metric])
	for _, item := range list {
		hpa, err := hpaOf(item)
		if err != nil {
			return err
		}
		if metrics := metricsOf(hpa); len(metrics) > 0 {
			hpas[nameOf(hpa)] = metrics
		}
	}
	s.mu.Lock()
	s.hpas = hpas
	s.mu.Unlock()
	s.wantAll()
	return nil
}

// Resync has nothing to do.
func (s source) Resync() error { return nil }

// Transformer keeps a first list small while the reflector gathers it.
func (s source) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		hpa, err := hpaOf(obj)
		if err != nil {
			return nil, err
		}
		return &autoscaling.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: hpa.Namespace, Name: hpa.Name, ResourceVersion: hpa.ResourceVersion},
			Spec:       autoscaling.HorizontalPodAutoscalerSpec{Metrics: hpa.Spec.Metrics},
		}, nil
	}
}

func hpaOf(obj any) (*autoscaling.HorizontalPodAutoscaler, error) {
	hpa, ok := obj.(*autoscaling.HorizontalPodAutoscaler)
	if !ok {
		return nil, fmt.Errorf("%T in a watch of %s", obj, resource)
	}
	return hpa, nil
}

func nameOf(hpa *autoscaling.HorizontalPodAutoscaler) types.NamespacedName {
	return types.NamespacedName{Namespace: hpa.Namespace, Name: hpa.Name}
}
