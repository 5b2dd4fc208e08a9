package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Position is a place in a text. Lines and columns count from 1.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns the position as editors understand it: file:line:column.
func (p Position) String() string {
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// A Problem is one mistake in a manifest.
type Problem struct {
	Position
	// Name is that of the HorizontalPodAutoscaler; empty where it has none, or
	// the problem is outside of one.
	Name string
	// Field is the path of the field in the words of the API server, such as
	// spec.metrics[0].resource.name. Empty for what is no field.
	Field string
	// Cause says what is wrong; Hint, where there is one, how to put it right.
	Cause string
	Hint  string
}

// Error returns the problem in one line, as in
//
//	hpa.yaml:9:16: web: spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", p.Position)
	for _, where := range []string{p.Name, p.Field} {
		if where != "" {
			fmt.Fprintf(&b, "%s: ", where)
		}
	}
	b.WriteString(p.Cause)
	if p.Hint != "" {
		fmt.Fprintf(&b, " (hint: %s)", p.Hint)
	}
	return b.String()
}

// Problems are all mistakes in a text, sorted by place.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
