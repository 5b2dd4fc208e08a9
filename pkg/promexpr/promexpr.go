// Package promexpr edits PromQL as trees.
//
// Pitot narrows queries to a selector, reads windows off them and decides which
// labels a result can carry. All of it works on the parsed expression, never on
// its text:
//
//	expr, err := promexpr.Parse(`sum by (namespace, pod) (rate(http_requests_total[2m]))`)
//	expr = expr.WithMatchers(labels.MustNewMatcher(labels.MatchEqual, "handler", "/a"))
//	expr.String()             // sum by (namespace, pod) (rate(http_requests_total{handler="/a"}[2m]))
//	expr.Labels().Has("pod")  // true
//	expr.Window()             // 2m0s
//
// Parse decides once what Pitot can serve: an instant query with a vector or
// scalar result, in the PromQL that every Prometheus speaks. What it accepts can
// be printed, narrowed and asked about without an error later.
//
// An Expr is immutable and safe for concurrent use.
//
// # Limitations
//
// Labels answers for the labels that a result can carry, not for those that
// the data happen to have.
package promexpr

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// An Expr is a PromQL expression that Pitot can serve. The zero value is not
// usable; Parse makes one.
type Expr struct {
	root parser.Expr
	text string // root, printed

	// What is read off the tree, once: reads of a rule ask for it every time.
	labels func() LabelSet
	window func() time.Duration
	times  func() SampleTimes
}

// newExpr returns the expression of a tree that inspect lets through.
func newExpr(root parser.Expr, printed string) *Expr {
	return &Expr{
		root:   root,
		text:   printed,
		labels: sync.OnceValue(func() LabelSet { return resultLabels(root) }),
		window: sync.OnceValue(func() time.Duration { return windowOf(root) }),
		times:  sync.OnceValue(func() SampleTimes { return sampleTimesOf(root) }),
	}
}

// Parse reads an expression. Its error is SyntaxErrors: every problem of the
// text, in the order of their positions.
//
// Beyond what is no PromQL, Parse refuses: range vectors and strings, which are
// no answer to an instant query that an autoscaler can use; a fixed time after
// @, whose value never changes (@ start() and @ end() are fine); durations that
// are computed or finer than a millisecond; subqueries of more than 11000 steps,
// which can take a server down; and what is experimental in Prometheus, since a
// server answers it only behind a flag.
func Parse(text string) (*Expr, error) {
	root, err := parseTree(text)
	if err != nil {
		return nil, err
	}
	if problems := inspect(root, text); len(problems) != 0 {
		return nil, problems
	}
	printed := root.String()
	if again, err := parseTree(printed); err != nil || again.String() != printed {
		// The printer has been wrong before (durations below a millisecond). A
		// query that means something else once printed must not be asked.
		return nil, SyntaxErrors{newSyntaxError(text, 0, "the expression cannot be printed faithfully: it becomes %s", printed)}
	}
	return newExpr(root, printed), nil
}

// String returns the expression in canonical form: one line, comments gone, the
// matchers of each selector sorted. Parsing it again prints the same text.
func (e *Expr) String() string { return e.text }

// Labels returns the labels that a result can carry, read off the tree alone. A
// label outside the set is on no result, whatever the data; a label inside it is
// on those results whose series have it.
//
// The metric name counts as the label __name__.
func (e *Expr) Labels() LabelSet { return e.labels() }

// Window returns how much time the value is computed over: the longest range,
// where the range of a subquery adds to the ranges within it. It is zero for
// an expression without ranges. An offset moves a range and does not lengthen it.
func (e *Expr) Window() time.Duration { return e.window() }

func windowOf(root parser.Expr) time.Duration {
	var longest time.Duration
	parser.Inspect(root, func(node parser.Node, path []parser.Node) error {
		if selector, ok := node.(*parser.MatrixSelector); ok {
			longest = max(longest, selector.Range+enclosing(path))
		}
		if subquery, ok := node.(*parser.SubqueryExpr); ok {
			longest = max(longest, subquery.Range+enclosing(path))
		}
		return nil
	})
	return longest
}

// enclosing returns the summed ranges of the subqueries on a path.
func enclosing(path []parser.Node) time.Duration {
	var sum time.Duration
	for _, node := range path {
		if subquery, ok := node.(*parser.SubqueryExpr); ok {
			sum += subquery.Range
		}
	}
	return sum
}

// MetricNames returns the metrics that selectors name by equality, sorted and
// each once. A selector by regular expression names none.
func (e *Expr) MetricNames() []string {
	var names []string
	for _, selector := range parser.ExtractSelectors(e.root) {
		for _, m := range selector {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
				names = append(names, m.Value)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
