package demand

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	autoscaling "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	fakeautoscaling "k8s.io/client-go/kubernetes/typed/autoscaling/v2/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// TestMain removes the process-wide handlers of unexpected errors: one of them
// sleeps by the wall clock, which to the clock of a synctest bubble is decades.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	goleak.VerifyTestMain(m)
}

var gvr = autoscaling.SchemeGroupVersion.WithResource("horizontalpodautoscalers")

// A fakeCluster is an API server that holds HPAs.
type fakeCluster struct {
	fakeautoscaling.FakeAutoscalingV2
	tracker clienttesting.ObjectTracker

	mu      sync.Mutex
	err     error // of every call, if set
	expired bool  // the next watch is told that its version is too old
	watches []watch.Interface
	calls   int
}

// IsWatchListSemanticsUnSupported tells reflectors to list before they watch.
func (c *fakeCluster) IsWatchListSemanticsUnSupported() bool { return true }

func newCluster(hpas ...*autoscaling.HorizontalPodAutoscaler) *fakeCluster {
	c := &fakeCluster{tracker: clienttesting.NewObjectTracker(scheme.Scheme, scheme.Codecs.UniversalDecoder())}
	c.Fake = &clienttesting.Fake{}
	c.AddReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls++
		return c.err != nil, nil, c.err
	})
	c.AddReactor("*", "*", clienttesting.ObjectReaction(c.tracker))
	c.AddWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err != nil {
			return true, nil, c.err
		}
		if c.expired {
			c.expired = false
			return true, nil, apierrors.NewResourceExpired("too old resource version")
		}
		w, err := c.tracker.Watch(gvr, "")
		c.watches = append(c.watches, w)
		return true, w, err
	})
	for _, hpa := range hpas {
		if err := c.tracker.Add(hpa); err != nil {
			panic(err)
		}
	}
	return c
}

// missed makes the next watch fail: what happened is for a list to say.
func (c *fakeCluster) missed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = true
}

// fail makes every call fail from now on, and ends the watches: with nil they
// succeed again.
func (c *fakeCluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for _, w := range c.watches {
		w.Stop()
	}
	c.watches = nil
}

func (c *fakeCluster) attempts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// A ruleBook serves the metrics that it names, as "pods/load" or "external/ready":
// the query is the text behind it.
type ruleBook struct {
	mu    sync.Mutex
	rules map[string]string
}

func (b *ruleBook) set(rules map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = rules
}

func (b *ruleBook) key(metric string, selector labels.Selector) (snapshot.Key, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	query, ok := b.rules[metric]
	if !ok {
		return snapshot.Key{}, errors.New("no such rule")
	}
	return snapshot.Key{Backend: "main", Query: query + "{" + selector.String() + "}"}, nil
}

func (b *ruleBook) CustomKey(_, metric string, of schema.GroupResource, selector labels.Selector) (snapshot.Key, error) {
	return b.key(of.String()+"/"+metric, selector)
}

func (b *ruleBook) ExternalKey(_, metric string, selector labels.Selector) (snapshot.Key, error) {
	return b.key("external/"+metric, selector)
}

// A noteStore notes when which query was last wanted.
type noteStore struct {
	mu     sync.Mutex
	wanted map[string]time.Time
	count  int
}

func (s *noteStore) Want(key snapshot.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted == nil {
		s.wanted = make(map[string]time.Time)
	}
	s.wanted[key.Query] = time.Now()
	s.count++
	return snapshot.ErrTooManyKeys // which is the business of readers
}

// times is how often any query was wanted.
func (s *noteStore) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// since are the queries that were wanted within the last d, sorted.
func (s *noteStore) since(d time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for query, at := range s.wanted {
			if time.Since(at) <= d && !yield(query, true) {
				return
			}
		}
	}))), " ")
}

// hpa is an HPA such as "shop/web" with metrics.
func hpa(name string, metrics ...autoscaling.MetricSpec) *autoscaling.HorizontalPodAutoscaler {
	namespace, name, _ := strings.Cut(name, "/")
	return &autoscaling.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       autoscaling.HorizontalPodAutoscalerSpec{Metrics: metrics},
	}
}

