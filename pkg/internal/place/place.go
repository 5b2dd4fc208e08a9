// Package place reads YAML that people wrote and points at what is wrong in it.
//
//	var problems place.Problems
//	d := place.NewDecoder("app.yaml", text, &problems)
//	root, ok := d.Document()
//	d.Object(root, "an app", place.Fields{"workers": d.Whole("workers", &workers)})
//
// It is strict and gathers: unknown fields, fields given twice and values of a
// wrong type are all reported, each with file, line, column, cause and, where
// there is one, the cure. A Field that could not be read stays given and not
// valid, so that nothing is reported twice.
//
// It knows nothing of what the fields mean. The packages that do call it.
package place

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Position is a place in a text. Lines and columns count from 1. The zero
// Position is none: what was said outside of any file.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns the position as editors understand it: file:line:column.
func (p Position) String() string {
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Compare orders positions by file, line and column.
func Compare(a, b Position) int {
	return cmp.Or(
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column),
	)
}

// A Problem is one mistake in a text.
type Problem struct {
	Position
	// Subject is what has the problem, as in: test "a flash crowd". It is empty
	// where that is the text as a whole.
	Subject string
	// Cause says what is wrong; Hint, where there is one, how to put it right.
	Cause string
	Hint  string
}

// Error returns the problem in one line, as in
//
//	app.yaml:12:7: unknown field "wokers" (hint: did you mean "workers"?)
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s: ", p.Position)
	}
	if p.Subject != "" {
		fmt.Fprintf(&b, "%s: ", p.Subject)
	}
	b.WriteString(p.Cause)
	if p.Hint != "" {
		fmt.Fprintf(&b, " (hint: %s)", p.Hint)
	}
	return b.String()
}

// Problems are all mistakes in some texts.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string { return Lines(ps) }

// Lines prints problems of any type, one in each line.
func Lines[P error](problems []P) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err sorts the problems by file and place, and is nil where there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return Compare(a.Position, b.Position) })
	return ps
}

// A Reporter gathers problems about one subject.
type Reporter struct {
	Subject  string
	Problems *Problems
}

// Report adds a problem. The hint may be empty.
func (r Reporter) Report(at Position, cause, hint string) {
	*r.Problems = append(*r.Problems, Problem{Position: at, Subject: r.Subject, Cause: cause, Hint: hint})
}

// A Field is a value and where it stands. The zero Field is absent.
type Field[T any] struct {
	Value T
	At    Position
	Given bool // somebody wrote it
	Valid bool // Value holds what they wrote, or a default
}

// OrElse fills in a default, where there is neither a value nor another default.
func (f *Field[T]) OrElse(value T) {
	if !f.Given && !f.Valid {
		f.Value, f.Valid = value, true
	}
}
