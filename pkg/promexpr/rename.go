package promexpr

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// LabelNames returns the labels that the expression names itself, in matchers,
// groupings, matchings and the functions of labels: sorted, each once. The metric
// name counts as __name__.
func (e *Expr) LabelNames() []string {
	names := map[string]bool{}
	eachLabel(narrow(e.root, nil), func(name string) string { names[name] = true; return name })
	return slices.Sorted(maps.Keys(names))
}

// Rename returns the expression with other names of labels, wherever it names
// them. names must be a permutation, in which no two labels get one name, and has
// neither __name__ nor le, which mean something to PromQL. Then the expression
// answers for renamed series as the receiver does for the series before, with the
// labels of the results renamed as well. The receiver is unchanged.
func (e *Expr) Rename(names map[string]string) *Expr {
	root := narrow(e.root, nil)
	eachLabel(root, func(name string) string {
		if other, ok := names[name]; ok {
			return other
		}
		return name
	})
	return newExpr(root, root.String())
}

// eachLabel replaces each name of a label in a tree, which it changes.
func eachLabel(root parser.Expr, rename func(string) string) {
	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			renameMatchers(n, rename)
		case *parser.AggregateExpr:
			n.Grouping = renamed(n.Grouping, rename)
			if n.Op == parser.COUNT_VALUES {
				n.Param = renamedText(n.Param, rename)
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				matching := *n.VectorMatching
				matching.MatchingLabels = renamed(matching.MatchingLabels, rename)
				matching.Include = renamed(matching.Include, rename)
				n.VectorMatching = &matching
			}
		case *parser.Call:
			renameArguments(n, rename)
		}
		return nil
	})
}

func renameMatchers(n *parser.VectorSelector, rename func(string) string) {
	for i, m := range n.LabelMatchers {
		if name := rename(m.Name); name != m.Name {
			// The pattern is one that compiled before.
			n.LabelMatchers[i] = labels.MustNewMatcher(m.Type, name, m.Value)
		}
	}
}

// renameArguments renames the labels that a function is told by their names: after
// its series the one that it sets, a text, and those that it reads.
func renameArguments(n *parser.Call, rename func(string) string) {
	if functions[n.Func.Name] != relabelled {
		return
	}
	for i := range n.Args {
		if i == 1 || i == 3 || i > 3 && n.Func.Name == "label_join" {
			n.Args[i] = renamedText(n.Args[i], rename)
		}
	}
}

func renamed(names []string, rename func(string) string) []string {
	all := slices.Clone(names)
	for i, name := range all {
		all[i] = rename(name)
	}
	return all
}

func renamedText(arg parser.Expr, rename func(string) string) parser.Expr {
	return quoted(rename(text(arg)))
}
