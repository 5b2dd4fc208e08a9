package promexpr

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// InputLabel tells the inputs of SampleTimes apart where there are several: two
// of them may have series with equal labels. It is on no other series.
const InputLabel = "__input__"

// SampleTimes is what to ask beside an expression to learn how old the samples
// behind its results are. It is comparable; the zero value asks nothing.
type SampleTimes struct {
	// Query answers, for each input of the expression, when its newest sample was
	// taken: Unix seconds, moved by the input's offset. An answer belongs to those
	// results that agree with it on all of its labels but InputLabel. "" for an
	// expression that reads no series.
	Query string
	// Optional says that a result to which no answer belongs may stand: a rate
	// fades after its series have ended, and absent() answers where there are none.
	// Without it the series behind such a result are gone.
	Optional bool
}

// SampleTimes returns what to ask beside e. Which labels lead from a series to
// the results that it is part of is read off the tree. The bounds of buckets do
// not count: the buckets of a histogram are sampled together.
func (e *Expr) SampleTimes() SampleTimes { return e.times() }

func sampleTimesOf(root parser.Expr) SampleTimes {
	in := inputsOf(root, allLabelsBut(model.MetricNameLabel))
	if len(in.times) == 0 {
		return SampleTimes{}
	}
	return SampleTimes{Query: union(in.times).String(), Optional: in.optional}
}

// Fresh returns the condition that e holds and that each of the newest samples
// behind it is at most bound old. e must be a condition whose result has a
// finite set of labels.
func (e *Expr) Fresh(bound time.Duration) *Expr {
	fresh := parser.Expr(&parser.ParenExpr{Expr: e.root})
	for _, taken := range inputsOf(e.root, e.Labels().minus(model.MetricNameLabel)).times {
		names, _ := resultLabels(taken).Names()
		if _, sum := taken.(*parser.BinaryExpr); sum {
			taken = &parser.ParenExpr{Expr: taken} // The printer adds none.
		}
		age := &parser.BinaryExpr{Op: parser.SUB, LHS: call("time"), RHS: taken}
		young := &parser.BinaryExpr{Op: parser.LTE, LHS: age, RHS: &parser.NumberLiteral{Val: bound.Seconds()}}
		fresh = &parser.BinaryExpr{Op: parser.LAND, LHS: fresh, RHS: &parser.ParenExpr{Expr: young},
			VectorMatching: &parser.VectorMatching{Card: parser.CardManyToMany, On: true, MatchingLabels: names}}
	}
	return newExpr(fresh, fresh.String())
}

// inputs gathers the selectors of a tree, each as the expression of its sample
// times.
type inputs struct {
	times    []parser.Expr // each once
	optional bool
}

// inputsOf returns the inputs of a result that has the labels.
func inputsOf(root parser.Expr, labels LabelSet) inputs {
	var in inputs
	in.visit(root, path{labels: labels})
	return in
}

// A path leads from the result down to a node.
type path struct {
	// labels are those of the node that the result has unchanged. None is "",
	// which count_values accepts and means no label.
	labels LabelSet
	// offset is that of the subqueries on the path.
	offset time.Duration
}

func (p path) only(s LabelSet) path { p.labels = p.labels.intersect(s); return p }

func (p path) without(names ...string) path {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	p.labels = p.labels.minus(names...)
	return p
}

func (in *inputs) visit(node parser.Expr, p path) {
	switch n := node.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
	case *parser.ParenExpr:
		in.visit(n.Expr, p)
	case *parser.UnaryExpr:
		in.visit(n.Expr, p)
	case *parser.VectorSelector:
		in.add(n, p)
	case *parser.MatrixSelector:
		in.visit(n.VectorSelector, p)
	case *parser.SubqueryExpr:
		p.offset += n.OriginalOffset
		in.visit(n.Expr, p)
	case *parser.AggregateExpr:
		in.aggregation(n, p)
	case *parser.BinaryExpr:
		in.binary(n, p)
	case *parser.Call:
		in.call(n, p)
	default:
		panic(fmt.Sprintf("promexpr: inspect let %T through", node))
	}
}

