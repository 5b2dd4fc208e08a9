package provider

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

const policyRules = `
rules:
- {metric: ratio, type: Pods, query: "sum by (namespace, pod) (ratio)", onNaN: zero, clampMax: 0.5}
- {metric: gain, type: Pods, query: "sum by (namespace, pod) (gain)", allowNegative: true}
- {metric: load, type: Pods, query: "sum by (namespace, pod) (load)", ceiling: 2e9}
- {metric: ratio, type: Object, of: deployments.apps, aggregate: avg, query: "sum by (namespace, pod) (ratio)", onNaN: drop}
- {metric: errors, type: Object, of: deployments.apps, aggregate: sum, query: "sum by (namespace, pod) (errors)", onEmpty: zero}
- {metric: errors, type: Object, of: services, objectLabel: service, query: "sum by (namespace, service) (errors)", onEmpty: zero}
- {metric: ready, type: External, query: "sum by (namespace, queue) (ready)", selectable: [queue], onEmpty: zero, onNaN: drop}
- {metric: anywhere, type: External, scope: cluster, query: "sum by (queue) (nothing)", onEmpty: zero}
- {metric: balance, type: External, query: "sum by (namespace, queue) (balance)", selectable: [queue], allowNegative: true}
`

func policyProvider(t *testing.T) *Provider {
	t.Helper()
	db := promdb.New(promdb.Options{})
	for _, s := range []struct {
		metric, label, name string
		value               float64
	}{
		{"ratio", "pod", "web-1", math.NaN()},
		{"ratio", "pod", "web-2", 0.75},
		{"gain", "pod", "web-1", -2},
		{"gain", "pod", "web-2", 3},
		{"load", "pod", "web-1", 1.5e9},
		{"ready", "queue", "emails", 7},
		{"ready", "queue", "broken", math.NaN()},
		{"balance", "queue", "a-debt", -4},
		{"balance", "queue", "b-credit", 10},
		{"balance", "queue", "c-debt", -3.5},
	} {
		series := promlabels.FromStrings("__name__", s.metric, "namespace", "shop", s.label, s.name)
		if err := db.Append(now.Add(-10*time.Second), series, s.value); err != nil {
			t.Fatal(err)
		}
	}
	return newTestProvider(t, db, now, policyRules, "web-1", "web-2", "web-3")
}

