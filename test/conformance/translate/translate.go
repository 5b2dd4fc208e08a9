// Package translate puts objects of Kubernetes into the words of pkg/hpa, as
// the controller reads them.
package translate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	resourcehelpers "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// Spec is an HPA's spec, read by a controller.
func Spec(in *autoscalingv2.HorizontalPodAutoscalerSpec, controller hpa.Controller) hpa.Spec {
	spec := hpa.Spec{MinReplicas: 1, MaxReplicas: in.MaxReplicas, Controller: controller}
	if in.MinReplicas != nil {
		spec.MinReplicas = *in.MinReplicas
	}
	for _, m := range in.Metrics {
		spec.Metrics = append(spec.Metrics, metric(m))
	}
	if b := in.Behavior; b != nil {
		spec.Behavior = &hpa.Behavior{ScaleUp: rules(b.ScaleUp), ScaleDown: rules(b.ScaleDown)}
	}
	return spec
}

func metric(m autoscalingv2.MetricSpec) hpa.Metric {
	switch m.Type {
	case autoscalingv2.ResourceMetricSourceType:
		return hpa.Metric{Type: hpa.Resource, Name: string(m.Resource.Name), Target: averageTarget(m.Resource.Target)}
	case autoscalingv2.ContainerResourceMetricSourceType:
		c := m.ContainerResource
		return hpa.Metric{Type: hpa.ContainerResource, Name: string(c.Name), Container: c.Container, Target: averageTarget(c.Target)}
	case autoscalingv2.PodsMetricSourceType:
		return hpa.Metric{Type: hpa.Pods, Name: m.Pods.Metric.Name, Selector: selectorText(m.Pods.Metric), Target: averageTarget(m.Pods.Target)}
	case autoscalingv2.ObjectMetricSourceType:
		o := m.Object
		return hpa.Metric{Type: hpa.Object, Name: o.Metric.Name, Kind: o.DescribedObject.Kind, Selector: selectorText(o.Metric), Target: objectTarget(o.Target)}
	default:
		return hpa.Metric{Type: hpa.External, Name: m.External.Metric.Name, Selector: selectorText(m.External.Metric), Target: averageTarget(m.External.Target)}
	}
}

func selectorText(id autoscalingv2.MetricIdentifier) string {
	if id.Selector == nil {
		return ""
	}
	return fmt.Sprintf("%+v", id.Selector)
}

// averageTarget is read by what is set, an average first.
func averageTarget(t autoscalingv2.MetricTarget) hpa.Target {
	switch {
	case t.AverageValue != nil:
		return hpa.Target{Type: hpa.AverageValue, Milli: t.AverageValue.MilliValue()}
	case t.AverageUtilization != nil:
		return hpa.Target{Type: hpa.Utilization, Percent: *t.AverageUtilization}
	case t.Value != nil:
		return hpa.Target{Type: hpa.Value, Milli: t.Value.MilliValue()}
	default:
		return hpa.Target{}
	}
}

// objectTarget is read by its type.
func objectTarget(t autoscalingv2.MetricTarget) hpa.Target {
	switch {
	case t.Type == autoscalingv2.ValueMetricType && t.Value != nil:
		return hpa.Target{Type: hpa.Value, Milli: t.Value.MilliValue()}
	case t.Type == autoscalingv2.AverageValueMetricType && t.AverageValue != nil:
		return hpa.Target{Type: hpa.AverageValue, Milli: t.AverageValue.MilliValue()}
	default:
		return hpa.Target{}
	}
}

func rules(r *autoscalingv2.HPAScalingRules) hpa.Rules {
	out := hpa.Rules{SelectPolicy: hpa.SelectPolicy(*r.SelectPolicy)}
	if r.StabilizationWindowSeconds != nil {
		window := time.Duration(*r.StabilizationWindowSeconds) * time.Second
		out.StabilizationWindow = &window
	}
	if r.Tolerance != nil {
		tolerance := r.Tolerance.AsApproximateFloat64()
		out.Tolerance = &tolerance
	}
	for _, p := range r.Policies {
		out.Policies = append(out.Policies, hpa.Policy{Type: hpa.PolicyType(p.Type), Value: p.Value, Period: time.Duration(p.PeriodSeconds) * time.Second})
	}
	return out
}

// Pod is a pod. A start time of zero, which only tests have, is one long ago.
func Pod(pod *corev1.Pod) hpa.Pod {
	out := hpa.Pod{
		Name:        pod.Name,
		Phase:       hpa.Phase(pod.Status.Phase),
		Terminating: pod.DeletionTimestamp != nil,
		Template:    requests(pod),
	}
	if pod.Status.StartTime != nil {
		out.Started = pod.Status.StartTime.Time
		if out.Started.IsZero() {
			out.Started = time.Unix(0, 0)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			out.Ready, out.ReadySince = hpa.Status(c.Status), c.LastTransitionTime.Time
		}
	}
	return out
}

func requests(pod *corev1.Pod) *hpa.Template {
	t := &hpa.Template{}
	for _, c := range pod.Spec.Containers {
		t.Containers = append(t.Containers, hpa.Container{Name: c.Name, Requests: milli(c.Resources.Requests)})
	}
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			t.Containers = append(t.Containers, hpa.Container{Name: c.Name, Requests: milli(c.Resources.Requests)})
		}
	}
	if resourcehelpers.IsPodLevelRequestsSet(pod) {
		t.PodLevel = milli(resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{}))
	}
	return t
}

func milli(list corev1.ResourceList) hpa.Requests {
	out := hpa.Requests{}
	for name, q := range list {
		out[string(name)] = q.MilliValue()
	}
	return out
}

// Samples are those of a metric for each pod: of listed pods in their order, of
// others apart.
func Samples(pods []*corev1.Pod, from metrics.PodMetricsInfo) hpa.Reading {
	out := hpa.Reading{Pods: make([]hpa.Sample, len(pods))}
	listed := map[string]bool{}
	for i, pod := range pods {
		listed[pod.Name] = true
		if one, found := from[pod.Name]; found {
			out.Pods[i] = sample(one)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if !listed[name] {
			out.Unlisted = append(out.Unlisted, sample(from[name]))
		}
	}
	return out
}

func sample(m metrics.PodMetric) hpa.Sample {
	return hpa.Sample{Present: true, Milli: m.Value, At: m.Timestamp, Window: m.Window}
}

// Conditions are those of an HPA's status.
func Conditions(in []autoscalingv2.HorizontalPodAutoscalerCondition) []hpa.Condition {
	var out []hpa.Condition
	for _, c := range in {
		out = append(out, hpa.Condition{
			Type: hpa.ConditionType(c.Type), Status: hpa.Status(c.Status), Reason: hpa.Reason(c.Reason), Since: c.LastTransitionTime.Time,
		})
	}
	return out
}
