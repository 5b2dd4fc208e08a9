package promexpr

import (
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Confine is WithMatchers for a matcher on which safety depends: no series that
// the matcher rejects is read, whatever the expression says. It does not trust
// what it made: the text that a server will be sent is parsed again, and each of
// its selectors must have the matcher. The error says what kept it from that.
//
// What an expression makes of the series that it reads is its own. It may put any
// label on them, and it may have results that come of no series, as vector(1).
func (e *Expr) Confine(to *labels.Matcher) (*Expr, error) {
	confined := e.WithMatchers(to)
	again, err := parseTree(confined.text)
	if err != nil {
		return nil, fmt.Errorf("confined to %s it is no PromQL any more: %w", to, err)
	}
	if err := isConfined(again, to); err != nil {
		return nil, fmt.Errorf("it cannot be confined to %s: %w", to, err)
	}
	return confined, nil
}

// isConfined returns an error unless it knows every node of the tree and finds the
// matcher in every selector.
func isConfined(node parser.Expr, to *labels.Matcher) error {
	switch n := node.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
		return nil
	case *parser.ParenExpr:
		return isConfined(n.Expr, to)
	case *parser.UnaryExpr:
		return isConfined(n.Expr, to)
	case *parser.VectorSelector:
		if !has(n.LabelMatchers, to) {
			return fmt.Errorf("the selector %s lacks it", n)
		}
		return nil
	case *parser.MatrixSelector:
		return isConfined(n.VectorSelector, to)
	case *parser.SubqueryExpr:
		return isConfined(n.Expr, to)
	case *parser.AggregateExpr:
		if n.Param == nil {
			return isConfined(n.Expr, to)
		}
		return errors.Join(isConfined(n.Param, to), isConfined(n.Expr, to))
	case *parser.BinaryExpr:
		return errors.Join(isConfined(n.LHS, to), isConfined(n.RHS, to))
	case *parser.Call:
		if _, known := functions[n.Func.Name]; !known {
			return fmt.Errorf("what %s reads is not known", n.Func.Name)
		}
		for _, arg := range n.Args {
			if err := isConfined(arg, to); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("expressions of type %T are not known", node)
	}
}

// Matchers returns the matchers on a label in all selectors, in the order of the
// text.
func (e *Expr) Matchers(label string) []*labels.Matcher {
	var matchers []*labels.Matcher
	for _, selector := range parser.ExtractSelectors(e.root) {
		for _, m := range selector {
			if m.Name == label {
				matchers = append(matchers, m)
			}
		}
	}
	return matchers
}
