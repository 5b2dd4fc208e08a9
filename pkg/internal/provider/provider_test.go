package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// dbStore answers from an embedded database at a fixed time, or fails with err.
type dbStore struct {
	db  *promdb.DB
	at  time.Time
	err error
}

func (s dbStore) Read(ctx context.Context, key snapshot.Key) (*snapshot.Snapshot, error) {
	if s.err != nil {
		return nil, s.err
	}
	vector, err := s.db.Query(ctx, key.Query, s.at)
	return &snapshot.Snapshot{Vector: vector, AskedAt: s.at}, err
}

// onePods is the pod index of Deployment shop/web. Pods whose name begins with
// "web" carry the label app=web.
type onePods struct {
	names    []string
	departed map[string]time.Time
	err      error
}

func (p onePods) Departed(namespace string, workload pods.Workload, since time.Time) []string {
	if p.Of(namespace, workload) == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.departed)), func(name string) bool { return p.departed[name].Before(since) })
}

func (p onePods) Follow(string, string) {}

func (p onePods) Knows(string, string) error { return p.err }

func (p onePods) Live(namespace string, selector labels.Selector) []string {
	return slices.DeleteFunc(slices.Clone(p.names), func(name string) bool {
		set := labels.Set{"tier": "other"}
		if strings.HasPrefix(name, "web") {
			set = labels.Set{"app": "web"}
		}
		return namespace != "shop" || !selector.Matches(set)
	})
}

func (p onePods) Of(namespace string, workload pods.Workload) []string {
	if namespace != "shop" || workload != (pods.Workload{Group: "apps", Resource: "deployments", Name: "web"}) {
		return nil
	}
	return p.names
}

func (p onePods) Workloads(namespace, group, resource string) []string {
	if namespace != "shop" || group != "apps" || resource != "deployments" {
		return nil
	}
	return []string{"web"}
}

const head = `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends:
- {name: main, url: http://localhost:9090}
`

func newTestProvider(t *testing.T, db *promdb.DB, at time.Time, rules string, names ...string) *Provider {
	t.Helper()
	set, err := rule.Load(rule.File{Name: "test.yaml", Text: []byte(head + rules)})
	if err != nil {
		t.Fatal(err)
	}
	return New(set, Reader{Store: dbStore{db: db, at: at}, Pods: onePods{names: names}}, KnownKinds())
}

func custom(resource, group, metric string) provider.CustomMetricInfo {
	return provider.CustomMetricInfo{GroupResource: schema.GroupResource{Group: group, Resource: resource}, Namespaced: true, Metric: metric}
}

var now = time.Unix(1_700_000_000, 0)

