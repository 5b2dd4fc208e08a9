package promexpr

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// resultLabels returns the labels that the result of a node can carry. It
// follows promql/engine.go and promql/functions.go of Prometheus v0.316.0, where
// names are dropped at once; with delayed name removal the set is the same or
// smaller.
func resultLabels(node parser.Expr) LabelSet {
	switch n := node.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
		return LabelSet{}
	case *parser.ParenExpr:
		return resultLabels(n.Expr)
	case *parser.UnaryExpr:
		return negationLabels(n)
	case *parser.VectorSelector:
		return selectorLabels(n)
	case *parser.MatrixSelector:
		return resultLabels(n.VectorSelector)
	case *parser.SubqueryExpr:
		return resultLabels(n.Expr)
	case *parser.AggregateExpr:
		return aggregationLabels(n)
	case *parser.BinaryExpr:
		return binaryLabels(n)
	case *parser.Call:
		return functions[n.Func.Name].labels(n.Args)
	default:
		panic(fmt.Sprintf("promexpr: inspect let %T through", node))
	}
}

func negationLabels(n *parser.UnaryExpr) LabelSet {
	if n.Op == parser.SUB {
		return resultLabels(n.Expr).minus(model.MetricNameLabel)
	}
	return resultLabels(n.Expr)
}

// selectorLabels excludes a label that must be empty, as in x{pod=""}.
func selectorLabels(n *parser.VectorSelector) LabelSet {
	var absent []string
	for _, m := range n.LabelMatchers {
		if m.Type == labels.MatchEqual && m.Value == "" {
			absent = append(absent, m.Name)
		}
	}
	return allLabelsBut(absent...)
}

func aggregationLabels(n *parser.AggregateExpr) LabelSet {
	inner := resultLabels(n.Expr)
	if n.Op == parser.TOPK || n.Op == parser.BOTTOMK {
		return inner // They choose series and leave them as they are.
	}
	var group LabelSet
	if n.Without {
		group = inner.minus(n.Grouping...).minus(model.MetricNameLabel)
	} else {
		group = inner.intersect(onlyLabels(n.Grouping...))
	}
	if n.Op == parser.COUNT_VALUES {
		return group.union(onlyLabels(text(n.Param)))
	}
	return group
}

func binaryLabels(n *parser.BinaryExpr) LabelSet {
	left, right := resultLabels(n.LHS), resultLabels(n.RHS)
	switch {
	case n.VectorMatching == nil: // at least one side is a scalar
		return left.union(right).minus(droppedBy(n)...)
	case n.Op == parser.LOR:
		return left.union(right)
	case n.Op == parser.LUNLESS:
		return left
	case n.Op == parser.LAND:
		return matched(left, right, n.VectorMatching)
	}
	return joinLabels(n, left, right).minus(droppedBy(n)...)
}

// joinLabels returns the labels of an operation that pairs series.
func joinLabels(n *parser.BinaryExpr, left, right LabelSet) LabelSet {
	matching := n.VectorMatching
	include := onlyLabels(matching.Include...)
	switch matching.Card {
	case parser.CardManyToOne:
		return matched(left, right, matching).minus(matching.Include...).union(right.intersect(include))
	case parser.CardOneToMany:
		return matched(right, left, matching).minus(matching.Include...).union(left.intersect(include))
	}
	both := matched(left, right, matching)
	if matching.On {
		return both.intersect(onlyLabels(matching.MatchingLabels...))
	}
	return both.minus(matching.MatchingLabels...)
}

// matched returns the labels of those of side's series that find a partner. A
// label that has to be equal on both sides is carried only if both can carry it.
func matched(side, other LabelSet, matching *parser.VectorMatching) LabelSet {
	equal := onlyLabels(matching.MatchingLabels...)
	if !matching.On {
		equal = allLabelsBut(matching.MatchingLabels...).minus(model.MetricNameLabel)
	}
	return side.intersect(other.union(equal.complement()))
}

// droppedBy returns the metric name if the operator makes another quantity of
// the value. A filtering comparison does not.
func droppedBy(n *parser.BinaryExpr) []string {
	switch n.Op {
	case parser.ADD, parser.SUB, parser.MUL, parser.DIV, parser.MOD, parser.POW, parser.ATAN2:
		return []string{model.MetricNameLabel}
	}
	if n.ReturnBool {
		return []string{model.MetricNameLabel}
	}
	return nil
}

// text returns the string that a string argument holds.
func text(arg parser.Expr) string {
	return bare(arg).(*parser.StringLiteral).Val
}

// bare returns an expression without the parentheses around it.
func bare(node parser.Expr) parser.Expr {
	for {
		paren, ok := node.(*parser.ParenExpr)
		if !ok {
			return node
		}
		node = paren.Expr
	}
}
