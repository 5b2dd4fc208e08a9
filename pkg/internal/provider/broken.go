package provider

import (
	"fmt"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// notServed is the error of a metric without a rule that could be read.
func notServed(rules *rule.Set, metric, asked string, problems rule.Problems) error {
	if len(problems) > 0 {
		return &BrokenRuleError{Problems: problems}
	}
	return unknown(rules, metric, asked)
}

// A BrokenRuleError says what in the configuration keeps a metric from being
// served.
type BrokenRuleError struct{ Problems rule.Problems } // at least one

func (e *BrokenRuleError) Error() string {
	more := ""
	if n := len(e.Problems) - 1; n > 0 {
		more = fmt.Sprintf(" (the first of %d problems)", n+1)
	}
	return fmt.Sprintf("the configuration is broken: %s%s", e.Problems[0], more)
}
