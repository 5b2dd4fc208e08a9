package dryrun

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// coarse is how wide, in parts of the target, the bucket may be that the target
// lies in: inside a bucket a quantile is a guess. target is the share of an
// objective at which an HPA has to act. Both are as in pitot detect.
const (
	coarse = 0.75
	target = 0.8
)

// A histogram is the buckets of all objects together.
type histogram struct {
	bounds []float64           // finite, ascending
	atMost map[float64]float64 // per second, by bound
}

// buckets looks at the buckets of a quantile.
func (t *trial) buckets(answer instant.Vector) {
	h, ofObject := histogram{atMost: map[float64]float64{}}, map[string][]float64{}
	for _, s := range answer.Samples {
		bound, err := strconv.ParseFloat(s.Labels.Get(labels.BucketLabel), 64)
		if err != nil {
			t.find(Error, "no-bounds", "group by (namespace, pod, le)", "a series of the answer has no bound: le is %q", s.Labels.Get(labels.BucketLabel))
			return
		}
		h.atMost[bound] += s.Value
		object := s.Labels.Get(rule.NamespaceLabel) + "/" + s.Labels.Get(rule.PodLabel)
		ofObject[object] = append(ofObject[object], bound)
	}
	t.alike(ofObject)
	for bound := range h.atMost {
		if !math.IsInf(bound, 0) {
			h.bounds = append(h.bounds, bound)
		}
	}
	slices.Sort(h.bounds)
	all, ok := h.atMost[math.Inf(+1)]
	switch {
	case !ok:
		t.find(Error, "no-infinite-bucket", "do not filter le", `the answer has no bucket le="+Inf": how much there is in all is not known`)
		return
	case len(h.bounds) == 0:
		t.find(Error, "no-finite-bucket", "", `the answer has no bucket but le="+Inf"`)
		return
	}
	if all > 0 {
		t.above(h, all)
	}
	t.rough(h)
}

// alike finds objects with other bounds than the rest.
func (t *trial) alike(ofObject map[string][]float64) {
	kinds := map[string]bool{}
	for _, bounds := range ofObject {
		slices.Sort(bounds)
		kinds[fmt.Sprint(bounds)] = true
	}
	if len(kinds) > 1 {
		t.find(Warning, "different-buckets", "give all pods the same buckets", "pods have %d different sets of buckets: a quantile over them is rougher than each", len(kinds))
	}
}

// above finds quantiles that lie above the highest finite bound, or nearly.
func (t *trial) above(h histogram, all float64) {
	top := h.bounds[len(h.bounds)-1]
	share := 1 - h.atMost[top]/all
	t.report.AboveTop = &share
	rest := 1 - t.rule.Quantile
	found := fmt.Sprintf("%.3g %% of observations are above the highest bucket, %g", 100*share, top)
	switch {
	case share > rest:
		t.find(Error, "clipped", "add buckets above it", "%s: the quantile %g is that bound, whatever the truth", found, t.rule.Quantile)
	case share > rest/2:
		t.find(Warning, "nearly-clipped", "add buckets above it", "%s: the quantile %g is close to being that bound, whatever the truth", found, t.rule.Quantile)
	}
}

// rough finds that the bucket with the target in it is wide, where the objective
// is known.
func (t *trial) rough(h histogram) {
	if t.options.Objective == 0 {
		return
	}
	limit := t.options.Objective.Seconds() * t.perSecond()
	top := h.bounds[len(h.bounds)-1]
	if limit >= top {
		t.find(Error, "objective-above-buckets", "add buckets above it", "the objective, %g, is not below the highest bucket, %g", limit, top)
		return
	}
	at, exact := slices.BinarySearch(h.bounds, target*limit)
	lower, upper := 0.0, h.bounds[at]
	if at > 0 {
		lower = h.bounds[at-1]
	}
	if !exact && (upper-lower)/(target*limit) > coarse {
		t.find(Warning, "coarse-buckets", fmt.Sprintf("add buckets at %g, %g and %g", target*limit, limit, 2*limit),
			"read as %g (%g %% of the objective, where the HPA acts), the quantile is anything between %g and %g", target*limit, 100*target, lower, upper)
	}
}

// perSecond is in what the buckets are, by the name of their metric.
func (t *trial) perSecond() float64 {
	for _, name := range t.rule.Buckets.MetricNames() {
		if strings.Contains(name, "_milliseconds") || strings.Contains(name, "_ms_") {
			return 1000
		}
	}
	return 1
}
