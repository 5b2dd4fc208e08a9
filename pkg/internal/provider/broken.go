package provider

import (
	"fmt"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

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
