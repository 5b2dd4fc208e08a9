package conformance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// A world is a cluster with one HPA. What happens in it is drawn at random.
type world struct {
	hpa autoscalingv2.HorizontalPodAutoscalerSpec

	replicas, statusReplicas int32
	selector                 string
	scaleReadErr             error
	scaleWriteErr            error

	pods        []*corev1.Pod
	podsChanged bool // since the controller last saw them
	templates   []corev1.PodSpec
	born        int // pods so far, for their names

	readings map[string]reading // see metricsOf
	loads    map[string]float64 // behind a reading: how many pods would be at their target
	night    bool               // no load at all
}

// A reading is the answer of a metrics API.
type reading struct {
	err    error
	pods   metrics.PodMetricsInfo
	values []int64
}

var errDown = errors.New("the metrics API is down")

func chance(rng *rand.Rand, p float64) bool { return rng.Float64() < p }

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func newWorld(rng *rand.Rand, now time.Time) *world {
	w := &world{selector: selector, loads: map[string]float64{}}
	for range 1 + rng.IntN(3) {
		w.templates = append(w.templates, newTemplate(rng))
	}
	w.hpa = newHPA(rng)
	w.replicas = rng.Int32N(12)
	w.followScale(rng, now)
	return w
}

// step lets something happen before the next sync.
func (w *world) step(rng *rand.Rand, now time.Time) {
	w.edit(rng)
	w.mishap(rng)
	w.followScale(rng, now)
	for i := range w.pods {
		if chance(rng, 0.2) {
			w.live(rng, i, now)
		}
	}
	w.measure(rng, now)
}

// gap is the time until the next sync: the period and some latency, or exactly
// the period, so that windows and syncs meet at their edges, or an outage.
func gap(rng *rand.Rand) time.Duration {
	switch n := rng.IntN(100); {
	case n < 45:
		return syncPeriod + time.Duration(rng.Int64N(int64(300*time.Millisecond)))
	case n < 85:
		return syncPeriod
	case n < 95:
		return time.Duration(1+rng.Int64N(14)) * time.Second
	case n < 99:
		return time.Duration(1+rng.Int64N(40)) * syncPeriod
	default:
		return time.Duration(rng.Int64N(int64(2 * time.Hour)))
	}
}

// edit is what people do: change the HPA, or the scale past the HPA.
func (w *world) edit(rng *rand.Rand) {
	if chance(rng, 0.015) {
		next := newHPA(rng)
		switch rng.IntN(4) {
		case 0:
			w.hpa = next
		case 1:
			w.hpa.Behavior = next.Behavior
		case 2:
			w.hpa.Metrics = next.Metrics
		case 3:
			w.hpa.MaxReplicas = max(next.MaxReplicas, *w.hpa.MinReplicas)
		}
		if !wakes(w.hpa.Metrics) && *w.hpa.MinReplicas == 0 {
			w.hpa.MinReplicas, w.hpa.MaxReplicas = new(int32), max(1, w.hpa.MaxReplicas)
			*w.hpa.MinReplicas = 1
		}
	}
	if chance(rng, 0.01) && wakes(w.hpa.Metrics) {
		*w.hpa.MinReplicas = rng.Int32N(1 + min(3, w.hpa.MaxReplicas))
	}
	if chance(rng, 0.015) || (w.replicas == 0 && chance(rng, 0.1)) {
		w.replicas = pick(rng, 0, rng.Int32N(20), rng.Int32N(20), w.hpa.MaxReplicas, *w.hpa.MinReplicas)
	}
	if chance(rng, 0.02) {
		w.night = !w.night
	}
}

func (w *world) mishap(rng *rand.Rand) {
	w.scaleReadErr, w.scaleWriteErr, w.selector = nil, nil, selector
	switch n := rng.IntN(400); {
	case n < 4:
		w.scaleReadErr = errors.New("the API server is down")
	case n < 12:
		w.scaleWriteErr = errors.New("an admission webhook says no")
	case n < 14:
		w.selector = ""
	case n < 16:
		w.selector = "((("
	}
}

// writeErr is the answer to writing a count.
func (w *world) writeErr(replicas int32) error {
	if replicas < 0 {
		return errors.New("spec.replicas: must be greater than or equal to 0")
	}
	return w.scaleWriteErr
}

