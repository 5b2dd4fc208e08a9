package sim

import (
	"math"
	"sort"
)

// A series is the samples of one target, as long as some window may need them:
// the last so many rows, each with all counters of the target at one time. Times
// are Unix milliseconds, as in Prometheus.
type series struct {
	target int
	name   string
	due    int64 // of the next scrape
	gone   bool

	times  []int64   // a ring
	values []float64 // rows of the ring, each of width numbers
	width  int
	oldest int // index in times
	n      int

	truth []float64 // the counters at the last look without scrapes
}

func newSeries(rows, width int) *series {
	return &series{times: make([]int64, rows), values: make([]float64, rows*width), width: width, truth: make([]float64, width)}
}

// reset makes an empty series of a new target.
func (x *series) reset(target int, name string, due int64) {
	x.target, x.name, x.due = target, name, due
	x.gone, x.oldest, x.n = false, 0, 0
	clear(x.truth)
}

// push adds a row for a time and returns it to be filled.
func (x *series) push(at int64) []float64 {
	i := x.index(x.n)
	if x.n == len(x.times) {
		x.oldest = x.index(1)
	} else {
		x.n++
	}
	x.times[i] = at
	return x.row(i)
}

// index is where the i-th oldest sample is, or would be.
func (x *series) index(i int) int {
	if i += x.oldest; i >= len(x.times) {
		i -= len(x.times)
	}
	return i
}

func (x *series) time(i int) int64 { return x.times[x.index(i)] }

func (x *series) row(index int) []float64 { return x.values[index*x.width : (index+1)*x.width] }

// upTo is how many samples are at or before a time.
func (x *series) upTo(end int64) int {
	n := x.n
	for n > 0 && x.time(n-1) > end { // one or two, as a rule
		n--
	}
	return n
}

// after is how many of the n oldest samples are at or before a time. Scrapes are
// as regular as clocks, so where it should be is where it is, give or take one.
func (x *series) after(start int64, n int) int {
	if n == 0 || x.time(0) > start {
		return 0
	}
	oldest, newest := x.time(0), x.time(n-1)
	if newest <= start {
		return n
	}
	i := int(float64(start-oldest) / float64(newest-oldest) * float64(n-1))
	for x.time(i) > start {
		i--
	}
	for x.time(i) <= start {
		i++
	}
	return i
}

// A window is the samples of a series in a time, whose beginning is not part of
// it, and what extrapolation makes of their times.
type window struct {
	first, last []float64 // rows
	sampled     float64   // seconds between them
	toStart     float64   // seconds to extrapolate over, unless a counter was zero by then
	toEnd       float64
	length      float64 // seconds
}

// over makes a window of the samples after start and up to end. There is none of
// less than two samples.
//
// It follows extrapolatedRate in promql/functions.go of Prometheus v0.316: where
// the samples begin or end close to an edge of the window, at most 1.1 times
// their mean distance away, the increase is extrapolated to the edge, otherwise
// by half of that distance.
func (w *window) over(x *series, start, end int64) bool {
	n := x.upTo(end)
	first := x.after(start, n)
	if n-first < 2 {
		return false
	}
	from, to := x.index(first), x.index(n-1)
	w.first, w.last = x.row(from), x.row(to)
	w.sampled = float64(x.times[to]-x.times[from]) / 1000
	w.toStart = float64(x.times[from]-start) / 1000
	w.toEnd = float64(end-x.times[to]) / 1000
	w.length = float64(end-start) / 1000
	between := w.sampled / float64(n-first-1)
	if w.toStart >= between*1.1 {
		w.toStart = between / 2
	}
	if w.toEnd >= between*1.1 {
		w.toEnd = between / 2
	}
	return true
}

// rate is the increase of a counter per second. It is extrapolated no further
// into the past than to where the counter was zero.
func (w *window) rate(column int) float64 {
	increase := w.last[column] - w.first[column]
	toStart := w.toStart
	if first := w.first[column]; increase > 0 && first >= 0 {
		toStart = min(toStart, w.sampled*(first/increase))
	}
	return increase * ((w.sampled + toStart + w.toEnd) / w.sampled / w.length)
}

// A total is a sum that is compensated for rounding, as PromQL's is.
type total struct{ sum, lost float64 }

func (t *total) add(v float64) {
	next := t.sum + v
	if math.Abs(t.sum) >= math.Abs(v) {
		t.lost += t.sum - next + v
	} else {
		t.lost += v - next + t.sum
	}
	t.sum = next
}

func (t total) value() float64 { return t.sum + t.lost }

// bucketQuantile is the quantile of a histogram: counts are those at or below
// each bound, and of all at the end. It is NaN of none, and the last bound where
// it is beyond. It interpolates linearly in a bucket, the first of which begins
// at zero, as BucketQuantile in promql/quantile.go of Prometheus v0.316 does; and
// like it takes differences that may be rounding for none. It changes counts.
func bucketQuantile(q float64, bounds, counts []float64) float64 {
	level(counts)
	last := len(bounds)
	if counts[last] == 0 || last == 0 {
		return math.NaN()
	}
	rank := q * counts[last]
	b := sort.Search(last, func(i int) bool { return counts[i] >= rank })
	switch {
	case b == last:
		return bounds[last-1]
	case b == 0 && bounds[0] <= 0:
		return bounds[0]
	}
	var from, below float64
	if b > 0 {
		from, below = bounds[b-1], counts[b-1]
	}
	return from + (bounds[b]-from)*((rank-below)/(counts[b]-below))
}

// level makes counts that never fall, and equal where they differ by rounding.
func level(counts []float64) {
	for i := 1; i < len(counts); i++ {
		before := counts[i-1]
		if counts[i] < before || almostEqual(counts[i], before) {
			counts[i] = before
		}
	}
}

const (
	rounding  = 1e-12
	minNormal = 0x1p-1022
)

func almostEqual(a, b float64) bool {
	sum, diff := math.Abs(a)+math.Abs(b), math.Abs(a-b)
	if a == 0 || b == 0 || sum < minNormal {
		return diff < rounding*minNormal
	}
	return diff/sum < rounding
}
