package reading

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

// Labels by which every result names pods.
const (
	NamespaceLabel = "namespace"
	PodLabel       = "pod"
)

// Pod reads a Pods rule for one pod. The groups are those of (namespace, pod);
// filter narrows the series to those that a metric selector asks for.
func Pod(groups instant.Groups, filter []*labels.Matcher, pod instant.Object) Reading {
	return single(groups, filter, pod, PodLabel)
}

// Labelled reads a rule whose result carries the object's own label. The groups
// are those of (namespace, label).
func Labelled(groups instant.Groups, filter []*labels.Matcher, object instant.Object, label string) Reading {
	return single(groups, filter, object, label)
}

// single reads an object that must have exactly one series.
func single(groups instant.Groups, filter []*labels.Matcher, object instant.Object, label string) Reading {
	samples := matching(groups[object], filter)
	switch len(samples) {
	case 0:
		return empty(object, "no series with namespace=%q and %s=%q", object.Namespace, label, object.Name)
	case 1:
		return judge(object, samples[0].Value)
	default:
		return Reading{Object: object, State: Ambiguous, Cause: ambiguous(samples, label, object)}
	}
}

// ambiguous names two of the series, since what tells them apart is the cure.
func ambiguous(samples []instant.Sample, label string, object instant.Object) string {
	return fmt.Sprintf("%d series with namespace=%q and %s=%q, such as %s and %s: aggregate them in the query",
		len(samples), object.Namespace, label, object.Name, samples[0].Labels, samples[1].Labels)
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

// Series reads an External rule: one Reading per series that filter accepts.
func Series(samples []instant.Sample, filter []*labels.Matcher) []Reading {
	var readings []Reading
	for _, s := range matching(samples, filter) {
		r := judge(instant.Object{Namespace: s.Labels.Get(NamespaceLabel)}, s.Value)
		r.Series = s.Labels.DropReserved(isMetricName)
		readings = append(readings, r)
	}
	return readings
}

func isMetricName(label string) bool { return label == model.MetricNameLabel }

// Total reads an External rule as one value of a Namespace: the sum of its
// series, as the HPA itself sums the items of an external metric.
func Total(series []Reading, namespace string) Reading {
	object := instant.Object{Namespace: namespace, Name: namespace}
	if len(series) == 0 {
		return empty(object, "no series in namespace %q match", namespace)
	}
	var total promdb.Total
	for _, r := range series {
		if r.Cause != "" {
			return Reading{Object: object, State: r.State, Cause: fmt.Sprintf("series %s: %s", r.Series, r.Cause)}
		}
		total.Add(r.Value)
	}
	return judge(object, total.Sum())
}
