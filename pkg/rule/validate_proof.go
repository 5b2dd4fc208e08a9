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
	if age := c.maxSampleAge.Value; c.maxSampleAge.Given && c.maxSampleAge.Valid && (age < minSampleAge || age > maxSampleAge) {
		c.Report(c.maxSampleAge.At, fmt.Sprintf(`field "maxSampleAge": %s is not between %s and %s`, age, minSampleAge, maxSampleAge), "")
	}
	if !c.zeroWhen.Valid || c.zeroWhen.Value == nil {
		return
	}
	condition := c.zeroWhen.Value
	if !condition.IsCondition() {
		c.Report(c.zeroWhen.At, `field "zeroWhen": the expression is no condition: it would have a result even where it does not hold`,
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
	c.Report(c.zeroWhen.At, fmt.Sprintf(`field "zeroWhen": its result can have %s, so that another object's proof might count`, condition.Labels()), hint)
}