// --- the HPA

func wakes(specs []autoscalingv2.MetricSpec) bool {
	for _, m := range specs {
		if m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType {
			return true
		}
	}
	return false
}

func newHPA(rng *rand.Rand) autoscalingv2.HorizontalPodAutoscalerSpec {
	spec := autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target},
		Behavior:       newBehavior(rng),
	}
	for i := range 1 + rng.IntN(3) {
		spec.Metrics = append(spec.Metrics, newMetric(rng, i))
	}
	least := 1 + rng.Int32N(3)
	if wakes(spec.Metrics) && chance(rng, 0.6) {
		least = 0
	}
	spec.MinReplicas = &least
	spec.MaxReplicas = max(1, least+rng.Int32N(20))
	if chance(rng, 0.05) {
		spec.MaxReplicas = pick[int32](rng, 1000, math.MaxInt32, math.MaxInt32-1)
	}
	return spec
}

func newMetric(rng *rand.Rand, i int) autoscalingv2.MetricSpec {
	id := autoscalingv2.MetricIdentifier{Name: fmt.Sprint("m", i)}
	average := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: amount(rng)}
	whole := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: amount(rng)}
	wholeOrAverage := pick(rng, average, whole)
	resources := average
	if chance(rng, 0.6) {
		percent := pick[int32](rng, 1, 50, 80, 80, 100, 150, 1+rng.Int32N(200))
		resources = autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}
	}
	named := pick(rng, corev1.ResourceCPU, corev1.ResourceCPU, corev1.ResourceMemory)
	switch rng.IntN(5) {
	case 0:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: named, Target: resources}}
	case 1:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: named, Container: pick(rng, "app", "app", "app", "app", "app", "app", "app", "app", "helper", "sidecar"), Target: resources}}
	case 2:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType,
			Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: average}}
	case 3:
		if chance(rng, 0.05) { // accepted by the API server, not understood by the controller
			wholeOrAverage.Type = pick(rng, autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType, autoscalingv2.UtilizationMetricType)
		}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType,
			Object: &autoscalingv2.ObjectMetricSource{DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: "Service", Name: "web"}, Metric: id, Target: wholeOrAverage}}
	default:
		if chance(rng, 0.3) {
			id.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "orders"}}
		}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType,
			External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: wholeOrAverage}}
	}
}

// amount is a quantity for a target, below a milli included.
func amount(rng *rand.Rand) *resource.Quantity {
	text := pick(rng, "100", "30", "500m", "1", "2", "1500m", "7m", "1m", "123456789n", "1e3", "64Mi", fmt.Sprintf("%dm", 1+rng.IntN(100000)))
	q := resource.MustParse(text)
	return &q
}

func newBehavior(rng *rand.Rand) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	if chance(rng, 0.3) {
		return nil
	}
	b := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: newRules(rng), ScaleDown: newRules(rng)}
	if b.ScaleUp.StabilizationWindowSeconds == nil {
		b.ScaleUp.StabilizationWindowSeconds = new(int32) // the API server's default
	}
	return b
}

func newRules(rng *rand.Rand) *autoscalingv2.HPAScalingRules {
	rules := &autoscalingv2.HPAScalingRules{}
	selects := pick(rng, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect)
	if chance(rng, 0.05) {
		selects = autoscalingv2.DisabledPolicySelect
	}
	rules.SelectPolicy = &selects
	if chance(rng, 0.7) {
		window := pick[int32](rng, 0, 0, 15, 30, 60, 61, 300, 3600, rng.Int32N(400))
		rules.StabilizationWindowSeconds = &window
	}
	for range 1 + rng.IntN(3) {
		rules.Policies = append(rules.Policies, autoscalingv2.HPAScalingPolicy{
			Type:          pick(rng, autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy),
			Value:         pick[int32](rng, 1, 1, 2, 4, 10, 12, 25, 50, 80, 90, 100, 400, 1+rng.Int32N(900)),
			PeriodSeconds: pick[int32](rng, 15, 15, 30, 60, 60, 90, 120, 300, 600, 1800, 1+rng.Int32N(1800)),
		})
	}
	if chance(rng, 0.3) {
		q := resource.MustParse(pick(rng, "0", "0.05", "50m", "570m", "0.2", "1", "1500m", "0.1", fmt.Sprintf("%dm", rng.IntN(1000))))
		rules.Tolerance = &q
	}
	return rules
}

