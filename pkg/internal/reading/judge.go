package reading

import (
	"fmt"
	"math"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// judge decides what a rule serves for one sample.
func (v View) judge(r *rule.Rule, object instant.Object, s instant.Sample) Reading {
	if one, stale := v.stale(r, object, s); stale {
		return one
	}
	return judge(r, object, s.Value)
}

// judge decides what a rule serves for one value of its query.
func judge(r *rule.Rule, object instant.Object, v float64) Reading {
	if math.IsNaN(v) {
		return apply(r, r.OnNaN, Reading{Object: object, State: NotANumber, Cause: notANumber + nanHint(r)})
	}
	return clamp(r, bounded(r, object, v))
}

const notANumber = "the query gave NaN, as a division of nothing by nothing does"

// nanHint names the policy that would serve the value nevertheless.
func nanHint(r *rule.Rule) string {
	switch {
	case r.Type == rule.TypeExternal:
		return " (onNaN: drop leaves such series out)"
	case r.Aggregate != "":
		return " (onNaN: drop leaves such pods out)"
	case r.Buckets != nil:
		return ""
	default:
		return " (onNaN: zero serves 0 for this)"
	}
}

// bounded refuses a value that an HPA could mistake for another. v is not NaN.
func bounded(r *rule.Rule, object instant.Object, v float64) Reading {
	one := Reading{Object: object, Value: v}
	switch {
	case math.IsInf(v, 0):
		one.State = OutOfRange
		one.Cause = fmt.Sprintf("the query gave %g, as a division by zero does", v)
	case v < 0 && !r.AllowNegative:
		one.State = Negative
		one.Cause = fmt.Sprintf("the query gave %g, and an HPA takes a negative value for an overflow: clamp_min(…, 0) in the query, or allowNegative: true", v)
	case math.Abs(v) > r.Ceiling:
		one.State = OutOfRange
		one.Cause = fmt.Sprintf("the query gave %g, beyond the ceiling of %g that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling", v, r.Ceiling)
	}
	return one
}

// apply serves zero for a reading without a number if the policy says so in
// writing. The state stays what it is.
func apply(r *rule.Rule, policy rule.Policy, one Reading) Reading {
	if policy != rule.PolicyZero {
		return one
	}
	one.Value, one.Cause = 0, ""
	return clamp(r, one)
}

// clamp keeps what is served within the rule's bounds. It makes no number of
// what has none.
func clamp(r *rule.Rule, one Reading) Reading {
	one.Value = min(max(one.Value, r.ClampMin), r.ClampMax)
	return one
}

// empty is an object without a series.
func empty(object instant.Object, format string, args ...any) Reading {
	return Reading{Object: object, State: Empty, Cause: fmt.Sprintf(format, args...)}
}

// emptyHint names the policy that would serve zero for no series, and its danger.
const emptyHint = " (onEmpty: zero serves 0 for this, and for an outage of the exporter)"
