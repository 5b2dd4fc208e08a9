package promexpr

import (
	"slices"
	"strings"
)

// A LabelSet is a set of label names: either only some, or all but some. The
// zero value is the empty set.
type LabelSet struct {
	names []string // sorted, each once
	but   bool     // the set is every name except names
}

func onlyLabels(names ...string) LabelSet {
	names = slices.Sorted(slices.Values(names))
	return LabelSet{names: slices.Compact(names)}
}

func allLabelsBut(names ...string) LabelSet {
	return onlyLabels(names...).complement()
}

// Has reports whether the set contains a label.
func (s LabelSet) Has(name string) bool {
	_, listed := slices.BinarySearch(s.names, name)
	return listed != s.but
}

// Names returns the labels of a finite set, sorted; ok is false for a set of all
// labels but some.
func (s LabelSet) Names() (names []string, ok bool) {
	if s.but {
		return nil, false
	}
	return slices.Clone(s.names), true
}

// String describes the set for a message: "namespace, pod", "no label", "any
// label" or "any label but instance".
func (s LabelSet) String() string {
	list := strings.Join(s.names, ", ")
	switch {
	case s.but && list == "":
		return "any label"
	case s.but:
		return "any label but " + list
	case list == "":
		return "no label"
	}
	return list
}

func (s LabelSet) complement() LabelSet { return LabelSet{names: s.names, but: !s.but} }

func (s LabelSet) union(t LabelSet) LabelSet {
	switch {
	case s.but:
		return allLabelsBut(slices.DeleteFunc(slices.Clone(s.names), t.Has)...)
	case t.but:
		return t.union(s)
	}
	return onlyLabels(slices.Concat(s.names, t.names)...)
}

func (s LabelSet) intersect(t LabelSet) LabelSet {
	return s.complement().union(t.complement()).complement()
}

func (s LabelSet) minus(names ...string) LabelSet { return s.intersect(allLabelsBut(names...)) }
