package rule

import (
	"fmt"
	"slices"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// A Position is a place in a configuration file.
type Position = place.Position

// A Problem is one mistake in the configuration: where it is, its Cause, and a
// Hint where there is one. As an error it is one line, as in
//
//	rules.yaml:12:7: rule "http_rps": unknown field "querry" (hint: did you mean "query"?)
type Problem struct {
	place.Problem
	// Rule is the metric of the rule that has the problem, Backend the name of
	// the backend. Both are empty where the problem is in neither, or its name
	// could not be read.
	Rule    string
	Backend string
}

// Problems are all mistakes in a configuration, sorted by file and place.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string { return place.Lines(ps) }

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int { return place.Compare(a.Position, b.Position) })
}

// A subject is the rule or the backend that has problems. The zero subject is
// the rest of a file.
type subject struct{ rule, backend string }

func (s subject) String() string {
	switch {
	case s.rule != "":
		return fmt.Sprintf("rule %q", s.rule)
	case s.backend != "":
		return fmt.Sprintf("backend %q", s.backend)
	}
	return ""
}

// reporter gathers the problems of the subject.
func (s subject) reporter() place.Reporter {
	return place.Reporter{Subject: s.String(), Problems: new(place.Problems)}
}

// own are problems of the subject.
func (s subject) own(found place.Problems) Problems {
	var problems Problems
	for _, p := range found {
		problems = append(problems, Problem{Problem: p, Rule: s.rule, Backend: s.backend})
	}
	return problems
}