func selecting(name, selector string) autoscaling.MetricIdentifier {
	id := autoscaling.MetricIdentifier{Name: name}
	if selector != "" {
		parsed, err := metav1.ParseToLabelSelector(selector)
		if err != nil {
			panic(err)
		}
		id.Selector = parsed
	}
	return id
}

func ofPods(name, selector string) autoscaling.MetricSpec {
	return autoscaling.MetricSpec{Type: "Pods", Pods: &autoscaling.PodsMetricSource{Metric: selecting(name, selector)}}
}

func ofObject(apiVersion, kind, name, selector string) autoscaling.MetricSpec {
	return autoscaling.MetricSpec{Type: "Object", Object: &autoscaling.ObjectMetricSource{
		DescribedObject: autoscaling.CrossVersionObjectReference{APIVersion: apiVersion, Kind: kind, Name: "any"},
		Metric:          selecting(name, selector),
	}}
}

func external(name, selector string) autoscaling.MetricSpec {
	return autoscaling.MetricSpec{Type: "External", External: &autoscaling.ExternalMetricSource{Metric: selecting(name, selector)}}
}

var cpu = autoscaling.MetricSpec{Type: "Resource", Resource: &autoscaling.ResourceMetricSource{Name: "cpu"}}

// A rig is a watcher that runs on virtual time.
type rig struct {
	*Watcher
	cluster *fakeCluster
	rules   *ruleBook
	store   *noteStore

	mu     sync.Mutex
	report []string
}

// inCluster runs f with a watcher of a cluster, when it has nothing to do.
func inCluster(t *testing.T, cluster *fakeCluster, rules map[string]string, f func(t *testing.T, r *rig)) {
	t.Helper()
	r := &rig{cluster: cluster, rules: &ruleBook{rules: rules}, store: &noteStore{}}
	r.Watcher = New(Options{Client: cluster, Keys: r.rules, Store: r.store, Report: func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report = append(r.report, fmt.Sprint(err))
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	synctest.Wait()
	f(t, r)
	cancel()
	<-done
}

func (r *rig) wantWanted(t *testing.T, what, want string, within time.Duration) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, r.store.since(within)); diff != "" {
		t.Errorf("%s: wanted queries -want +got\n%s", what, diff)
	}
}

func (r *rig) wantReport(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.report); diff != "" {
		t.Errorf("report -want +got\n%s", diff)
	}
}

func (r *rig) wantWatched(t *testing.T, want int) {
	t.Helper()
	if got, _ := r.Watched(); got != want {
		t.Errorf("%d HPAs watched, want %d", got, want)
	}
}

func TestEverySortOfMetricIsWanted(t *testing.T) {
	rules := map[string]string{
		"pods/load":                    "load",
		"deployments.apps/load":        "deployed",
		"services/load":                "served",
		"namespaces/load":              "spaced",
		"ingresses.networking.k8s.io/": "unnamed",
		"rollouts.argoproj.io/load":    "rolled",
		"external/ready":               "ready",
	}
	tests := []struct {
		name   string
		metric autoscaling.MetricSpec
		want   string
	}{
		{"of pods", ofPods("load", ""), "load{}"},
		{"of pods, narrowed", ofPods("load", "path=a"), "load{path=a}"},
		{"of a Deployment", ofObject("apps/v1", "Deployment", "load", ""), "deployed{}"},
		{"of a Service", ofObject("v1", "Service", "load", ""), "served{}"},
		{"of a Namespace", ofObject("v1", "Namespace", "load", ""), "spaced{}"},
		{"of a custom resource", ofObject("argoproj.io/v1alpha1", "Rollout", "load", ""), "rolled{}"},
		{"external", external("ready", ""), "ready{}"},
		{"external, in several ways", external("ready", "stage notin (b,a),queue=x,!gone"), "ready{!gone,queue=x,stage notin (a,b)}"},

		{"a resource", cpu, ""},
		{"of another name", ofPods("memory", ""), ""},
		{"of another kind", ofObject("apps/v1", "StatefulSet", "load", ""), ""},
		{"of another API", external("load", ""), ""},
		{"of no kind", ofObject("", "", "load", ""), ""},
		{"of a version that is none", ofObject("a/b/c", "Deployment", "load", ""), ""},
		{"without its source", autoscaling.MetricSpec{Type: "Pods"}, ""},
		{"of a type to come", autoscaling.MetricSpec{Type: "Dream"}, ""},
		{"with a selector that is none", autoscaling.MetricSpec{Type: "Pods", Pods: &autoscaling.PodsMetricSource{
			Metric: autoscaling.MetricIdentifier{Name: "load", Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "path", Operator: "Like"}},
			}},
		}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inCluster(t, newCluster(hpa("shop/web", test.metric)), rules, func(t *testing.T, r *rig) {
					r.wantWanted(t, "at once", test.want, 0)
				})
			})
		})
	}
}

