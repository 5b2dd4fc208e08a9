package promexpr

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// WithMatchers returns the expression with the matchers added to every vector
// selector. A matcher that a selector already has is not repeated; nothing is
// ever replaced, so matchers that contradict each other select no series. The
// receiver is unchanged.
//
// Every selector reads the same series as before or fewer. That does not mean
// that the result shrinks: where an expression asks for the lack of series
// (absent, unless), fewer series read can mean more answered.
//
// Matchers must have a label name, as those that a parser or labels.NewMatcher
// makes from user input do.
func (e *Expr) WithMatchers(matchers ...*labels.Matcher) *Expr {
	if len(matchers) == 0 {
		return e
	}
	root := narrow(e.root, matchers)
	return newExpr(root, root.String())
}

// narrow returns a copy of the tree with the matchers in every selector.
func narrow(node parser.Expr, matchers []*labels.Matcher) parser.Expr {
	switch n := node.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
		return n
	case *parser.ParenExpr:
		c := *n
		c.Expr = narrow(n.Expr, matchers)
		return &c
	case *parser.UnaryExpr:
		c := *n
		c.Expr = narrow(n.Expr, matchers)
		return &c
	case *parser.VectorSelector:
		return narrowSelector(n, matchers)
	case *parser.MatrixSelector:
		c := *n
		c.VectorSelector = narrow(n.VectorSelector, matchers)
		return &c
	case *parser.SubqueryExpr:
		c := *n
		c.Expr = narrow(n.Expr, matchers)
		return &c
	case *parser.AggregateExpr:
		c := *n
		c.Expr = narrow(n.Expr, matchers)
		if n.Param != nil {
			c.Param = narrow(n.Param, matchers)
		}
		return &c
	case *parser.BinaryExpr:
		c := *n
		c.LHS = narrow(n.LHS, matchers)
		c.RHS = narrow(n.RHS, matchers)
		return &c
	case *parser.Call:
		c := *n
		c.Args = make(parser.Expressions, len(n.Args))
		for i, arg := range n.Args {
			c.Args[i] = narrow(arg, matchers)
		}
		return &c
	default:
		panic(fmt.Sprintf("promexpr: inspect let %T through", node))
	}
}

func narrowSelector(n *parser.VectorSelector, matchers []*labels.Matcher) *parser.VectorSelector {
	c := *n
	c.LabelMatchers = append([]*labels.Matcher(nil), n.LabelMatchers...)
	for _, m := range matchers {
		if has(c.LabelMatchers, m) {
			continue
		}
		if m.Name == model.MetricNameLabel {
			// A name before the braces excludes another one within them, so
			// the name moves inside: its matcher is in the list already.
			c.Name = ""
		}
		c.LabelMatchers = append(c.LabelMatchers, m)
	}
	return &c
}

func has(matchers []*labels.Matcher, wanted *labels.Matcher) bool {
	for _, m := range matchers {
		if m.Type == wanted.Type && m.Name == wanted.Name && m.Value == wanted.Value {
			return true
		}
	}
	return false
}