// shopDB holds what the rules of shopRules ask for.
func shopDB(t *testing.T) *promdb.DB {
	t.Helper()
	db := promdb.New(promdb.Options{})
	for series, value := range map[string]float64{
		`load namespace=shop pod=web-1`:                       1.5,
		`load namespace=shop pod=web-2`:                       2.25,
		`load namespace=shop pod=gone`:                        100,
		`load namespace=other pod=web-1`:                      100,
		`undefined namespace=shop pod=web-1`:                  math.NaN(),
		`undefined namespace=shop pod=web-2`:                  3,
		`negative namespace=shop pod=web-1`:                   -1,
		`negative namespace=shop pod=web-2`:                   3,
		`ready namespace=shop queue=emails`:                   7,
		`ready namespace=shop queue=orders`:                   5,
		`ready namespace=other queue=emails`:                  100,
		`svc namespace=shop service=web`:                      42,
		`svc namespace=shop service=api`:                      43,
		`byhandler namespace=shop pod=web-1 handler=a path=x`: 1,
		`byhandler namespace=shop pod=web-1 handler=b path=y`: 2,
	} {
		fields := strings.Fields(series)
		pairs := []string{"__name__", fields[0]}
		for _, field := range fields[1:] {
			name, v, _ := strings.Cut(field, "=")
			pairs = append(pairs, name, v)
		}
		if err := db.Append(now.Add(-10*time.Second), promlabels.FromStrings(pairs...), value); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

const shopRules = `
rules:
- {metric: load, type: Pods, query: "sum by (namespace, pod) (load)"}
- {metric: undefined, type: Pods, query: "sum by (namespace, pod) (undefined)"}
- {metric: negative, type: Pods, query: "sum by (namespace, pod) (negative)"}
- {metric: rate, type: Pods, query: "sum by (namespace, pod) (rate(load[2m]))"}
- {metric: total, type: Object, of: deployments.apps, aggregate: sum, query: "sum by (namespace, pod) (load)"}
- {metric: svc, type: Object, of: services, objectLabel: service, query: "sum by (namespace, service) (svc)"}
- {metric: ready, type: External, query: "sum by (namespace, queue) (ready)", selectable: [queue]}
- {metric: everywhere, type: External, scope: cluster, query: "sum by (queue) (ready)", selectable: [queue]}
- {metric: handled, type: Pods, query: "sum by (namespace, pod, handler) (byhandler)", selectable: [handler, path]}
`

func shopProvider(t *testing.T) *Provider {
	t.Helper()
	return newTestProvider(t, shopDB(t), now, shopRules, "other", "web-1", "web-2")
}

func selector(t *testing.T, text string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadByName(t *testing.T) {
	p := shopProvider(t)
	for _, c := range []struct {
		name     string
		object   types.NamespacedName
		info     provider.CustomMetricInfo
		selector string
		want     string // kind apiVersion namespace/name value, or the message
	}{
		{"a pod", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "load"), "", "Pod v1 shop/web-1 1500m"},
		{"the resource in the singular", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pod", "", "load"), "", "Pod v1 shop/web-1 1500m"},
		{"a workload: live pods of its own namespace only", types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "total"), "", "Deployment apps/v1 shop/web 3750m"},
		{"a service by its own label", types.NamespacedName{Namespace: "shop", Name: "api"}, custom("services", "", "svc"), "", "Service v1 shop/api 43"},
		{"an external metric of the namespace, summed", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), "", "Namespace v1 /shop 12"},
		{"and selected", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), "queue=orders", "Namespace v1 /shop 5"},
		{"a cluster-wide one", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "everywhere"), "queue=emails", "Namespace v1 /shop 107"},
		{"a label of the result filters it", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "handled"), "handler=b", "Pod v1 shop/web-1 2"},
		{"a label that the result lost is matched inside", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "handled"), "path=x", "Pod v1 shop/web-1 1"},
		{"several series of an object", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "handled"), "",
			`422 ambiguous: metric "handled": 2 series with namespace="shop" and pod="web-1", such as {handler="a", namespace="shop", pod="web-1"} and {handler="b", namespace="shop", pod="web-1"}: aggregate them in the query`},
		{"a pod without a series", types.NamespacedName{Namespace: "shop", Name: "new"}, custom("pods", "", "load"), "",
			`404 empty: metric "load": no series with namespace="shop" and pod="new"`},
		{"a negative value", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "negative"), "",
			`422 negative: metric "negative": the query gave -1, and an HPA takes a negative value for an overflow: clamp_min(…, 0) in the query, or allowNegative: true`},
		{"an unknown metric", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "laod"), "",
			`404 unknown-metric: metric "laod": no rule has this name`},
		{"a known metric of another kind", types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "ready"), "",
			`404 unknown-metric: metric "ready": no rule serves it on pods; it is served as an external metric and on namespaces`},
		{"an operator that PromQL lacks", types.NamespacedName{Name: "shop"}, custom("namespaces", "", "ready"), "queue>3",
			`400 bad-request: metric "ready": selector "queue>3": operator "gt" has no counterpart in PromQL: use In, NotIn, Exists or DoesNotExist`},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, err := p.GetMetricByName(t.Context(), c.object, c.info, selector(t, c.selector))
			got := ""
			if err != nil {
				got = statusLine(t, err)
			} else {
				ref := value.DescribedObject
				got = strings.Join([]string{ref.Kind, ref.APIVersion, ref.Namespace + "/" + ref.Name, value.Value.String()}, " ")
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// statusLine is code, cause and message of a Status.
func statusLine(t *testing.T, err error) string {
	t.Helper()
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		t.Fatalf("not a Status: %v", err)
	}
	s := known.Status()
	if s.Details.RetryAfterSeconds != 0 {
		t.Errorf("a Status asks for a retry: %v", s)
	}
	return fmt.Sprintf("%d %s: %s", s.Code, s.Details.Causes[0].Type, s.Message)
}

