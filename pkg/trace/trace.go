package trace

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Set is the series of one file, in the order in which they first appear. It does
// not change, and may be read concurrently.
type Set struct {
	File   string
	Format Format
	Series []*Series
	// Notes are what the file itself says that a reader should know, such as the
	// warnings of a Prometheus answer.
	Notes []string
}

// A Format is how a file is written.
type Format string

// The formats.
const (
	CSV         Format = "CSV"
	JSON        Format = "Prometheus JSON"
	OpenMetrics Format = "OpenMetrics"
)

// A Label tells series of one name apart.
type Label struct{ Name, Value string }

// A Series is the samples of one metric of one object, in the order of time.
// Several may have the same time.
type Series struct {
	// Name is the metric's, or that of the CSV column; it may be empty.
	Name string
	// Labels are in the order of their names.
	Labels []Label

	file     string
	chunks   []chunk
	open     []int64 // the times of the last chunk while it grows
	length   int
	interval int64 // the median between different times, 0 of one time
	events   bool  // each sample is a row that was counted
	repeats  int   // samples that have the time of the one before
	repeated place // the first of them

	spans    []span // when it was recorded, gaps included
	recorded []span // when any series of its set was
}

// A place is where something stands in a file; path only in JSON.
type place struct {
	line, column int
	path         string
}

// A State is what is known of a series at a time.
type State int8

// The states.
const (
	Gap    State = iota // nothing was recorded, or not a number
	Value               // a number was recorded
	Absent              // other series of the file were recorded, this one was not there
)

// String returns the state in one word.
func (s State) String() string {
	return [...]string{Gap: "gap", Value: "value", Absent: "absent"}[s]
}

// String returns the series as Prometheus writes it: name{label="value"}.
func (s *Series) String() string { return seriesText(s.Name, s.Labels) }

func seriesText(name string, labels []Label) string {
	if len(labels) == 0 && name != "" {
		return name
	}
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = labelName(l.Name) + "=" + strconv.Quote(l.Value)
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}

// labelName quotes what is no classic label name, as Prometheus does.
func labelName(name string) string {
	if classicName(name, false) {
		return name
	}
	return strconv.Quote(name)
}

// Len is the number of samples, gaps that were recorded as such included.
func (s *Series) Len() int { return s.length }

// Begin is the time of the first sample.
func (s *Series) Begin() time.Time { return instant(s.chunks[0].start) }

// End is the time of the last sample.
func (s *Series) End() time.Time { return instant(s.chunks[len(s.chunks)-1].end) }

// Interval is the median time between samples of different times; 0 where all have
// one time.
func (s *Series) Interval() time.Duration { return time.Duration(s.interval) }

// Samples are the times and values in the order of time. The value of a recorded
// gap is NaN.
func (s *Series) Samples() iter.Seq2[time.Time, float64] {
	return func(yield func(time.Time, float64) bool) {
		for t, v := range s.samples() {
			if !yield(instant(t), v) {
				return
			}
		}
	}
}

func (s *Series) samples() iter.Seq2[int64, float64] {
	return func(yield func(int64, float64) bool) {
		var times []int64
		for i := range s.chunks {
			c := &s.chunks[i]
			times = c.times(times)
			for j, t := range times {
				if !yield(t, c.values[j]) {
					return
				}
			}
		}
	}
}

// A cover is the samples of one time and the time that they tell of, from from
// until to, which are nanoseconds since 1970.
type cover struct {
	from, to int64
	sum      float64 // of the values
	last     float64 // of them
}

// covers are the samples by their times.
func (s *Series) covers() iter.Seq[cover] {
	return func(yield func(cover) bool) {
		current, some := cover{}, false
		for t, v := range s.samples() {
			if some && t == current.from {
				current.sum, current.last = current.sum+v, v
				continue
			}
			if some {
				current.to = s.until(current.from, t)
				if !yield(current) {
					return
				}
			}
			current, some = cover{from: t, sum: v, last: v}, true
		}
		if some {
			current.to = current.from + s.interval
			yield(current)
		}
	}
}

// until is when the samples of a time end to tell: at the next one's, unless that
// is so late that something is missing.
func (s *Series) until(t, next int64) int64 {
	if next-t-s.interval > s.interval/2 {
		return t + s.interval
	}
	return next
}

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// finish makes the series complete: no sample comes any more.
func (s *Series) finish() {
	s.seal()
	s.open = nil
	s.chunks = slices.Clip(s.chunks)
	s.interval = s.median()
	for c := range s.covers() {
		s.spans = cat(s.spans, span{c.from, max(c.to, c.from+1)})
	}
	s.spans = slices.Clip(s.spans)
}

// median is the median of the times between samples, those of equal time left out.
func (s *Series) median() int64 {
	type run struct{ delta, count int64 }
	var runs []run
	var last, all int64
	some := false
	for t := range s.samples() {
		if delta := t - last; some && delta > 0 {
			if n := len(runs); n > 0 && runs[n-1].delta == delta {
				runs[n-1].count++
			} else {
				runs = append(runs, run{delta, 1})
			}
			all++
		}
		last, some = t, true
	}
	slices.SortFunc(runs, func(a, b run) int { return int(min(max(a.delta-b.delta, -1), 1)) })
	below := int64(0)
	for _, r := range runs {
		if below += r.count; 2*below >= all {
			return r.delta
		}
	}
	return 0
}

// newSet is the set of complete series.
func newSet(file string, format Format, series []*Series, notes []string) *Set {
	var all []span
	for _, s := range series {
		all = append(all, s.spans...)
	}
	recorded := union(all)
	for _, s := range series {
		s.file, s.recorded = file, recorded
	}
	return &Set{File: file, Format: format, Series: series, Notes: notes}
}

// nan is the one that gaps are kept as.
var nan = math.NaN()
