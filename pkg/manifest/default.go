package manifest

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// defaultUtilization is the target, in percent of the CPU request, of an HPA
// without metrics.
const defaultUtilization = 80

// setDefaults fills in what autoscaling/v2 leaves to the API server
// (pkg/apis/autoscaling/v2/defaults.go there). Doing it twice changes nothing.
func setDefaults(in *autoscalingv2.HorizontalPodAutoscaler) {
	if in.Spec.MinReplicas == nil {
		in.Spec.MinReplicas = new(int32(1))
	}
	if len(in.Spec.Metrics) == 0 {
		in.Spec.Metrics = []autoscalingv2.MetricSpec{cpuUtilization(defaultUtilization)}
	}
	if b := in.Spec.Behavior; b != nil {
		b.ScaleUp = orElse(b.ScaleUp, autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(0)),
			Policies: []autoscalingv2.HPAScalingPolicy{
				{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
				{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
			},
		})
		// The window of scaling down is a flag of the controller, which the API
		// server does not know.
		b.ScaleDown = orElse(b.ScaleDown, autoscalingv2.HPAScalingRules{
			Policies: []autoscalingv2.HPAScalingPolicy{
				{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
			},
		})
	}
}

// orElse fills in what rules do not say. An empty list of policies was said,
// and is refused later.
func orElse(rules *autoscalingv2.HPAScalingRules, defaults autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	if rules == nil {
		rules = &autoscalingv2.HPAScalingRules{}
	}
	if rules.StabilizationWindowSeconds == nil {
		rules.StabilizationWindowSeconds = defaults.StabilizationWindowSeconds
	}
	if rules.SelectPolicy == nil {
		rules.SelectPolicy = new(autoscalingv2.MaxChangePolicySelect)
	}
	if rules.Policies == nil {
		rules.Policies = defaults.Policies
	}
	return rules
}

func cpuUtilization(percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{
			Name:   corev1.ResourceCPU,
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
		},
	}
}

// setNames fills in what kubectl and the API server add to the metadata: the
// namespace, and a name for one that is to be generated.
func setNames(in *autoscalingv2.HorizontalPodAutoscaler) {
	if in.Namespace == "" {
		in.Namespace = metav1.NamespaceDefault
	}
	if in.Name == "" && in.GenerateName != "" {
		in.Name = in.GenerateName + "xxxxx"
	}
}
