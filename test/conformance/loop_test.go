package conformance

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// day is how long the closed loops run.
const day = 24 * time.Hour

// A move is a rescale, at a time since the start.
type move struct {
	At       time.Duration
	From, To int32
}

// TestClosedLoops lets each side steer a workload of its own for a day, the real
// controller with its own loop and queue, and compares what they did. A single
// other decision would lead the two loops apart.
func TestClosedLoops(t *testing.T) {
	profile := linked(t)
	for _, c := range []struct {
		name string
		hpa  autoscalingv2.HorizontalPodAutoscalerSpec
	}{
		{"policies in both directions", loopHPA(2, 60, shapedBehavior())},
		{"the API server's default behavior", loopHPA(2, 60, defaultBehavior())},
		{"no behavior", loopHPA(2, 60, nil)},
		{"to zero and back", queueHPA()},
	} {
		for _, latency := range []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, %v", c.name, latency), func(t *testing.T) {
				if c.name == "to zero and back" && profile.Zero != hpa.ZeroByCondition {
					t.Skip("not in this version without a feature gate")
				}
				upstream, pitot := upstreamLoop(t, c.hpa, latency), pitotLoop(t, c.hpa, profile, latency)
				for i := range min(len(upstream), len(pitot)) {
					if upstream[i] != pitot[i] {
						t.Fatalf("after %d equal moves: the controller %+v, pkg/hpa %+v", i, upstream[i], pitot[i])
					}
				}
				if len(upstream) != len(pitot) || len(upstream) < 20 {
					t.Fatalf("the controller made %d moves, pkg/hpa %d", len(upstream), len(pitot))
				}
				ran.loops++
				t.Logf("%d moves: %v …", len(upstream), upstream[:3])
			})
		}
	}
}

// upstreamLoop is the real controller as it runs in a cluster.
func upstreamLoop(t *testing.T, spec autoscalingv2.HorizontalPodAutoscalerSpec, latency time.Duration) []move {
	t.Helper()
	var moves []move
	synctest.Test(t, func(*testing.T) {
		l := newLoop(spec)
		u := newUpstream(l.world)
		u.scales.before = func() {
			time.Sleep(latency)
			l.observe(time.Now())
			u.see()
		}
		u.scales.after = func(to int32) {
			moves = append(moves, move{time.Since(l.start), l.world.replicas, to})
			l.scale(to)
		}
		u.hpas.watching = u.hpaInformer.handlers
		u.see() // the spec is there before the first sync
		running := make(chan struct{})
		go func() {
			defer close(running)
			u.controller.Run(u.ctx, 1)
		}()
		time.Sleep(day - 1) // the sync at midnight is the next day's
		u.cancel()
		<-running
	})
	return moves
}

// pitotLoop is pkg/hpa at the times at which a controller with that latency
// would sync.
func pitotLoop(t *testing.T, spec autoscalingv2.HorizontalPodAutoscalerSpec, profile hpa.Profile, latency time.Duration) []move {
	t.Helper()
	var moves []move
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(spec)
		var state hpa.State
		first := l.start.Add(latency)
		if !profile.SyncsAtOnce {
			first = first.Add(syncPeriod)
		}
		for now := first; now.Sub(l.start) < day; now = now.Add(syncPeriod + latency) {
			l.observe(now)
			spec, seen := l.world.spec(profile), l.world.observation()
			decision, after, err := hpa.Step(&spec, state, &seen, now)
			if err != nil {
				t.Fatal(err)
			}
			state = after
			if decision.Outcome == hpa.Rescaled {
				moves = append(moves, move{now.Sub(l.start), decision.From, decision.To})
				l.scale(decision.To)
			}
		}
	})
	return moves
}

// A loop is a workload under a load that depends on the time of day only.
type loop struct {
	world *world
	start time.Time
	since []time.Time // when each pod was made
}

func newLoop(spec autoscalingv2.HorizontalPodAutoscalerSpec) *loop {
	l := &loop{world: &world{hpa: spec, selector: selector}, start: time.Now()}
	l.scale(4)
	l.observe(l.start)
	return l
}