// --- pods

func newTemplate(rng *rand.Rand) corev1.PodSpec {
	always := corev1.ContainerRestartPolicyAlways
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: newRequests(rng)}}}
	if chance(rng, 0.4) {
		spec.Containers = append(spec.Containers, corev1.Container{Name: "helper", Resources: newRequests(rng)})
	}
	if chance(rng, 0.3) {
		spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: "sidecar", RestartPolicy: &always, Resources: newRequests(rng)})
	}
	if chance(rng, 0.3) {
		spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: "migrate", Resources: newRequests(rng)})
	}
	if chance(rng, 0.15) {
		whole := newRequests(rng)
		spec.Resources = &whole
	}
	if chance(rng, 0.1) {
		spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}
	}
	return spec
}

func newRequests(rng *rand.Rand) corev1.ResourceRequirements {
	requests := corev1.ResourceList{}
	if chance(rng, 0.99) {
		requests[corev1.ResourceCPU] = resource.MustParse(pick(rng, "100m", "250m", "1", "1500m", "333m", "1m"))
	}
	if chance(rng, 0.99) {
		requests[corev1.ResourceMemory] = resource.MustParse(pick(rng, "64Mi", "128Mi", "1Gi", "100M", "1500m"))
	}
	return corev1.ResourceRequirements{Requests: requests}
}

// most is the largest number of pods that exist, however many are asked for.
const most = 14

// followScale makes and deletes pods, sooner or later.
func (w *world) followScale(rng *rand.Rand, now time.Time) {
	if chance(rng, 0.7) {
		want := min(int(w.replicas), most)
		for len(w.pods) < want {
			w.bear(rng, now)
		}
		for i := 0; i < len(w.pods)-want; i++ {
			if chance(rng, 0.5) {
				w.change(i).DeletionTimestamp = &metav1.Time{Time: now}
			}
		}
	}
	kept := w.pods[:0:0]
	for _, pod := range w.pods {
		if pod.DeletionTimestamp == nil || chance(rng, 0.7) {
			kept = append(kept, pod)
		}
	}
	if len(kept) != len(w.pods) {
		w.podsChanged = true
	}
	w.pods = kept
	w.statusReplicas = int32(len(w.pods))
	if chance(rng, 0.3) {
		w.statusReplicas = pick(rng, w.replicas, rng.Int32N(15))
	}
}

func (w *world) bear(rng *rand.Rand, now time.Time) {
	w.born++
	w.podsChanged = true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("web-", w.born), Labels: map[string]string{"app": "web"}},
		Spec:       w.templates[rng.IntN(len(w.templates))],
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	w.pods = append(w.pods, pod)
	if chance(rng, 0.5) {
		w.live(rng, len(w.pods)-1, now)
	}
}

// change gives a pod to change: the controller's informer may hold the old one.
func (w *world) change(i int) *corev1.Pod {
	w.podsChanged = true
	w.pods[i] = w.pods[i].DeepCopy()
	return w.pods[i]
}

// live lets something happen to a pod.
func (w *world) live(rng *rand.Rand, i int, now time.Time) {
	pod := w.change(i)
	earlier := func() metav1.Time {
		return metav1.NewTime(now.Add(-pick(rng, 0, 15*time.Second, 30*time.Second, 60*time.Second, time.Duration(rng.Int64N(int64(10*time.Minute))))))
	}
	if pod.Status.Phase == corev1.PodPending {
		pod.Status.Phase = corev1.PodRunning
		started := earlier()
		pod.Status.StartTime = &started
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: started}}
	}
	switch n := rng.IntN(100); {
	case n < 60:
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: earlier()},
		}
	case n < 75:
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: earlier()}}
	case n < 79:
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionUnknown, LastTransitionTime: earlier()}}
	case n < 82:
		pod.Status.Conditions = nil
	case n < 85:
		pod.Status.StartTime = nil
	case n < 88:
		pod.Status.Phase = corev1.PodFailed
	case n < 91:
		pod.Status.Phase = corev1.PodSucceeded
	case n < 93:
		pod.Status.Phase = corev1.PodUnknown
	case n < 95:
		pod.Status.Phase = corev1.PodPending
	case n < 97:
		pod.DeletionTimestamp = &metav1.Time{Time: now}
	}
}

