package dryrun

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// objects counts what the answer speaks of, and finds series that speak of nothing
// and objects that have two.
func (t *trial) objects(ctx context.Context, answer instant.Vector) {
	names := labelsOf(t.rule)
	missing := map[string]int{}
	values := map[string]int{} // by the object and, where they tell buckets apart, its le
	objects, namespaces := map[string]bool{}, map[string]bool{}
	for _, s := range answer.Samples {
		var object []string
		for _, name := range names {
			value := s.Labels.Get(name)
			if value == "" {
				missing[name]++
			}
			object = append(object, value)
		}
		if slices.Contains(object, "") {
			continue
		}
		of := strings.Join(object, "/")
		objects[of] = true
		if len(object) > 0 {
			namespaces[object[0]] = true
		}
		if t.rule.Buckets != nil {
			of += " " + s.Labels.Get(labels.BucketLabel)
		}
		values[of]++
	}
	if len(names) > 0 {
		t.report.Objects, t.report.Namespaces = len(objects), len(namespaces)
		t.report.Example = first(objects)
	}
	for _, name := range names {
		if missing[name] > 0 {
			t.missing(ctx, name, missing[name], len(answer.Samples))
		}
	}
	t.ambiguous(names, values)
}

// first is one of the names, always the same.
func first(names map[string]bool) string {
	least := ""
	for name := range names {
		if least == "" || name < least {
			least = name
		}
	}
	return least
}

// missing reports series without a label that names their object.
func (t *trial) missing(ctx context.Context, name string, n, of int) {
	severity, hint := Warning, "nobody reads them"
	if n == of {
		severity = Error
		hint = t.elsewhere(ctx)
	}
	has := "has"
	if n > 1 {
		has = "have"
	}
	t.find(severity, "label-missing", hint, "%d of %s of the answer %s no label %s", n, count(of, "series"), has, t.backend.Profile.Label(name))
}

// elsewhere says under which other labels the rule's series name their objects.
func (t *trial) elsewhere(ctx context.Context) string {
	if found := profile.Probe(ctx, t.backend.Querier, []*rule.Rule{t.rule}); found.Err == nil && !found.Open && found.Profile.Name != t.backend.Profile.Name {
		return fmt.Sprintf("%s: write labels: %s", found.Why, found.Profile)
	}
	if t.backend.Profile.Name == rule.Exported.Name {
		return ""
	}
	for _, in := range t.rule.Expr().Inputs() {
		exported := rule.Exported.Label(rule.NamespaceLabel)
		if t.number(ctx, "count(%s)", in.At(labels.MustNewMatcher(labels.MatchNotEqual, exported, ""))) > 0 {
			return fmt.Sprintf("its series have %s: if you trust their exporter, write labels: %s", exported, rule.Exported)
		}
	}
	return ""
}

// ambiguous finds objects with more than one value.
func (t *trial) ambiguous(names []string, values map[string]int) {
	if t.rule.Type == rule.TypeExternal || len(names) == 0 {
		return // An HPA sums the series of an External metric.
	}
	several := map[string]bool{}
	for object, n := range values {
		if n > 1 {
			several[object] = true
		}
	}
	if len(several) > 0 {
		t.find(Error, "ambiguous", fmt.Sprintf("group by (%s)", strings.Join(names, ", ")),
			"%s %s more than one series in the answer, such as %s", count(len(several), "object"), has(len(several)), first(several))
	}
}

func has(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// unknown finds out why a selector finds nothing.
func (t *trial) unknown(ctx context.Context, metric, selector string) {
	if metric == "" {
		t.find(t.absence(), "no-series", "", "no series matches %s", selector)
		return
	}
	if n := int(t.number(ctx, "count({__name__=%q})", metric)); n > 0 {
		t.find(t.absence(), "no-match", "look at the labels of "+metric, "no series matches %s; without its matchers %s", selector, count(n, "series")+" would")
		return
	}
	if t.failed {
		return
	}
	t.find(t.absence(), "no-metric", t.meant(ctx, metric), "the backend has no metric called %s", metric)
}

// absence is how bad it is that a selector finds nothing: other parts of the query
// may answer.
func (t *trial) absence() Severity {
	if t.report.Answered > 0 || t.rule.ZeroWhen != nil || t.rule.OnEmpty == rule.PolicyZero {
		return Warning
	}
	return Error
}

// meant finds the metric of the backend that a name may be a misspelling of: among
// those with a word that begins alike.
func (t *trial) meant(ctx context.Context, metric string) string {
	var words []string
	for word := range strings.FieldsFuncSeq(metric, func(r rune) bool { return r == '_' || r == ':' || r == '.' }) {
		if len(word) > 2 && !slices.Contains(commonWords, word) {
			words = append(words, regexp.QuoteMeta(word[:max(3, len(word)/2)])) // mistakes are rarely at the beginning
		}
	}
	if len(words) == 0 {
		return ""
	}
	// Nothing hangs on it: where the backend refuses, there is no hint.
	vector, err := t.backend.Querier.Query(ctx, fmt.Sprintf("group by (__name__) ({__name__=~%q})", ".*("+strings.Join(words, "|")+").*"), t.at)
	if err != nil {
		return ""
	}
	var names []string
	for _, s := range vector.Samples {
		names = append(names, s.Labels.Get(model.MetricNameLabel))
	}
	return place.DidYouMean(metric, names)
}

// commonWords are in so many names that they say nothing.
var commonWords = []string{"total", "seconds", "count", "sum", "bucket", "bytes"}
