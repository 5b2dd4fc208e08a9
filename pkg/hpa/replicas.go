package hpa

import "errors"

// Why a metric gives no count.
var (
	errNoTarget  = errors.New("its target is not of a type that the metric has")
	errNoPods    = errors.New("the selector finds no pods")
	errNoSamples = errors.New("no pod has a sample that counts (pods might be unready)")
	errNoRequest = errors.New("the pods with samples request nothing")
	errNoValue   = errors.New("the metrics API returned no series")
)

// perPod proposes a count from the samples of the pods.
func (r *reconcile) perPod(m *Metric, reading *Reading, note *MetricTrail) (int32, error) {
	if len(r.seen.Pods) == 0 {
		return 0, errNoPods
	}
	t, err := r.tally(m, reading)
	if err != nil {
		return 0, err
	}
	note.grouped(&t.PodCounts)
	if t.counted.pods == 0 {
		return 0, errNoSamples
	}
	ratio, ok := m.Target.ratio(t.counted)
	if !ok {
		return 0, errNoRequest
	}
	note.measured(m.Target, t.counted, ratio)
	tolerances := r.spec.tolerances()
	note.tolerated(tolerances)

	filled, guessed := t.fill(ratio)
	if !guessed {
		return r.plain(ratio, t.Ready, tolerances, note), nil
	}
	second, ok := m.Target.ratio(filled)
	if !ok {
		return 0, errNoRequest
	}
	note.filled(second, filled.pods)
	return r.careful(ratio, second, filled.pods, tolerances, note), nil
}

// fill adds the pods that have no sample that counts, as whatever they could
// use that speaks against the change. It is false where there are none.
func (t *tally) fill(ratio float64) (load, bool) {
	raising := t.Unready > 0 && ratio > 1
	filled := t.counted
	switch {
	case ratio < 1:
		filled = filled.plus(t.full)
	case ratio > 1:
		filled = filled.plus(t.missing)
	}
	if raising {
		filled = filled.plus(t.unready)
	}
	return filled, raising || t.Missing > 0
}

// plain scales the pods that were measured, which are not always those that
// the scale asks for.
func (r *reconcile) plain(ratio float64, ready int, tolerances Tolerances, note *MetricTrail) int32 {
	if tolerances.within(ratio) {
		note.follows(WithinTolerance)
		return r.current
	}
	note.follows(FromReadyPods)
	return ceil32(ratio * float64(ready))
}

// careful scales measured and guessed pods together, unless the guesses turn
// the direction around.
func (r *reconcile) careful(first, second float64, pods int64, tolerances Tolerances, note *MetricTrail) int32 {
	replicas := ceil32(second * float64(pods))
	switch {
	case tolerances.within(second):
		note.follows(WithinTolerance)
	case first < 1 && second > 1, first > 1 && second < 1:
		note.follows(DirectionTurned)
	case second < 1 && replicas > r.current, second > 1 && replicas < r.current:
		note.follows(CountContradicts)
	default:
		note.follows(FromFilledPods)
		return replicas
	}
	return r.current
}
