package exact

import (
	"math"
	"slices"
)

// The fine histogram has 256 cells from each power of two seconds to the next, so
// that a cell is at most 0.4 % wide. They are the leading bits of a float64: no
// logarithm is taken. What is below 60 ns or above half a year is in the first or
// last cell.
const (
	cellBits   = 8
	shift      = 52 - cellBits
	octaves    = 48
	cells      = octaves << cellBits
	lowestCell = (1023 - octaves/2) << cellBits // of 2^-24 seconds
)

// cellOf is the cell of a latency in seconds.
func cellOf(seconds float64) int {
	return min(max(int(math.Float64bits(seconds)>>shift)-lowestCell, 0), cells-1)
}

// floor is the least latency of a cell.
func floor(cell int) float64 {
	if cell == 0 {
		return 0
	}
	return math.Float64frombits(uint64(cell+lowestCell) << shift)
}

// A histogram counts latencies by cell.
type histogram struct {
	counts   [cells]uint64
	n        uint64
	low, end int // all that is counted is in [low, end)
}

func (h *histogram) add(seconds float64) (cell int) {
	cell = cellOf(seconds)
	h.counts[cell]++
	h.include(cell, cell+1)
	h.n++
	return cell
}

func (h *histogram) include(low, end int) {
	if h.n == 0 {
		h.low, h.end = low, end
		return
	}
	h.low, h.end = min(h.low, low), max(h.end, end)
}

func (h *histogram) merge(other *histogram) {
	if other.n == 0 {
		return
	}
	h.include(other.low, other.end)
	h.n += other.n
	for i := other.low; i < other.end; i++ {
		h.counts[i] += other.counts[i]
	}
}

func (h *histogram) reset() {
	clear(h.counts[h.low:h.end])
	h.n = 0
}

// quantile is the latency that a share q stays within, in seconds: linear within a
// cell, NaN of none.
func (h *histogram) quantile(q float64) float64 {
	if h.n == 0 {
		return math.NaN()
	}
	rank := q * float64(h.n)
	for i := h.low; i < h.end; i++ {
		count := float64(h.counts[i])
		if count > 0 && count >= rank {
			return floor(i) + (floor(i+1)-floor(i))*max(rank, 0)/count
		}
		rank -= count
	}
	return floor(h.end)
}

// A ladder finds the bucket of a latency.
type ladder struct {
	bounds []float64
	first  []uint16 // by cell of the fine histogram: the first bound that can hold a latency of this cell
}

func newLadder(bounds []float64) ladder {
	l := ladder{bounds: bounds, first: make([]uint16, cells)}
	for cell := range l.first {
		i, _ := slices.BinarySearch(bounds, floor(cell))
		l.first[cell] = uint16(i)
	}
	return l
}

// rung is the index of the lowest bound at or above a latency, whose cell is known.
func (l *ladder) rung(cell int, latency float64) int {
	i := int(l.first[cell])
	for i < len(l.bounds) && latency > l.bounds[i] {
		i++
	}
	return i
}
