package promexpr

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// An Input is a selector of an expression: what it reads.
type Input struct {
	// Range is how far the selector itself looks back; 0 for one instant.
	Range time.Duration
	// Counter says that a function reads it that makes sense for counters alone.
	Counter bool

	selector *parser.VectorSelector
}

// Inputs returns the selectors of the expression in their order, each once.
func (e *Expr) Inputs() []Input {
	var inputs []Input
	parser.Inspect(e.root, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		in := Input{selector: selector}
		for _, above := range slices.Backward(path) {
			switch n := above.(type) {
			case *parser.MatrixSelector:
				in.Range = n.Range
			case *parser.Call:
				in.Counter = in.Counter || in.Range > 0 && slices.Contains(ofCounters, n.Func.Name)
			}
		}
		if !slices.ContainsFunc(inputs, func(other Input) bool { return other.String() == in.String() }) {
			inputs = append(inputs, in)
		}
		return nil
	})
	return inputs
}

// String is the selector with its range, as it stands in the expression.
func (in Input) String() string {
	if in.Range > 0 {
		return in.Over(in.Range)
	}
	return in.At()
}

// At is the selector alone, with what it has of matchers and an offset.
func (in Input) At(more ...*labels.Matcher) string { return narrowSelector(in.selector, more).String() }

// Over is the selector with a range.
func (in Input) Over(d time.Duration) string {
	return (&parser.MatrixSelector{VectorSelector: in.selector, Range: d}).String()
}

// Metric is the name that the selector asks for by equality; "" if it does not.
func (in Input) Metric() string {
	for _, m := range in.selector.LabelMatchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}
