package trace

import (
	"encoding/binary"
	"slices"
)

// chunkLen is how many samples a chunk has. Series grow by whole chunks, because a
// slice that doubles holds up to three times its content while it moves; 512 values
// fill a size class of the allocator exactly.
const chunkLen = 512

// A chunk is up to chunkLen samples. Where they are evenly spaced, it keeps their
// first time and the step between two; otherwise, the changes of the step as
// varints, in the coarsest unit that holds them all: one byte or two for the
// jitter of scrapes.
type chunk struct {
	start, end int64 // of the first and the last sample, nanoseconds since 1970
	step       int64
	unit       int64
	changes    []byte // nil where evenly spaced
	values     []float64
}

// units are the nanoseconds of a second, a millisecond, a microsecond and one.
var units = [...]int64{1e9, 1e6, 1e3, 1}

// append adds a sample that is not before the last one.
func (s *Series) append(t int64, v float64) {
	if len(s.open) == chunkLen {
		s.seal()
	}
	if len(s.open) == 0 {
		c := chunk{start: t}
		if len(s.chunks) > 0 {
			c.values = make([]float64, 0, chunkLen)
		}
		s.chunks = append(s.chunks, c)
	}
	if v != v {
		v = nan
	}
	c := &s.chunks[len(s.chunks)-1]
	c.values = append(c.values, v)
	c.end = t
	s.open = append(s.open, t)
	s.length++
}

// last is the time of the last sample, and whether there is one.
func (s *Series) last() (int64, bool) {
	if len(s.chunks) == 0 {
		return 0, false
	}
	return s.chunks[len(s.chunks)-1].end, true
}

// seal gives the growing chunk its final form.
func (s *Series) seal() {
	if len(s.open) == 0 {
		return
	}
	c := &s.chunks[len(s.chunks)-1]
	c.values = slices.Clip(c.values)
	if cap(c.values) > len(c.values) {
		c.values = slices.Clone(c.values)
	}
	c.encode(s.open)
	s.open = s.open[:0]
}

func (c *chunk) encode(times []int64) {
	if len(times) > 1 {
		c.step = times[1] - times[0]
	}
	even := true
	c.unit = units[0]
	for i := 1; i < len(times); i++ {
		delta := times[i] - times[i-1]
		even = even && delta == c.step
		for delta%c.unit != 0 {
			c.unit /= 1000
		}
	}
	if even {
		return
	}
	var buffer [chunkLen * binary.MaxVarintLen64]byte
	coded := buffer[:0]
	step := c.step
	for i := 2; i < len(times); i++ {
		delta := times[i] - times[i-1]
		coded = binary.AppendVarint(coded, (delta-step)/c.unit)
		step = delta
	}
	c.changes = slices.Clone(coded)
}

// times are those of the samples, in the memory of into where that is enough.
func (c *chunk) times(into []int64) []int64 {
	times := append(into[:0], c.start)
	step, changes := c.step, c.changes
	for i := 1; i < len(c.values); i++ {
		if c.changes != nil && i > 1 {
			change, n := binary.Varint(changes)
			step, changes = step+change*c.unit, changes[n:]
		}
		times = append(times, times[i-1]+step)
	}
	return times
}
