package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostSeries is how many series a file may have. Beyond it, something that is
// different in each row was taken for a label.
const mostSeries = 100_000

// A Builder makes a Set of samples that are no file. The zero Builder is empty and
// ready.
type Builder struct {
	order []*Series
	byKey map[string]*Series
	key   []byte
}

// Append adds a sample to the series of a name and labels, which need no order.
// The value of a gap is NaN. The times of a series may repeat and must not fall; a
// time that does, or one outside of 1970 to 2099, is an error.
func (b *Builder) Append(name string, labels []Label, t time.Time, value float64) error {
	if !inRange(t) {
		return fmt.Errorf("time %s %s", t, outOfRange)
	}
	s := b.series(name, labels)
	if err := s.add(t.UnixNano(), value, place{}); err != nil {
		return fmt.Errorf("series %s: %w", s, err)
	}
	return nil
}

// Set is the series that were added, under a name that stands for the file. The
// Builder is empty then.
func (b *Builder) Set(name string) *Set {
	set := b.set(name, "", nil)
	*b = Builder{}
	return set
}

func (b *Builder) set(file string, format Format, notes []string) *Set {
	for _, s := range b.order {
		s.finish()
	}
	return newSet(file, format, b.order, notes)
}

// series finds or begins the series of a name and labels.
func (b *Builder) series(name string, labels []Label) *Series {
	labels = sortedLabels(labels)
	b.key = appendKey(b.key[:0], name, labels)
	if s, ok := b.byKey[string(b.key)]; ok {
		return s
	}
	s := &Series{Name: strings.Clone(name), Labels: make([]Label, len(labels))}
	for i, l := range labels {
		s.Labels[i] = Label{strings.Clone(l.Name), strings.Clone(l.Value)}
	}
	if b.byKey == nil {
		b.byKey = map[string]*Series{}
	}
	b.byKey[string(b.key)] = s
	b.order = append(b.order, s)
	return s
}

func sortedLabels(labels []Label) []Label {
	byName := func(a, b Label) int { return cmp.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(labels, byName) {
		return labels
	}
	return slices.SortedFunc(slices.Values(labels), byName)
}

// appendKey writes what tells series apart. Lengths keep its parts apart.
func appendKey(key []byte, name string, labels []Label) []byte {
	key = fmt.Appendf(key, "%d:%s", len(name), name)
	for _, l := range labels {
		key = fmt.Appendf(key, "%d:%s%d:%s", len(l.Name), l.Name, len(l.Value), l.Value)
	}
	return key
}

const sortHint = "sort the rows by time; where each is one request, read them as events, in any order"

// add appends a sample that stands at a place in the file. One that is before the
// last is an error.
func (s *Series) add(t int64, v float64, at place) error {
	if last, some := s.last(); some && t <= last {
		if t < last {
			return fmt.Errorf("time %s is before %s, the one that the series has last", instant(t).Format(time.RFC3339Nano), instant(last).Format(time.RFC3339Nano))
		}
		if s.repeats == 0 {
			s.repeated = at
		}
		s.repeats++
	}
	s.append(t, v)
	return nil
}
