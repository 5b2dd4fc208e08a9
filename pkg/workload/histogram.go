package workload

import "math"

// A histogram counts latencies in cells, 64 for each doubling. Counts are real. It
// serves what no row describes: overload and warm-up.
type histogram struct {
	cells       []float64
	rises       []float64 // what cells have besides, by how it differs from the cell before
	total       float64
	first, last int // cells that may hold something
}

const (
	shortest  = 0x1p-24 // seconds: what is shorter counts as this
	cellCount = 58 * 64 // up to 500 years, which is what a queue without workers may take
	// The bits of a number are its logarithm, linear between powers of two.
	bitsPerCell = 1 << (52 - 6)
)

var shortestBits = math.Float64bits(shortest)

func newHistogram() histogram {
	return histogram{cells: make([]float64, cellCount), rises: make([]float64, cellCount), first: cellCount - 1}
}

func cellOf(x float64) float64 {
	if x <= shortest {
		return 0
	}
	return min(float64(math.Float64bits(x)-shortestBits)/bitsPerCell, cellCount-1)
}

// timeOf is where a cell begins.
func timeOf(cell int) float64 { return math.Float64frombits(shortestBits + uint64(cell)*bitsPerCell) }

// An outline is where a shape lies in a histogram.
type outline [levelCount]float64

// outlineOf places a shape, of which those beyond limit took limit.
func outlineOf(s *shape, limit float64) (o outline) {
	for i, x := range s {
		o[i] = cellOf(min(x, limit))
	}
	return o
}

// add counts requests of a shape. Those between two levels are spread evenly.
func (h *histogram) add(o *outline, weight float64) {
	for i := 1; i < levelCount; i++ {
		h.spread(o[i-1], o[i], weight*(levels[i]-levels[i-1]))
	}
	last := o[levelCount-1]
	h.spread(last, last, weight*(1-levels[levelCount-1]))
	h.first, h.last = min(h.first, int(o[0])), max(h.last, int(last))
	h.total += weight
}

// put counts requests that took the same time.
func (h *histogram) put(x, weight float64) {
	at := cellOf(x)
	h.spread(at, at, weight)
	h.first, h.last = min(h.first, int(at)), max(h.last, int(at))
	h.total += weight
}

func (h *histogram) spread(low, high, weight float64) {
	first, last := int(low), int(high)
	if first == last {
		h.cells[first] += weight
		return
	}
	each := weight / (high - low)
	h.cells[first] += each * (float64(first+1) - low)
	h.rises[first+1] += each
	h.rises[last] -= each
	h.cells[last] += each * (high - float64(last))
}

// settle brings all into the cells.
func (h *histogram) settle() {
	level := 0.0
	for i := h.first; i <= h.last; i++ {
		level += h.rises[i]
		h.cells[i] += max(0, level)
		h.rises[i] = 0
	}
}

// within is the number of requests that took at most x, once all have settled.
func (h *histogram) within(x float64) float64 {
	at := cellOf(x)
	sum := 0.0
	for i := h.first; i <= h.last && float64(i) < at; i++ {
		sum += h.cells[i] * min(1, at-float64(i))
	}
	return sum
}

// bounds are times between which all requests are.
func (h *histogram) bounds() (low, high float64) {
	return timeOf(h.first), timeOf(h.last + 1)
}

// merge counts all that another has counted, which has settled.
func (h *histogram) merge(o *histogram) {
	for i := o.first; i <= o.last; i++ {
		h.cells[i] += o.cells[i]
	}
	h.first, h.last = min(h.first, o.first), max(h.last, o.last)
	h.total += o.total
}

func (h *histogram) reset() {
	if h.total > 0 {
		clear(h.cells[h.first : h.last+1])
		clear(h.rises[h.first : h.last+1])
	}
	h.total, h.first, h.last = 0, cellCount-1, 0
}
