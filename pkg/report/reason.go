package report

import (
	"cmp"
	"slices"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A kind is a family of reasons that the strip of decisions shows in one colour.
type kind struct {
	Class   string // of the style sheet
	Title   string
	reasons []hpa.Reason
}

// kinds are in the order of what a reader should not miss: where several
// decisions share a place, the first of these is shown. The last takes in every
// reason that no other has.
var kinds = []kind{
	{"failed", "could not decide", []hpa.Reason{
		hpa.ReasonFailedGetPodsMetric, hpa.ReasonFailedGetResourceMetric, hpa.ReasonFailedGetContainerResourceMetric,
		hpa.ReasonFailedGetObjectMetric, hpa.ReasonFailedGetExternalMetric,
		hpa.ReasonFailedGetScale, hpa.ReasonFailedUpdateScale, hpa.ReasonInvalidSelector, hpa.ReasonAmbiguousSelector,
	}},
	{"most", "held by maxReplicas", []hpa.Reason{hpa.ReasonTooManyReplicas}},
	{"moved", "moved", []hpa.Reason{hpa.ReasonSucceededRescale}},
	{"uplimit", "slowed by a scale-up policy", []hpa.Reason{hpa.ReasonScaleUpLimit}},
	{"downlimit", "slowed by a scale-down policy", []hpa.Reason{hpa.ReasonScaleDownLimit}},
	{"upstable", "held by the scale-up window", []hpa.Reason{hpa.ReasonScaleUpStabilized}},
	{"downstable", "held by the scale-down window", []hpa.Reason{hpa.ReasonScaleDownStabilized}},
	{"least", "held by minReplicas", []hpa.Reason{hpa.ReasonTooFewReplicas}},
	{"off", "switched off or at zero", []hpa.Reason{hpa.ReasonScalingDisabled, hpa.ReasonScaledToZero}},
	{"steady", "as it should be", nil},
}

// rank is the place of a reason in kinds.
func rank(r hpa.Reason) int {
	i := slices.IndexFunc(kinds, func(k kind) bool { return slices.Contains(k.reasons, r) })
	if i < 0 {
		return len(kinds) - 1
	}
	return i
}

// A reasonCount is how often runs had a reason.
type reasonCount struct {
	Reason hpa.Reason
	Kind   kind
	Counts []int // by run
}

// reasonsOf are the reasons of runs, the frequent ones first.
func reasonsOf(runs []Run) []reasonCount {
	var all []reasonCount
	for i := range runs {
		for r, n := range runs[i].Summary.Reasons {
			at := slices.IndexFunc(all, func(c reasonCount) bool { return c.Reason == r })
			if at < 0 {
				at = len(all)
				all = append(all, reasonCount{Reason: r, Kind: kinds[rank(r)], Counts: make([]int, len(runs))})
			}
			all[at].Counts[i] = n
		}
	}
	slices.SortFunc(all, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(total(b.Counts), total(a.Counts)), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
