package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/test/conformance/translate"
)

// A record is everything that one sync did and left, from either side.
type record struct {
	Writes []int32 // to the scale
	Event  string  // of a rescale, failed or not
	Failed bool

	CurrentReplicas, DesiredReplicas int32
	LastScaleTime                    time.Time
	Conditions                       []hpa.Condition
	Metrics                          []metricStatus

	Recommendations      []hpa.Recommendation
	ScaleUps, ScaleDowns []hpa.ScaleEvent
}

// A metricStatus is an entry of status.currentMetrics. It is zero for a metric
// that failed.
type metricStatus struct {
	Type    hpa.MetricType
	Target  hpa.TargetType
	Milli   int64
	Percent int32
}

func (r *record) equal(o *record) bool {
	return slices.Equal(r.Writes, o.Writes) && r.Event == o.Event && r.Failed == o.Failed &&
		r.CurrentReplicas == o.CurrentReplicas && r.DesiredReplicas == o.DesiredReplicas &&
		r.LastScaleTime.Equal(o.LastScaleTime) &&
		slices.Equal(r.Conditions, o.Conditions) && slices.Equal(r.Metrics, o.Metrics) &&
		slices.Equal(r.Recommendations, o.Recommendations) &&
		slices.Equal(r.ScaleUps, o.ScaleUps) && slices.Equal(r.ScaleDowns, o.ScaleDowns)
}

// difference is empty if the two records are equal.
func difference(upstream, pitot *record) string {
	if upstream.equal(pitot) {
		return ""
	}
	return "(-upstream +pitot)\n" + cmp.Diff(upstream, pitot)
}

// record puts what the real controller did into a record.
func (s *sync) record() *record {
	r := &record{
		Writes:          s.writes,
		Failed:          s.failed,
		CurrentReplicas: s.status.CurrentReplicas,
		DesiredReplicas: s.status.DesiredReplicas,
		Recommendations: s.memory.Recommendations,
		ScaleUps:        s.memory.ScaleUps,
		ScaleDowns:      s.memory.ScaleDowns,
	}
	if len(s.events) > 0 {
		r.Event = s.events[0]
	}
	if s.status.LastScaleTime != nil {
		r.LastScaleTime = s.status.LastScaleTime.Time
	}
	r.Conditions = translate.Conditions(s.status.Conditions)
	for i := range s.status.CurrentMetrics {
		r.Metrics = append(r.Metrics, upstreamStatus(&s.status.CurrentMetrics[i]))
	}
	return r
}

func upstreamStatus(m *autoscalingv2.MetricStatus) metricStatus {
	var v autoscalingv2.MetricValueStatus
	switch {
	case m.Resource != nil:
		v = m.Resource.Current
	case m.ContainerResource != nil:
		v = m.ContainerResource.Current
	case m.Pods != nil:
		v = m.Pods.Current
	case m.Object != nil:
		v = m.Object.Current
	case m.External != nil:
		v = m.External.Current
	default:
		return metricStatus{}
	}
	s := metricStatus{Type: hpa.MetricType(m.Type)}
	switch {
	case v.AverageUtilization != nil:
		s.Target, s.Percent, s.Milli = hpa.Utilization, *v.AverageUtilization, v.AverageValue.MilliValue()
	case v.AverageValue != nil:
		s.Target, s.Milli = hpa.AverageValue, v.AverageValue.MilliValue()
	case v.Value != nil:
		s.Target, s.Milli = hpa.Value, v.Value.MilliValue()
	}
	return s
}

// pitotRecord puts a decision of pkg/hpa into a record. A sync that cannot read
// the scale leaves the metrics of the status as they were.
func pitotRecord(d *hpa.Decision, state *hpa.State, before []metricStatus, w *world) *record {
	r := &record{
		Failed:          d.Failed,
		CurrentReplicas: state.CurrentReplicas,
		DesiredReplicas: state.DesiredReplicas,
		LastScaleTime:   state.LastScaleTime,
		Conditions:      state.Conditions,
		Metrics:         before,
		Recommendations: state.Recommendations,
		ScaleUps:        state.ScaleUps,
		ScaleDowns:      state.ScaleDowns,
	}
	switch d.Outcome {
	case hpa.Rescaled:
		r.Writes = []int32{d.To}
		r.Event = fmt.Sprintf("SuccessfulRescale: New size: %d; reason: %s", d.To, d.Reason)
	case hpa.NotRescaled:
		r.Writes = []int32{d.To}
		r.Event = fmt.Sprintf("FailedRescale: New size: %d; reason: %s; error: %v", d.To, d.Reason, w.writeErr(d.To))
	}
	if d.Outcome == hpa.NoScale {
		return r
	}
	r.Metrics = nil
	for i := range d.Trail.Metrics {
		r.Metrics = append(r.Metrics, pitotStatus(&d.Trail.Metrics[i]))
	}
	return r
}

func pitotStatus(m *hpa.MetricTrail) metricStatus {
	if m.Err != "" {
		return metricStatus{}
	}
	return metricStatus{Type: m.Metric.Type, Target: m.Metric.Target.Type, Milli: m.Usage, Percent: m.Utilization}
}
