package rule

import (
	"fmt"
	"math"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// MaxCeiling is the highest ceiling a rule may have: a value is served in
// thousandths of 64 bits, and this many fit.
const MaxCeiling = 9.2e12

// policies refuses to drop the only value there is.
func (c ruleCheck) policies() {
	if c.onEmpty.Value == PolicyZero && c.zeroWhen.Given {
		c.Report(c.onEmpty.At, `field "onEmpty": zero needs no proof then, and "zeroWhen" says nothing`, "leave onEmpty out: zeroWhen serves 0 where it is proved")
	}
	if c.onNaN.Value != PolicyDrop {
		return
	}
	switch c.shape() {
	case ofPods:
		c.Report(c.onNaN.At, `field "onNaN": a Pods rule leaves pods with NaN out as it is`, "leave onNaN out, or write onNaN: zero if NaN means that a pod does nothing")
	case ofObject, ofNamespaces:
		c.Report(c.onNaN.At, `field "onNaN": nothing would remain: each object has one series`, "write onNaN: zero, or guard the division in the query")
	}
}

// limits checks the ceiling, the clamps, and what they are to each other.
func (c ruleCheck) limits() {
	if !c.ceiling.Valid || !c.clampMin.Valid || !c.clampMax.Valid {
		return
	}
	if v := c.ceiling.Value; v <= 0 || v > MaxCeiling {
		c.Report(c.ceiling.At, fmt.Sprintf(`field "ceiling": %g is not above 0 and at most %g`, v, float64(MaxCeiling)), "choose another unit in the query")
		return
	}
	c.clamp("clampMin", c.clampMin)
	c.clamp("clampMax", c.clampMax)
	low, high := c.clampMin.Value, c.clampMax.Value
	switch {
	case low > high:
		c.Report(c.clampMin.At, fmt.Sprintf(`field "clampMin": %g is above clampMax, %g`, low, high), "")
	case c.allowNegative.Value:
	case c.clampMin.Given && low < 0:
		c.Report(c.clampMin.At, fmt.Sprintf(`field "clampMin": %g is below zero, and negative values are not served`, low), "write allowNegative: true as well, or clampMin: 0")
	case high <= 0:
		c.Report(c.clampMax.At, fmt.Sprintf(`field "clampMax": every value would be served as %g`, high), "write allowNegative: true if values below zero mean something")
	}
}

// clamp refuses a bound that is beyond what is served at all.
func (c ruleCheck) clamp(name string, f place.Field[float64]) {
	if f.Given && math.Abs(f.Value) > c.ceiling.Value {
		c.Report(f.At, fmt.Sprintf("field %q: %g is beyond the ceiling, %g", name, f.Value, c.ceiling.Value), "raise ceiling, or choose a larger unit in the query")
	}
}
