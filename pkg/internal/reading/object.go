package reading

import (
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// Labels by which every result names pods.
const (
	NamespaceLabel = "namespace"
	PodLabel       = "pod"
)

// Pod reads a Pods rule for one pod. The groups are those of (namespace, pod). A
// pod without a series has no value, whatever the rule says.
func Pod(r *rule.Rule, groups instant.Groups, view View, pod instant.Object) Reading {
	return single(r, groups, view, pod, PodLabel)
}

// Labelled reads a rule whose result carries the object's own label. The groups
// are those of (namespace, that label).
func Labelled(r *rule.Rule, groups instant.Groups, view View, object instant.Object) Reading {
	one := single(r, groups, view, object, r.ObjectLabel)
	if one.State != Empty {
		return one
	}
	return view.none(r, one)
}

// single reads an object that must have exactly one series.
func single(r *rule.Rule, groups instant.Groups, view View, object instant.Object, label string) Reading {
	samples := matching(groups[object], view.Filter)
	switch len(samples) {
	case 0:
		return empty(object, "no series with namespace=%q and %s=%q", object.Namespace, label, object.Name)
	case 1:
		return view.judge(r, object, samples[0])
	default:
		return Reading{Object: object, State: Ambiguous, Cause: ambiguous(samples, label, object)}
	}
}

// ambiguous names two of the series, since what tells them apart is the cure:
// the first two by their labels, so that the message does not change with the
// order of the answer.
func ambiguous(samples []instant.Sample, label string, object instant.Object) string {
	ordered := slices.SortedFunc(slices.Values(samples), func(a, b instant.Sample) int { return labels.Compare(a.Labels, b.Labels) })
	return fmt.Sprintf("%d series with namespace=%q and %s=%q, such as %s and %s: aggregate them in the query",
		len(samples), object.Namespace, label, object.Name, ordered[0].Labels, ordered[1].Labels)
}

// matching returns the samples that every matcher accepts.
func matching(samples []instant.Sample, filter []*labels.Matcher) []instant.Sample {
	if len(filter) == 0 {
		return samples
	}
	var kept []instant.Sample
	for _, s := range samples {
		if accepts(filter, s.Labels) {
			kept = append(kept, s)
		}
	}
	return kept
}

func accepts(filter []*labels.Matcher, series labels.Labels) bool {
	for _, m := range filter {
		if !m.Matches(series.Get(m.Name)) {
			return false
		}
	}
	return true
}

// Series reads an External rule as a namespace sees it: one Reading per series
// of the view, without those that the rule drops. Where none remains it is one
// Reading, Empty or a zero that stands for it.
func Series(r *rule.Rule, samples []instant.Sample, view View, namespace string) []Reading {
	var readings []Reading
	matched, eachNamespace := matching(samples, view.Filter), r.EachNamespace()
	for _, s := range matched {
		if r.OnNaN == rule.PolicyDrop && math.IsNaN(s.Value) {
			continue
		}
		object := instant.Object{Namespace: s.Labels.Get(NamespaceLabel)}
		if eachNamespace {
			object.Namespace = namespace
		}
		one := view.judge(r, object, s)
		one.Series = s.Labels.DropReserved(isMetricName)
		readings = append(readings, one)
	}
	if len(readings) == 0 {
		return []Reading{noSeries(r, view, namespace, len(matched))}
	}
	return readings
}

func isMetricName(label string) bool { return label == model.MetricNameLabel }

// noSeries is an External rule without a series, or with none but dropped ones.
// As a zero by policy it is an item like any other, since an HPA fails on a list
// without items. It has no label but the one that the scope determines: nobody
// measured the others.
func noSeries(r *rule.Rule, view View, namespace string, dropped int) Reading {
	var series labels.Labels
	var object instant.Object
	where := ""
	if r.Scope != rule.ScopeCluster {
		series = labels.FromStrings(NamespaceLabel, namespace)
		object = instant.Object{Namespace: namespace}
		where = fmt.Sprintf(" in namespace %q", namespace)
	}
	var one Reading
	if dropped > 0 {
		one = apply(r, r.OnEmpty, empty(object, "each of the %d matching series%s is NaN%s", dropped, where, emptyHint))
	} else {
		switch {
		case r.Namespace != "":
			where += ", and a team's rule sees no others"
		case r.EachNamespace():
			where += ", where the rule asks for those that carry this namespace alone (scope: cluster asks for all)"
		}
		one = view.none(r, empty(object, "no matching series%s", where))
	}
	if one.Cause == "" {
		one.Series = series
	}
	return one
}

// Total reads an External rule as one value of a Namespace: the sum of its
// series, as the HPA itself sums the items of an external metric. Like it, Total
// clamps no sum, only the items. The state is that of the series where none of
// them is a Value.
func Total(r *rule.Rule, series []Reading, namespace string) Reading {
	object := instant.Object{Namespace: namespace, Name: namespace}
	var total promdb.Total
	state := series[0].State
	for _, one := range series {
		if err := one.Err(); err != nil {
			return Reading{Object: object, State: one.State, Cause: err.Error()}
		}
		total.Add(one.Value)
		if one.State == Value {
			state = Value
		}
	}
	sum := bounded(r, object, total.Sum())
	if sum.Cause == "" {
		sum.State = state
	}
	return sum
}
