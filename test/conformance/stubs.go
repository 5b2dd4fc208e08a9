package conformance

import (
	"context"
	"errors"
	"strconv"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// An informer has its objects from the test instead of a watch.
type informer struct {
	cache.SharedIndexInformer // nil: what is not overridden must not be called

	indexer  cache.Indexer
	handlers []cache.ResourceEventHandler
}

func newInformer() *informer {
	return &informer{indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func (i *informer) GetStore() cache.Store     { return i.indexer }
func (i *informer) GetIndexer() cache.Indexer { return i.indexer }
func (i *informer) HasSynced() bool           { return true }

func (i *informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	return nil, nil
}

type hpaInformer struct{ *informer }

func (i hpaInformer) Informer() cache.SharedIndexInformer { return i.informer }
func (i hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return autoscalinglisters.NewHorizontalPodAutoscalerLister(i.indexer)
}

type podInformer struct{ *informer }

func (i podInformer) Informer() cache.SharedIndexInformer { return i.informer }
func (i podInformer) Lister() corelisters.PodLister       { return corelisters.NewPodLister(i.indexer) }

// hpas is the API server's side of HPA objects: it keeps the status.
type hpas struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	indexer cache.Indexer
	version int
	// watching are told of status writes. In single steps there is no queue to tell.
	watching []cache.ResourceEventHandler
}

func (h *hpas) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return h
}

func (h *hpas) stored() *autoscalingv2.HorizontalPodAutoscaler {
	object, found, err := h.indexer.GetByKey(key)
	if err != nil || !found {
		panic("the HPA is not in the store")
	}
	return object.(*autoscalingv2.HorizontalPodAutoscaler)
}

// store keeps an object under a new version.
func (h *hpas) store(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	h.version++
	hpa.ResourceVersion = strconv.Itoa(h.version)
	if err := h.indexer.Update(hpa); err != nil {
		panic(err)
	}
}

// UpdateStatus takes nothing but the status, as the API server does: the
// controller fills in fields of the spec in its copy.
func (h *hpas) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	before := h.stored()
	next := before.DeepCopy()
	next.Status = *hpa.Status.DeepCopy()
	h.store(next)
	for _, w := range h.watching {
		w.OnUpdate(before, next)
	}
	return next, nil
}

// scales is the scale subresource of the one target.
type scales struct {
	scaleclient.ScaleInterface
	world  *world
	writes []int32

	before func()      // a sync begins
	after  func(int32) // a count was written
}

func (s *scales) Scales(string) scaleclient.ScaleInterface { return s }

func (s *scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	if s.before != nil {
		s.before()
	}
	if s.world.scaleReadErr != nil {
		return nil, s.world.scaleReadErr
	}
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: s.world.replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: s.world.statusReplicas, Selector: s.world.selector},
	}, nil
}

func (s *scales) Update(_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.writes = append(s.writes, scale.Spec.Replicas)
	if s.after != nil {
		s.after(scale.Spec.Replicas)
	}
	return scale, s.world.writeErr(scale.Spec.Replicas)
}

// events keeps the events that tell of a rescale.
type events struct {
	coreclient.EventInterface
	rescales []string
}

func (e *events) Events(string) coreclient.EventInterface { return e }

func (e *events) CreateWithEventNamespaceWithContext(_ context.Context, event *corev1.Event) (*corev1.Event, error) {
	if event.Reason == "SuccessfulRescale" || event.Reason == "FailedRescale" {
		e.rescales = append(e.rescales, event.Reason+": "+event.Message)
	}
	return event, nil
}

func (e *events) PatchWithEventNamespaceWithContext(_ context.Context, event *corev1.Event, _ []byte) (*corev1.Event, error) {
	return event, nil
}

func (e *events) CreateWithEventNamespace(event *corev1.Event) (*corev1.Event, error) {
	return e.CreateWithEventNamespaceWithContext(context.Background(), event)
}

func (e *events) PatchWithEventNamespace(event *corev1.Event, patch []byte) (*corev1.Event, error) {
	return e.PatchWithEventNamespaceWithContext(context.Background(), event, patch)
}

// metricsOf answers for the metrics of the world's HPA. The name of a custom or
// external metric is that of its reading; a resource may be asked for by
// several metrics, which then share one.
type metricsOf struct{ world *world }

var errEmpty = errors.New("no metrics returned")

func (m metricsOf) podSamples(name string) (metrics.PodMetricsInfo, time.Time, error) {
	reading := m.world.readings[name]
	switch {
	case reading.err != nil:
		return nil, time.Time{}, reading.err
	case len(reading.pods) == 0:
		return nil, time.Time{}, errEmpty
	}
	copied := make(metrics.PodMetricsInfo, len(reading.pods)) // the controller deletes from it
	for name, sample := range reading.pods {
		copied[name] = sample
	}
	return copied, time.Time{}, nil
}

func (m metricsOf) GetResourceMetric(_ context.Context, resource corev1.ResourceName, _ string, _ labels.Selector, container string) (metrics.PodMetricsInfo, time.Time, error) {
	return m.podSamples(resourceReading(resource, container))
}

func (m metricsOf) GetRawMetric(name, _ string, _, _ labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	return m.podSamples(name)
}

func (m metricsOf) GetObjectMetric(name, _ string, _ *autoscalingv2.CrossVersionObjectReference, _ labels.Selector) (int64, time.Time, error) {
	reading := m.world.readings[name]
	switch {
	case reading.err != nil:
		return 0, time.Time{}, reading.err
	case len(reading.values) == 0:
		return 0, time.Time{}, errEmpty
	}
	return reading.values[0], time.Time{}, nil
}

func (m metricsOf) GetExternalMetric(name, _ string, _ labels.Selector) ([]int64, time.Time, error) {
	reading := m.world.readings[name]
	switch {
	case reading.err != nil:
		return nil, time.Time{}, reading.err
	case len(reading.values) == 0:
		return nil, time.Time{}, errEmpty
	}
	return reading.values, time.Time{}, nil
}

// resourceReading names the reading of a resource.
func resourceReading(resource corev1.ResourceName, container string) string {
	return string(resource) + "/" + container
}
