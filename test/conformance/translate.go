package conformance

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/test/conformance/translate"
)

// spec is the world's HPA in the words of pkg/hpa.
func (w *world) spec(profile hpa.Profile) hpa.Spec {
	return translate.Spec(&w.hpa, hpa.Controller{
		Tolerance:               tolerance,
		DownscaleStabilization:  downscaleStabilization,
		CPUInitializationPeriod: cpuInitialization,
		InitialReadinessDelay:   initialReadiness,
		Profile:                 profile,
	})
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
		seen.Pods = append(seen.Pods, translate.Pod(pod))
	}
	for _, m := range w.hpa.Metrics {
		seen.Readings = append(seen.Readings, w.reading(m))
	}
	return seen
}

// reading is the answer for one metric.
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
	default:
		return translate.Samples(w.pods, from.pods)
	}
}
