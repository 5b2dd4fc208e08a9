package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
	api "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider/defaults"

	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A fixedProvider answers every read with the same.
type fixedProvider struct {
	defaults.DefaultCustomMetricsProvider
	defaults.DefaultExternalMetricsProvider
	err error
	set *rule.Set
}

func (p *fixedProvider) SetRules(set *rule.Set) { p.set = set }

var one = &custom_metrics.MetricValue{}

func (p *fixedProvider) GetMetricByName(context.Context, types.NamespacedName, api.CustomMetricInfo, labels.Selector) (*custom_metrics.MetricValue, error) {
	return one, p.err
}

func (p *fixedProvider) GetMetricBySelector(context.Context, string, labels.Selector, api.CustomMetricInfo, labels.Selector) (*custom_metrics.MetricValueList, error) {
	return &custom_metrics.MetricValueList{}, p.err
}

func (p *fixedProvider) GetExternalMetric(context.Context, string, labels.Selector, api.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	return &external_metrics.ExternalMetricValueList{}, p.err
}

// because is a Status with a cause.
func because(cause string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseType(cause)}}}}}
}

func load(t testing.TB, rules ...string) *rule.Set {
	t.Helper()
	text := "apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends:\n- {name: main, url: 'http://prometheus:9090'}\nrules:\n- " + strings.Join(rules, "\n- ")
	set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const (
	loadOfPods        = `{metric: load, type: Pods, query: 'sum by (namespace, pod) (load)'}`
	loadOfDeployments = `{metric: load, type: Object, of: deployments.apps, aggregate: sum, query: 'sum by (namespace, pod) (load)'}`
	ready             = `{metric: ready, type: External, query: 'sum by (namespace) (ready)'}`
)

// expose compares the series of some metrics with the text format.
func expose(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

const readsHelp = `# HELP pitot_reads_total Reads of metrics that have ended, by what they came to: value, or the cause why there is none. The metric is empty for those that no rule serves.
# TYPE pitot_reads_total counter
`

func TestReadsAreCountedByRuleAndCause(t *testing.T) {
	m, p := New(Build{}), &fixedProvider{}
	reads := m.Reads(p, load(t, loadOfPods, loadOfDeployments, ready), provider.KnownKinds())
	custom := func(group, resource, metric string) {
		info := api.CustomMetricInfo{GroupResource: schema.GroupResource{Group: group, Resource: resource}, Metric: metric}
		_, _ = reads.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, info, nil)
		_, _ = reads.GetMetricBySelector(t.Context(), "shop", labels.Everything(), info, nil)
	}
	external := func(metric string) {
		_, _ = reads.GetExternalMetric(t.Context(), "shop", labels.Everything(), api.ExternalMetricInfo{Metric: metric})
	}
	custom("", "pods", "load")
	custom("apps", "deployment", "load") // as a path may name it
	custom("", "namespaces", "ready")
	external("ready")
	p.err = because("empty")
	custom("apps", "deployments", "load")
	external("ready")
	p.err = because("unknown-metric")
	for i := range 100 { // names that anybody can make up
		custom("", "pods", fmt.Sprint("guess-", i))
		external(fmt.Sprint("guess-", i))
	}
	p.err = errors.New("no Status")
	external("ready")
	expose(t, m, readsHelp+`
pitot_reads_total{api="custom",metric="",of="",state="unknown-metric"} 200
pitot_reads_total{api="custom",metric="",of="",state="value"} 0
pitot_reads_total{api="custom",metric="load",of="deployments.apps",state="empty"} 2
pitot_reads_total{api="custom",metric="load",of="deployments.apps",state="value"} 2
pitot_reads_total{api="custom",metric="load",of="pods",state="value"} 2
pitot_reads_total{api="custom",metric="ready",of="namespaces",state="value"} 2
pitot_reads_total{api="external",metric="",of="",state="unknown-metric"} 100
pitot_reads_total{api="external",metric="",of="",state="value"} 0
pitot_reads_total{api="external",metric="ready",of="namespaces",state="empty"} 1
pitot_reads_total{api="external",metric="ready",of="namespaces",state="unknown"} 1
pitot_reads_total{api="external",metric="ready",of="namespaces",state="value"} 1
`, "pitot_reads_total")
	if n := testutil.CollectAndCount(m.readTime); n != 2 {
		t.Errorf("%d histograms of durations, want one per API", n)
	}
}

func TestASeriesGoesWithItsRule(t *testing.T) {
	m, p := New(Build{}), &fixedProvider{}
	reads := m.Reads(p, load(t, loadOfPods, loadOfDeployments, ready), provider.KnownKinds())
	_, _ = reads.GetExternalMetric(t.Context(), "shop", labels.Everything(), api.ExternalMetricInfo{Metric: "ready"})
	next := load(t, loadOfPods)
	reads.SetRules(next)
	if p.set != next {
		t.Error("the rules were not handed on")
	}
	expose(t, m, readsHelp+`
pitot_reads_total{api="custom",metric="",of="",state="value"} 0
pitot_reads_total{api="custom",metric="load",of="pods",state="value"} 0
pitot_reads_total{api="external",metric="",of="",state="value"} 0
`, "pitot_reads_total")
}

// BenchmarkRead is what counting adds to a read: to one that costs nothing, the
// baseline.
func BenchmarkRead(b *testing.B) {
	plain := &fixedProvider{}
	rules := load(b, loadOfPods, loadOfDeployments, ready)
	info := api.CustomMetricInfo{GroupResource: schema.GroupResource{Group: "apps", Resource: "deployments"}, Metric: "load"}
	name := types.NamespacedName{Namespace: "shop", Name: "web"}
	for which, p := range map[string]Provider{
		"baseline": plain,
		"counted":  New(Build{}).Reads(plain, rules, provider.KnownKinds()),
	} {
		b.Run(which, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.GetMetricByName(b.Context(), name, info, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
