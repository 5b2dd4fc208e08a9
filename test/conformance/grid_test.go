package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"
	"unsafe"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/test/conformance/translate"
)

// The grids go through arithmetic cell by cell, where random values rarely meet
// the cells in which whole numbers and floating point differ.

// calculateScaleUpLimitWithScalingRules and its twin are the controller's policies.
//
//go:linkname calculateScaleUpLimitWithScalingRules k8s.io/kubernetes/pkg/controller/podautoscaler.calculateScaleUpLimitWithScalingRules
func calculateScaleUpLimitWithScalingRules(current int32, ups, downs []scaleEvent, rules *autoscalingv2.HPAScalingRules) int32

//go:linkname calculateScaleDownLimitWithBehaviors k8s.io/kubernetes/pkg/controller/podautoscaler.calculateScaleDownLimitWithBehaviors
func calculateScaleDownLimitWithBehaviors(current int32, ups, downs []scaleEvent, rules *autoscalingv2.HPAScalingRules) int32

func TestGridOfPercentPolicies(t *testing.T) {
	selects := autoscalingv2.MaxChangePolicySelect
	theirs := &autoscalingv2.HPAScalingRules{SelectPolicy: &selects, Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, PeriodSeconds: 60}}}
	policy := []hpa.Policy{{Type: hpa.PercentPolicy, Period: time.Minute}}
	none := time.Duration(0)
	ours := hpa.Rules{SelectPolicy: hpa.MaxChange, Policies: policy, StabilizationWindow: &none}
	spec := hpa.Spec{
		MaxReplicas: 1 << 30,
		Metrics:     []hpa.Metric{{Type: hpa.External, Name: "queue", Target: hpa.Target{Type: hpa.AverageValue, Milli: 1000}}},
		Behavior:    &hpa.Behavior{ScaleUp: ours, ScaleDown: ours},
		Controller:  hpa.DefaultController(),
	}
	const many = 1_000_000
	up, down := []hpa.Reading{{Values: []int64{many * 1000}}}, []hpa.Reading{{Values: []int64{0}}}
	now := time.Unix(0, 0)
	cells, unlike := 0, 0
	for base := int32(1); base <= 1000; base++ {
		for percent := int32(1); percent <= 900; percent++ {
			theirs.Policies[0].Value, policy[0].Value = percent, percent
			limitUp := calculateScaleUpLimitWithScalingRules(base, nil, nil, theirs)
			limitDown := calculateScaleDownLimitWithBehaviors(base, nil, nil, theirs)
			seen := hpa.Observation{Replicas: base, StatusReplicas: base, Readings: up}
			if got, want := to(t, spec, seen, now), min(many, max(base, limitUp)); got != want {
				t.Fatalf("%d replicas and %d %% up: the controller allows %d, pkg/hpa %d", base, percent, want, got)
			}
			seen.Readings = down
			if got, want := to(t, spec, seen, now), max(0, min(base, limitDown)); got != want {
				t.Fatalf("%d replicas and %d %% down: the controller allows %d, pkg/hpa %d", base, percent, want, got)
			}
			cells += 2
			if whole := base + (base*percent+99)/100; whole != limitUp {
				unlike++
			}
			if whole := base * (100 - percent) / 100; whole != limitDown {
				unlike++
			}
		}
	}
	t.Logf("%d cells, %d of them unlike whole numbers", cells, unlike)
}

func to(t *testing.T, spec hpa.Spec, seen hpa.Observation, now time.Time) int32 {
	decision, _, err := hpa.Step(&spec, hpa.State{}, &seen, now)
	if err != nil {
		t.Fatal(err)
	}
	return decision.To
}

// A cell is a target, a reading and a number of pods of a grid.
type cell struct {
	kind       hpa.MetricType
	target     hpa.Target
	usage      int64
	tolerances hpa.Tolerances
}

func TestGridOfRatios(t *testing.T) {
	cells := 0
	for _, tolerances := range []hpa.Tolerances{{ScaleDown: 0.1, ScaleUp: 0.1}, {}, {ScaleDown: 0.05, ScaleUp: 0.2}, {ScaleDown: 0.5700000000000001, ScaleUp: 0.57}} {
		for pods := range 8 {
			g := newGrid(pods)
			for target := int64(1); target <= 60; target++ {
				for usage := int64(0); usage <= 130; usage++ {
					for _, c := range []cell{
						{hpa.Resource, hpa.Target{Type: hpa.Utilization, Percent: int32(target)}, usage, tolerances},
						{hpa.Pods, hpa.Target{Type: hpa.AverageValue, Milli: target}, usage, tolerances},
						{hpa.Object, hpa.Target{Type: hpa.Value, Milli: target}, usage, tolerances},
						{hpa.Object, hpa.Target{Type: hpa.AverageValue, Milli: target}, usage * int64(pods), tolerances},
						{hpa.External, hpa.Target{Type: hpa.Value, Milli: target}, usage, tolerances},
						{hpa.External, hpa.Target{Type: hpa.AverageValue, Milli: target}, usage * int64(pods), tolerances},
					} {
						g.compare(t, c)
						cells++
					}
				}
			}
		}
	}
	t.Logf("%d cells", cells)
}

