package trace

import (
	"cmp"
	"slices"
	"sort"
)

// A span is the time from from until to, in nanoseconds since 1970.
type span struct{ from, to int64 }

// cat adds a span that does not begin before the last one to spans in order, and
// joins the two where they touch.
func cat(spans []span, s span) []span {
	if n := len(spans); n > 0 && s.from <= spans[n-1].to {
		spans[n-1].to = max(spans[n-1].to, s.to)
		return spans
	}
	return append(spans, s)
}

// union is the times that are in any of the spans, in order and apart.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var joined []span
	for _, s := range spans {
		joined = cat(joined, s)
	}
	return slices.Clip(joined)
}

// between is the times within whole that are in none of the spans, which are in
// order and apart.
func between(whole span, spans []span) []span {
	var holes []span
	at := whole.from
	for _, s := range spans {
		if s.from > at {
			holes = append(holes, span{at, min(s.from, whole.to)})
		}
		if at = max(at, s.to); at >= whole.to {
			return holes
		}
	}
	return append(holes, span{at, whole.to})
}

// overlap is how much of s is in the spans, which are in order and apart.
func overlap(s span, spans []span) int64 {
	var sum int64
	for i := after(spans, s.from); i < len(spans) && spans[i].from < s.to; i++ {
		sum += min(s.to, spans[i].to) - max(s.from, spans[i].from)
	}
	return sum
}

// after is the first span that ends after t.
func after(spans []span, t int64) int {
	return sort.Search(len(spans), func(i int) bool { return spans[i].to > t })
}

// contains reports whether t is in one of the spans.
func contains(spans []span, t int64) bool {
	i := after(spans, t)
	return i < len(spans) && spans[i].from <= t
}
