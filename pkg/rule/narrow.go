package rule

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A NotSelectableError reports a metric selector that names a label which its
// rule does not offer.
type NotSelectableError struct {
	Metric     string
	Label      string
	Selectable []string // what the rule does offer, sorted
}

// Error names the label and those that are allowed.
func (e *NotSelectableError) Error() string {
	if len(e.Selectable) == 0 {
		return fmt.Sprintf("label %q is not selectable: the rule allows no metric selector", e.Label)
	}
	return fmt.Sprintf("label %q is not selectable: the rule allows %s", e.Label, place.List(e.Selectable))
}

// EachNamespace reports whether a rule of ScopeNamespace has to ask for each
// namespace by itself, since its result does not tell them apart.
func (r *Rule) EachNamespace() bool {
	return r.Type == TypeExternal && r.Scope == ScopeNamespace && !r.Expr().Labels().Has(NamespaceLabel)
}

// Narrow applies a metric selector, and the namespace of the reader to a rule of
// EachNamespace. It returns the expression to ask, and the matchers that each
// sample of the result must satisfy.
//
// A matcher on a label that the result can carry filters the result, so that all
// such selectors share one query. A matcher on any other selectable label goes
// into every selector of the expression, before its series are aggregated. The
// error is a *NotSelectableError.
func (r *Rule) Narrow(namespace string, selector []*labels.Matcher) (expr *promexpr.Expr, filter []*labels.Matcher, err error) {
	var inject []*labels.Matcher
	if r.EachNamespace() {
		inject = append(inject, labels.MustNewMatcher(labels.MatchEqual, NamespaceLabel, namespace))
	}
	carried := r.Expr().Labels()
	for _, m := range selector {
		switch {
		case !slices.Contains(r.Selectable, m.Name):
			return nil, nil, &NotSelectableError{Metric: r.Metric, Label: m.Name, Selectable: r.Selectable}
		case carried.Has(m.Name):
			filter = append(filter, m)
		default:
			inject = append(inject, m)
		}
	}
	return r.Expr().WithMatchers(inject...), filter, nil
}
