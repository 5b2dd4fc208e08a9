package trace

import (
	"fmt"
	"iter"
	"math"
	"time"
)

// A piece is a time of constant demand, or one that was not recorded.
type piece struct {
	span
	rate     float64 // per second
	gap      bool
	explicit bool // a sample of the gap was recorded
	after    float64
}

// pieces are those of a series from its first to its last value, in order and
// without holes. Of a gap, rate is that before it.
func (s *Series) pieces(unit Unit) iter.Seq[piece] {
	switch unit {
	case Counter:
		return s.increases()
	case Events:
		return s.instants()
	}
	return func(yield func(piece) bool) {
		var before piece
		some, explicit := false, false
		for c := range s.covers() {
			if c.sum != c.sum {
				explicit = true
				continue
			}
			now := piece{span: span{c.from, c.to}, rate: c.sum}
			if unit == Count && c.to > c.from {
				now.rate = c.sum / seconds(c.to-c.from)
			}
			if some && before.to < now.from {
				if !yield(piece{span: span{before.to, now.from}, rate: before.rate, gap: true, explicit: explicit, after: now.rate}) {
					return
				}
			}
			if !yield(now) {
				return
			}
			before, some, explicit = now, true, false
		}
	}
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// increases are what a counter grew by between its samples. Where it falls it began
// again, so that all it has then is new.
func (s *Series) increases() iter.Seq[piece] {
	return func(yield func(piece) bool) {
		last, some := cover{}, false
		for c := range s.covers() {
			if c.last != c.last {
				continue
			}
			if some {
				grown := c.last - last.last
				if grown < 0 {
					grown = c.last
				}
				if !yield(piece{span: span{last.from, c.from}, rate: grown / seconds(c.from-last.from)}) {
					return
				}
			}
			last, some = c, true
		}
	}
}

// instants are the samples as events: one per sample, at no length.
func (s *Series) instants() iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for t, v := range s.samples() {
			if v == v && !yield(piece{span: span{t, t}}) {
				return
			}
		}
	}
}

// check refuses values that are no demand. It returns the time from the first
// value until the last one ends to tell.
func (s *Series) check(unit Unit) (span, error) {
	whole := span{from: math.MaxInt64}
	for t, v := range s.samples() {
		switch {
		case v < 0:
			return whole, s.problem(fmt.Sprintf("%s at %s: a demand is not below zero", numberText(v), instant(t).Format(time.RFC3339Nano)), "choose the series of requests")
		case math.IsInf(v, 0):
			return whole, s.problem(fmt.Sprintf("%s at %s: a demand is finite", numberText(v), instant(t).Format(time.RFC3339Nano)), "choose the series of requests")
		}
	}
	for p := range s.pieces(unit) {
		whole.from, whole.to = min(whole.from, p.from), max(whole.to, p.to)
	}
	if whole.to == 0 && whole.from == math.MaxInt64 {
		return whole, s.problem("it has no value", "choose another series")
	}
	return whole, nil
}
