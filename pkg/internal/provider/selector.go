package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// matchers translates a metric's label selector to PromQL. Both sides agree on
// labels that a series lacks: to PromQL they are empty, and != and NotIn accept them.
func matchers(selector labels.Selector) ([]*promlabels.Matcher, error) {
	if selector == nil || selector.Empty() {
		return nil, nil
	}
	requirements, selectable := selector.Requirements()
	if !selectable {
		return nil, &BadRequestError{Reason: "the metric's selector selects nothing"}
	}
	translated := make([]*promlabels.Matcher, 0, len(requirements))
	for _, requirement := range requirements {
		m, err := matcher(requirement)
		if err != nil {
			return nil, err
		}
		translated = append(translated, m)
	}
	return translated, nil
}

func matcher(requirement labels.Requirement) (*promlabels.Matcher, error) {
	values := requirement.ValuesUnsorted()
	slices.Sort(values)
	switch op := requirement.Operator(); op {
	case selection.Equals, selection.DoubleEquals, selection.In:
		return oneOf(requirement.Key(), values, promlabels.MatchEqual, promlabels.MatchRegexp)
	case selection.NotEquals, selection.NotIn:
		return oneOf(requirement.Key(), values, promlabels.MatchNotEqual, promlabels.MatchNotRegexp)
	case selection.Exists:
		return promlabels.NewMatcher(promlabels.MatchNotEqual, requirement.Key(), "")
	case selection.DoesNotExist:
		return promlabels.NewMatcher(promlabels.MatchEqual, requirement.Key(), "")
	default:
		return nil, &BadRequestError{Reason: fmt.Sprintf("selector %q: operator %q has no counterpart in PromQL: use In, NotIn, Exists or DoesNotExist", requirement.String(), op)}
	}
}

// oneOf matches any of values: by equality where there is one, else by a
// regular expression of their quoted texts.
func oneOf(label string, values []string, equal, regex promlabels.MatchType) (*promlabels.Matcher, error) {
	if len(values) == 1 {
		return promlabels.NewMatcher(equal, label, values[0])
	}
	quoted := make([]string, 0, len(values))
	for _, v := range values {
		quoted = append(quoted, regexp.QuoteMeta(v))
	}
	return promlabels.NewMatcher(regex, label, strings.Join(quoted, "|"))
}

// namespacesIn lists the namespaces of the objects, sorted.
func namespacesIn(groups instant.Groups) []string {
	var names []string
	for object := range groups {
		names = append(names, object.Namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesIn lists the objects of a namespace, sorted.
func namesIn(groups instant.Groups, namespace string) []string {
	var names []string
	for object := range groups {
		if object.Namespace == namespace {
			names = append(names, object.Name)
		}
	}
	slices.Sort(names)
	return names
}
