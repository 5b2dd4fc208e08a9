package rule

import (
	"fmt"
	"math"
)

// MaxCeiling is the highest ceiling a rule may have: a value is served in
// thousandths of 64 bits, and this many fit.
const MaxCeiling = 9.2e12

// policies refuses to drop the only value there is.
func (c ruleCheck) policies() {
	if c.onEmpty.value == PolicyZero && c.zeroWhen.given {
		c.report(c.onEmpty.at, `field "onEmpty": zero needs no proof then, and "zeroWhen" says nothing`, "leave onEmpty out: zeroWhen serves 0 where it is proved")
	}
	if c.onNaN.value != PolicyDrop {
		return
	}
	switch c.shape() {
	case ofPods:
		c.report(c.onNaN.at, `field "onNaN": a Pods rule leaves pods with NaN out as it is`, "leave onNaN out, or write onNaN: zero if NaN means that a pod does nothing")
	case ofObject, ofNamespaces:
		c.report(c.onNaN.at, `field "onNaN": nothing would remain: each object has one series`, "write onNaN: zero, or guard the division in the query")
	}
}

// limits checks the ceiling, the clamps, and what they are to each other.
func (c ruleCheck) limits() {
	if !c.ceiling.valid || !c.clampMin.valid || !c.clampMax.valid {
		return
	}
	if v := c.ceiling.value; v <= 0 || v > MaxCeiling {
		c.report(c.ceiling.at, fmt.Sprintf(`field "ceiling": %g is not above 0 and at most %g`, v, float64(MaxCeiling)), "choose another unit in the query")
		return
	}
	c.clamp("clampMin", c.clampMin)
	c.clamp("clampMax", c.clampMax)
	low, high := c.clampMin.value, c.clampMax.value
	switch {
	case low > high:
		c.report(c.clampMin.at, fmt.Sprintf(`field "clampMin": %g is above clampMax, %g`, low, high), "")
	case c.allowNegative.value:
	case c.clampMin.given && low < 0:
		c.report(c.clampMin.at, fmt.Sprintf(`field "clampMin": %g is below zero, and negative values are not served`, low), "write allowNegative: true as well, or clampMin: 0")
	case high <= 0:
		c.report(c.clampMax.at, fmt.Sprintf(`field "clampMax": every value would be served as %g`, high), "write allowNegative: true if values below zero mean something")
	}
}

// clamp refuses a bound that is beyond what is served at all.
func (c ruleCheck) clamp(name string, f field[float64]) {
	if f.given && math.Abs(f.value) > c.ceiling.value {
		c.report(f.at, fmt.Sprintf("field %q: %g is beyond the ceiling, %g", name, f.value, c.ceiling.value), "raise ceiling, or choose a larger unit in the query")
	}
}
