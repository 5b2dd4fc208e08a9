// This file is put into a copy of the controller's package. It records each
// reconcile of its own unit tests: what went in, and what came out.

package podautoscaler

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	scaleclient "k8s.io/client-go/scale"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/features"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/test/conformance/translate"
)

// One recorder at a time: it stands in for fields of the controller.
var recording sync.Mutex

func (a *HorizontalController) reconcileAutoscaler(ctx context.Context, shared *autoscalingv2.HorizontalPodAutoscaler, key string) error {
	recording.Lock()
	defer recording.Unlock()
	r := &recorder{
		a: a, shared: shared.DeepCopy(), key: key, now: time.Now(), scales: a.scaleNamespacer,
		client: a.replicaCalc.metricsClient, hpas: a.hpaNamespacer, readings: map[string]hpa.Reading{}, after: &shared.Status,
	}
	r.vector.Before = r.state(&shared.Status)
	a.scaleNamespacer, a.replicaCalc.metricsClient, a.hpaNamespacer = recordedScales{r}, r, recordedHPAs{r}
	err := a.reconcileAutoscalerItself(ctx, shared, key)
	a.scaleNamespacer, a.replicaCalc.metricsClient, a.hpaNamespacer = r.scales, r.client, r.hpas
	r.finish(err)
	return err
}

// vector is the twin of that in pkg/hpa's tests.
type vector struct {
	Spec         hpa.Spec
	Before       hpa.State
	Now          time.Time
	Seen         hpa.Observation
	ScaleReadErr string   `json:",omitempty"`
	WriteErr     string   `json:",omitempty"`
	ReadingErrs  []string `json:",omitempty"`

	After  hpa.State
	Writes []int32  `json:",omitempty"`
	Failed bool     `json:",omitempty"`
	Status []status `json:",omitempty"`
}

type status struct {
	Milli   int64 `json:",omitempty"`
	Percent int32 `json:",omitempty"`
}

type recorder struct {
	a      *HorizontalController
	shared *autoscalingv2.HorizontalPodAutoscaler
	key    string
	now    time.Time

	scales scaleclient.ScalesGetter
	client metricsclient.MetricsClient
	hpas   autoscalingclient.HorizontalPodAutoscalersGetter

	vector   vector
	scale    *autoscalingv1.Scale
	readings map[string]hpa.Reading
	after    *autoscalingv2.HorizontalPodAutoscalerStatus
}

func (r *recorder) finish(err error) {
	for _, m := range r.shared.Spec.Metrics {
		if m.Resource == nil && m.ContainerResource == nil && m.Pods == nil && m.Object == nil && m.External == nil {
			r.skip("a metric without a source")
			return
		}
	}
	v := &r.vector
	v.Now = r.now
	v.Spec = translate.Spec(&r.shared.Spec, hpa.Controller{
		Tolerance:               r.a.tolerance,
		DownscaleStabilization:  r.a.downscaleStabilisationWindow,
		CPUInitializationPeriod: r.a.replicaCalc.cpuInitializationPeriod,
		InitialReadinessDelay:   r.a.replicaCalc.delayOfInitialReadinessStatus,
		Profile:                 profile(),
	})
	v.After = r.state(r.after)
	v.Failed = err != nil
	r.see()
	for i := range r.after.CurrentMetrics {
		v.Status = append(v.Status, statusOf(&r.after.CurrentMetrics[i]))
	}
	r.rebase()
	write(os.Getenv("PITOT_RECORD"), v)
}

// write appends a line of JSON.
func write(name string, v any) {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if err := json.NewEncoder(file).Encode(v); err != nil {
		panic(err)
	}
}

// skip keeps why a reconcile is no vector.
func (r *recorder) skip(why string) {
	write(os.Getenv("PITOT_RECORD")+".skipped", why)
}

func profile() hpa.Profile {
	p, _ := hpa.Kubernetes(37)
	p.Tolerances = utilfeature.DefaultFeatureGate.Enabled(features.HPAConfigurableTolerance)
	p.PodLevelRequests = utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResources)
	if !utilfeature.DefaultFeatureGate.Enabled(features.HPAScaleToZero) {
		p.Zero = hpa.ZeroPauses
	}
	return p
}

