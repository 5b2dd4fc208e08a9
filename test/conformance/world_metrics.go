package conformance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

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
