package cluster

import (
	"context"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
)

// Kinds that not every cluster has.
var (
	verticalPodAutoscaler = schema.GroupKind{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}
	scaledObject          = schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}
)

// autoscalers lists the HPAs. Who may not list those of all namespaces gets those
// of the own one.
func (r *reading) autoscalers(ctx context.Context, scope Scope) error {
	get := func(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
		return r.typed.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, options)
	}
	if len(scope.Namespaces) == 0 && scope.Own != "" {
		if _, err := get(ctx, metav1.NamespaceAll, metav1.ListOptions{Limit: 1}); apierrors.IsForbidden(err) {
			r.namespaces = []string{scope.Own}
			r.missing(doctor.Gap{Resource: "other namespaces than " + scope.Own, Why: "you have no right to list the HPAs of all"})
		}
	}
	r.list(ctx, hpas, r.namespaces, get, func(object runtime.Object) {
		r.facts.Autoscalers = append(r.facts.Autoscalers, *object.(*autoscalingv2.HorizontalPodAutoscaler))
	})
	if gap, ok := r.unread(hpas); ok && len(r.facts.Autoscalers) == 0 {
		return fmt.Errorf("%s: %s", hpas, gap.Why)
	}
	return r.choose(scope.Autoscalers)
}

const hpas = "horizontalpodautoscalers.autoscaling"

// choose restricts the judgement to some HPAs, which have to exist.
func (r *reading) choose(names []types.NamespacedName) error {
	if len(names) == 0 {
		return nil
	}
	r.facts.Chosen = map[types.NamespacedName]bool{}
	for _, name := range names {
		exists := slices.ContainsFunc(r.facts.Autoscalers, func(hpa autoscalingv2.HorizontalPodAutoscaler) bool {
			return hpa.Namespace == name.Namespace && hpa.Name == name.Name
		})
		if _, unread := r.unread(hpas); !exists && !unread {
			return fmt.Errorf("there is no HPA %s", name)
		}
		r.facts.Chosen[name] = true
	}
	return nil
}

// dynamicPage lists objects of any kind.
func (r *reading) dynamicPage(resource schema.GroupVersionResource) page {
	return func(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
		return r.objects.Resource(resource).Namespace(namespace).List(ctx, options)
	}
}

// ofKind lists the objects of a kind that not every cluster has.
func (r *reading) ofKind(ctx context.Context, kind schema.GroupKind, namespaces []string, add func(*unstructured.Unstructured)) {
	known, ok := r.facts.Kinds[kind]
	if !ok {
		return
	}
	r.list(ctx, known.Resource.GroupResource().String(), namespaces, r.dynamicPage(known.Resource), func(object runtime.Object) {
		add(object.(*unstructured.Unstructured))
	})
}

// workloads lists what HPAs scale, by kind.
func (r *reading) workloads(ctx context.Context) {
	wanted := map[doctor.Object]bool{}
	for i := range r.facts.Autoscalers {
		wanted[doctor.TargetOf(&r.facts.Autoscalers[i])] = true
	}
	found := map[doctor.Object]*doctor.Workload{}
	for _, kind := range kindsOf(wanted) {
		r.ofKind(ctx, kind, r.namespaces, func(o *unstructured.Unstructured) {
			if w := doctor.NewWorkload(o); wanted[w.Object] {
				found[w.Object] = &w
			}
		})
	}
	r.facts.Workloads = found
}

func kindsOf(objects map[doctor.Object]bool) (kinds []schema.GroupKind) {
	for o := range objects {
		if !slices.Contains(kinds, o.GroupKind) {
			kinds = append(kinds, o.GroupKind)
		}
	}
	return kinds
}

// selectors asks those workloads for their selector that have it elsewhere than
// Kubernetes' own kinds.
func (r *reading) selectors(ctx context.Context) {
	var lacking []*doctor.Workload
	for _, w := range r.facts.Workloads {
		if w.Selector == nil {
			lacking = append(lacking, w)
		}
	}
	r.each("selectors", len(lacking), func(i int) {
		w := lacking[i]
		resource := r.facts.Kinds[w.GroupKind].Resource
		scale, err := r.objects.Resource(resource).Namespace(w.Namespace).Get(ctx, w.Name, metav1.GetOptions{}, "scale")
		if err != nil {
			r.gap("scale of "+resource.GroupResource().String(), w.Namespace, err)
			return
		}
		text, _, _ := unstructured.NestedString(scale.Object, "status", "selector")
		if selector, err := labels.Parse(text); err == nil {
			w.Selector = selector
		}
	})
}