// A grid is a number of pods that all have the same sample, on both sides.
type grid struct {
	world      *world
	calculator *podautoscaler.ReplicaCalculator
	selector   labels.Selector
	pods       []hpa.Pod
	samples    []hpa.Sample
}

const resourceMilli = 100 // what each pod requests: its usage is its percentage

func newGrid(n int) *grid {
	g := &grid{world: &world{}, selector: labels.SelectorFromSet(labels.Set{"app": "web"})}
	informer := newInformer()
	g.calculator = podautoscaler.NewReplicaCalculator(metricsOf{g.world}, podInformer{informer}.Lister(), cpuInitialization, initialReadiness)
	for i := range n {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("web-", i), Labels: map[string]string{"app": "web"}},
			Spec:       memoryPod(),
			Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			}},
		}
		if err := informer.indexer.Add(pod); err != nil {
			panic(err)
		}
		g.pods = append(g.pods, translate.Pod(pod))
	}
	g.samples = make([]hpa.Sample, n)
	return g
}

// memoryPod requests resourceMilli of memory.
func memoryPod() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceMemory: *resource.NewMilliQuantity(resourceMilli, resource.DecimalSI)},
	}}}}
}

func (g *grid) compare(t *testing.T, c cell) {
	theirs, status, err := g.upstream(c)
	ours := g.pitot(t, c)
	switch {
	case (err != nil) != (ours.Err != ""):
		t.Fatalf("%+v with %d pods: the controller's error is %v, that of pkg/hpa %q", c, len(g.pods), err, ours.Err)
	case err == nil && (ours.Proposal != theirs || ours.Usage != status):
		t.Fatalf("%+v with %d pods: the controller proposes %d for %d, pkg/hpa %d for %d", c, len(g.pods), theirs, status, ours.Proposal, ours.Usage)
	}
}

func (g *grid) upstream(c cell) (replicas int32, status int64, err error) {
	// The fields of Tolerances have no exported names.
	tolerances := *(*podautoscaler.Tolerances)(unsafe.Pointer(&c.tolerances))
	current := int32(len(g.pods))
	pods := metrics.PodMetricsInfo{}
	for i := range g.pods {
		pods[g.pods[i].Name] = metrics.PodMetric{Value: c.usage}
	}
	g.world.readings = map[string]reading{"memory/": {pods: pods}, "m": {pods: pods, values: []int64{c.usage}}}
	switch {
	case c.kind == hpa.Resource:
		replicas, _, status, _, err = g.calculator.GetResourceReplicas(context.Background(), current, c.target.Percent, corev1.ResourceMemory, tolerances, namespace, g.selector, "")
	case c.kind == hpa.Pods:
		replicas, status, _, err = g.calculator.GetMetricReplicas(current, c.target.Milli, "m", tolerances, namespace, g.selector, labels.Everything())
	case c.kind == hpa.Object && c.target.Type == hpa.Value:
		replicas, status, _, err = g.calculator.GetObjectMetricReplicas(current, c.target.Milli, "m", tolerances, namespace, &autoscalingv2.CrossVersionObjectReference{}, g.selector, labels.Everything())
	case c.kind == hpa.Object:
		replicas, status, _, err = g.calculator.GetObjectPerPodMetricReplicas(current, c.target.Milli, "m", tolerances, namespace, &autoscalingv2.CrossVersionObjectReference{}, labels.Everything())
	case c.target.Type == hpa.Value:
		replicas, status, _, err = g.calculator.GetExternalMetricReplicas(current, c.target.Milli, "m", tolerances, namespace, nil, g.selector)
	default:
		replicas, status, _, err = g.calculator.GetExternalPerPodMetricReplicas(current, c.target.Milli, "m", tolerances, namespace, nil)
	}
	return replicas, status, err
}

// pitot asks the metric beside one that keeps the target awake at zero.
func (g *grid) pitot(t *testing.T, c cell) *hpa.MetricTrail {
	for i := range g.samples {
		g.samples[i] = hpa.Sample{Present: true, Milli: c.usage}
	}
	name := "m"
	if c.kind == hpa.Resource {
		name = "memory"
	}
	controller := hpa.DefaultController()
	controller.Profile.Zero = hpa.ZeroByMinimum // goes on at zero
	decision, _, err := hpa.Explain(&hpa.Spec{
		MaxReplicas: 1000,
		Metrics:     []hpa.Metric{{Type: c.kind, Name: name, Target: c.target}},
		Behavior:    &hpa.Behavior{ScaleUp: hpa.Rules{Tolerance: &c.tolerances.ScaleUp}, ScaleDown: hpa.Rules{Tolerance: &c.tolerances.ScaleDown}},
		Controller:  controller,
	}, hpa.State{}, &hpa.Observation{
		Replicas:       int32(len(g.pods)),
		StatusReplicas: int32(len(g.pods)),
		Pods:           g.pods,
		Readings:       []hpa.Reading{{Pods: g.samples, Values: []int64{c.usage}}},
	}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return &decision.Trail.Metrics[0]
}
