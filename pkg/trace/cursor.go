package trace

import (
	"sort"
	"time"
)

// A Cursor looks up a series at times. It is quick while they rise, and correct in
// any order. It is not safe for concurrent use; a series has any number of them.
type Cursor struct {
	series *Series
	chunk  int     // whose times are decoded, -1 none
	times  []int64 // of the chunk
	at     int     // the sample in it that was found last
}

// Cursor returns a new cursor of the series.
func (s *Series) Cursor() *Cursor { return &Cursor{series: s, chunk: -1} }

// At is what is known of the series at a time: of the last sample that is not
// later, the number and Value, or NaN and Gap or Absent. See the package comment
// for how long a sample holds.
func (c *Cursor) At(t time.Time) (float64, State) {
	ns, ok := nanoseconds(t)
	if !ok || !c.seek(ns) {
		return c.without(ns, ok)
	}
	value, from := c.series.chunks[c.chunk].values[c.at], c.times[c.at]
	to := from + c.series.interval
	if next, more := c.next(); more {
		to = c.series.until(from, next)
	}
	if ns >= to && ns != from {
		return c.without(ns, true)
	}
	if value != value {
		return nan, Gap
	}
	return value, Value
}

// without is the state at a time of which no sample tells.
func (c *Cursor) without(ns int64, ok bool) (float64, State) {
	if ok && contains(c.series.recorded, ns) {
		return nan, Absent
	}
	return nan, Gap
}

// seek moves to the last sample that is not after ns, and reports whether there is
// one.
func (c *Cursor) seek(ns int64) bool {
	chunks := c.series.chunks
	if c.chunk < 0 || ns < chunks[c.chunk].start || c.chunk+1 < len(chunks) && ns >= chunks[c.chunk+1].start {
		chunk := c.chunk + 1
		if chunk >= len(chunks) || ns < chunks[chunk].start || chunk+1 < len(chunks) && ns >= chunks[chunk+1].start {
			chunk = sort.Search(len(chunks), func(i int) bool { return chunks[i].start > ns }) - 1
		}
		if chunk < 0 {
			return false
		}
		c.chunk, c.times, c.at = chunk, chunks[chunk].times(c.times), 0
	}
	if ns < c.times[c.at] {
		c.at = 0
	}
	for c.at+1 < len(c.times) && c.times[c.at+1] <= ns {
		c.at++
	}
	return true
}

// next is the time of the sample after the current one.
func (c *Cursor) next() (int64, bool) {
	if c.at+1 < len(c.times) {
		return c.times[c.at+1], true
	}
	if c.chunk+1 < len(c.series.chunks) {
		return c.series.chunks[c.chunk+1].start, true
	}
	return 0, false
}
