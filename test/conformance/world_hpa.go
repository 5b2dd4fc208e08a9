package conformance

import (
	"fmt"
	"math"
	"math/rand/v2"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
