package promexpr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// A SyntaxError is one reason why a text is not an expression that Pitot can
// serve.
type SyntaxError struct {
	// Line and Column are the place within the text. Both count from 1, and
	// columns count characters, not bytes.
	Line, Column int
	// Msg says what is wrong there, without the place.
	Msg string
}

// Error returns the place and the message, as in `1:5: unexpected character: '!'`.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg)
}

// SyntaxErrors are all problems of one text, sorted by place; there is at least
// one. errors.As finds the first *SyntaxError.
type SyntaxErrors []*SyntaxError

// Error returns one line for each problem.
func (es SyntaxErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one.
func (es SyntaxErrors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// promql accepts the experimental parts of the language, so that inspect can
// refuse them in words that fit Pitot.
var promql = parser.NewParser(parser.Options{
	EnableExperimentalFunctions: true,
	EnableBinopFillModifiers:    true,
})

// parseTree parses text. Its error is SyntaxErrors.
func parseTree(text string) (parser.Expr, error) {
	root, err := promql.ParseExpr(text)
	if err == nil {
		return root, nil
	}
	var found parser.ParseErrors
	if !errors.As(err, &found) {
		return nil, SyntaxErrors{newSyntaxError(text, 0, "%v", err)}
	}
	var problems SyntaxErrors
	for _, p := range found {
		problems = append(problems, newSyntaxError(text, p.PositionRange.Start, "%v", p.Err))
	}
	return nil, problems.inOrder()
}

func newSyntaxError(text string, at posrange.Pos, format string, args ...any) *SyntaxError {
	before := text[:min(max(int(at), 0), len(text))]
	lastLine := before[strings.LastIndexByte(before, '\n')+1:]
	return &SyntaxError{
		Line:   strings.Count(before, "\n") + 1,
		Column: utf8.RuneCountInString(lastLine) + 1,
		Msg:    fmt.Sprintf(format, args...),
	}
}

// inOrder sorts the problems by place.
func (es SyntaxErrors) inOrder() SyntaxErrors {
	slices.SortStableFunc(es, func(a, b *SyntaxError) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return es
}
