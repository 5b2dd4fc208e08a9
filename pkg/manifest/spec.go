package manifest

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// spec is what decides in a valid object with its defaults.
func spec(in *autoscalingv2.HorizontalPodAutoscalerSpec) hpa.Spec {
	out := hpa.Spec{MinReplicas: *in.MinReplicas, MaxReplicas: in.MaxReplicas, Controller: hpa.DefaultController()}
	for i := range in.Metrics {
		out.Metrics = append(out.Metrics, metric(&in.Metrics[i]))
	}
	if b := in.Behavior; b != nil {
		out.Behavior = &hpa.Behavior{ScaleUp: rules(b.ScaleUp), ScaleDown: rules(b.ScaleDown)}
	}
	return out
}

func sourcesOf(in *autoscalingv2.HorizontalPodAutoscalerSpec) []Source {
	out := make([]Source, len(in.Metrics))
	for i := range in.Metrics {
		switch m := &in.Metrics[i]; m.Type {
		case autoscalingv2.PodsMetricSourceType:
			out[i].Selector = m.Pods.Metric.Selector
		case autoscalingv2.ObjectMetricSourceType:
			ref := m.Object.DescribedObject
			out[i] = Source{Object: Target{APIVersion: ref.APIVersion, Kind: ref.Kind, Name: ref.Name}, Selector: m.Object.Metric.Selector}
		case autoscalingv2.ExternalMetricSourceType:
			out[i].Selector = m.External.Metric.Selector
		}
	}
	return out
}

func metric(in *autoscalingv2.MetricSpec) hpa.Metric {
	out := hpa.Metric{Type: hpa.MetricType(in.Type)}
	switch in.Type {
	case autoscalingv2.ResourceMetricSourceType:
		out.Name, out.Target = string(in.Resource.Name), target(&in.Resource.Target)
	case autoscalingv2.ContainerResourceMetricSourceType:
		out.Name, out.Container = string(in.ContainerResource.Name), in.ContainerResource.Container
		out.Target = target(&in.ContainerResource.Target)
	case autoscalingv2.PodsMetricSourceType:
		out.Name, out.Selector = identify(&in.Pods.Metric)
		out.Target = target(&in.Pods.Target)
	case autoscalingv2.ObjectMetricSourceType:
		out.Name, out.Selector = identify(&in.Object.Metric)
		out.Kind, out.Target = in.Object.DescribedObject.Kind, objectTarget(&in.Object.Target)
	case autoscalingv2.ExternalMetricSourceType:
		out.Name, out.Selector = identify(&in.External.Metric)
		out.Target = target(&in.External.Target)
	}
	return out
}

// identify returns a metric's name, and its selector in the words of an event.
func identify(in *autoscalingv2.MetricIdentifier) (name, selector string) {
	if in.Selector == nil {
		return in.Name, ""
	}
	return in.Name, fmt.Sprintf("%+v", in.Selector)
}

// target is read by what is set, as the controller does: its type means nothing.
func target(in *autoscalingv2.MetricTarget) hpa.Target {
	switch {
	case in.AverageValue != nil:
		return hpa.Target{Type: hpa.AverageValue, Milli: in.AverageValue.MilliValue()}
	case in.AverageUtilization != nil:
		return hpa.Target{Type: hpa.Utilization, Percent: *in.AverageUtilization}
	default:
		return hpa.Target{Type: hpa.Value, Milli: in.Value.MilliValue()}
	}
}

// objectTarget is read by its type, other than those of all other metrics.
func objectTarget(in *autoscalingv2.MetricTarget) hpa.Target {
	switch {
	case in.Type == autoscalingv2.ValueMetricType && in.Value != nil:
		return hpa.Target{Type: hpa.Value, Milli: in.Value.MilliValue()}
	case in.Type == autoscalingv2.AverageValueMetricType && in.AverageValue != nil:
		return hpa.Target{Type: hpa.AverageValue, Milli: in.AverageValue.MilliValue()}
	default:
		return hpa.Target{}
	}
}

func rules(in *autoscalingv2.HPAScalingRules) hpa.Rules {
	out := hpa.Rules{SelectPolicy: hpa.SelectPolicy(*in.SelectPolicy)}
	if in.StabilizationWindowSeconds != nil {
		out.StabilizationWindow = new(seconds(*in.StabilizationWindowSeconds))
	}
	if in.Tolerance != nil {
		out.Tolerance = new(in.Tolerance.AsApproximateFloat64())
	}
	for _, p := range in.Policies {
		out.Policies = append(out.Policies, hpa.Policy{Type: hpa.PolicyType(p.Type), Value: p.Value, Period: seconds(p.PeriodSeconds)})
	}
	return out
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
