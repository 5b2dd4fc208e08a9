package reading

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// vector reads series in Prometheus' notation, one "{labels} value" a line.
func vector(t *testing.T, text string) instant.Vector {
	t.Helper()
	var v instant.Vector
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at := strings.LastIndex(line, " ")
		series, err := parser.NewParser(parser.Options{}).ParseMetric(line[:at])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s := instant.Sample{Labels: series}
		if _, err := fmt.Sscan(line[at+1:], &s.Value); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		v.Samples = append(v.Samples, s)
	}
	return v
}

// show writes a reading as a line to compare.
func show(r Reading) string {
	if r.Cause != "" {
		return r.State.String() + ": " + r.Cause
	}
	return fmt.Sprintf("%s %dm", r.State, r.Milli())
}

var web = instant.Object{Namespace: "shop", Name: "web"}

func TestPod(t *testing.T) {
	answer := vector(t, `
		{namespace="shop", pod="a"} 12.3456
		{namespace="shop", pod="nan"} NaN
		{namespace="shop", pod="negative"} -0.001
		{namespace="shop", pod="zero"} 0
		{namespace="shop", pod="minus-zero"} -0
		{namespace="shop", pod="inf"} +Inf
		{namespace="shop", pod="minus-inf"} -Inf
		{namespace="shop", pod="ceiling"} 1e9
		{namespace="shop", pod="above"} 1000000000.001
		{namespace="shop", pod="tiny"} 0.0004
		{namespace="shop", pod="half"} 0.0005
		{namespace="shop", pod="twice", handler="/b"} 2
		{namespace="shop", pod="twice", handler="/c"} 3
		{namespace="shop", pod="twice", handler="/a"} 1
		{namespace="other", pod="b"} 5
	`)
	for pod, want := range map[string]string{
		"a":          "value 12346m",
		"zero":       "value 0m",
		"minus-zero": "value 0m",
		"ceiling":    "value 1000000000000m",
		"tiny":       "value 0m",
		"half":       "value 1m",
		"nan":        "not-a-number: the query gave NaN, as a division of nothing by nothing does (onNaN: zero serves 0 for this)",
		"negative":   "negative: the query gave -0.001, and an HPA takes a negative value for an overflow: clamp_min(…, 0) in the query, or allowNegative: true",
		"minus-inf":  "out-of-range: the query gave -Inf, as a division by zero does",
		"inf":        "out-of-range: the query gave +Inf, as a division by zero does",
		"above":      "out-of-range: the query gave 1.000000000001e+09, beyond the ceiling of 1e+09 that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling",
		"twice":      `ambiguous: 3 series with namespace="shop" and pod="twice", such as {handler="/a", namespace="shop", pod="twice"} and {handler="/b", namespace="shop", pod="twice"}: aggregate them in the query`,
		"b":          `empty: no series with namespace="shop" and pod="b"`,
	} {
		t.Run(pod, func(t *testing.T) {
			got := show(Pod(podsRule(t, ""), answer.Group("namespace", "pod"), View{}, instant.Object{Namespace: "shop", Name: pod}))
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestAFilterPicksOneOfSeveralSeries(t *testing.T) {
	answer := vector(t, `
		{namespace="shop", pod="a", handler="/a"} 1
		{namespace="shop", pod="a", handler="/b"} 2
	`)
	filter := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "handler", "/b")}
	got := show(Pod(podsRule(t, ""), answer.Group("namespace", "pod"), View{Filter: filter}, instant.Object{Namespace: "shop", Name: "a"}))
	if want := "value 2000m"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// load returns the rule that a configuration has, from its fields and more of
// them, such as "onNaN: drop, clampMax: 5".
func load(t testing.TB, fields, more string) *rule.Rule {
	t.Helper()
	set, err := rule.Load(rule.File{Name: "test.yaml", Text: fmt.Appendf(nil, `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://localhost:9090}]
rules: [{metric: m, %s, %s}]
`, fields, more)})
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules[0]
}

func podsRule(t testing.TB, more string) *rule.Rule {
	return load(t, "type: Pods, query: x", more)
}

func serviceRule(t testing.TB, more string) *rule.Rule {
	return load(t, "type: Object, of: services, objectLabel: service, query: x", more)
}

func aggregateRule(t testing.TB, aggregate rule.Aggregate, more string) *rule.Rule {
	return load(t, "type: Object, of: deployments.apps, query: x, aggregate: "+string(aggregate), more)
}

func quantileRule(t testing.TB, more string) *rule.Rule {
	return load(t, "type: Object, of: deployments.apps, buckets: x, quantile: 0.5", more)
}

func externalRule(t testing.TB, more string) *rule.Rule {
	return load(t, "type: External, query: x", more)
}

// total reads an External rule as namespace shop does.
func total(r *rule.Rule, answer instant.Vector) Reading {
	return Total(r, Series(r, answer.Samples, View{}, "shop"), "shop")
}

func TestAggregate(t *testing.T) {
	pods := []string{"a", "b", "starting"}
	answers := map[string]string{
		"plain":     `{namespace="shop", pod="a"} 1` + "\n" + `{namespace="shop", pod="b"} 4`,
		"nan":       `{namespace="shop", pod="a"} 1` + "\n" + `{namespace="shop", pod="b"} NaN`,
		"foreign":   `{namespace="other", pod="a"} 1` + "\n" + `{namespace="shop", pod="c"} 4`,
		"ambiguous": `{namespace="shop", pod="a", x="1"} 1` + "\n" + `{namespace="shop", pod="a", x="2"} 4`,
	}
	for _, c := range []struct {
		name      string
		aggregate rule.Aggregate
		answer    string
		want      string
	}{
		{"a pod without a series is left out of a sum", rule.Sum, "plain", "value 5000m"},
		{"and out of an average", rule.Avg, "plain", "value 2500m"},
		{"the largest pod", rule.Max, "plain", "value 4000m"},
		{"a pod with NaN makes the sum NaN", rule.Sum, "nan", "not-a-number: the query gave NaN, as a division of nothing by nothing does (onNaN: drop leaves such pods out)"},
		{"max ignores NaN, as PromQL does", rule.Max, "nan", "value 1000m"},
		{"other namespaces and other pods do not count", rule.Sum, "foreign", "empty: none of the 3 live pods of deployments.apps shop/web has a series (onEmpty: zero serves 0 for this, and for an outage of the exporter)"},
		{"two series of a pod", rule.Sum, "ambiguous", `ambiguous: 2 series with namespace="shop" and pod="a", such as {namespace="shop", pod="a", x="1"} and {namespace="shop", pod="a", x="2"}: aggregate them in the query`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := aggregateRule(t, c.aggregate, "")
			got := show(Workload(r, vector(t, answers[c.answer]).Group("namespace", "pod"), View{}, web, Members{Live: pods}))
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		name   string
		onIdle rule.Policy
		answer string
		want   string
	}{
		{"the pods' buckets are put together", rule.PolicyError, `
			{namespace="shop", pod="a", le="1"} 10
			{namespace="shop", pod="a", le="+Inf"} 10
			{namespace="shop", pod="b", le="1"} 0
			{namespace="shop", pod="b", le="2"} 10
			{namespace="shop", pod="b", le="+Inf"} 10`, "value 1000m"},
		{"in the bucket +Inf it is the highest finite bound", rule.PolicyError, `
			{namespace="shop", pod="a", le="0.5"} 0
			{namespace="shop", pod="a", le="+Inf"} 7`, "value 500m"},
		{"no observation is idle, and an error unless the rule says zero", rule.PolicyError, `
			{namespace="shop", pod="a", le="1"} 0
			{namespace="shop", pod="a", le="+Inf"} 0`,
			"idle: no observation in the window, so there is no quantile (onIdle: zero serves 0 for this)"},
		{"onIdle: zero", rule.PolicyZero, `
			{namespace="shop", pod="a", le="1"} 0
			{namespace="shop", pod="a", le="+Inf"} 0`, "idle 0m"},
		{"no series is not idle", rule.PolicyZero, ``,
			"empty: none of the 2 live pods of deployments.apps shop/web has a series"},
		{"NaN is not idle", rule.PolicyZero, `
			{namespace="shop", pod="a", le="1"} NaN
			{namespace="shop", pod="a", le="+Inf"} 3`,
			`not-a-number: the bucket le="1" of the workload's pods is NaN`},
		{"an infinite bucket is no number either", rule.PolicyZero, `
			{namespace="shop", pod="a", le="1"} 3
			{namespace="shop", pod="a", le="+Inf"} +Inf`,
			`not-a-number: the bucket le="+Inf" of the workload's pods is +Inf`},
		{"without +Inf there is no histogram", rule.PolicyZero, `
			{namespace="shop", pod="a", le="1"} 1
			{namespace="shop", pod="a", le="2"} 2`,
			`not-a-number: no bucket le="+Inf" among the pods' series: keep it in the query`},
		{"+Inf alone is no histogram either", rule.PolicyError, `
			{namespace="shop", pod="a", le="+Inf"} 2`,
			`not-a-number: only the bucket le="+Inf" among the pods' series: keep the finite ones in the query`},
		{"series without le are no buckets", rule.PolicyZero, `
			{namespace="shop", pod="a"} 2`,
			"empty: none of the 2 live pods of deployments.apps shop/web has a series"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := quantileRule(t, "onIdle: "+string(c.onIdle))
			got := show(Workload(r, vector(t, c.answer).Group("namespace", "pod"), View{}, web, Members{Live: []string{"a", "b"}}))
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAFilterPicksSeriesOfAWorkload(t *testing.T) {
	answer := vector(t, `
		{namespace="shop", pod="a", handler="/a"} 1
		{namespace="shop", pod="a", handler="/b"} 2
		{namespace="shop", pod="b", handler="/a"} 4
	`)
	filter := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "handler", "/a")}
	r := aggregateRule(t, rule.Sum, "")
	got := show(Workload(r, answer.Group("namespace", "pod"), View{Filter: filter}, web, Members{Live: []string{"a", "b"}}))
	if want := "value 5000m"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAWorkloadWithoutPodsIsEmpty(t *testing.T) {
	got := show(Workload(quantileRule(t, ""), nil, View{}, web, Members{}))
	if want := "empty: deployments.apps shop/web has no live pod"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTotalIsTheSumThatTheHPAWouldTake(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"the series are summed", `{namespace="shop", queue="a"} 1.5` + "\n" + `{namespace="shop", queue="b"} 2`, "value 3500m"},
		{"one bad series spoils the sum", `{namespace="shop", queue="a"} 1` + "\n" + `{namespace="shop", queue="b"} NaN`,
			`not-a-number: series {namespace="shop", queue="b"}: the query gave NaN, as a division of nothing by nothing does (onNaN: drop leaves such series out)`},
		{"no series is no zero", "", `empty: no matching series in namespace "shop" (onEmpty: zero serves 0 for this, and for an outage of the exporter)`},
		{"a sum can leave the range that its items keep", `{namespace="shop", queue="a"} 9e8` + "\n" + `{namespace="shop", queue="b"} 9e8`,
			"out-of-range: the query gave 1.8e+09, beyond the ceiling of 1e+09 that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := show(total(externalRule(t, ""), vector(t, c.answer)))
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestSeriesDropTheMetricName(t *testing.T) {
	readings := Series(externalRule(t, ""), vector(t, `ready{namespace="shop", queue="a"} 1`).Samples, View{}, "shop")
	if got, want := readings[0].Series.String(), `{namespace="shop", queue="a"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
