package detect

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
)

// coarse is how wide, in parts of the target, the bucket may be that the target
// lies in. Inside a bucket a quantile is a guess. The default buckets of
// prometheus_client stay below this for most targets; the three of the
// instrumentator's http_request_duration_seconds do not.
const coarse = 0.75

// A histogram is the buckets of a metric, summed over series and pods.
type histogram struct {
	metric string
	// bounds are the finite ones, ascending, in seconds; atMost holds how many
	// observations are not above each.
	bounds []float64
	atMost []float64
	count  float64
}

// buckets says what is wrong with the histograms that a library's p95 comes from.
func buckets(l library, pods []Pod, objective Objective) []Finding {
	var found []Finding
	for _, of := range l.latency {
		if objective.set() {
			found = append(found, summarized(of, pods))
		}
		h, apart := readHistogram(of, pods)
		if apart != "" {
			found = append(found, Finding{
				Code:     "different-buckets",
				What:     fmt.Sprintf("The buckets of %s differ.", of.metric),
				Evidence: []string{apart},
				Why:      "A quantile over histograms with different bounds is rougher than each of them.",
				Cure:     "Give all pods the same buckets.",
			})
			continue
		}
		if len(h.bounds) > 0 {
			found = append(found, h.clipped(l, objective), h.rough(l, objective))
		}
	}
	return found
}

// summarized finds a latency that is a summary: it has no buckets. That is wrong
// only for who has an objective.
func summarized(of latency, pods []Pod) Finding {
	for _, pod := range pods {
		if f := pod.last().families[of.metric]; f != nil && f.typ == model.MetricTypeSummary {
			return Finding{
				Code:     "no-histogram",
				What:     of.metric + " is a summary.",
				Evidence: []string{"# TYPE " + of.metric + " summary"},
				Why:      "It has no buckets, so there is no quantile of a workload: those of pods cannot be put together. Rate and concurrency are right.",
				Cure:     "Make it a histogram.",
			}
		}
	}
	return Finding{}
}

// readHistogram sums the buckets of all series. apart says where two series have
// different bounds.
func readHistogram(of latency, pods []Pod) (h histogram, apart string) {
	h.metric = of.metric
	first := ""
	for _, pod := range pods {
		f := pod.last().families[of.metric]
		if f == nil || f.typ != model.MetricTypeHistogram {
			continue
		}
		for name, one := range f.histograms(of.perSecond) {
			if first == "" {
				first = pod.Name + " " + name
				h.bounds, h.atMost = one.bounds, make([]float64, len(one.bounds))
			}
			if !slices.Equal(h.bounds, one.bounds) {
				return histogram{}, fmt.Sprintf("%s has %s; %s %s has %s", first, seconds(h.bounds), pod.Name, name, seconds(one.bounds))
			}
			h.count += one.count
			for i, n := range one.atMost {
				h.atMost[i] += n
			}
		}
	}
	return h, ""
}

// histograms yields those of a metric in the order of their labels, without what
// is no work of users.
func (f *family) histograms(perSecond float64) func(yield func(string, histogram) bool) {
	type bucket struct{ bound, atMost float64 }
	all := map[string][]bucket{}
	for _, s := range f.series {
		bound, err := strconv.ParseFloat(s.labels.Get(model.BucketLabel), 64)
		if s.name != f.name+"_bucket" || err != nil || math.IsNaN(bound) || math.IsNaN(s.value) || s.isProbe() {
			continue
		}
		key := s.labels.MatchLabels(false, model.BucketLabel).String()
		all[key] = append(all[key], bucket{bound / perSecond, s.value})
	}
	return func(yield func(string, histogram) bool) {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			h := histogram{}
			slices.SortFunc(all[key], func(a, b bucket) int {
				if a.bound < b.bound {
					return -1
				}
				return 1
			})
			for _, b := range all[key] {
				h.count = b.atMost
				if !math.IsInf(b.bound, 0) {
					h.bounds, h.atMost = append(h.bounds, b.bound), append(h.atMost, b.atMost)
				}
			}
			if !yield(f.name+key, h) {
				return
			}
		}
	}
}

// top is the highest finite bound.
func (h histogram) top() float64 { return h.bounds[len(h.bounds)-1] }

// clipped finds quantiles that lie above the highest finite bound, now or at the objective.
func (h histogram) clipped(l library, objective Objective) Finding {
	above := h.count - h.atMost[len(h.atMost)-1]
	f := Finding{
		Code: "clipped",
		Why:  fmt.Sprintf("Above the highest bound the %s is that bound, whatever the truth: an HPA cannot see how slow requests are.", objective.percentile()),
		Cure: l.cureBuckets(objective),
	}
	switch {
	case h.count > 0 && above/h.count > 1-objective.quantile():
		f.What = fmt.Sprintf("The %s lies above the highest bucket of %s.", objective.percentile(), h.metric)
		f.Evidence = []string{fmt.Sprintf("%s of %s requests (%s %%) took longer than %s", number(above), number(h.count), number(math.Round(1000*above/h.count)/10), second(h.top()))}
	case objective.set() && objective.Limit.Seconds() >= h.top():
		f.What = fmt.Sprintf("The objective is no lower than the highest bucket of %s.", h.metric)
		f.Evidence = []string{fmt.Sprintf("objective %s, buckets up to %s", second(objective.Limit.Seconds()), second(h.top()))}
	default:
		return Finding{}
	}
	return f
}

// rough finds that the bucket with the target in it is wide.
func (h histogram) rough(l library, objective Objective) Finding {
	if !objective.set() || objective.target() >= h.top() {
		return Finding{}
	}
	target := objective.target()
	at, exact := slices.BinarySearch(h.bounds, target)
	lower, upper := 0.0, h.bounds[at]
	if at > 0 {
		lower = h.bounds[at-1]
	}
	if exact || (upper-lower)/target <= coarse {
		return Finding{}
	}
	return Finding{
		Code: "coarse-buckets",
		What: fmt.Sprintf("The buckets of %s are too coarse for %s.", h.metric, objective),
		Evidence: []string{
			"buckets: " + seconds(h.bounds),
			fmt.Sprintf("read as %s (%g %% of the objective, where the HPA acts), the %s is anything between %s and %s: %+.0f %% to %+.0f %%",
				second(target), 100*targetShare, objective.percentile(), second(lower), second(upper), 100*(lower/target-1), 100*(upper/target-1)),
		},
		Why:  "Between two bounds a quantile is a guess. An HPA on it adds pods to a healthy application, or none to a slow one.",
		Cure: l.cureBuckets(objective),
	}
}

func (l library) cureBuckets(objective Objective) string {
	general := "Add buckets: one at the target, and some well above it."
	if l.coarse != "" {
		general = l.coarse
	}
	if objective.set() {
		return fmt.Sprintf("%s Good bounds are %s.", general, seconds([]float64{objective.target(), objective.Limit.Seconds(), 2 * objective.Limit.Seconds(), 4 * objective.Limit.Seconds()}))
	}
	return general
}

func seconds(all []float64) string {
	text := ""
	for i, v := range all {
		if i > 0 {
			text += " "
		}
		text += number(v)
	}
	return text + " s"
}

func second(v float64) string { return number(v) + " s" }
