package conformance

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	resourcehelpers "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// spec is the world's HPA in the words of pkg/hpa.
func (w *world) spec(profile hpa.Profile) hpa.Spec {
	spec := hpa.Spec{
		MinReplicas: *w.hpa.MinReplicas,
		MaxReplicas: w.hpa.MaxReplicas,
		Controller: hpa.Controller{
			Tolerance:               tolerance,
			DownscaleStabilization:  downscaleStabilization,
			CPUInitializationPeriod: cpuInitialization,
			InitialReadinessDelay:   initialReadiness,
			Profile:                 profile,
		},
	}
	for _, m := range w.hpa.Metrics {
		spec.Metrics = append(spec.Metrics, metric(m))
	}
	if b := w.hpa.Behavior; b != nil {
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
	default:
		return hpa.Target{Type: hpa.Value, Milli: t.Value.MilliValue()}
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

// observation is what a sync sees of the world, in the words of pkg/hpa.
func (w *world) observation() hpa.Observation {
	seen := hpa.Observation{
		Replicas:       w.replicas,
		StatusReplicas: w.statusReplicas,
		ScaleReadErr:   w.scaleReadErr,
		ScaleWriteErr:  w.scaleWriteErr,
	}
	if _, err := labels.Parse(w.selector); w.selector == "" || err != nil {
		seen.Selector = hpa.ReasonInvalidSelector
	}
	for _, pod := range w.pods {
		seen.Pods = append(seen.Pods, observed(pod))
	}
	for _, m := range w.hpa.Metrics {
		seen.Readings = append(seen.Readings, w.reading(m))
	}
	return seen
}

func observed(pod *corev1.Pod) hpa.Pod {
	out := hpa.Pod{
		Name:        pod.Name,
		Phase:       hpa.Phase(pod.Status.Phase),
		Terminating: pod.DeletionTimestamp != nil,
		Template:    requests(pod),
	}
	if pod.Status.StartTime != nil {
		out.Started = pod.Status.StartTime.Time
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

// reading is the answer for one metric. Samples of pods that are listed are put
// in the pods' order, the others apart.
func (w *world) reading(m autoscalingv2.MetricSpec) hpa.Reading {
	id, _ := w.source(m)
	from := w.readings[id]
	if from.err != nil {
		return hpa.Reading{Err: from.err}
	}
	switch m.Type {
	case autoscalingv2.ObjectMetricSourceType:
		return hpa.Reading{Values: from.values[:min(1, len(from.values))]}
	case autoscalingv2.ExternalMetricSourceType:
		return hpa.Reading{Values: from.values}
	}
	out := hpa.Reading{Pods: make([]hpa.Sample, len(w.pods))}
	listed := map[string]bool{}
	for i, pod := range w.pods {
		listed[pod.Name] = true
		if sample, found := from.pods[pod.Name]; found {
			out.Pods[i] = translated(sample)
		}
	}
	for name, sample := range from.pods {
		if !listed[name] {
			out.Unlisted = append(out.Unlisted, translated(sample))
		}
	}
	return out
}

func translated(m metrics.PodMetric) hpa.Sample {
	return hpa.Sample{Present: true, Milli: m.Value, At: m.Timestamp, Window: m.Window}
}