func TestMetricsAreWantedWhileTheirHPAsExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newCluster(hpa("shop/web", cpu, ofPods("load", "")), hpa("shop/cron", cpu))
		rules := map[string]string{"pods/load": "load", "external/ready": "ready"}
		inCluster(t, cluster, rules, func(t *testing.T, r *rig) {
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			r.wantWanted(t, "listed", "load{}", 0)
			r.wantWatched(t, 1)

			time.Sleep(time.Second)
			must(cluster.tracker.Create(gvr, hpa("other/queue", external("ready", "queue=a")), "other"))
			r.wantWanted(t, "a new HPA", "ready{queue=a}", 0)
			r.wantWatched(t, 2)

			time.Sleep(time.Hour)
			r.wantWanted(t, "an hour later", "load{} ready{queue=a}", period)

			before := r.store.times()
			changed := hpa("other/queue", external("ready", "queue=a"))
			changed.Status.CurrentReplicas = 3
			must(cluster.tracker.Update(gvr, changed, "other"))
			synctest.Wait()
			if r.store.times() != before {
				t.Error("a change of status made a demand")
			}

			must(cluster.tracker.Update(gvr, hpa("other/queue", external("ready", "queue=b")), "other"))
			r.wantWanted(t, "another selector", "ready{queue=b}", 0)
			time.Sleep(time.Minute)
			r.wantWanted(t, "the former one is forgotten", "load{} ready{queue=b}", period)

			must(cluster.tracker.Update(gvr, hpa("other/queue", cpu), "other"))
			synctest.Wait()
			r.wantWatched(t, 1)
			must(cluster.tracker.Delete(gvr, "shop", "web"))
			synctest.Wait()
			r.wantWatched(t, 0)
			time.Sleep(time.Minute)
			r.wantWanted(t, "no HPA is left", "", period)
			r.wantReport(t)
		})
	})
}

func TestRulesThatChangeAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newCluster(hpa("shop/web", ofPods("load", "")))
		inCluster(t, cluster, map[string]string{"pods/load": "load"}, func(t *testing.T, r *rig) {
			time.Sleep(time.Minute)
			r.rules.set(map[string]string{"pods/load": "rate"})
			time.Sleep(2 * period)
			r.wantWanted(t, "another query", "rate{}", period)
			r.rules.set(nil)
			time.Sleep(2 * period)
			r.wantWanted(t, "the rule is gone", "", period)
			r.rules.set(map[string]string{"pods/load": "load"})
			time.Sleep(period)
			r.wantWanted(t, "and back", "load{}", period)
		})
	})
}

func TestEqualMetricsAreWantedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newCluster()
		rules := map[string]string{"pods/load": "load", "deployments.apps/load": "deployed", "external/ready": "ready"}
		inCluster(t, cluster, rules, func(t *testing.T, r *rig) {
			var list []any
			for i := range 10_000 {
				name := fmt.Sprintf("team-%d/web-%d", i%100, i)
				list = append(list, hpa(name, ofPods("load", ""), ofObject("apps/v1", "Deployment", "load", ""), external("ready", "")))
			}
			before := r.store.times()
			if err := r.hpas.Replace(list, ""); err != nil {
				t.Fatal(err)
			}
			r.wantWatched(t, 10_000)
			r.wantWanted(t, "of 10,000 HPAs", "deployed{} load{} ready{}", 0)
			// Each may be another query in each of the hundred namespaces.
			const each = 3 * 100
			if n := r.store.times() - before; n != each {
				t.Errorf("wanted %d times, want %d", n, each)
			}
			time.Sleep(10 * period)
			if n := r.store.times() - before; n > each*11 {
				t.Errorf("wanted %d times in ten periods, want %d", n, each*11)
			}
		})
	})
}