// --- metrics

// measure answers all metrics anew.
func (w *world) measure(rng *rand.Rand, now time.Time) {
	w.readings = map[string]reading{}
	for _, m := range w.hpa.Metrics {
		id, share := w.source(m)
		if _, done := w.readings[id]; !done {
			w.readings[id] = w.read(rng, id, share, now)
		}
	}
}

// source is the name of a metric's reading, and what a pod uses at its target.
func (w *world) source(m autoscalingv2.MetricSpec) (id string, share int64) {
	switch m.Type {
	case autoscalingv2.ResourceMetricSourceType:
		return resourceReading(m.Resource.Name, ""), w.share(m.Resource.Name, m.Resource.Target)
	case autoscalingv2.ContainerResourceMetricSourceType:
		return resourceReading(m.ContainerResource.Name, m.ContainerResource.Container), w.share(m.ContainerResource.Name, m.ContainerResource.Target)
	case autoscalingv2.PodsMetricSourceType:
		return m.Pods.Metric.Name, m.Pods.Target.AverageValue.MilliValue()
	case autoscalingv2.ObjectMetricSourceType:
		return m.Object.Metric.Name, w.share("", m.Object.Target)
	default:
		return m.External.Metric.Name, w.share("", m.External.Target)
	}
}

func (w *world) share(name corev1.ResourceName, t autoscalingv2.MetricTarget) int64 {
	switch {
	case t.AverageValue != nil:
		return t.AverageValue.MilliValue()
	case t.Value != nil:
		return t.Value.MilliValue() / max(1, int64(w.statusReplicas))
	default:
		request := w.templates[0].Containers[0].Resources.Requests[name]
		return request.MilliValue() * int64(*t.AverageUtilization) / 100
	}
}

// level is a reading over its target. The load lasts a while and is shared by
// the pods there are, so that the HPA can meet it.
func (w *world) level(rng *rand.Rand, id string) float64 {
	load, known := w.loads[id]
	if !known || chance(rng, 0.1) {
		load = pick(rng, 0, 1, 2, 5, 10, 12*rng.Float64(), 12*rng.Float64(), 40*rng.Float64())
		w.loads[id] = load
	}
	switch {
	case w.night:
		return 0
	case chance(rng, 0.1): // the edges of tolerances
		return pick(rng, 0.5, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 2)
	default:
		return load / float64(max(1, len(w.pods)))
	}
}

func (w *world) read(rng *rand.Rand, id string, share int64, now time.Time) reading {
	if chance(rng, 0.04) {
		return reading{err: errDown}
	}
	level := w.level(rng, id)
	var r reading
	pods := metrics.PodMetricsInfo{}
	sample := func(name string) {
		pods[name] = metrics.PodMetric{
			Value:     value(rng, share, level),
			Timestamp: now.Add(-pick(rng, 0, 15*time.Second, 30*time.Second, time.Duration(rng.Int64N(int64(2*time.Minute))))),
			Window:    pick(rng, 10*time.Second, 15*time.Second, 30*time.Second, time.Minute),
		}
	}
	some := pick(rng, 1, 1, 1, 0.9, 0.5, 0)
	for _, pod := range w.pods {
		if chance(rng, some) {
			sample(pod.Name)
		}
	}
	for chance(rng, 0.08) {
		sample(fmt.Sprint("gone-", rng.IntN(5)))
	}
	r.pods = pods
	if chance(rng, 0.03) {
		return r
	}
	for range 1 + rng.IntN(3) {
		r.values = append(r.values, value(rng, share*max(1, int64(w.statusReplicas)), level))
	}
	return r
}

// value is about level times share, and now and then absurd.
func value(rng *rand.Rand, share int64, level float64) int64 {
	if chance(rng, 0.003) {
		return pick[int64](rng, math.MaxInt64, math.MaxInt64/2, math.MaxInt64/100, math.MinInt64, -share, -1, math.MaxInt32, 1<<53+1)
	}
	exact := float64(share) * level
	if chance(rng, 0.5) {
		return int64(exact)
	}
	return int64(exact * (0.7 + 0.6*rng.Float64()))
}
