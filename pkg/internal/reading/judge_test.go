package reading

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

func TestPoliciesOfOneValue(t *testing.T) {
	answer := vector(t, `
		{namespace="shop", pod="some", service="some"} 12
		{namespace="shop", pod="zero", service="zero"} 0
		{namespace="shop", pod="nan", service="nan"} NaN
		{namespace="shop", pod="negative", service="negative"} -3
		{namespace="shop", pod="inf", service="inf"} +Inf
		{namespace="shop", pod="minus-inf", service="minus-inf"} -Inf
		{namespace="shop", pod="huge", service="huge"} 2e9
		{namespace="shop", pod="minus-huge", service="minus-huge"} -2e9
		{namespace="shop", pod="twice", service="twice", x="1"} 1
		{namespace="shop", pod="twice", service="twice", x="2"} 1
	`)
	const (
		infinite = "the query gave +Inf, as a division by zero does"
		beyond   = "the query gave %g, beyond the ceiling of %g that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling"
		below    = "negative: the query gave -3, and an HPA takes a negative value for an overflow: clamp_min(…, 0) in the query, or allowNegative: true"
	)
	for _, c := range []struct{ name, policy, object, want string }{
		{"NaN is zero in writing, and stays NaN in state", "onNaN: zero", "nan", "not-a-number 0m"},
		{"a number is no NaN", "onNaN: zero", "some", "value 12000m"},
		{"infinity is no NaN", "onNaN: zero", "inf", "out-of-range: " + infinite},
		{"two series are no NaN", "onNaN: zero", "twice", `ambiguous: 2 series with namespace="shop" and LABEL="twice", such as {namespace="shop", pod="twice", service="twice", x="1"} and {namespace="shop", pod="twice", service="twice", x="2"}: aggregate them in the query`},
		{"negative values are served if allowed", "allowNegative: true", "negative", "value -3000m"},
		{"down to the ceiling", "allowNegative: true", "minus-huge", "out-of-range: " + fmt.Sprintf(beyond, -2e9, 1e9)},
		{"but never minus infinity", "allowNegative: true, ceiling: 9.2e12", "minus-inf", "out-of-range: the query gave -Inf, as a division by zero does"},
		{"not if not", "allowNegative: false", "negative", below},
		{"a higher ceiling", "ceiling: 2e9", "huge", "value 2000000000000m"},
		{"a lower ceiling", "ceiling: 11.5", "some", "out-of-range: " + fmt.Sprintf(beyond, 12., 11.5)},
		{"no ceiling lets infinity through", "ceiling: 9.2e12", "inf", "out-of-range: " + infinite},
		{"clamped from above", "clampMax: 10.5", "some", "value 10500m"},
		{"clamped from below", "clampMin: 15", "some", "value 15000m"},
		{"within", "clampMin: 0, clampMax: 20", "some", "value 12000m"},
		{"a measured zero is clamped like any value", "clampMin: 0.5", "zero", "value 500m"},
		{"so is a zero by policy", "onNaN: zero, clampMin: 0.5", "nan", "not-a-number 500m"},
		{"a clamp is no leave to be negative", "clampMin: 0", "negative", below},
		{"with leave it makes zero of negative values", "clampMin: 0, allowNegative: true", "negative", "value 0m"},
		{"a clamp makes no number of infinity", "clampMax: 10", "inf", "out-of-range: " + infinite},
		{"nor of NaN", "clampMin: 0, clampMax: 10", "nan", "not-a-number: the query gave NaN, as a division of nothing by nothing does (onNaN: zero serves 0 for this)"},
		{"nor of what is beyond the ceiling", "clampMax: 10", "huge", "out-of-range: " + fmt.Sprintf(beyond, 2e9, 1e9)},
	} {
		t.Run(c.name, func(t *testing.T) {
			object := instant.Object{Namespace: "shop", Name: c.object}
			pod := show(Pod(podsRule(t, c.policy), answer.Group("namespace", "pod"), View{}, object))
			service := show(Labelled(serviceRule(t, c.policy), answer.Group("namespace", "service"), View{}, object))
			if diff := cmp.Diff([]string{labelled(c.want, "pod"), labelled(c.want, "service")}, []string{pod, service}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// labelled puts the label with the object's name into a message.
func labelled(message, label string) string { return strings.ReplaceAll(message, "LABEL", label) }

func TestEmptyIsZeroOnlyInWriting(t *testing.T) {
	const hint = " (onEmpty: zero serves 0 for this, and for an outage of the exporter)"
	answer := vector(t, `
		{namespace="shop", service="web"} 1
		{namespace="shop", pod="other"} 1
	`)
	services, pods := answer.Group("namespace", "service"), answer.Group("namespace", "pod")
	api := instant.Object{Namespace: "shop", Name: "api"}
	filter := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "handler", "/a")}
	sum := func(more string) *rule.Rule { return aggregateRule(t, rule.Sum, more) }
	for _, c := range []struct {
		name string
		got  Reading
		want string
	}{
		{"an object", Labelled(serviceRule(t, "onEmpty: zero"), services, View{}, api), "empty 0m"},
		{"an object by default", Labelled(serviceRule(t, ""), services, View{}, api), `empty: no series with namespace="shop" and service="api"` + hint},
		{"an object with a series is not empty", Labelled(serviceRule(t, "onEmpty: zero"), services, View{}, web), "value 1000m"},
		{"an object none of whose series is selected", Labelled(serviceRule(t, "onEmpty: zero"), services, View{Filter: filter}, web), "empty 0m"},
		{"clamped like any value", Labelled(serviceRule(t, "onEmpty: zero, clampMin: 2"), services, View{}, api), "empty 2000m"},
		{"NaN is not empty", Labelled(serviceRule(t, "onEmpty: zero"), vector(t, `{namespace="shop", service="api"} NaN`).Group("namespace", "service"), View{}, api),
			"not-a-number: the query gave NaN, as a division of nothing by nothing does (onNaN: zero serves 0 for this)"},
		{"empty is not NaN", Labelled(serviceRule(t, "onNaN: zero"), services, View{}, api), `empty: no series with namespace="shop" and service="api"` + hint},
		{"a pod has no such policy", Pod(podsRule(t, "onNaN: zero"), pods, View{}, api), `empty: no series with namespace="shop" and pod="api"`},
		{"a workload none of whose pods has a series", Workload(sum("onEmpty: zero"), pods, View{}, web, Members{Live: []string{"a", "b"}}), "empty 0m"},
		{"a workload by default", Workload(sum(""), pods, View{}, web, Members{Live: []string{"a", "b"}}), "empty: none of the 2 live pods of deployments.apps shop/web has a series" + hint},
		{"a workload without pods may be a misspelled name", Workload(sum("onEmpty: zero"), pods, View{}, web, Members{}), "empty: deployments.apps shop/web has no live pod"},
		{"a quantile has no such policy", Workload(quantileRule(t, "onIdle: zero"), pods, View{}, web, Members{Live: []string{"a"}}), "empty: none of the 1 live pods of deployments.apps shop/web has a series"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(c.got); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNaNPoliciesOfAnAggregateAreForEachPod(t *testing.T) {
	answers := map[string]string{
		"one NaN":    `{namespace="shop", pod="a"} 6` + "\n" + `{namespace="shop", pod="b"} NaN` + "\n" + `{namespace="shop", pod="c"} 2`,
		"all NaN":    `{namespace="shop", pod="a"} NaN` + "\n" + `{namespace="shop", pod="b"} NaN`,
		"negative":   `{namespace="shop", pod="a"} -6` + "\n" + `{namespace="shop", pod="b"} NaN`,
		"infinities": `{namespace="shop", pod="a"} +Inf` + "\n" + `{namespace="shop", pod="b"} -Inf` + "\n" + `{namespace="shop", pod="c"} NaN`,
	}
	const nan = "not-a-number: the query gave NaN, as a division of nothing by nothing does (onNaN: drop leaves such pods out)"
	for _, c := range []struct {
		name      string
		aggregate rule.Aggregate
		policy    string
		answer    string
		want      string
	}{
		{"by default one NaN is an error", rule.Avg, "", "one NaN", nan},
		{"dropped from a sum", rule.Sum, "onNaN: drop", "one NaN", "value 8000m"},
		{"dropped from an average, it does not count", rule.Avg, "onNaN: drop", "one NaN", "value 4000m"},
		{"dropped from a maximum", rule.Max, "onNaN: drop", "one NaN", "value 6000m"},
		{"zero in a sum", rule.Sum, "onNaN: zero", "one NaN", "value 8000m"},
		{"zero in an average counts", rule.Avg, "onNaN: zero", "one NaN", "value 2667m"},
		{"zero in a maximum", rule.Max, "onNaN: zero, allowNegative: true", "negative", "value 0m"},
		{"dropped from a maximum of negative values", rule.Max, "onNaN: drop, allowNegative: true", "negative", "value -6000m"},
		{"all NaN by default", rule.Max, "", "all NaN", nan},
		{"all NaN and zero", rule.Avg, "onNaN: zero", "all NaN", "not-a-number 0m"},
		{"all NaN and dropped is empty", rule.Avg, "onNaN: drop", "all NaN", "empty: each of the 2 pods with a series is NaN (onEmpty: zero serves 0 for this, and for an outage of the exporter)"},
		{"and zero if that is zero too", rule.Avg, "onNaN: drop, onEmpty: zero", "all NaN", "empty 0m"},
		{"onEmpty alone is not for NaN", rule.Avg, "onEmpty: zero", "all NaN", nan},
		{"infinities make no zero", rule.Sum, "onNaN: zero", "infinities", "out-of-range: the query gave both +Inf and -Inf for pods, as a division by zero does"},
		{"nor when NaN is dropped", rule.Avg, "onNaN: drop", "infinities", "out-of-range: the query gave both +Inf and -Inf for pods, as a division by zero does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := aggregateRule(t, c.aggregate, c.policy)
			got := show(Workload(r, vector(t, answers[c.answer]).Group("namespace", "pod"), View{}, web, Members{Live: []string{"a", "b", "c", "starting"}}))
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestLimitsOfAQuantile(t *testing.T) {
	idle := `{namespace="shop", pod="a", le="1"} 0` + "\n" + `{namespace="shop", pod="a", le="+Inf"} 0`
	busy := `{namespace="shop", pod="a", le="4"} 10` + "\n" + `{namespace="shop", pod="a", le="+Inf"} 10`
	broken := `{namespace="shop", pod="a", le="4"} 10`
	for _, c := range []struct{ name, policy, answer, want string }{
		{"clamped", "clampMax: 1.5", busy, "value 1500m"},
		{"beyond the ceiling", "ceiling: 1", busy, "out-of-range: the query gave 2, beyond the ceiling of 1 that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling"},
		{"idle by policy is clamped as well", "onIdle: zero, clampMin: 0.1", idle, "idle 100m"},
		{"a clamp makes no number of idle", "clampMin: 0", idle, "idle: no observation in the window, so there is no quantile (onIdle: zero serves 0 for this)"},
		{"nor of broken buckets", "clampMin: 0", broken, `not-a-number: no bucket le="+Inf" among the pods' series: keep it in the query`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := show(Workload(quantileRule(t, c.policy), vector(t, c.answer).Group("namespace", "pod"), View{}, web, Members{Live: []string{"a"}}))
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestPoliciesOfAnExternalRule reads it both ways: the items that the HPA sums,
// and their sum as a metric of the Namespace.
func TestPoliciesOfAnExternalRule(t *testing.T) {
	const (
		nan  = `the query gave NaN, as a division of nothing by nothing does (onNaN: drop leaves such series out)`
		hint = " (onEmpty: zero serves 0 for this, and for an outage of the exporter)"
	)
	answers := map[string]string{
		"numbers":   `{namespace="shop", queue="a"} 6` + "\n" + `{namespace="shop", queue="b"} 2`,
		"one NaN":   `{namespace="shop", queue="a"} 6` + "\n" + `{namespace="shop", queue="b"} NaN`,
		"all NaN":   `{namespace="shop", queue="a"} NaN` + "\n" + `{namespace="shop", queue="b"} NaN`,
		"NaN first": `{namespace="shop", queue="a"} NaN` + "\n" + `{namespace="shop", queue="b"} 2`,
		"debt":      `{namespace="shop", queue="a"} 6` + "\n" + `{namespace="shop", queue="b"} -8`,
		"huge":      `{namespace="shop", queue="a"} 9e8` + "\n" + `{namespace="shop", queue="b"} 9e8`,
		"none":      ``,
	}
	for _, c := range []struct {
		name, policy, answer string
		items                []string
		total                string
	}{
		{"by default", "", "numbers", []string{`{namespace="shop", queue="a"} value 6000m`, `{namespace="shop", queue="b"} value 2000m`}, "value 8000m"},
		{"a series with NaN is dropped", "onNaN: drop", "one NaN", []string{`{namespace="shop", queue="a"} value 6000m`}, "value 6000m"},
		{"or zero", "onNaN: zero", "one NaN", []string{`{namespace="shop", queue="a"} value 6000m`, `{namespace="shop", queue="b"} not-a-number 0m`}, "value 6000m"},
		{"one measured series makes the sum a value", "onNaN: zero", "NaN first", []string{`{namespace="shop", queue="a"} not-a-number 0m`, `{namespace="shop", queue="b"} value 2000m`}, "value 2000m"},
		{"all zero", "onNaN: zero", "all NaN", []string{`{namespace="shop", queue="a"} not-a-number 0m`, `{namespace="shop", queue="b"} not-a-number 0m`}, "not-a-number 0m"},
		{"all dropped is empty", "onNaN: drop", "all NaN", []string{`{} empty: each of the 2 matching series in namespace "shop" is NaN` + hint}, `empty: each of the 2 matching series in namespace "shop" is NaN` + hint},
		{"and zero if that is zero too", "onNaN: drop, onEmpty: zero", "all NaN", []string{`{namespace="shop"} empty 0m`}, "empty 0m"},
		{"onEmpty alone is not for NaN", "onEmpty: zero", "all NaN", []string{`{namespace="shop", queue="a"} not-a-number: ` + nan, `{namespace="shop", queue="b"} not-a-number: ` + nan}, `not-a-number: series {namespace="shop", queue="a"}: ` + nan},
		{"no series is one item of the namespace", "onEmpty: zero", "none", []string{`{namespace="shop"} empty 0m`}, "empty 0m"},
		{"for every namespace, one without labels", "onEmpty: zero, scope: cluster", "none", []string{`{} empty 0m`}, "empty 0m"},
		{"no series by default", "", "none", []string{`{} empty: no matching series in namespace "shop"` + hint}, `empty: no matching series in namespace "shop"` + hint},
		{"for every namespace", "scope: cluster", "none", []string{`{} empty: no matching series` + hint}, `empty: no matching series` + hint},
		{"negative items may add up to a negative sum", "allowNegative: true", "debt", []string{`{namespace="shop", queue="a"} value 6000m`, `{namespace="shop", queue="b"} value -8000m`}, "value -2000m"},
		{"clamps are for each item, and the sum is theirs", "clampMin: 3, clampMax: 5", "numbers", []string{`{namespace="shop", queue="a"} value 5000m`, `{namespace="shop", queue="b"} value 3000m`}, "value 8000m"},
		{"the ceiling is for the sum too", "", "huge", []string{`{namespace="shop", queue="a"} value 900000000000m`, `{namespace="shop", queue="b"} value 900000000000m`},
			"out-of-range: the query gave 1.8e+09, beyond the ceiling of 1e+09 that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling"},
		{"also when it is higher", "ceiling: 2e9", "huge", []string{`{namespace="shop", queue="a"} value 900000000000m`, `{namespace="shop", queue="b"} value 900000000000m`}, "value 1800000000000m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := externalRule(t, c.policy)
			var items []string
			for _, one := range Series(r, vector(t, answers[c.answer]).Samples, View{}, "shop") {
				items = append(items, one.Series.String()+" "+show(one))
			}
			if diff := cmp.Diff(c.items, items); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got := show(total(r, vector(t, answers[c.answer]))); got != c.total {
				t.Errorf("total\n got %s\nwant %s", got, c.total)
			}
		})
	}
}

// FuzzJudge checks the law of every value: what is served was measured and is
// within all limits to half a thousandth, or stands for NaN in writing.
func FuzzJudge(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1.001, 0.0005, -0.0005, 1e9, 1e9 + 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 9.2e12, 9.3e15, math.SmallestNonzeroFloat64} {
		f.Add(v, false, false, math.Inf(-1), math.Inf(1), 1e9)
		f.Add(v, true, true, -5.5, 7.25, rule.MaxCeiling)
		f.Add(v, true, false, 0., 7.25, 8.)
		f.Add(v, false, true, 3., 3., 1e9)
	}
	f.Fuzz(func(t *testing.T, v float64, negative, zero bool, low, high, ceiling float64) {
		if !(0 < ceiling && ceiling <= rule.MaxCeiling && low <= high && low <= ceiling && high >= -ceiling) {
			t.Skip("rule.Load refuses such a rule")
		}
		r := &rule.Rule{Type: rule.TypePods, AllowNegative: negative, OnNaN: rule.PolicyError, ClampMin: low, ClampMax: high, Ceiling: ceiling}
		if zero {
			r.OnNaN = rule.PolicyZero
		}
		one := judge(r, web, v)
		measured := math.Abs(v) <= ceiling && (v >= 0 || negative)
		want, served := v, measured
		if math.IsNaN(v) {
			want, served = 0, zero
		}
		if (one.Cause == "") != served || (one.State == Value) != measured {
			t.Fatalf("%g is %s with cause %q", v, one.State, one.Cause)
		}
		if !served {
			return
		}
		want = min(max(want, low), high)
		if got := float64(one.Milli()) / 1000; math.Abs(got-want) > 0.0005+1e-9*math.Abs(want)/1e3 {
			t.Errorf("%g is served as %dm, want %g", v, one.Milli(), want)
		}
	})
}