func (in *inputs) aggregation(n *parser.AggregateExpr, p path) {
	if n.Param != nil {
		in.visit(n.Param, p.only(LabelSet{}))
	}
	switch {
	case n.Op == parser.TOPK || n.Op == parser.BOTTOMK:
	case n.Op == parser.COUNT_VALUES && !n.Without:
		p = p.only(onlyLabels(n.Grouping...)).without(text(n.Param))
	case n.Op == parser.COUNT_VALUES:
		p = p.without(n.Grouping...).without(text(n.Param))
	case n.Without:
		p = p.without(n.Grouping...)
	default:
		p = p.only(onlyLabels(n.Grouping...))
	}
	in.visit(n.Expr, p)
}

func (in *inputs) binary(n *parser.BinaryExpr, p path) {
	if n.VectorMatching == nil {
		in.operand(n.LHS, p)
		in.operand(n.RHS, p)
		return
	}
	matching, include := n.VectorMatching, onlyLabels(n.VectorMatching.Include...)
	equal := onlyLabels(matching.MatchingLabels...)
	if !matching.On {
		equal = equal.complement()
	}
	left, right := p, p
	switch {
	case n.Op == parser.LOR:
	case n.Op == parser.LUNLESS:
		in.visit(n.LHS, p) // The right side is in no result.
		return
	case n.Op == parser.LAND:
		right = p.only(equal)
	case matching.Card == parser.CardManyToOne:
		left, right = p.without(matching.Include...), p.only(equal.union(include))
	case matching.Card == parser.CardOneToMany:
		left, right = p.only(equal.union(include)), p.without(matching.Include...)
	default:
		left, right = p.only(equal), p.only(equal)
	}
	in.visit(n.LHS, left)
	in.visit(n.RHS, right)
}

// operand visits an argument or an operand: a scalar passes no label on.
func (in *inputs) operand(node parser.Expr, p path) {
	if node.Type() == parser.ValueTypeScalar {
		p = p.only(LabelSet{})
	}
	in.visit(node, p)
}

func (in *inputs) call(n *parser.Call, p path) {
	switch functions[n.Func.Name] {
	case absence:
		in.optional = true
		return
	case foldedBuckets:
		p = p.without(labels.BucketLabel)
	case relabelled:
		p = p.without(text(n.Args[1]))
	case unlabelled:
		in.optional = true
		p = p.only(LabelSet{})
	}
	if slices.Contains(ofCounters, n.Func.Name) {
		in.optional = true
	}
	for _, arg := range n.Args {
		in.operand(arg, p)
	}
}

// ofCounters are the functions that make sense for counters alone. What they
// answer for series that have ended is what these counted.
var ofCounters = []string{"increase", "irate", "rate", "resets"}

func (in *inputs) add(selector *parser.VectorSelector, p path) {
	times := sampleTimes(selector, p)
	if !slices.ContainsFunc(in.times, func(other parser.Expr) bool { return other.String() == times.String() }) {
		in.times = append(in.times, times)
	}
}

// sampleTimes is the expression of when the newest samples were taken that a
// selector finds, folded to the labels that the results share with them.
func sampleTimes(selector *parser.VectorSelector, p path) parser.Expr {
	moved := *selector
	moved.OriginalOffset += p.offset
	times := call("timestamp", &moved)
	if names, finite := p.labels.minus(labels.BucketLabel).Names(); finite {
		times = &parser.AggregateExpr{Op: parser.MAX, Expr: times, Grouping: names}
	} else if dropped, _ := p.labels.union(onlyLabels(model.MetricNameLabel)).complement().Names(); len(dropped) > 0 {
		times = &parser.AggregateExpr{Op: parser.MAX, Expr: times, Grouping: dropped, Without: true}
	}
	if moved.OriginalOffset != 0 {
		times = &parser.BinaryExpr{Op: parser.ADD, LHS: times, RHS: &parser.NumberLiteral{Val: moved.OriginalOffset.Seconds()}}
	}
	return times
}

// union is all of the times, told apart by InputLabel.
func union(times []parser.Expr) parser.Expr {
	if len(times) == 1 {
		return times[0]
	}
	var all parser.Expr
	for i, one := range times {
		one = call("label_replace", one, quoted(InputLabel), quoted(strconv.Itoa(i)), quoted(""), quoted(""))
		if all == nil {
			all = one
			continue
		}
		all = &parser.BinaryExpr{Op: parser.LOR, LHS: all, RHS: one, VectorMatching: &parser.VectorMatching{Card: parser.CardManyToMany}}
	}
	return all
}

func call(function string, args ...parser.Expr) parser.Expr {
	return &parser.Call{Func: parser.Functions[function], Args: args}
}

func quoted(text string) parser.Expr { return &parser.StringLiteral{Val: text} }