func TestPoliciesByName(t *testing.T) {
	p := policyProvider(t)
	for _, c := range []struct {
		name     string
		object   types.NamespacedName
		info     provider.CustomMetricInfo
		selector string
		want     string
	}{
		{"NaN is zero", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "ratio"), "", "0"},
		{"a value is clamped", types.NamespacedName{Namespace: "shop", Name: "web-2"}, custom("pods", "", "ratio"), "", "500m"},
		{"a pod without a series never is", types.NamespacedName{Namespace: "shop", Name: "web-3"}, custom("pods", "", "ratio"), "", `404 empty: metric "ratio": no series with namespace="shop" and pod="web-3"`},
		{"a negative value is served", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "gain"), "", "-2"},
		{"a higher ceiling", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "load"), "", "1500M"},
		{"a pod with NaN is dropped from an average", types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "ratio"), "", "750m"},
		{"a workload without series is zero", types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "errors"), "", "0"},
		{"a workload without pods is not", types.NamespacedName{Namespace: "shop", Name: "wbe"}, custom("deployments", "apps", "errors"), "", `404 empty: metric "errors": deployments.apps shop/wbe has no live pod`},
		{"an object without a series is zero", types.NamespacedName{Namespace: "shop", Name: "web"}, custom("services", "", "errors"), "", "0"},
		{"the sum of a namespace", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), "", "7"},
		{"without a matching series", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), "queue=none", "0"},
		{"with nothing but NaN", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), "queue=broken", "0"},
		{"in another namespace", types.NamespacedName{Name: "other"}, custom("namespaces", "", "ready"), "", "0"},
		{"negative series in a sum", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "balance"), "", "2500m"},
		{"a negative sum", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "balance"), "queue!=b-credit", "-7500m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			value, err := p.GetMetricByName(t.Context(), c.object, c.info, selector(t, c.selector))
			if err != nil {
				got = statusLine(t, err)
			} else {
				got = value.Value.String()
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestPoliciesBySelector(t *testing.T) {
	p := policyProvider(t)
	for _, c := range []struct {
		name string
		info provider.CustomMetricInfo
		want []string
	}{
		{"a pod with NaN counts as zero, one without a series does not", custom("pods", "", "ratio"), []string{"web-1 0", "web-2 500m"}},
		{"a negative value spoils nothing", custom("pods", "", "gain"), []string{"web-1 -2", "web-2 3"}},
		{"workloads without series", custom("deployments", "apps", "errors"), []string{"web 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := p.GetMetricBySelector(t.Context(), "shop", labels.Everything(), c.info, labels.Everything())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, item := range list.Items {
				got = append(got, item.DescribedObject.Name+" "+item.Value.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPoliciesOfExternalMetrics(t *testing.T) {
	p := policyProvider(t)
	for _, c := range []struct {
		name, namespace, metric, selector string
		want                              []string
	}{
		{"a series with NaN is dropped", "shop", "ready", "", []string{"namespace=shop,queue=emails 7"}},
		{"no series is one item, whose only label is what the scope determines", "shop", "ready", "queue=none", []string{"namespace=shop 0"}},
		{"nothing but NaN", "shop", "ready", "queue=broken", []string{"namespace=shop 0"}},
		{"in another namespace", "other", "ready", "", []string{"namespace=other 0"}},
		{"for every namespace", "other", "anywhere", "", []string{"<none> 0"}},
		{"negative items come last, so that no sum on the way is negative", "shop", "balance", "", []string{"namespace=shop,queue=b-credit 10", "namespace=shop,queue=c-debt -3500m", "namespace=shop,queue=a-debt -4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := p.GetExternalMetric(t.Context(), c.namespace, selector(t, c.selector), provider.ExternalMetricInfo{Metric: c.metric})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, item := range list.Items {
				got = append(got, labels.FormatLabels(item.MetricLabels)+" "+item.Value.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestAFailedQueryIsNeverZero: policies speak of answers, and there is none.
func TestAFailedQueryIsNeverZero(t *testing.T) {
	p := policyProvider(t)
	p.reader.Store = dbStore{err: &snapshot.FailedError{Backend: "main", Err: errors.New("connection refused")}}
	const want = `503 failed: metric "ready": backend "main": connection refused (no good answer yet)`
	_, external := p.GetExternalMetric(t.Context(), "shop", labels.Everything(), provider.ExternalMetricInfo{Metric: "ready"})
	_, total := p.GetMetricByName(t.Context(), types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), nil)
	for _, err := range []error{external, total} {
		if got := statusLine(t, err); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// TestTheItemsOfAnExternalMetricAndTheirSumFailAlike: an HPA sums items that are
// each within the ceiling.
func TestTheItemsOfAnExternalMetricAndTheirSumFailAlike(t *testing.T) {
	db := promdb.New(promdb.Options{})
	for _, queue := range []string{"a", "b"} {
		if err := db.Append(now, promlabels.FromStrings("__name__", "ready", "namespace", "shop", "queue", queue), 9e8); err != nil {
			t.Fatal(err)
		}
	}
	p := newTestProvider(t, db, now, shopRules)
	_, items := p.GetExternalMetric(t.Context(), "shop", labels.Everything(), provider.ExternalMetricInfo{Metric: "ready"})
	_, sum := p.GetMetricByName(t.Context(), types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), nil)
	const want = `422 out-of-range: metric "ready": the query gave 1.8e+09, beyond the ceiling of 1e+09 that keeps an HPA from overflowing: choose a larger unit in the query, or raise ceiling`
	for _, err := range []error{items, sum} {
		if err == nil {
			t.Error("it is served")
		} else if got := statusLine(t, err); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// TestAllShowsTheStateBehindAZero: whoever looks sees that it was not measured.
func TestAllShowsTheStateBehindAZero(t *testing.T) {
	p := policyProvider(t)
	show := func(rule int, namespace, query string) []string {
		answer, err := p.reader.All(t.Context(), p.rules.Load().operators.Rules[rule], namespace, selector(t, query))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, one := range answer.Readings {
			line := one.Object.String() + " " + one.State.String()
			if one.Cause == "" {
				line += " " + quantityText(one.Milli())
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		return lines
	}
	for _, c := range []struct {
		name             string
		rule             int
		namespace, query string
		want             []string
	}{
		{"NaN", 0, "", "", []string{"shop/web-1 not-a-number 0m", "shop/web-2 value 500m"}},
		{"no series of a namespace", 6, "other", "", []string{"other/ empty 0m"}},
		{"no series of a selection", 6, "", "queue=none", []string{"shop/ empty 0m"}},
		{"no series anywhere", 7, "", "", []string{"/ empty 0m"}},
		{"no series, and no policy: a namespace of which the answer does not speak", 8, "", "queue=none", nil},
		{"unless it was asked for", 8, "other", "", []string{"other/ empty"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, show(c.rule, c.namespace, c.query)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func quantityText(milli int64) string { return strconv.FormatInt(milli, 10) + "m" }
