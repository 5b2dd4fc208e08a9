package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one mistake in the configuration.
type Problem struct {
	Position
	// Rule is the metric of the rule that has the problem, Backend the name of
	// the backend. Both are empty where the problem is in neither, or its name
	// could not be read.
	Rule    string
	Backend string
	// Cause says what is wrong; Hint, where there is one, how to put it right.
	Cause string
	Hint  string
}

// Error returns the problem in one line, as in
//
//	rules.yaml:12:7: rule "http_rps": unknown field "querry" (hint: did you mean "query"?)
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s: ", p.Position)
	}
	if p.Rule != "" {
		fmt.Fprintf(&b, "rule %q: ", p.Rule)
	}
	if p.Backend != "" {
		fmt.Fprintf(&b, "backend %q: ", p.Backend)
	}
	b.WriteString(p.Cause)
	if p.Hint != "" {
		fmt.Fprintf(&b, " (hint: %s)", p.Hint)
	}
	return b.String()
}

// Problems are all mistakes in a configuration, sorted by file and place.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// String returns the position as editors understand it: file:line:column.
func (p Position) String() string {
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
}

// A reporter gathers problems about one subject.
type reporter struct {
	rule, backend string
	problems      *Problems
}

// report adds a problem. The hint may be empty.
func (r reporter) report(at Position, cause, hint string) {
	*r.problems = append(*r.problems, Problem{Position: at, Rule: r.rule, Backend: r.backend, Cause: cause, Hint: hint})
}

// begin starts a stretch of reports.
func (r reporter) begin() stretch { return stretch{problems: r.problems, from: len(*r.problems)} }

// A stretch is the problems that were reported since it began.
type stretch struct {
	problems *Problems
	from     int
}

func (s stretch) end() Problems { return slices.Clone((*s.problems)[s.from:]) }