// described finds out which of the objects exist that metrics are of.
func (r *reading) described(ctx context.Context) {
	wanted := map[doctor.Object]bool{}
	for i := range r.facts.Autoscalers {
		for _, o := range doctor.DescribedBy(&r.facts.Autoscalers[i]) {
			wanted[o] = true
		}
	}
	exist := map[doctor.Object]bool{}
	for _, kind := range kindsOf(wanted) {
		known, ok := r.facts.Kinds[kind]
		if !ok {
			continue
		}
		namespaces := r.namespaces
		if !known.Namespaced {
			namespaces = everywhere
		}
		get := func(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
			return r.metadata.Resource(known.Resource).Namespace(namespace).List(ctx, options)
		}
		r.list(ctx, known.Resource.GroupResource().String(), namespaces, get, func(object runtime.Object) {
			meta := object.(*metav1.PartialObjectMetadata)
			if o := (doctor.Object{GroupKind: kind, Namespace: meta.Namespace, Name: meta.Name}); wanted[o] {
				exist[o] = true
			}
		})
	}
	r.facts.Described = exist
}

func (r *reading) pods(ctx context.Context) {
	get := func(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
		return r.typed.CoreV1().Pods(namespace).List(ctx, options)
	}
	r.list(ctx, "pods", r.namespaces, get, func(object runtime.Object) {
		r.facts.Pods = append(r.facts.Pods, trim(object.(*corev1.Pod)))
		if n := len(r.facts.Pods); r.Progress != nil && n%500 == 0 {
			r.Progress("pods", n, 0)
		}
	})
}

// trim keeps of a pod what is judged: a cluster may have a hundred thousand.
func trim(pod *corev1.Pod) corev1.Pod {
	kept := corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, DeletionTimestamp: pod.DeletionTimestamp,
	}, Status: corev1.PodStatus{Phase: pod.Status.Phase}}
	if scrape, ok := pod.Annotations["prometheus.io/scrape"]; ok {
		kept.Annotations = map[string]string{"prometheus.io/scrape": scrape}
	}
	for _, container := range pod.Spec.Containers {
		kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{Name: container.Name, Image: container.Image, Ports: container.Ports})
	}
	return kept
}

func (r *reading) services(ctx context.Context) {
	get := func(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error) {
		return r.typed.CoreV1().Services(namespace).List(ctx, options)
	}
	r.list(ctx, "services", r.namespaces, get, func(object runtime.Object) {
		r.facts.Services = append(r.facts.Services, *object.(*corev1.Service))
	})
}

func (r *reading) verticalAutoscalers(ctx context.Context) {
	r.ofKind(ctx, verticalPodAutoscaler, r.namespaces, func(o *unstructured.Unstructured) {
		r.facts.VerticalAutoscalers = append(r.facts.VerticalAutoscalers, doctor.NewVerticalAutoscaler(o))
	})
}

func (r *reading) scaledObjects(ctx context.Context) {
	r.ofKind(ctx, scaledObject, r.namespaces, func(o *unstructured.Unstructured) {
		r.facts.ScaledObjects = append(r.facts.ScaledObjects, doctor.NewScaledObject(o))
	})
}

// monitors lists the monitors of all namespaces: they often are not beside what
// they are for.
func (r *reading) monitors(ctx context.Context) {
	for _, kind := range []string{doctor.ServiceMonitor, doctor.PodMonitor} {
		r.ofKind(ctx, schema.GroupKind{Group: doctor.OperatorGroup, Kind: kind}, everywhere, func(o *unstructured.Unstructured) {
			r.facts.Monitors = append(r.facts.Monitors, doctor.NewMonitor(o))
		})
	}
}

func (r *reading) scrapers(ctx context.Context) {
	for _, kind := range []string{"Prometheus", "PrometheusAgent"} {
		r.ofKind(ctx, schema.GroupKind{Group: doctor.OperatorGroup, Kind: kind}, everywhere, func(o *unstructured.Unstructured) {
			r.facts.Scrapers = append(r.facts.Scrapers, doctor.NewScraper(o))
		})
	}
	if len(r.facts.Scrapers) == 0 {
		return
	}
	r.facts.NamespaceLabels = map[string]labels.Set{}
	get := func(ctx context.Context, _ string, options metav1.ListOptions) (runtime.Object, error) {
		return r.metadata.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).List(ctx, options)
	}
	r.list(ctx, "namespaces", everywhere, get, func(object runtime.Object) {
		meta := object.(*metav1.PartialObjectMetadata)
		r.facts.NamespaceLabels[meta.Name] = meta.Labels
	})
}
