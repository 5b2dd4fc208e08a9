package hpa

import "time"

// A reconcile is one sync while it runs.
type reconcile struct {
	spec *Spec
	seen *Observation
	now  time.Time

	min, max int32 // of the spec
	current  int32 // what the scale asks for before the sync

	state      State // becomes that after the sync
	owned      bool  // nobody else holds the state
	conditions conditions
	trail      *Trail // nil: nobody asked
}

// run is the outline of a sync.
func (r *reconcile) run() Decision {
	if r.seen.ScaleReadErr != nil {
		r.set(AbleToScale, False, ReasonFailedGetScale)
		return Decision{Outcome: NoScale, Failed: true}
	}
	r.set(AbleToScale, True, ReasonSucceededGetScale)
	r.rememberStart()
	wasZeroed := r.byCondition() && r.conditions.isTrue(ScaledToZero)

	switch {
	case r.paused(wasZeroed):
		return r.pause()
	case r.current > r.max:
		return r.force(r.max, aboveMax)
	case r.current != 0 && r.current < r.min:
		return r.force(r.min, belowMin)
	default:
		return r.followMetrics(wasZeroed)
	}
}

// The reasons of moves that no metric asked for, in the words of the event.
const (
	aboveMax     = "Current number of replicas above Spec.MaxReplicas"
	belowMin     = "Current number of replicas below Spec.MinReplicas"
	belowTargets = "All metrics below target"
)

// rememberStart keeps the count that a controller found first as if the metrics
// had asked for it. It holds scale-downs for a whole window after each restart.
func (r *reconcile) rememberStart() {
	if r.state.Recommendations == nil {
		r.state.Recommendations = []Recommendation{{Replicas: r.current, At: r.now}}
	}
}

func (r *reconcile) byCondition() bool { return r.spec.Controller.Profile.Zero == ZeroByCondition }

// paused reports whether the HPA leaves a target without replicas alone.
func (r *reconcile) paused(wasZeroed bool) bool {
	if r.current != 0 {
		return false
	}
	switch r.spec.Controller.Profile.Zero {
	case ZeroByMinimum:
		return r.min != 0
	case ZeroPauses:
		return true
	default:
		return !wasZeroed || (r.min == 0 && !r.spec.wakes())
	}
}

func (r *reconcile) pause() Decision {
	r.set(ScalingActive, False, ReasonScalingDisabled)
	if r.spec.Controller.Profile.Zero == ZeroPauses {
		r.conditions.remove(ScaledToZero)
	}
	return r.hold(Paused)
}

// force moves the count into the bounds of the spec. It asks no metric, obeys
// no window or policy and leaves no recommendation, but an event.
func (r *reconcile) force(to int32, reason string) Decision {
	if r.trail != nil {
		r.trail.Forced = reason
	}
	return r.write(to, reason, false)
}

// followMetrics is the usual way: proposals, stabilization, limits.
func (r *reconcile) followMetrics(wasZeroed bool) Decision {
	if r.seen.Selector != "" {
		r.set(ScalingActive, False, r.seen.Selector)
		return r.giveUp(NoSelector)
	}
	best := r.propose()
	if best.metric < 0 {
		return r.giveUp(NoProposal)
	}
	want := max(0, best.replicas)
	to := r.limit(r.stabilize(want))
	raised := r.current == 0 && r.min != 0 && wasZeroed && to < r.min
	if raised {
		to = r.min
	}
	if r.trail != nil {
		r.trail.Want, r.trail.Raised = want, raised
	}
	if to == r.current {
		decision := r.hold(Held)
		decision.Failed = best.partial
		return decision
	}
	return r.write(to, r.reason(best.metric, want, raised), best.partial)
}

// reason says why, in the words of the event. It looks at what the metrics
// asked for and not at what became of it.
func (r *reconcile) reason(metric int, want int32, raised bool) string {
	switch {
	case want > r.current:
		return r.spec.Metrics[metric].String() + " above target"
	case want < r.current:
		return belowTargets
	case raised:
		return belowMin
	default:
		return ""
	}
}

// hold ends a sync that leaves the count.
func (r *reconcile) hold(outcome Outcome) Decision {
	r.state.CurrentReplicas, r.state.DesiredReplicas = r.current, r.current
	return Decision{Outcome: outcome, From: r.current, To: r.current}
}

// giveUp ends a sync that could not decide. The status keeps the count that an
// earlier sync desired.
func (r *reconcile) giveUp(outcome Outcome) Decision {
	r.state.CurrentReplicas = r.current
	return Decision{Outcome: outcome, From: r.current, To: r.current, Failed: true}
}

// write ends a sync with another count. The API server refuses a negative one,
// which the doubling of counts near 2³¹ gives.
func (r *reconcile) write(to int32, reason string, partial bool) Decision {
	if r.seen.ScaleWriteErr != nil || to < 0 {
		r.set(AbleToScale, False, ReasonFailedUpdateScale)
		decision := r.giveUp(NotRescaled)
		decision.To, decision.Reason = to, reason
		return decision
	}
	r.set(AbleToScale, True, ReasonSucceededRescale)
	r.rememberChange(to)
	r.rememberZero(to)
	r.state.CurrentReplicas, r.state.DesiredReplicas = r.current, to
	r.state.LastScaleTime = r.now
	return Decision{Outcome: Rescaled, From: r.current, To: to, Failed: partial, Reason: reason}
}

// rememberZero keeps in the status whether it was the HPA that went to zero.
func (r *reconcile) rememberZero(to int32) {
	switch r.spec.Controller.Profile.Zero {
	case ZeroPauses:
		r.conditions.remove(ScaledToZero)
	case ZeroByCondition:
		if to == 0 && r.current > 0 && r.min == 0 && r.spec.wakes() {
			r.set(ScaledToZero, True, ReasonScaledToZero)
		} else {
			r.set(ScaledToZero, False, ReasonNotScaledToZero)
		}
	}
}

func (r *reconcile) set(t ConditionType, status Status, reason Reason) {
	r.conditions.set(t, status, reason, r.now)
}
