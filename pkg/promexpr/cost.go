package promexpr

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// A Cost is what can be said of the work for a server without its data.
type Cost struct {
	// Selectors is how many there are.
	Selectors int
	// Selections is how often one evaluation selects series: a selector counts
	// once, and within a subquery once for each of its steps.
	Selections int
	// Regexp is the length of the longest regular expression, in bytes.
	Regexp int
}

// Cost reads the cost off the tree.
func (e *Expr) Cost() Cost {
	var c Cost
	c.visit(e.root, 1)
	return c
}

// visit adds a node that is evaluated so many times.
func (c *Cost) visit(node parser.Node, times float64) {
	switch n := node.(type) {
	case *parser.VectorSelector:
		c.Selectors++
		c.Selections += int(times)
		for _, m := range n.LabelMatchers {
			if m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp {
				c.Regexp = max(c.Regexp, len(m.Value))
			}
		}
	case *parser.SubqueryExpr:
		times *= steps(n)
	case *parser.Call:
		if n.Func.Name == "label_replace" {
			c.Regexp = max(c.Regexp, len(text(n.Args[4])))
		}
	}
	for child := range parser.ChildrenIter(node) {
		c.visit(child, times)
	}
}
