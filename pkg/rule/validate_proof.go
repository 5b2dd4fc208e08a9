package rule

import (
	"fmt"
	"slices"
	"time"
)

// What a rule may take for the newest sample. No scrape is faster than the
// shorter one, and a day is what the slowest batch takes.
const (
	minSampleAge = time.Second
	maxSampleAge = 24 * time.Hour
)

// proof checks what proves zero and how old samples may be.
func (c ruleCheck) proof() {
	if age := c.maxSampleAge.value; c.maxSampleAge.given && c.maxSampleAge.valid && (age < minSampleAge || age > maxSampleAge) {
		c.report(c.maxSampleAge.at, fmt.Sprintf(`field "maxSampleAge": %s is not between %s and %s`, age, minSampleAge, maxSampleAge), "")
	}
	if !c.zeroWhen.valid || c.zeroWhen.value == nil {
		return
	}
	condition := c.zeroWhen.value
	if !condition.IsCondition() {
		c.report(c.zeroWhen.at, `field "zeroWhen": the expression is no condition: it would have a result even where it does not hold`,
			"compare, as in max(redis_up) == 1, without bool")
		return
	}
	allowed := c.objectLabels()
	names, finite := condition.Labels().Names()
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(allowed, name) })
	if finite && len(names) == 0 {
		return
	}
	hint := "aggregate it, as in max(redis_up) == 1"
	if len(allowed) > 0 {
		hint = fmt.Sprintf("aggregate it, as in max by (%s) (redis_up) == 1", allowed[0])
	}
	c.report(c.zeroWhen.at, fmt.Sprintf(`field "zeroWhen": its result can have %s, so that another object's proof might count`, condition.Labels()), hint)
}
