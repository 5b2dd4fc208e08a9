package promexpr

import (
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// inspect returns what Pitot does not serve in a tree that is correct PromQL.
//
// It is the gate: node types and functions that it lets through are those that
// resultLabels and narrow know, so neither can meet a stranger when a
// request arrives.
func inspect(root parser.Expr, text string) SyntaxErrors {
	in := &inspection{text: text, steps: 1}
	switch t := root.Type(); t {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
	default:
		in.refuse(root, "the result is a %s, and only an instant vector or a scalar can be served", parser.DocumentedType(t))
	}
	in.visit(root)
	return in.problems.inOrder()
}

type inspection struct {
	text     string
	problems SyntaxErrors
	steps    float64 // how often one evaluation evaluates the node being visited
}

// maxSteps bounds how often a subquery evaluates its expression: as often as
// Prometheus lets a range query. It sets no bound for subqueries itself, and one
// of a million steps can take the server down.
const maxSteps = 11000

// defaultStep stands for the server's evaluation interval, which is its own.
const defaultStep = time.Minute

func (in *inspection) refuse(node parser.Node, format string, args ...any) {
	in.problems = append(in.problems, newSyntaxError(in.text, node.PositionRange().Start, format, args...))
}

func (in *inspection) visit(node parser.Expr) {
	switch n := node.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
	case *parser.ParenExpr:
		in.visit(n.Expr)
	case *parser.UnaryExpr:
		in.visit(n.Expr)
	case *parser.VectorSelector:
		in.selector(n)
	case *parser.MatrixSelector:
		in.duration(n, "range", n.Range, n.RangeExpr)
		in.visit(n.VectorSelector)
	case *parser.SubqueryExpr:
		in.subquery(n)
	case *parser.AggregateExpr:
		in.aggregation(n)
	case *parser.BinaryExpr:
		in.binary(n)
	case *parser.Call:
		in.call(n)
	default:
		in.refuse(node, "expressions of type %T are not supported", node)
	}
}

func (in *inspection) selector(n *parser.VectorSelector) {
	if n.Anchored || n.Smoothed {
		in.refuse(n, "the modifiers anchored and smoothed are experimental in Prometheus and not supported")
	}
	in.time(n, n.Timestamp)
	in.duration(n, "offset", n.OriginalOffset, n.OriginalOffsetExpr)
}

func (in *inspection) subquery(n *parser.SubqueryExpr) {
	in.duration(n, "range", n.Range, n.RangeExpr)
	in.duration(n, "step", n.Step, n.StepExpr)
	in.duration(n, "offset", n.OriginalOffset, n.OriginalOffsetExpr)
	in.time(n, n.Timestamp)
	outer := in.steps
	in.steps *= steps(n)
	if outer <= maxSteps && in.steps > maxSteps {
		in.refuse(n, "the subquery evaluates its expression %.0f times, and %d is the most: use a longer step or a shorter range", in.steps, maxSteps)
	}
	in.visit(n.Expr)
	in.steps = outer
}

// steps is how often a subquery evaluates its expression.
func steps(n *parser.SubqueryExpr) float64 {
	step := n.Step
	if step <= 0 {
		step = defaultStep
	}
	return max(1, n.Range.Seconds()/step.Seconds())
}

func (in *inspection) aggregation(n *parser.AggregateExpr) {
	if n.Op.IsExperimentalAggregator() {
		in.refuse(n, "%s is experimental in Prometheus and not supported", n.Op)
	}
	if n.Param != nil {
		in.visit(n.Param)
	}
	in.visit(n.Expr)
}

func (in *inspection) binary(n *parser.BinaryExpr) {
	if m := n.VectorMatching; m != nil && (m.FillValues.LHS != nil || m.FillValues.RHS != nil) {
		in.refuse(n, "the fill modifiers invent values and are experimental in Prometheus; they are not supported")
	}
	in.visit(n.LHS)
	in.visit(n.RHS)
}

func (in *inspection) call(n *parser.Call) {
	switch _, known := functions[n.Func.Name]; {
	case n.Func.Experimental:
		in.refuse(n, "function %s is experimental in Prometheus and not supported", n.Func.Name)
	case !known:
		in.refuse(n, "function %s is not supported", n.Func.Name)
	}
	for _, arg := range n.Args {
		in.visit(arg)
	}
}

// time refuses a fixed evaluation time. @ start() and @ end() leave it nil.
func (in *inspection) time(node parser.Node, fixed *int64) {
	if fixed != nil {
		in.refuse(node, "@ with a fixed time makes a value that never changes")
	}
}

// duration refuses what Window could not read and what the printer would cut off.
func (in *inspection) duration(node parser.Node, what string, d time.Duration, computed *parser.DurationExpr) {
	switch {
	case computed != nil:
		in.refuse(node, "the %s is computed (%s): write one duration, such as 5m", what, computed)
	case d%time.Millisecond != 0:
		in.refuse(node, "the %s %s is finer than a millisecond", what, d)
	}
}