// see is what the reconcile saw.
func (r *recorder) see() {
	v := &r.vector
	if r.scale == nil {
		if v.ScaleReadErr == "" {
			v.ScaleReadErr = "the target was not found"
		}
		v.ReadingErrs = make([]string, len(r.shared.Spec.Metrics))
		v.Seen.Readings = make([]hpa.Reading, len(r.shared.Spec.Metrics))
		return
	}
	v.Seen.Replicas, v.Seen.StatusReplicas = r.scale.Spec.Replicas, r.scale.Status.Replicas
	for _, c := range v.After.Conditions {
		if c.Reason == hpa.ReasonInvalidSelector || c.Reason == hpa.ReasonAmbiguousSelector {
			v.Seen.Selector = c.Reason
		}
	}
	for _, pod := range r.pods() {
		v.Seen.Pods = append(v.Seen.Pods, translate.Pod(pod))
	}
	for _, m := range r.shared.Spec.Metrics {
		reading, asked := r.readings[source(m)]
		text := ""
		switch {
		case !asked:
			text = "was not asked"
		case reading.Err != nil:
			text = reading.Err.Error()
		}
		v.ReadingErrs = append(v.ReadingErrs, text)
		v.Seen.Readings = append(v.Seen.Readings, reading)
	}
}

// pods are those of the target, in the order of their names: the lister has none.
func (r *recorder) pods() []*v1.Pod {
	selector, err := labels.Parse(r.scale.Status.Selector)
	if err != nil {
		return nil
	}
	pods, err := r.a.podLister.Pods(r.shared.Namespace).List(selector)
	if err != nil {
		panic(err)
	}
	slices.SortFunc(pods, func(a, b *v1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

func source(m autoscalingv2.MetricSpec) string {
	switch {
	case m.Resource != nil:
		return "resource/" + string(m.Resource.Name) + "/"
	case m.ContainerResource != nil:
		return "resource/" + string(m.ContainerResource.Name) + "/" + m.ContainerResource.Container
	case m.Pods != nil:
		return "pods/" + m.Pods.Metric.Name
	case m.Object != nil:
		return "object/" + m.Object.Metric.Name
	default:
		return "external/" + m.External.Metric.Name
	}
}

func (r *recorder) state(s *autoscalingv2.HorizontalPodAutoscalerStatus) hpa.State {
	out := hpa.State{CurrentReplicas: s.CurrentReplicas, DesiredReplicas: s.DesiredReplicas, Conditions: translate.Conditions(s.Conditions)}
	if s.LastScaleTime != nil {
		out.LastScaleTime = s.LastScaleTime.Time
	}
	if r.a.recommendations[r.key] != nil {
		out.Recommendations = []hpa.Recommendation{} // the tests know an empty past
	}
	for _, one := range r.a.recommendations[r.key] {
		out.Recommendations = append(out.Recommendations, hpa.Recommendation{Replicas: one.recommendation, At: one.timestamp})
	}
	for _, one := range r.a.scaleUpEvents[r.key] {
		out.ScaleUps = append(out.ScaleUps, hpa.ScaleEvent{Change: one.replicaChange, At: one.timestamp, Outdated: one.outdated})
	}
	for _, one := range r.a.scaleDownEvents[r.key] {
		out.ScaleDowns = append(out.ScaleDowns, hpa.ScaleEvent{Change: one.replicaChange, At: one.timestamp, Outdated: one.outdated})
	}
	return out
}

// rebase moves all times, so that the reconcile was at a fixed one. What it
// stamped itself was then, too.
func (r *recorder) rebase() {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	shift := func(t *time.Time) {
		if !t.IsZero() {
			*t = base.Add(t.Sub(r.now)).UTC()
		}
	}
	stamp := func(t *time.Time) {
		if shift(t); t.After(base) {
			*t = base
		}
	}
	v := &r.vector
	shift(&v.Now)
	for _, s := range []*hpa.State{&v.Before, &v.After} {
		stamp(&s.LastScaleTime)
		for i := range s.Recommendations {
			stamp(&s.Recommendations[i].At)
		}
		for i := range s.ScaleUps {
			stamp(&s.ScaleUps[i].At)
		}
		for i := range s.ScaleDowns {
			stamp(&s.ScaleDowns[i].At)
		}
		for i := range s.Conditions {
			s.Conditions[i].Since = time.Time{}
		}
	}
	for i := range v.Seen.Pods {
		shift(&v.Seen.Pods[i].ReadySince)
		shift(&v.Seen.Pods[i].Started)
	}
	for i := range v.Seen.Readings {
		for j := range v.Seen.Readings[i].Pods {
			shift(&v.Seen.Readings[i].Pods[j].At)
		}
		for j := range v.Seen.Readings[i].Unlisted {
			shift(&v.Seen.Readings[i].Unlisted[j].At)
		}
	}
}

func statusOf(m *autoscalingv2.MetricStatus) status {
	var v autoscalingv2.MetricValueStatus
	switch {
	case m.Resource != nil:
		v = m.Resource.Current
	case m.ContainerResource != nil:
		v = m.ContainerResource.Current
	case m.Pods != nil:
		v = m.Pods.Current
	case m.Object != nil:
		v = m.Object.Current
	case m.External != nil:
		v = m.External.Current
	}
	var s status
	if v.AverageUtilization != nil {
		s.Percent = *v.AverageUtilization
	}
	if v.AverageValue != nil {
		s.Milli = v.AverageValue.MilliValue()
	}
	if v.Value != nil {
		s.Milli = v.Value.MilliValue()
	}
	return s
}

// --- clients

func (r *recorder) perPod(id string, info metricsclient.PodMetricsInfo, err error) {
	if err != nil {
		r.readings[id] = hpa.Reading{Err: err}
		return
	}
	r.readings[id] = translate.Samples(r.pods(), info)
}

func (r *recorder) GetResourceMetric(ctx context.Context, resource v1.ResourceName, namespace string, selector labels.Selector, container string) (metricsclient.PodMetricsInfo, time.Time, error) {
	info, at, err := r.client.GetResourceMetric(ctx, resource, namespace, selector, container)
	r.perPod("resource/"+string(resource)+"/"+container, info, err)
	return info, at, err
}

func (r *recorder) GetRawMetric(name, namespace string, selector, metricSelector labels.Selector) (metricsclient.PodMetricsInfo, time.Time, error) {
	info, at, err := r.client.GetRawMetric(name, namespace, selector, metricSelector)
	r.perPod("pods/"+name, info, err)
	return info, at, err
}

func (r *recorder) GetObjectMetric(name, namespace string, ref *autoscalingv2.CrossVersionObjectReference, selector labels.Selector) (int64, time.Time, error) {
	value, at, err := r.client.GetObjectMetric(name, namespace, ref, selector)
	r.readings["object/"+name] = hpa.Reading{Values: []int64{value}, Err: err}
	return value, at, err
}

func (r *recorder) GetExternalMetric(name, namespace string, selector labels.Selector) ([]int64, time.Time, error) {
	values, at, err := r.client.GetExternalMetric(name, namespace, selector)
	r.readings["external/"+name] = hpa.Reading{Values: values, Err: err}
	return values, at, err
}

type recordedScales struct{ r *recorder }

func (s recordedScales) Scales(namespace string) scaleclient.ScaleInterface {
	return recordedScale{s.r.scales.Scales(namespace), s.r}
}

type recordedScale struct {
	scaleclient.ScaleInterface
	r *recorder
}

func (s recordedScale) Get(ctx context.Context, resource schema.GroupResource, name string, opts metav1.GetOptions) (*autoscalingv1.Scale, error) {
	scale, err := s.ScaleInterface.Get(ctx, resource, name, opts)
	if err != nil && s.r.scale == nil {
		s.r.vector.ScaleReadErr = err.Error()
	}
	if err == nil && s.r.scale == nil {
		s.r.scale = scale.DeepCopy()
		s.r.vector.ScaleReadErr = ""
	}
	return scale, err
}

func (s recordedScale) Update(ctx context.Context, resource schema.GroupResource, scale *autoscalingv1.Scale, opts metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.r.vector.Writes = []int32{scale.Spec.Replicas} // once, however often it is tried
	s.r.vector.WriteErr = ""
	updated, err := s.ScaleInterface.Update(ctx, resource, scale, opts)
	if err != nil {
		s.r.vector.WriteErr = err.Error()
	}
	return updated, err
}

type recordedHPAs struct{ r *recorder }

func (h recordedHPAs) HorizontalPodAutoscalers(namespace string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return recordedHPA{h.r.hpas.HorizontalPodAutoscalers(namespace), h.r}
}

type recordedHPA struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	r *recorder
}

func (h recordedHPA) UpdateStatus(ctx context.Context, in *autoscalingv2.HorizontalPodAutoscaler, opts metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	h.r.after = in.Status.DeepCopy()
	return h.HorizontalPodAutoscalerInterface.UpdateStatus(ctx, in, opts)
}