func TestWithoutTheRightToWatchItSaysOnceWhatToGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newCluster(hpa("shop/web", ofPods("load", "")))
		cluster.fail(apierrors.NewForbidden(gvr.GroupResource(), "", errors.New(`User "pitot" cannot list resource "horizontalpodautoscalers"`)))
		inCluster(t, cluster, map[string]string{"pods/load": "load"}, func(t *testing.T, r *rig) {
			time.Sleep(time.Hour)
			const report = `list horizontalpodautoscalers.autoscaling: horizontalpodautoscalers.autoscaling is forbidden: ` +
				`User "pitot" cannot list resource "horizontalpodautoscalers" ` +
				`(hint: grant list and watch on horizontalpodautoscalers.autoscaling in all namespaces)`
			r.wantReport(t, report)
			if n := cluster.attempts(); n < 30 || n > 300 {
				t.Errorf("%d attempts in an hour, want a try now and then", n)
			}
			if _, err := r.Watched(); err == nil || err.Error() != report {
				t.Errorf("Watched: %v", err)
			}
			cluster.fail(nil)
			time.Sleep(2 * time.Minute)
			r.wantReport(t, report, "<nil>")
			r.wantWanted(t, "after the grant", "load{}", period)
		})
	})
}

func TestWhatFailsInAnotherWayIsReportedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newCluster()
		inCluster(t, cluster, nil, func(t *testing.T, r *rig) {
			const list = "list horizontalpodautoscalers.autoscaling: "
			cluster.fail(errors.New("at port 1"))
			time.Sleep(time.Minute)
			cluster.fail(errors.New("at port 2"))
			time.Sleep(2 * time.Minute)
			r.wantReport(t, list+"at port 1")
			cluster.fail(apierrors.NewUnauthorized("who is that?"))
			time.Sleep(2 * time.Minute)
			r.wantReport(t, list+"at port 1", list+"who is that?")
		})
	})
}

func TestAClusterThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newCluster(hpa("shop/web", ofPods("load", "")))
		refused := &url.Error{Op: "Get", URL: "https://10.0.0.1", Err: errors.New("connection refused")}
		cluster.fail(refused)
		inCluster(t, cluster, map[string]string{"pods/load": "load"}, func(t *testing.T, r *rig) {
			const away = `list horizontalpodautoscalers.autoscaling: Get "https://10.0.0.1": connection refused`
			time.Sleep(time.Minute)
			r.wantReport(t, away)
			r.wantWatched(t, 0)

			cluster.fail(nil)
			time.Sleep(2 * time.Minute)
			r.wantReport(t, away, "<nil>")
			r.wantWanted(t, "when it came", "load{}", period)

			cluster.fail(refused)
			time.Sleep(time.Hour)
			r.wantWatched(t, 1)
			r.wantWanted(t, "what was known stays known", "load{}", period)

			if err := cluster.tracker.Delete(gvr, "shop", "web"); err != nil {
				t.Fatal(err)
			}
			cluster.missed()
			cluster.fail(nil)
			time.Sleep(2 * time.Minute)
			r.wantWatched(t, 0)
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.report) != 4 || r.report[3] != "<nil>" {
				t.Errorf("report %q, want two times away and back", r.report)
			}
		})
	})
}

func TestOnlyMetricsAreKeptOfAList(t *testing.T) {
	full := hpa("shop/web", ofPods("load", "path=a"))
	full.ResourceVersion = "7"
	full.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{...}"}
	full.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	full.Status.CurrentReplicas = 3
	want := hpa("shop/web", ofPods("load", "path=a"))
	want.ResourceVersion = "7"
	if diff := cmp.Diff(want, slim(full)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