func TestReadBySelector(t *testing.T) {
	p := shopProvider(t)
	for _, c := range []struct {
		name    string
		objects string
		info    provider.CustomMetricInfo
		want    []string
	}{
		{"all pods with a series", "", custom("pods", "", "load"), []string{"web-1 1500m", "web-2 2250m"}},
		{"those that the selector picks", "app=web", custom("pods", "", "load"), []string{"web-1 1500m", "web-2 2250m"}},
		{"a pod with NaN is left out", "", custom("pods", "", "undefined"), []string{"web-2 3"}},
		{"a pod with a negative value spoils the read", "", custom("pods", "", "negative"), []string{`422 negative: metric "negative": shop/web-1: the query gave -1, and an HPA takes a negative value for an overflow: clamp_min(…, 0) in the query, or allowNegative: true`}},
		{"no pod matches", "app=nothing", custom("pods", "", "load"), []string{`404 empty: metric "load": no pods in namespace "shop" matches "app=nothing"`}},
		{"no matching pod has a series", "tier=other", custom("pods", "", "load"), []string{`404 empty: metric "load": none of the 1 objects has a value; shop/other: no series with namespace="shop" and pod="other"`}},
		{"all workloads", "", custom("deployments", "apps", "total"), []string{"web 3750m"}},
		{"workloads have no labels here", "app=web", custom("deployments", "apps", "total"), []string{`400 bad-request: metric "total": labelSelector "app=web": only pods can be selected by their labels: name one of deployments.apps, or all by *`}},
		{"all services", "", custom("services", "", "svc"), []string{"api 43", "web 42"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := p.GetMetricBySelector(t.Context(), "shop", selector(t, c.objects), c.info, labels.Everything())
			var got []string
			if err != nil {
				got = append(got, statusLine(t, err))
			} else {
				for _, item := range list.Items {
					got = append(got, item.DescribedObject.Name+" "+item.Value.String())
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestReadExternal(t *testing.T) {
	p := shopProvider(t)
	for _, c := range []struct {
		name, namespace, metric, selector string
		want                              []string
	}{
		{"the series of the namespace", "shop", "ready", "", []string{"emails 7", "orders 5"}},
		{"selected", "shop", "ready", "queue in (emails,nothing)", []string{"emails 7"}},
		{"the complement", "shop", "ready", "queue notin (emails)", []string{"orders 5"}},
		{"a regular expression in a value is text", "shop", "ready", "queue in (e.ails,o.ders)", []string{`404 empty: metric "ready": no matching series in namespace "shop" (onEmpty: zero serves 0 for this, and for an outage of the exporter)`}},
		{"no series is an error that says so", "shop", "ready", "queue=none", []string{`404 empty: metric "ready": no matching series in namespace "shop" (onEmpty: zero serves 0 for this, and for an outage of the exporter)`}},
		{"cluster-wide", "anywhere", "everywhere", "queue=emails", []string{"emails 107"}},
		{"a label that is not selectable", "shop", "ready", "namespace=other", []string{`400 bad-request: metric "ready": label "namespace" is not selectable: the rule allows "queue"`}},
		{"a custom metric", "shop", "load", "", []string{`404 unknown-metric: metric "load": no rule serves it as an external metric; it is served on pods`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := p.GetExternalMetric(t.Context(), c.namespace, selector(t, c.selector), provider.ExternalMetricInfo{Metric: c.metric})
			var got []string
			if err != nil {
				got = append(got, statusLine(t, err))
			} else {
				for _, item := range list.Items {
					got = append(got, item.MetricLabels["queue"]+" "+item.Value.String())
				}
				slices.Sort(got)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTimestampAndWindowAreTheQuerysOwn(t *testing.T) {
	db := shopDB(t)
	if err := db.Append(now.Add(-time.Second), promlabels.FromStrings("__name__", "load", "namespace", "shop", "pod", "web-1"), 20); err != nil {
		t.Fatal(err)
	}
	p := newTestProvider(t, db, now, shopRules, "web-1")
	for metric, want := range map[string]string{"load": "none", "rate": "120"} {
		value, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", metric), nil)
		if err != nil {
			t.Fatal(err)
		}
		window := "none"
		if value.WindowSeconds != nil {
			window = fmt.Sprint(*value.WindowSeconds)
		}
		if !value.Timestamp.Time.Equal(now) || window != want {
			t.Errorf("%s: timestamp %s, window %s; want %s and %s", metric, value.Timestamp, window, now, want)
		}
	}
}

func TestABackendThatFailsIsUnavailableWithItsCause(t *testing.T) {
	failed := func(err error) error { return &snapshot.FailedError{Backend: "main", Err: err} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{failed(errors.New("connection refused")), `503 failed: metric "load": backend "main": connection refused (no good answer yet)`},
		{failed(fmt.Errorf("%w: a store is missing", snapshot.ErrPartial)), `503 partial: metric "load": backend "main": partial answer: a store is missing (no good answer yet)`},
		{failed(&snapshot.RecoveringError{Window: 2 * time.Minute, Until: now}), `503 recovering: metric "load": backend "main": recovering: it was away, and a window of 2m0s is full again at 22:13:20Z (no good answer yet)`},
		{&snapshot.StaleError{Backend: "main", Age: 40 * time.Second, MaxAge: 30 * time.Second}, `503 stale: metric "load": backend "main": latest answer is 40s old, the bound is 30s`},
		{&snapshot.PendingError{Backend: "main", Waited: time.Second}, `503 pending: metric "load": backend "main" has not answered the first query yet (waited 1s)`},
		{context.Canceled, `503 unavailable: metric "load": context canceled`},
	} {
		p := shopProvider(t)
		p.reader.Store = dbStore{err: c.err}
		_, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "load"), nil)
		if got := statusLine(t, err); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// In a rollout the old pods go while their share of the rate is still in the
// window: without it the workload's rate would dip under steady load.
func TestAPodThatLeftCountsForOneWindow(t *testing.T) {
	db := promdb.New(promdb.Options{})
	for second := -240; second <= 0; second += 10 {
		for pod, perSecond := range map[string]float64{"old": 10, "older": 100, "new": 30} {
			count := perSecond * float64(240+second)
			switch {
			case pod == "old" && second > -60, pod == "older" && second > -200:
				continue // gone
			case pod == "new" && second <= -60:
				continue // not yet there
			}
			series := promlabels.FromStrings("__name__", "requests_total", "namespace", "shop", "pod", pod)
			if err := db.Append(now.Add(time.Duration(second)*time.Second), series, count); err != nil {
				t.Fatal(err)
			}
		}
	}
	const query = `sum by (namespace, pod) (rate(requests_total[2m]))`
	rules := "rules:\n"
	for _, aggregate := range []string{"sum", "max", "avg"} {
		rules += fmt.Sprintf("- {metric: %s, type: Object, of: deployments.apps, aggregate: %s, query: %q}\n", aggregate, aggregate, query)
	}
	p := newTestProvider(t, db, now, rules)
	perPod := func(pod string) float64 {
		vector, err := db.Query(t.Context(), fmt.Sprintf(`sum(rate(requests_total{pod=%q}[2m]))`, pod), now)
		if err != nil {
			t.Fatal(err)
		}
		return vector.Samples[0].Value
	}
	p.reader.Pods = onePods{names: []string{"new"}, departed: map[string]time.Time{
		"old":   now.Add(-time.Minute),
		"older": now.Add(-200 * time.Second), // before the window
	}}
	for metric, want := range map[string]float64{
		"sum": perPod("new") + perPod("old"),
		"max": perPod("new"),
		"avg": perPod("new"), // of the pods that there are
	} {
		value, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", metric), nil)
		if err != nil {
			t.Fatalf("%s: %v", metric, err)
		}
		if got := value.Value.MilliValue(); got != int64(math.Round(want*1000)) {
			t.Errorf("%s is %dm, want %g", metric, got, want)
		}
	}
	p.reader.Pods = onePods{departed: map[string]time.Time{"old": now}}
	if _, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "sum"), nil); err == nil {
		t.Error("a workload without a live pod has a value")
	}
}

func TestAnIncompletePodIndexIsUnavailable(t *testing.T) {
	p := shopProvider(t)
	p.reader.Pods = onePods{err: errors.New("pods is forbidden")}
	want := "the pods are not known yet: pods is forbidden"
	_, byName := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "total"), nil)
	_, bySelector := p.GetMetricBySelector(t.Context(), "shop", labels.Everything(), custom("pods", "", "load"), nil)
	for _, err := range []error{byName, bySelector} {
		if got := statusLine(t, err); !strings.HasPrefix(got, "503 ") || !strings.HasSuffix(got, want) {
			t.Errorf("got %s, want a 503 with %q", got, want)
		}
	}
	// A pod by its name needs no index.
	if _, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom("pods", "", "load"), nil); err != nil {
		t.Error(err)
	}
}

func TestDiscoveryIsConstantAndNeverEmpty(t *testing.T) {
	p := shopProvider(t)
	if n, m := len(p.ListAllMetrics()), len(p.ListAllExternalMetrics()); n != 1 || m != 1 {
		t.Errorf("%d custom and %d external entries, want one each whatever the rules", n, m)
	}
}

func TestAllListsWhatAnAnswerSpeaksOf(t *testing.T) {
	p := shopProvider(t)
	for _, c := range []struct {
		metric    string
		namespace string
		want      []string
	}{
		{"load", "", []string{"other/web-1 100000", "shop/gone 100000", "shop/web-1 1500", "shop/web-2 2250"}},
		{"load", "other", []string{"other/web-1 100000"}},
		{"total", "", []string{"shop/web 3750"}},
		{"svc", "", []string{"shop/api 43000", "shop/web 42000"}},
		{"ready", "shop", []string{"shop/ 7000", "shop/ 5000"}},
		{"everywhere", "", []string{"/ 107000", "/ 5000"}},
	} {
		t.Run(c.metric+" "+c.namespace, func(t *testing.T) {
			i := slices.IndexFunc(p.rules.Load().operators.Rules, func(r *rule.Rule) bool { return r.Metric == c.metric })
			answer, err := p.reader.All(t.Context(), p.rules.Load().operators.Rules[i], c.namespace, labels.Everything())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range answer.Readings {
				got = append(got, fmt.Sprintf("%s %d", one.Object, one.Milli()))
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func BenchmarkReadPodsOfAWorkload(b *testing.B) {
	const perWorkload = 100
	vector, names := podsVector(perWorkload)
	set, err := rule.Load(rule.File{Name: "bench.yaml", Text: []byte(head + shopRules)})
	if err != nil {
		b.Fatal(err)
	}
	p := New(set, Reader{Store: fixedStore{snap: &snapshot.Snapshot{Vector: vector}}, Pods: onePods{names: names}}, KnownKinds())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.GetMetricByName(b.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "total"), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(perWorkload, "pods")
}

type fixedStore struct{ snap *snapshot.Snapshot }

func (s fixedStore) Read(context.Context, snapshot.Key) (*snapshot.Snapshot, error) {
	return s.snap, nil
}

func podsVector(n int) (instant.Vector, []string) {
	var vector instant.Vector
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("web-%d", i))
		vector.Samples = append(vector.Samples, instant.Sample{Labels: promlabels.FromStrings("namespace", "shop", "pod", names[i]), Value: 1})
	}
	return vector, names
}