// scale makes pods, or removes the youngest.
func (l *loop) scale(to int32) {
	l.world.replicas = to
	l.since = l.since[:min(len(l.since), int(to))]
	for len(l.since) < int(to) {
		l.since = append(l.since, time.Now())
	}
}

// observe is what a sync sees: pods start within 5 s and are ready after 20 s.
func (l *loop) observe(now time.Time) {
	w := l.world
	w.statusReplicas = w.replicas
	w.podsChanged = true
	w.pods = nil
	samples := metrics.PodMetricsInfo{}
	demand := l.demand(now)
	for i, since := range l.since {
		pod := loopPod(i, since, now)
		w.pods = append(w.pods, pod)
		if pod.Status.Phase == corev1.PodRunning {
			samples[pod.Name] = metrics.PodMetric{Value: int64(demand * 1000 / float64(len(l.since))), Timestamp: now, Window: 15 * time.Second}
		}
	}
	w.readings = map[string]reading{"qps": {pods: samples}, "queue": {values: []int64{int64(demand / 3 * 1000)}}}
	if hour := now.Sub(l.start) / time.Hour; hour == 5 || hour == 17 {
		w.readings["qps"] = reading{err: errDown}
	}
}

// demand is a wave of two hours on one of a day, with a burst each 37 minutes,
// and nothing for the last hour of each six.
func (l *loop) demand(now time.Time) float64 {
	at := now.Sub(l.start).Minutes()
	if math.Mod(at, 360) > 300 {
		return 0
	}
	demand := 1500 + 1000*math.Sin(at/1440*2*math.Pi) + 700*math.Sin(at/120*2*math.Pi)
	if math.Mod(at, 37) < 4 {
		demand += 1200
	}
	return max(0, demand)
}

func loopPod(i int, since, now time.Time) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("web-", i), Labels: map[string]string{"app": "web"}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	if age := now.Sub(since); age >= 5*time.Second {
		started := metav1.NewTime(since.Add(5 * time.Second))
		pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, &started
		ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: started}
		if age >= 20*time.Second {
			ready.Status, ready.LastTransitionTime = corev1.ConditionTrue, metav1.NewTime(since.Add(20*time.Second))
		}
		pod.Status.Conditions = []corev1.PodCondition{ready}
	}
	return pod
}

func loopHPA(least, most int32, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior) autoscalingv2.HorizontalPodAutoscalerSpec {
	return autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target},
		MinReplicas:    &least,
		MaxReplicas:    most,
		Behavior:       behavior,
		Metrics: []autoscalingv2.MetricSpec{
			{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "qps"}, Target: perPod("100")}},
			queueMetric(),
		},
	}
}

// queueHPA may go to zero.
func queueHPA() autoscalingv2.HorizontalPodAutoscalerSpec {
	spec := loopHPA(0, 60, shapedBehavior())
	spec.Metrics = []autoscalingv2.MetricSpec{queueMetric()}
	return spec
}

func queueMetric() autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "queue"}, Target: perPod("30")}}
}

func perPod(amount string) autoscalingv2.MetricTarget {
	q := resource.MustParse(amount)
	return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &q}
}

func shapedBehavior() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	most, least := autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect
	up, down := int32(30), int32(300)
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &up, SelectPolicy: &most, Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 60},
			{Type: autoscalingv2.PercentScalingPolicy, Value: 50, PeriodSeconds: 60},
		}},
		ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &down, SelectPolicy: &least, Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: 3, PeriodSeconds: 60},
			{Type: autoscalingv2.PercentScalingPolicy, Value: 10, PeriodSeconds: 60},
		}},
	}
}

func defaultBehavior() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	most := autoscalingv2.MaxChangePolicySelect
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32), SelectPolicy: &most, Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
		}},
		ScaleDown: &autoscalingv2.HPAScalingRules{SelectPolicy: &most, Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
		}},
	}
}
