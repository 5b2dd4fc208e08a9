package promexpr

import "github.com/prometheus/prometheus/promql/parser"

// IsCondition reports whether the expression is a condition, as that of an
// alert: it has a result where it holds and none where it does not. Such are
// comparisons without bool, absent, what combines conditions by and, or and
// unless, and aggregations over them.
func (e *Expr) IsCondition() bool { return isCondition(e.root) }

func isCondition(node parser.Expr) bool {
	switch n := bare(node).(type) {
	case *parser.AggregateExpr:
		return isCondition(n.Expr)
	case *parser.BinaryExpr:
		switch n.Op {
		case parser.LAND, parser.LUNLESS:
			return isCondition(n.LHS)
		case parser.LOR:
			return isCondition(n.LHS) && isCondition(n.RHS)
		}
		return n.Op.IsComparisonOperator() && !n.ReturnBool
	case *parser.Call:
		return functions[n.Func.Name] == absence
	}
	return false
}
