package manifest

import (
	"encoding/json"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The annotations in which autoscaling/v1 carries what it has no fields for.
const (
	metricsAnnotation  = "autoscaling.alpha.kubernetes.io/metrics"
	behaviorAnnotation = "autoscaling.alpha.kubernetes.io/behavior"
)

// fromV1 says in v2 what a v1 object means (pkg/apis/autoscaling/v1 of the API
// server). The metrics of the annotation come first, as they do there. An
// annotation that cannot be read is one that is not there.
func fromV1(in *autoscalingv1.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	out := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: in.ObjectMeta,
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference(in.Spec.ScaleTargetRef),
			MinReplicas:    in.Spec.MinReplicas,
			MaxReplicas:    in.Spec.MaxReplicas,
		},
	}
	if out.Spec.MinReplicas == nil {
		out.Spec.MinReplicas = new(int32(1))
	}
	var metrics []autoscalingv1.MetricSpec
	if json.Unmarshal([]byte(in.Annotations[metricsAnnotation]), &metrics) == nil {
		for i := range metrics {
			out.Spec.Metrics = append(out.Spec.Metrics, metricFromV1(&metrics[i]))
		}
	}
	if percent := in.Spec.TargetCPUUtilizationPercentage; percent != nil {
		out.Spec.Metrics = append(out.Spec.Metrics, cpuUtilization(*percent))
	}
	if len(out.Spec.Metrics) == 0 {
		out.Spec.Metrics = append(out.Spec.Metrics, cpuUtilization(defaultUtilization))
	}
	var behavior autoscalingv2.HorizontalPodAutoscalerBehavior
	err := json.Unmarshal([]byte(in.Annotations[behaviorAnnotation]), &behavior)
	if err == nil && behavior != (autoscalingv2.HorizontalPodAutoscalerBehavior{}) {
		out.Spec.Behavior = &behavior
	}
	return out
}

func metricFromV1(in *autoscalingv1.MetricSpec) autoscalingv2.MetricSpec {
	out := autoscalingv2.MetricSpec{Type: autoscalingv2.MetricSourceType(in.Type)}
	if from := in.Object; from != nil {
		out.Object = &autoscalingv2.ObjectMetricSource{
			DescribedObject: autoscalingv2.CrossVersionObjectReference(from.Target),
			Metric:          autoscalingv2.MetricIdentifier{Name: from.MetricName, Selector: from.Selector},
			Target:          objectTargetFromV1(from),
		}
	}
	if from := in.Pods; from != nil {
		out.Pods = &autoscalingv2.PodsMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: from.MetricName, Selector: from.Selector},
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &from.TargetAverageValue},
		}
	}
	if from := in.Resource; from != nil {
		out.Resource = &autoscalingv2.ResourceMetricSource{
			Name:   from.Name,
			Target: resourceTargetFromV1(from.TargetAverageUtilization, from.TargetAverageValue),
		}
	}
	if from := in.ContainerResource; from != nil {
		out.ContainerResource = &autoscalingv2.ContainerResourceMetricSource{
			Name:      from.Name,
			Container: from.Container,
			Target:    resourceTargetFromV1(from.TargetAverageUtilization, from.TargetAverageValue),
		}
	}
	if from := in.External; from != nil {
		out.External = &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: from.MetricName, Selector: from.MetricSelector},
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, Value: from.TargetValue, AverageValue: from.TargetAverageValue},
		}
		if from.TargetValue != nil {
			out.External.Target.Type = autoscalingv2.ValueMetricType
		}
	}
	return out
}

// objectTargetFromV1 knows that v1 cannot leave the value out: beside an
// average, zero is none.
func objectTargetFromV1(from *autoscalingv1.ObjectMetricSource) autoscalingv2.MetricTarget {
	out := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, AverageValue: from.AverageValue}
	if from.AverageValue != nil {
		out.Type = autoscalingv2.AverageValueMetricType
	}
	if from.AverageValue == nil || !from.TargetValue.IsZero() {
		out.Value = &from.TargetValue
	}
	return out
}

func resourceTargetFromV1(utilization *int32, average *resource.Quantity) autoscalingv2.MetricTarget {
	out := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: average, AverageUtilization: utilization}
	if utilization != nil {
		out.Type = autoscalingv2.UtilizationMetricType
	}
	return out
}
