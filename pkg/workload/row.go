package workload

import (
	"math"
	"slices"
)

// levels are the probabilities at which a latency is tabulated: close together
// where objectives are.
var levels = func() []float64 {
	var l []float64
	for p := range 18 {
		l = append(l, float64(p)*0.05)
	}
	for p := 90; p < 99; p++ {
		l = append(l, float64(p)/100)
	}
	return append(l, 0.99, 0.9925, 0.995, 0.9975, 0.999, 0.9995, 0.9999)
}()

const levelCount = 34

// A shape is a distribution of latency by its quantiles at the levels.
type shape [levelCount]float64

// shape is that of a time.
func (t Time) shape() (s shape) {
	for i, p := range levels {
		s[i] = t.Quantile(p)
	}
	return s
}

// A level is a place between two levels.
type level struct {
	index int
	part  float64
}

// levelOf finds a probability among the levels.
func levelOf(p float64) level {
	i, _ := slices.BinarySearch(levels, p)
	if i == 0 {
		return level{0, 0}
	}
	if i == levelCount {
		return level{levelCount - 2, 1}
	}
	return level{i - 1, (p - levels[i-1]) / (levels[i] - levels[i-1])}
}

func (s *shape) at(l level) float64 {
	return s[l.index] + l.part*(s[l.index+1]-s[l.index])
}

// within is the share that takes at most x seconds.
func (s *shape) within(x float64) float64 {
	if x < s[0] {
		return 0
	}
	if x >= s[levelCount-1] {
		return 1
	}
	i, above := 1, levelCount-1 // the first above x
	for i < above {
		if middle := (i + above) / 2; s[middle] <= x {
			i = middle + 1
		} else {
			above = middle
		}
	}
	return levels[i-1] + (levels[i]-levels[i-1])*(x-s[i-1])/(s[i]-s[i-1])
}

// mean is that of the shape where it is at most limit, and of nothing beyond.
func (s *shape) mean(limit float64) float64 {
	sum := 0.0
	for i := 1; i < levelCount; i++ {
		low, high := s[i-1], s[i]
		weight := levels[i] - levels[i-1]
		switch {
		case high <= limit:
			sum += weight * (low + high) / 2
		case low < limit:
			sum += weight * (limit - low) / (high - low) * (low + limit) / 2
		}
	}
	return sum
}

// A row is the latency of a station in steady state, with what a fleet counts of
// it: it is enough to note how many requests were of a row.
type row struct {
	shape   shape
	buckets []float64 // share of all that completes within each bound, +Inf last
	mean    float64   // sum of the latencies of what completes, for each request
	inTime  float64   // share that completes before the timeout

	lap, earlier float64 // requests of a record
}

// A book makes the rows of a fleet.
type book struct {
	bounds  []float64
	timeout float64 // seconds, +Inf is none
}

func (b *book) newRow(l *lattice) *row {
	r := &row{mean: l.mean(b.timeout)}
	for i, p := range levels {
		r.shape[i] = l.quantile(p)
	}
	r.count(b, l.within)
	return r
}

// between is a row part of the way from one to another.
func between(a, b *row, part float64) *row {
	mix := func(x, y float64) float64 { return x + part*(y-x) }
	r := &row{mean: mix(a.mean, b.mean), inTime: mix(a.inTime, b.inTime), buckets: make([]float64, len(a.buckets))}
	for i := range r.shape {
		r.shape[i] = mix(a.shape[i], b.shape[i])
	}
	for i := range r.buckets {
		r.buckets[i] = min(r.inTime, mix(a.buckets[i], b.buckets[i]))
	}
	return r
}

// stretched is a row that takes longer by a factor.
func (b *book) stretched(of *row, factor float64) *row {
	r := &row{}
	for i, x := range of.shape {
		r.shape[i] = x * factor
	}
	r.mean = r.shape.mean(b.timeout)
	r.count(b, r.shape.within)
	return r
}

// count fills in how many complete within each bound.
func (r *row) count(b *book, within func(float64) float64) {
	r.inTime = 1
	if !math.IsInf(b.timeout, 1) {
		r.inTime = within(b.timeout)
	}
	for _, bound := range b.bounds {
		r.buckets = append(r.buckets, min(r.inTime, within(bound)))
	}
	r.buckets = append(r.buckets, r.inTime)
}
