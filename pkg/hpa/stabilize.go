package hpa

// stabilize holds a proposal against those of the past, and keeps it among them
// as it was.
func (r *reconcile) stabilize(want int32) int32 {
	var stable int32
	var slot int
	if r.spec.Behavior == nil {
		stable, slot = r.highest(want)
	} else {
		stable, slot = r.between(want)
	}
	r.recommend(slot, Recommendation{Replicas: want, At: r.now})
	r.set(AbleToScale, True, r.stabilized(want, stable))
	if r.trail != nil {
		r.trail.Stabilization = r.stabilization(want, stable)
	}
	return stable
}

// highest is the largest recommendation within the controller's window: the
// path without behavior, which never holds a scale-up. A recommendation exactly
// as old as the window still counts.
func (r *reconcile) highest(want int32) (stable int32, slot int) {
	cut := r.now.Add(-r.spec.Controller.DownscaleStabilization)
	stable, slot = want, -1
	for i, past := range r.past() {
		if past.At.Before(cut) {
			slot = i
		} else {
			stable = max(stable, past.Replicas)
		}
	}
	return stable, slot
}

// between brings the current count between the lowest recommendation of the
// scale-up window and the highest of the scale-down window. A recommendation
// exactly as old as a window does not count. The controller stabilizes before it
// limits; the comment above its normalizeDesiredReplicasWithBehaviors has it the
// other way around.
func (r *reconcile) between(want int32) (stable int32, slot int) {
	upCut, downCut := r.now.Add(-r.spec.scaleUpWindow()), r.now.Add(-r.spec.scaleDownWindow())
	bothCut := upCut
	if downCut.Before(upCut) {
		bothCut = downCut
	}
	lowest, highest := want, want
	slot = -1
	all := r.past()
	for i := range all {
		past := &all[i]
		if past.Replicas < lowest && past.At.After(upCut) {
			lowest = past.Replicas
		}
		if past.Replicas > highest && past.At.After(downCut) {
			highest = past.Replicas
		}
		if past.At.Before(bothCut) {
			slot = i
		}
	}
	return min(max(r.current, lowest), highest), slot
}

func (r *reconcile) past() []Recommendation { return r.state.Recommendations }

// recommend keeps a recommendation in a slot that is too old, or in a new one.
// A state that somebody else holds may be used again, hence the copy.
func (r *reconcile) recommend(slot int, now Recommendation) {
	next := r.past()
	if !r.owned {
		next = append(make([]Recommendation, 0, len(next)+1), next...)
	}
	if slot < 0 {
		next = append(next, now)
	} else {
		next[slot] = now
	}
	r.state.Recommendations = next
}

// stabilized is the reason of AbleToScale.
func (r *reconcile) stabilized(want, stable int32) Reason {
	switch {
	case stable == want:
		return ReasonReadyForNewScale
	case r.spec.Behavior != nil && want >= r.current:
		return ReasonScaleUpStabilized
	default:
		return ReasonScaleDownStabilized
	}
}

// stabilization finds out what holds a proposal, and until when.
func (r *reconcile) stabilization(want, stable int32) *Stabilization {
	s := &Stabilization{From: want, To: stable}
	switch {
	case stable > want:
		s.Window = r.spec.Controller.DownscaleStabilization
		if r.spec.Behavior != nil {
			s.Window = r.spec.scaleDownWindow()
		}
		s.hold(r.past(), func(n int32) bool { return n >= stable })
	case stable < want:
		s.Window = r.spec.scaleUpWindow()
		s.hold(r.past(), func(n int32) bool { return n <= stable })
	}
	return s
}

// hold notes the youngest recommendation that alone would hold the count, and
// when it leaves the window.
func (s *Stabilization) hold(past []Recommendation, holds func(int32) bool) {
	for _, one := range past {
		if holds(one.Replicas) && (s.By == nil || one.At.After(s.By.At)) {
			s.By = &one
		}
	}
	if s.By != nil {
		s.Until = s.By.At.Add(s.Window)
	}
}
