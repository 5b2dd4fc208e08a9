package promexpr

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// An effect says which labels the result of a function can carry.
type effect int

const (
	// unlabelled results are numbers without labels.
	unlabelled effect = iota
	// sameSeries are the argument's series, chosen or reordered.
	sameSeries
	// otherQuantity has the labels of the argument's series without their name.
	otherQuantity
	// foldedBuckets are otherQuantity without the bucket bound.
	foldedBuckets
	// absence has the labels that a selector fixes by equality.
	absence
	// relabelled has one more label, which the second argument names.
	relabelled
)

// functions are those that Pitot supports. A function that Prometheus adds is
// refused until it stands here.
var functions = map[string]effect{
	"pi":     unlabelled,
	"scalar": unlabelled,
	"time":   unlabelled,
	"vector": unlabelled,

	"sort":            sameSeries,
	"sort_desc":       sameSeries,
	"first_over_time": sameSeries,
	"last_over_time":  sameSeries,

	"abs":                otherQuantity,
	"acos":               otherQuantity,
	"acosh":              otherQuantity,
	"asin":               otherQuantity,
	"asinh":              otherQuantity,
	"atan":               otherQuantity,
	"atanh":              otherQuantity,
	"avg_over_time":      otherQuantity,
	"ceil":               otherQuantity,
	"changes":            otherQuantity,
	"clamp":              otherQuantity,
	"clamp_max":          otherQuantity,
	"clamp_min":          otherQuantity,
	"cos":                otherQuantity,
	"cosh":               otherQuantity,
	"count_over_time":    otherQuantity,
	"day_of_month":       otherQuantity,
	"day_of_week":        otherQuantity,
	"day_of_year":        otherQuantity,
	"days_in_month":      otherQuantity,
	"deg":                otherQuantity,
	"delta":              otherQuantity,
	"deriv":              otherQuantity,
	"exp":                otherQuantity,
	"floor":              otherQuantity,
	"histogram_avg":      otherQuantity,
	"histogram_count":    otherQuantity,
	"histogram_stddev":   otherQuantity,
	"histogram_stdvar":   otherQuantity,
	"histogram_sum":      otherQuantity,
	"hour":               otherQuantity,
	"idelta":             otherQuantity,
	"increase":           otherQuantity,
	"irate":              otherQuantity,
	"ln":                 otherQuantity,
	"log10":              otherQuantity,
	"log2":               otherQuantity,
	"max_over_time":      otherQuantity,
	"min_over_time":      otherQuantity,
	"minute":             otherQuantity,
	"month":              otherQuantity,
	"predict_linear":     otherQuantity,
	"present_over_time":  otherQuantity,
	"quantile_over_time": otherQuantity,
	"rad":                otherQuantity,
	"rate":               otherQuantity,
	"resets":             otherQuantity,
	"round":              otherQuantity,
	"sgn":                otherQuantity,
	"sin":                otherQuantity,
	"sinh":               otherQuantity,
	"sqrt":               otherQuantity,
	"stddev_over_time":   otherQuantity,
	"stdvar_over_time":   otherQuantity,
	"sum_over_time":      otherQuantity,
	"tan":                otherQuantity,
	"tanh":               otherQuantity,
	"timestamp":          otherQuantity,
	"year":               otherQuantity,

	"histogram_fraction": foldedBuckets,
	"histogram_quantile": foldedBuckets,

	"absent":           absence,
	"absent_over_time": absence,

	"label_join":    relabelled,
	"label_replace": relabelled,
}

// labels returns the labels that a call with this effect can carry.
func (e effect) labels(args parser.Expressions) LabelSet {
	switch e {
	case sameSeries:
		return seriesLabels(args)
	case otherQuantity:
		return seriesLabels(args).minus(model.MetricNameLabel)
	case foldedBuckets:
		return seriesLabels(args).minus(model.MetricNameLabel, labels.BucketLabel)
	case absence:
		return fixedLabels(args[0])
	case relabelled:
		return seriesLabels(args).union(onlyLabels(text(args[1])))
	}
	return LabelSet{}
}

// seriesLabels returns the labels of the argument that has series. Functions
// take one such argument, or none: hour() reads the evaluation time.
func seriesLabels(args parser.Expressions) LabelSet {
	for _, arg := range args {
		if t := arg.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			return resultLabels(arg)
		}
	}
	return LabelSet{}
}

// fixedLabels returns the labels that absent() can make up: those that its
// selector, if it is one, fixes by equality exactly once. It follows
// createLabelsForAbsentFunction in promql/functions.go.
func fixedLabels(arg parser.Expr) LabelSet {
	arg = bare(arg)
	if matrix, ok := arg.(*parser.MatrixSelector); ok {
		arg = matrix.VectorSelector
	}
	selector, ok := arg.(*parser.VectorSelector)
	if !ok {
		return LabelSet{}
	}
	var once, again []string
	for _, m := range selector.LabelMatchers {
		switch {
		case m.Type != labels.MatchEqual:
		case slices.Contains(once, m.Name):
			again = append(again, m.Name)
		default:
			once = append(once, m.Name)
		}
	}
	return selectorLabels(selector).intersect(onlyLabels(once...)).minus(again...).minus(model.MetricNameLabel)
}
