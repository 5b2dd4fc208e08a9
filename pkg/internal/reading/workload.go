package reading

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// Members are the pods whose series make a workload's value.
type Members struct {
	Live []string
	// Departed left within the query's window: what they counted in it was load of
	// the workload. Their samples end, and no age is asked of them.
	Departed []string
}

// Workload reads an Aggregate or Quantile rule for the workload that has the
// members. The groups are those of (namespace, pod).
//
// A pod without a series is left out: it never counts as zero. One whose samples
// are too old makes the value an error: it is there, and nobody knows its share.
func Workload(r *rule.Rule, groups instant.Groups, view View, workload instant.Object, members Members) Reading {
	if len(members.Live) == 0 {
		return empty(workload, "%s %s has no live pod", r.Of, workload)
	}
	for _, name := range members.Live {
		pod := instant.Object{Namespace: workload.Namespace, Name: name}
		for _, s := range matching(groups[pod], view.Filter) {
			if one, stale := view.stale(r, workload, s); stale {
				one.Cause = fmt.Sprintf("pod %s: %s", pod, one.Cause)
				return one
			}
		}
	}
	if r.Buckets != nil {
		return quantile(r, groups, view, workload, members)
	}
	return aggregate(r, groups, view, workload, members)
}

// all are the names of all members.
func (m Members) all() []string { return slices.Concat(m.Live, m.Departed) }

// aggregate folds one value per pod.
func aggregate(r *rule.Rule, groups instant.Groups, view View, workload instant.Object, members Members) Reading {
	var values []float64
	for _, name := range members.all() {
		pod := instant.Object{Namespace: workload.Namespace, Name: name}
		switch samples := matching(groups[pod], view.Filter); len(samples) {
		case 0:
		case 1:
			values = append(values, samples[0].Value)
		default:
			return Reading{Object: workload, State: Ambiguous, Cause: ambiguous(samples, PodLabel, pod)}
		}
	}
	if len(values) == 0 {
		return view.none(r, noPodHasSeries(r, workload, members))
	}
	return folded(r, workload, values)
}

// folded folds the values of the pods that have one, NaN by the rule's policy.
// That is for pods, not for the result: one pod's NaN must not make the whole
// workload zero.
func folded(r *rule.Rule, workload instant.Object, values []float64) Reading {
	numbers := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	nans := len(values) - len(numbers)
	switch {
	case nans == 0:
	case len(numbers) == 0:
		return allNaN(r, workload, nans)
	case r.OnNaN == rule.PolicyDrop:
		values = numbers
	case r.OnNaN == rule.PolicyZero:
		values = append(numbers, make([]float64, nans)...)
	}
	v := fold(r.Aggregate, values)
	if math.IsNaN(v) && !slices.ContainsFunc(values, math.IsNaN) {
		return Reading{Object: workload, State: OutOfRange, Cause: "the query gave both +Inf and -Inf for pods, as a division by zero does"}
	}
	return judge(r, workload, v)
}

// allNaN reads a workload whose every series is NaN.
func allNaN(r *rule.Rule, workload instant.Object, nans int) Reading {
	if r.OnNaN == rule.PolicyDrop {
		return apply(r, r.OnEmpty, empty(workload, "each of the %d pods with a series is NaN%s", nans, emptyHint))
	}
	return judge(r, workload, math.NaN())
}

func fold(aggregate rule.Aggregate, values []float64) float64 {
	switch aggregate {
	case rule.Sum:
		return promdb.Sum(values...)
	case rule.Max:
		return promdb.Max(values...)
	case rule.Avg:
		return promdb.Avg(values...)
	default:
		panic(fmt.Sprintf("reading: unknown aggregate %q", aggregate))
	}
}

// quantile puts the pods' buckets together, as histogram_quantile over
// sum by (le) does, and takes the quantile of that: never a mean of per-pod
// quantiles.
func quantile(r *rule.Rule, groups instant.Groups, view View, workload instant.Object, members Members) Reading {
	perBound := make(map[float64]promdb.Total)
	for _, name := range members.all() {
		for _, s := range matching(groups[instant.Object{Namespace: workload.Namespace, Name: name}], view.Filter) {
			// A bound that does not parse has no place in a histogram; the
			// engine leaves such a series out too.
			if bound, err := strconv.ParseFloat(s.Labels.Get(labels.BucketLabel), 64); err == nil {
				total := perBound[bound]
				total.Add(s.Value)
				perBound[bound] = total
			}
		}
	}
	if len(perBound) == 0 {
		return noPodHasSeries(r, workload, members)
	}
	buckets := make([]promdb.Bucket, 0, len(perBound))
	for bound, total := range perBound {
		count := total.Sum()
		if math.IsNaN(count) || math.IsInf(count, 0) {
			// The engine would interpolate over it and come out with a number.
			return Reading{Object: workload, State: NotANumber, Cause: fmt.Sprintf("the bucket le=%q of the workload's pods is %g", fmt.Sprint(bound), count)}
		}
		buckets = append(buckets, promdb.Bucket{UpperBound: bound, Count: count})
	}
	if all, ok := perBound[math.Inf(1)]; ok && all.Sum() == 0 {
		return idle(r, workload)
	}
	reading := judge(r, workload, promdb.Quantile(r.Quantile, buckets))
	if reading.State == NotANumber {
		reading.Cause = whyNoQuantile(buckets)
	}
	return reading
}

// idle is a quantile of no observations: zero if the rule says so in writing.
func idle(r *rule.Rule, workload instant.Object) Reading {
	const cause = "no observation in the window, so there is no quantile (onIdle: zero serves 0 for this)"
	return apply(r, r.OnIdle, Reading{Object: workload, State: Idle, Cause: cause})
}

func whyNoQuantile(buckets []promdb.Bucket) string {
	atInf := slices.IndexFunc(buckets, func(b promdb.Bucket) bool { return math.IsInf(b.UpperBound, 1) })
	switch {
	case atInf < 0:
		return `no bucket le="+Inf" among the pods' series: keep it in the query`
	case len(buckets) < 2:
		return `only the bucket le="+Inf" among the pods' series: keep the finite ones in the query`
	default:
		return "the buckets have no quantile"
	}
}

func noPodHasSeries(r *rule.Rule, workload instant.Object, members Members) Reading {
	return empty(workload, "none of the %d live pods of %s %s has a series", len(members.Live), r.Of, workload)
}
