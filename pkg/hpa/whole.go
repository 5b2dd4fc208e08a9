package hpa

import "math"

// value proposes a count from a value that stands for the whole target. The
// ratio is applied to the pods that serve at the moment: where many are not
// ready, the count falls although the value is too high.
func (r *reconcile) value(m *Metric, values []int64, note *MetricTrail) (int32, error) {
	usage := r.sum(values)
	ratio := float64(usage) / float64(m.Target.Milli)
	tolerances := r.spec.tolerances()
	note.whole(usage, ratio, tolerances)
	switch {
	case r.current == 0:
		note.follows(FromZero)
		return ceil32(ratio), nil
	case tolerances.within(ratio):
		note.follows(WithinTolerance)
		return r.current, nil
	case len(r.seen.Pods) == 0:
		return 0, errNoPods
	}
	pods := serving(r.seen.Pods)
	note.serves(pods)
	return r.saturates(ratio*float64(pods), r.spec.Controller.Profile.SaturatingValues), nil
}

// average proposes a count from a value that is to be divided among the pods:
// those that exist, and not those that should. Within the tolerance the count
// that exists is the proposal, even while it still follows the scale.
func (r *reconcile) average(m *Metric, values []int64, note *MetricTrail) int32 {
	external := m.Type == External
	usage := values[0]
	if external {
		usage = r.sumOfAverage(values)
	}
	exist := r.seen.StatusReplicas
	ratio := float64(usage) / (float64(m.Target.Milli) * float64(exist))
	tolerances := r.spec.tolerances()
	note.whole(r.shared(usage, exist, external), ratio, tolerances)
	note.divided(usage, exist)
	if tolerances.within(ratio) {
		note.follows(WithinTolerance)
		return exist
	}
	note.follows(FromTotal)
	return r.saturates(float64(usage)/float64(m.Target.Milli), external && r.spec.Controller.Profile.SaturatingAverages)
}

// shared is the average that the status shows.
func (r *reconcile) shared(usage int64, exist int32, external bool) int64 {
	if external && r.spec.Controller.Profile.SaturatingAverages && float64(usage) >= math.MaxInt64 {
		return math.MaxInt64
	}
	return ceil64(float64(usage) / float64(exist))
}

// sum adds the series of a value. It stops at the largest number.
func (r *reconcile) sum(values []int64) int64 {
	var sum int64
	for _, v := range values {
		if r.spec.Controller.Profile.SaturatingValues && v > 0 && sum > math.MaxInt64-v {
			return math.MaxInt64
		}
		sum += v
	}
	return sum
}

// sumOfAverage adds the series of an average. A negative sum is taken for an
// overflow: one negative series can ask for the maximum of replicas
// (GetExternalPerPodMetricReplicas in v1.37.2's replica_calculator.go).
func (r *reconcile) sumOfAverage(values []int64) int64 {
	var sum int64
	for _, v := range values {
		sum += v
		if r.spec.Controller.Profile.SaturatingAverages && sum < 0 {
			return math.MaxInt64
		}
	}
	return sum
}

func (r *reconcile) saturates(replicas float64, saturating bool) int32 {
	if saturating {
		return saturated32(replicas)
	}
	return ceil32(replicas)
}
