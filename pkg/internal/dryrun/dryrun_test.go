package dryrun

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

const (
	rate    = `metric: m, type: Pods, query: "sum by (namespace, pod) (rate(requests_total[2m]))"`
	p95     = `metric: m, type: Object, of: deployments.apps, quantile: 0.95, buckets: "sum by (namespace, pod, le) (rate(latency_bucket[2m]))"`
	backlog = `metric: m, type: External, query: "sum by (namespace, queue) (ready)"`
)

// TestFindings tries rules on series in which something is wrong. A sample comes
// every 15 s, up to now.
func TestFindings(t *testing.T) {
	for _, test := range []struct {
		name    string
		rule    string
		profile rule.Profile
		every   time.Duration
		options Options
		series  []string
		want    string // the findings, as "severity code: what (hint)"
	}{
		{
			name: "nothing is wrong", rule: rate,
			series: []string{
				`requests_total{namespace="shop",pod="a",job="web",instance="1"} 0+15x40`,
				`requests_total{namespace="shop",pod="b",job="web",instance="2"} 0+15x40`,
				`up{namespace="shop",pod="a",job="web",instance="1"} 1x40`,
				`up{namespace="shop",pod="b",job="web",instance="2"} 1x40`,
			},
		},
		{
			name: "a misspelled metric", rule: rate,
			series: []string{`request_total{namespace="shop",pod="a"} 0+15x40`, `other_total{namespace="shop",pod="a"} 0+15x40`},
			want:   `error no-metric: the backend has no metric called requests_total (did you mean "request_total"?)`,
		},
		{
			name: "a metric that is like no other", rule: rate,
			series: []string{`other_total{namespace="shop",pod="a"} 0+15x40`},
			want:   `error no-metric: the backend has no metric called requests_total`,
		},
		{
			name: "matchers that leave nothing", rule: strings.ReplaceAll(rate, "requests_total", "requests_total{handler!~'.*'}"),
			series: []string{`requests_total{namespace="shop",pod="a",handler="/"} 0+15x40`},
			want:   `error no-match: no series matches requests_total{handler!~".*"}; without its matchers 1 series would (look at the labels of requests_total)`,
		},
		{
			name: "a namespace by another name", rule: rate, profile: rule.Operator,
			series: []string{`requests_total{kubernetes_namespace="shop",kubernetes_pod_name="a"} 0+15x40`},
			want: `error label-missing: 1 of 1 series of the answer has no label namespace (1 of 1 series of its rules have kubernetes_namespace: write labels: legacy-annotations)
error label-missing: 1 of 1 series of the answer has no label pod (1 of 1 series of its rules have kubernetes_namespace: write labels: legacy-annotations)`,
		},
		{
			name: "under its profile it is right", rule: rate, profile: rule.LegacyAnnotations,
			series: []string{`requests_total{kubernetes_namespace="shop",kubernetes_pod_name="a"} 0+15x40`},
		},
		{
			name: "only what is exported names a pod", rule: rate,
			series: []string{`requests_total{exported_namespace="shop",exported_pod="a",job="statsd"} 0+15x40`},
			want: `error label-missing: 1 of 1 series of the answer has no label namespace (its series have exported_namespace: if you trust their exporter, write labels: exported)
error label-missing: 1 of 1 series of the answer has no label pod (its series have exported_namespace: if you trust their exporter, write labels: exported)`,
		},
		{
			name: "some series without a pod", rule: rate,
			series: []string{`requests_total{namespace="shop",pod="a"} 0+15x40`, `requests_total{namespace="shop",job="static"} 0+15x40`},
			want:   `warning label-missing: 1 of 2 series of the answer has no label pod (nobody reads them)`,
		},
		{
			name: "a pod that two monitors scrape", rule: rate,
			series: []string{
				`requests_total{namespace="shop",pod="a",job="web",endpoint="http",instance="1"} 0+15x40`,
				`requests_total{namespace="shop",pod="a",job="web-pods",endpoint="metrics",instance="1"} 0+15x40`,
				`requests_total{namespace="shop",pod="b",job="web",endpoint="http",instance="2"} 0+15x40`,
			},
			want: `error scraped-twice: 1 pod has the same series of requests_total from several targets: shop/a from {endpoint="http", instance="1", job="web"} and {endpoint="metrics", instance="1", job="web-pods"} (leave one monitor; unless each target counts for itself, every sum is a multiple of the truth)`,
		},
		{
			name: "handlers are not scrapes", rule: rate,
			series: []string{`requests_total{namespace="shop",pod="a",handler="/"} 0+15x40`, `requests_total{namespace="shop",pod="a",handler="/b"} 0+15x40`},
		},
		{
			name: "a window of three scrapes", rule: strings.ReplaceAll(rate, "2m", "45s"),
			series: []string{`requests_total{namespace="shop",pod="a"} 0+15x40`},
			want:   `warning window-short: the window of 45s holds 3 samples, one each 15s: if scrapes fail, values come and go (look back over at least 1m)`,
		},
		{
			name: "a window of less than two scrapes", rule: rate, every: 75 * time.Second,
			series: []string{`requests_total{namespace="shop",pod="a"} 0+15x40`},
			want: `error window-too-short: the window of 2m holds fewer than two samples, one each 1m15s: it has no value (look back over at least 5m)
warning slower-than-configured: requests_total is sampled each 1m15s, and the backend's scrapeInterval is 15s (write scrapeInterval: 1m15s)`,
		},
		{
			name: "a short history misleads nobody", rule: rate,
			series: []string{`requests_total{namespace="shop",pod="a"} 0+15x9`},
		},
		{
			name: "counters that stand still", rule: rate,
			series: []string{`requests_total{namespace="shop",pod="a"} 7x40`},
			want:   `warning never-moves: no series of requests_total has moved for 10m (no load? or a counter that nothing increments)`,
		},
		{
			name: "a page that speaks of others", rule: rate,
			series: []string{
				`requests_total{namespace="shop",pod="a",job="web",instance="1"} 0+15x40`,
				`up{namespace="dev",pod="x",job="web",instance="1"} 1x40`,
			},
			want: `warning foreign-namespace: 1 series of requests_total names another namespace than their target (honor_labels: true? then whoever writes such a page drives the HPAs of others)`,
		},
		{
			name: "NaN", rule: `metric: m, type: Pods, query: "sum by (namespace, pod) (busy) / sum by (namespace, pod) (slots)"`,
			series: []string{
				`busy{namespace="shop",pod="a"} 0x40`, `slots{namespace="shop",pod="a"} 0x40`,
				`busy{namespace="shop",pod="b"} 1x40`, `slots{namespace="shop",pod="b"} 0x40`,
				`busy{namespace="shop",pod="c"} -1x40`, `slots{namespace="shop",pod="c"} 1x40`,
			},
			want: `error infinite: 1 of 3 series of the answer is infinite (guard the division in the query)
error negative: 1 of 3 series of the answer is negative, which is not served (clamp_min in the query, or allowNegative)
warning nan: 1 of 3 series of the answer is NaN (a division of nothing by nothing? guard it in the query, or say onNaN)`,
		},
		{
			name: "two values for a pod", rule: `metric: m, type: Pods, query: "busy"`,
			series: []string{`busy{namespace="shop",pod="a",pid="1"} 1x40`, `busy{namespace="shop",pod="a",pid="2"} 1x40`},
			want:   `error ambiguous: 1 object has more than one series in the answer, such as shop/a (group by (namespace, pod))`,
		},
		{
			name: "beyond the ceiling", rule: `metric: m, type: External, query: "sum by (namespace) (bytes)"`,
			series: []string{`bytes{namespace="shop"} 5000000000x40`},
			want:   `error beyond-ceiling: 1 of 1 series of the answer is beyond the ceiling of 1e+09 (choose a larger unit in the query, or raise ceiling)`,
		},
		{
			name: "a quantile above its buckets", rule: p95,
			series: []string{
				`latency_bucket{namespace="shop",pod="a",le="0.5"} 0+8x40`, `latency_bucket{namespace="shop",pod="a",le="1"} 0+9x40`, `latency_bucket{namespace="shop",pod="a",le="+Inf"} 0+10x40`,
			},
			want: `error clipped: 10 % of observations are above the highest bucket, 1: the quantile 0.95 is that bound, whatever the truth (add buckets above it)`,
		},
		{
			name: "a quantile close to the top", rule: p95,
			series: []string{`latency_bucket{namespace="shop",pod="a",le="1"} 0+97x40`, `latency_bucket{namespace="shop",pod="a",le="+Inf"} 0+100x40`},
			want:   `warning nearly-clipped: 3 % of observations are above the highest bucket, 1: the quantile 0.95 is close to being that bound, whatever the truth (add buckets above it)`,
		},
		{
			name: "three buckets for an objective", rule: p95, options: Options{Objective: 500 * time.Millisecond},
			series: []string{
				`latency_bucket{namespace="shop",pod="a",le="0.1"} 0+99x40`, `latency_bucket{namespace="shop",pod="a",le="0.5"} 0+100x40`,
				`latency_bucket{namespace="shop",pod="a",le="1"} 0+100x40`, `latency_bucket{namespace="shop",pod="a",le="+Inf"} 0+100x40`,
			},
			want: `warning coarse-buckets: read as 0.4 (80 % of the objective, where the HPA acts), the quantile is anything between 0.1 and 0.5 (add buckets at 0.4, 0.5 and 1)`,
		},
		{
			name: "an objective above the buckets, in milliseconds", rule: strings.ReplaceAll(p95, "latency_", "latency_milliseconds_"), options: Options{Objective: 2 * time.Second},
			series: []string{`latency_milliseconds_bucket{namespace="shop",pod="a",le="1000"} 0+100x40`, `latency_milliseconds_bucket{namespace="shop",pod="a",le="+Inf"} 0+100x40`},
			want:   `error objective-above-buckets: the objective, 2000, is not below the highest bucket, 1000 (add buckets above it)`,
		},
		{
			name: "buckets without the last", rule: p95,
			series: []string{`latency_bucket{namespace="shop",pod="a",le="1"} 0+100x40`},
			want:   `error no-infinite-bucket: the answer has no bucket le="+Inf": how much there is in all is not known (do not filter le)`,
		},
		{
			name: "pods with other buckets", rule: p95,
			series: []string{
				`latency_bucket{namespace="shop",pod="a",le="1"} 0+100x40`, `latency_bucket{namespace="shop",pod="a",le="+Inf"} 0+100x40`,
				`latency_bucket{namespace="shop",pod="b",le="1"} 0+100x40`, `latency_bucket{namespace="shop",pod="b",le="2"} 0+100x40`, `latency_bucket{namespace="shop",pod="b",le="+Inf"} 0+100x40`,
			},
			want: "warning different-buckets: pods have 2 different sets of buckets: a quantile over them is rougher than each (give all pods the same buckets)\n" +
				`error clipped: 50 % of observations are above the highest bucket, 2: the quantile 0.95 is that bound, whatever the truth (add buckets above it)`,
		},
		{
			name: "parts that never meet", rule: `metric: m, type: Pods, query: "sum by (namespace, pod) (busy) / on (namespace, pod) sum by (namespace, pod) (slots)"`,
			series: []string{`busy{namespace="shop",pod="a"} 1x40`, `slots{namespace="shop",pod="b"} 1x40`},
			want:   `error no-result: the query answers nothing, although its selectors find 2 series (look at its parts, one after the other, in the backend's own page)`,
		},
		{
			name: "one part of two", rule: `metric: m, type: External, query: "sum by (namespace) (ready) or sum by (namespace) (readdy)"`,
			series: []string{`ready{namespace="shop"} 1x40`},
			want:   `warning no-metric: the backend has no metric called readdy (did you mean "ready"?)`,
		},
		{
			name: "zero by decree", rule: backlog + `, onEmpty: zero`,
			want: "warning no-metric: the backend has no metric called ready\n" +
				`warning served-as-zero: with onEmpty: zero every object reads 0 (onEmpty cannot tell an outage from nothing to do: zeroWhen can)`,
		},
		{
			name: "zero that is proved", rule: backlog + `, zeroWhen: "max(redis_up) == 1"`,
			series: []string{`redis_up 1x40`},
			want:   `warning no-metric: the backend has no metric called ready`,
		},
		{
			name: "zero that nothing proves", rule: backlog + `, zeroWhen: "max(redis_up) == 1"`,
			series: []string{`redis_uq 1x40`},
			want: "error no-proof: there is neither a series nor a proof of zero: max(redis_up) == 1 has no result\n" +
				"warning no-metric: the backend has no metric called ready\n" +
				`warning no-metric: the backend has no metric called redis_up (did you mean "redis_uq"?)`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if test.profile.Name == "" {
					test.profile = rule.Operator
				}
				r := loadRule(t, test.rule)
				report := Rule(t.Context(), Backend{Querier: filled(t, test.every, test.series), Profile: test.profile, ScrapeInterval: 15 * time.Second}, r, test.options)
				if diff := cmp.Diff(sorted(test.want), sorted(show(report))); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

func sorted(text string) []string {
	lines := strings.Split(text, "\n")
	// Errors come first; beyond that the order is that of the questions.
	var errs, rest []string
	for _, line := range lines {
		if strings.HasPrefix(line, "error") {
			errs = append(errs, line)
		} else if line != "" {
			rest = append(rest, line)
		}
	}
	return append(errs, rest...)
}

func show(r Report) string {
	var lines []string
	for _, f := range r.Findings {
		line := fmt.Sprintf("%s %s: %s", f.Severity, f.Code, f.What)
		if f.Hint != "" {
			line += fmt.Sprintf(" (%s)", f.Hint)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func loadRule(t *testing.T, fields string) *rule.Rule {
	t.Helper()
	set, err := rule.Load(rule.File{Name: "rule", Text: fmt.Appendf(nil, `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://localhost:9090}]
rules: [{%s}]
`, fields)})
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules[0]
}

// filled is a database of series whose last sample is of now.
func filled(t *testing.T, every time.Duration, series []string) *promdb.DB {
	t.Helper()
	if every == 0 {
		every = 15 * time.Second
	}
	db := promdb.New(promdb.Options{})
	for _, text := range series {
		ls, samples, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range samples {
			if err := db.Append(time.Now().Add(time.Duration(i+1-len(samples))*every), ls, s.Value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return db
}

func TestAReportMeasures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := filled(t, 30*time.Second, []string{
			`latency_bucket{k8s_namespace_name="shop",k8s_pod_name="a",le="1"} 0+99x40`, `latency_bucket{k8s_namespace_name="shop",k8s_pod_name="a",le="+Inf"} 0+100x40`,
			`latency_bucket{k8s_namespace_name="dev",k8s_pod_name="b",le="1"} 0+99x40`, `latency_bucket{k8s_namespace_name="dev",k8s_pod_name="b",le="+Inf"} 0+100x40`,
		})
		b := Backend{Querier: db, Profile: rule.OTel, ScrapeInterval: 30 * time.Second}
		got := Rule(t.Context(), b, loadRule(t, p95), Options{})
		above := 0.01
		want := Report{
			Metric: "m", Type: "Object", Of: "deployments.apps", Backend: "main",
			Query:   `sum by (k8s_namespace_name, k8s_pod_name, le) (rate(latency_bucket[2m]))`,
			Objects: 2, Namespaces: 2, Example: "dev/b", Answered: 4, AboveTop: &above,
			Inputs:   []Input{{Selector: "latency_bucket[2m]", Series: 4, IntervalSeconds: 30, WindowSeconds: 120, Samples: 4}},
			Findings: []Finding{},
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// A refusing backend answers so many queries and no more.
type refusing struct {
	*promdb.DB
	left int
}

func (r *refusing) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	if r.left--; r.left < 0 {
		return instant.Vector{}, errors.New("query was refused")
	}
	return r.DB.Query(ctx, expr, at)
}

// TestAQueryThatFailsIsTheLastAndSaidOnce lets each query of a trial fail.
func TestAQueryThatFailsIsTheLastAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := filled(t, 0, []string{`requests_total{namespace="shop",pod="a",job="web",instance="1"} 0+15x40`})
		for n := 0; ; n++ {
			backend := &refusing{DB: db, left: n}
			report := Rule(t.Context(), Backend{Querier: backend, Profile: rule.Operator, ScrapeInterval: 15 * time.Second}, loadRule(t, rate), Options{})
			if backend.left >= 0 {
				if n < 5 {
					t.Errorf("a trial is %d queries", n)
				}
				return
			}
			if got := show(report); got != "error query-failed: query was refused" {
				t.Errorf("without the query after %d: %s", n, got)
			}
			if backend.left < -1 {
				t.Errorf("after the %d. query failed, more were asked", n)
			}
		}
	})
}
