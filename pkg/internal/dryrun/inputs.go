package dryrun

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// recently is how far scrapes are looked at.
const recently = 10 * time.Minute

// least is how many scrapes a window has to hold: one may fail, and three samples
// remain.
const least = 4

// input looks at what one selector reads, and returns how many series that are.
func (t *trial) input(ctx context.Context, in promexpr.Input) int {
	shown := Input{Selector: t.text(in.String()), WindowSeconds: in.Range.Seconds()}
	shown.Series = int(t.number(ctx, "count(%s)", in.At()))
	switch {
	case t.failed:
		return 0
	case shown.Series == 0:
		t.unknown(ctx, in.Metric(), t.text(in.At()))
	default:
		interval := t.interval(ctx, in)
		shown.IntervalSeconds = interval.Seconds()
		if in.Range > 0 {
			shown.Samples = t.number(ctx, "quantile(0.5, count_over_time(%s))", in)
			t.window(in, interval)
		}
		t.slow(in, interval)
		t.twice(ctx, in)
		t.foreign(ctx, in)
		if in.Counter {
			t.still(ctx, in)
		}
	}
	t.report.Inputs = append(t.report.Inputs, shown)
	return shown.Series
}

// text is a part of the query as it reaches the backend.
func (t *trial) text(part string) string {
	e, err := promexpr.Parse("count(" + part + ")") // a range alone is no query
	if names := t.backend.Profile.Renaming(); err == nil && len(names) > 0 {
		return strings.TrimSuffix(strings.TrimPrefix(e.Rename(names).String(), "count("), ")")
	}
	return part
}

// interval measures the time between two samples, at the series with the most of
// them; 0 where it has fewer than two.
func (t *trial) interval(ctx context.Context, in promexpr.Input) time.Duration {
	fullest := t.ask(ctx, fmt.Sprintf("topk(1, count_over_time(%s))", in.Over(recently)))
	if len(fullest) == 0 || in.Metric() == "" {
		return 0
	}
	series := labels.NewBuilder(fullest[0].Labels).Set(model.MetricNameLabel, in.Metric()).Labels().String()
	begun := t.number(ctx, "time() - min_over_time(timestamp(%s)[%s:1s])", series, model.Duration(recently))
	last := t.number(ctx, "time() - timestamp(%s)", series)
	if begun-last < 0.1 {
		return 0
	}
	// Both ends count, and rounding must not lose the older.
	n := t.number(ctx, "count_over_time(%s[%dms])", series, int64(math.Ceil(begun*1000))+1)
	if n < 2 {
		return 0
	}
	return time.Duration((begun - last) / (n - 1) * float64(time.Second)).Round(100 * time.Millisecond)
}

// window finds a range that holds too few samples.
func (t *trial) window(in promexpr.Input, interval time.Duration) {
	scrapes := in.Range.Seconds() / interval.Seconds()
	enough := fmt.Sprintf("look back over at least %s", model.Duration((least * interval).Round(time.Second)))
	switch {
	case t.failed:
	case interval == 0:
		t.find(Warning, "no-interval", "look again once there are some scrapes", "no series of %s has two samples in %s", t.text(in.At()), model.Duration(recently))
	case scrapes < 2:
		t.find(Error, "window-too-short", enough, "the window of %s holds fewer than two samples, one each %s: it has no value", model.Duration(in.Range), interval)
	case scrapes < least-0.2: // scrapes come a little early and late
		t.find(Warning, "window-short", enough, "the window of %s holds %.0f samples, one each %s: if scrapes fail, values come and go", model.Duration(in.Range), math.Floor(scrapes), interval)
	}
}

// slow finds samples that come more rarely than the configuration says.
func (t *trial) slow(in promexpr.Input, interval time.Duration) {
	if interval > t.backend.ScrapeInterval*3/2 {
		t.find(Warning, "slower-than-configured", fmt.Sprintf("write scrapeInterval: %s", model.Duration(interval.Round(time.Second))),
			"%s is sampled each %s, and the backend's scrapeInterval is %s", t.text(in.At()), interval, t.backend.ScrapeInterval)
	}
}

// scraping are the labels that tell scrapes of one target apart, and servers that
// scrape alike.
var scraping = []string{"job", "instance", "endpoint", "service", "prometheus", "prometheus_replica", "replica"}

// twice finds pods whose series are there more than once.
func (t *trial) twice(ctx context.Context, in promexpr.Input) {
	ofPods := in.At(labels.MustNewMatcher(labels.MatchNotEqual, rule.PodLabel, ""))
	pods := fmt.Sprintf("count by (namespace, pod) (count without (%s) (%s) > 1)", strings.Join(scraping, ", "), ofPods)
	found := t.ask(ctx, fmt.Sprintf("topk(1, %s)", pods))
	if len(found) == 0 {
		return
	}
	n := int(t.number(ctx, "count(%s)", pods))
	namespace, pod := found[0].Labels.Get(rule.NamespaceLabel), found[0].Labels.Get(rule.PodLabel)
	which := t.ask(ctx, fmt.Sprintf("group by (%s) (%s)", strings.Join(scraping, ", "), in.At(
		labels.MustNewMatcher(labels.MatchEqual, rule.NamespaceLabel, namespace),
		labels.MustNewMatcher(labels.MatchEqual, rule.PodLabel, pod))))
	var targets []string
	for _, s := range which {
		targets = append(targets, s.Labels.String())
	}
	slices.Sort(targets)
	t.find(Error, "scraped-twice", "leave one monitor; unless each target counts for itself, every sum is a multiple of the truth",
		"%s %s the same series of %s from several targets: %s/%s from %s", count(n, "pod"), has(n), t.text(in.At()), namespace, pod, strings.Join(targets, " and "))
}

// foreign finds series that name another namespace than their target does.
func (t *trial) foreign(ctx context.Context, in promexpr.Input) {
	if t.backend.Profile.Name != rule.Operator.Name && t.backend.Profile.Name != rule.LegacyAnnotations.Name {
		return // The labels are not those of targets.
	}
	const target = "job, instance"
	n := int(t.number(ctx, "count(%s unless on (%s, namespace) up and on (%s) up{namespace!=\"\"})", in.At(), target, target))
	if n > 0 {
		t.find(Warning, "foreign-namespace", "honor_labels: true? then whoever writes such a page drives the HPAs of others",
			"%d series of %s %s another namespace than their target", n, t.text(in.At()), namesOr(n))
	}
}

func namesOr(n int) string {
	if n == 1 {
		return "names"
	}
	return "name"
}

// still finds counters that stand still.
func (t *trial) still(ctx context.Context, in promexpr.Input) {
	back := max(in.Range, recently)
	if len(t.ask(ctx, fmt.Sprintf("topk(1, changes(%s) > 0)", in.Over(back)))) == 0 && !t.failed {
		t.find(Warning, "never-moves", "no load? or a counter that nothing increments", "no series of %s has moved for %s", t.text(in.At()), model.Duration(back))
	}
}
