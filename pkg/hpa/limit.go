package hpa

import (
	"math"
	"time"
)

// limit keeps a stabilized count within the bounds of the spec and the policies.
func (r *reconcile) limit(stable int32) int32 {
	var to int32
	var reason Reason
	switch {
	case r.spec.Behavior == nil:
		to, reason = r.limitWithoutBehavior(stable)
	case stable > r.current:
		to, reason = r.limitUp(stable)
	case stable < r.current:
		to, reason = r.limitDown(stable)
	default:
		to, reason = stable, ReasonDesiredWithinRange
	}
	if to == stable {
		reason = ReasonDesiredWithinRange
	}
	status := False
	if to != stable {
		status = True
	}
	r.set(ScalingLimited, status, reason)
	if r.trail != nil {
		r.trail.limit().From, r.trail.limit().To, r.trail.limit().Reason = stable, to, reason
	}
	return to
}

// limitWithoutBehavior allows to double, and 4 replicas in any case. Nothing
// slows a scale-down.
func (r *reconcile) limitWithoutBehavior(stable int32) (int32, Reason) {
	limit := truncate32(math.Max(2*float64(r.current), 4))
	highest, reason := r.max, ReasonTooManyReplicas
	if r.max > limit {
		highest, reason = limit, ReasonScaleUpLimit
	}
	switch {
	case stable < r.min:
		return r.min, ReasonTooFewReplicas
	case stable > highest:
		return highest, reason
	default:
		return stable, ReasonDesiredWithinRange
	}
}

// limitUp applies maxReplicas and the policies for scaling up. Policies never
// scale down. minReplicas does not matter here: below it, the count is forced.
func (r *reconcile) limitUp(stable int32) (int32, Reason) {
	limit := max(r.current, r.policies(up))
	if r.max > limit {
		return min(stable, limit), ReasonScaleUpLimit
	}
	return min(stable, r.max), ReasonTooManyReplicas
}

// limitDown applies minReplicas and the policies for scaling down.
func (r *reconcile) limitDown(stable int32) (int32, Reason) {
	limit := min(r.current, r.policies(down))
	if r.min < limit {
		return max(stable, limit), ReasonScaleDownLimit
	}
	return max(stable, r.min), ReasonTooFewReplicas
}

// A direction is one of the two in which an HPA scales.
type direction bool

const (
	up   direction = true
	down direction = false
)

// policies is the count that the policies of a direction allow.
func (r *reconcile) policies(d direction) int32 {
	rules := &r.spec.Behavior.ScaleDown
	if d == up {
		rules = &r.spec.Behavior.ScaleUp
	}
	if rules.SelectPolicy == Disabled {
		if r.trail != nil {
			r.trail.limit().Disabled = true
		}
		return r.current
	}
	// The largest change is the largest count on the way up and the smallest
	// on the way down.
	largest := (rules.SelectPolicy != MinChange) == (d == up)
	limit := int32(math.MaxInt32)
	if largest {
		limit = math.MinInt32
	}
	for _, p := range rules.Policies {
		base := r.base(p.Period)
		allows := p.from(base, d)
		if largest {
			limit = max(limit, allows)
		} else {
			limit = min(limit, allows)
		}
		if r.trail != nil {
			r.trail.limit().note(p, base, allows, r.events(p.Period))
		}
	}
	return limit
}

// base is the count at the beginning of a period. Changes in both directions
// are undone, those of the other one too.
func (r *reconcile) base(period time.Duration) int32 {
	cut := r.now.Add(-period)
	return r.current - changes(r.state.ScaleUps, cut) + changes(r.state.ScaleDowns, cut)
}

// from is the count that a policy allows to reach from base. Percentages are in
// floating point as they are written here, in the order of v1.37.2's
// calculateScaleUpLimitWithScalingRules: 25 pods and 12 % make 29 and not 28,
// since 25 × 1.12 comes out above 28.
func (p Policy) from(base int32, d direction) int32 {
	share := float64(p.Value) / 100
	switch {
	case p.Type == PodsPolicy && d == up:
		return base + p.Value
	case p.Type == PodsPolicy:
		return base - p.Value
	case d == up:
		return ceil32(float64(base) * (1 + share))
	default:
		return truncate32(float64(base) * (1 - share))
	}
}
