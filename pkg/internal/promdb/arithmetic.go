package promdb

import (
	"math"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/kahansum"
)

// This file hands on the arithmetic of promql/engine.go (aggregation) and
// promql/quantile.go at the version in go.mod, so that a value folded outside a
// query is the value that the query would have given. The fold's order is the
// caller's; as in the engine, another order can differ in the last bits.

// A Bucket is one bucket of a classic histogram.
type Bucket struct {
	// UpperBound is the bucket's le, inclusive; +Inf for the last one.
	UpperBound float64
	// Count is what was observed at or below UpperBound: a number or a rate.
	Count float64
}

// Quantile returns what histogram_quantile(q, …) gives for one histogram,
// interpolated linearly within the bucket. The buckets come in any order and
// are not changed.
//
// It is NaN where there is no observation, where the bucket +Inf or any second
// bucket is missing, and where q is NaN; -Inf for q < 0 and +Inf for q > 1.
func Quantile(q float64, buckets []Bucket) float64 {
	work := make(promql.Buckets, len(buckets)) // BucketQuantile sorts and merges in place
	for i, b := range buckets {
		work[i] = promql.Bucket(b)
	}
	quantile, _, _, _, _, _ := promql.BucketQuantile(q, work)
	return quantile
}

// A Total is a running sum as PromQL's sum keeps it, compensated for rounding.
// Its zero value holds nothing.
type Total struct {
	some              bool
	sum, compensation float64
}

// Add adds one value.
func (t *Total) Add(v float64) {
	t.some = true
	t.sum, t.compensation = kahansum.Inc(v, t.sum, t.compensation)
}

// Sum returns the sum so far: NaN if nothing was added, since no value is not zero.
func (t Total) Sum() float64 {
	if !t.some {
		return math.NaN()
	}
	return t.sum + t.compensation
}

// Sum returns PromQL's sum of values, NaN of none.
func Sum(values ...float64) float64 {
	var t Total
	for _, v := range values {
		t.Add(v)
	}
	return t.Sum()
}

// Max returns PromQL's max of values, NaN of none: a NaN gives way to any number.
func Max(values ...float64) float64 {
	m := math.NaN()
	for _, v := range values {
		if m < v || math.IsNaN(m) {
			m = v
		}
	}
	return m
}

// Avg returns PromQL's avg of values, NaN of none. As in the engine it is the
// compensated sum over the count, and where that sum would overflow the mean is
// carried on value by value.
func Avg(values ...float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sum, c := values[0], 0.0
	for i, v := range values[1:] {
		newSum, newC := kahansum.Inc(v, sum, c)
		if math.IsInf(newSum, 0) {
			n := float64(i + 1)
			return continueMean(sum/n, c/n, i+1, values[i+1:])
		}
		sum, c = newSum, newC
	}
	n := float64(len(values))
	return sum/n + c/n
}

// continueMean folds further values into the mean of the first n.
func continueMean(mean, c float64, n int, values []float64) float64 {
	for _, v := range values {
		n++
		count := float64(n)
		share := float64(n-1) / count
		mean, c = kahansum.Inc(v/count, share*mean, share*c)
	}
	return mean + c
}
