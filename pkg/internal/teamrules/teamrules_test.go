package teamrules

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	fakecore "k8s.io/client-go/kubernetes/typed/core/v1/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// TestMain removes the process-wide handlers of unexpected errors: one of them
// sleeps by the wall clock, which to the clock of a synctest bubble is decades.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	goleak.VerifyTestMain(m)
}

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// A fakeCluster is an API server that holds ConfigMaps and events.
type fakeCluster struct {
	fakecore.FakeCoreV1
	tracker clienttesting.ObjectTracker

	mu      sync.Mutex
	err     error            // of every call, if set
	refuses map[string]error // by verb and resource, as "create events"
	watches []watch.Interface
	writes  []string // of events
	version int
}

// IsWatchListSemanticsUnSupported tells reflectors to list before they watch.
func (c *fakeCluster) IsWatchListSemanticsUnSupported() bool { return true }

func newCluster(t *testing.T) *fakeCluster {
	t.Helper()
	c := &fakeCluster{tracker: clienttesting.NewObjectTracker(scheme.Scheme, scheme.Codecs.UniversalDecoder()), refuses: map[string]error{}}
	c.Fake = &clienttesting.Fake{}
	c.AddReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		call := action.GetVerb() + " " + action.GetResource().Resource
		if err := errors.Join(c.err, c.refuses[call]); err != nil {
			return true, nil, err
		}
		if action.GetResource().Resource == "events" {
			c.writes = append(c.writes, action.GetVerb())
		}
		return false, nil, nil
	})
	c.AddReactor("*", "*", clienttesting.ObjectReaction(c.tracker))
	c.AddWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := errors.Join(c.err, c.refuses["watch configmaps"]); err != nil {
			return true, nil, err
		}
		w, err := c.tracker.Watch(configMaps, action.GetNamespace())
		c.watches = append(c.watches, w)
		return true, w, err
	})
	return c
}

// refuse makes calls fail from now on, and with nil succeed again. It ends the watches.
func (c *fakeCluster) refuse(err error, calls ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range calls {
		c.refuses[call] = err
	}
	for _, w := range c.watches {
		w.Stop()
	}
	c.watches = nil
}

// put makes a ConfigMap hold a file; name is namespace/name.
func (c *fakeCluster) put(t *testing.T, name, text string) {
	t.Helper()
	namespace, name, _ := strings.Cut(name, "/")
	c.mu.Lock()
	c.version++
	version := fmt.Sprint(c.version)
	c.mu.Unlock()
	o := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(namespace + name), ResourceVersion: version,
			Labels: map[string]string{rule.TeamLabel: rule.TeamLabelValue}, CreationTimestamp: metav1.Now(),
		},
		Data: map[string]string{"r.yaml": text},
	}
	old, err := c.tracker.Get(configMaps, namespace, name)
	if err == nil {
		o.CreationTimestamp = old.(*corev1.ConfigMap).CreationTimestamp
		err = c.tracker.Update(configMaps, o, namespace)
	} else {
		err = c.tracker.Create(configMaps, o, namespace)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (c *fakeCluster) remove(t *testing.T, name string) {
	t.Helper()
	namespace, name, _ := strings.Cut(name, "/")
	if err := c.tracker.Delete(configMaps, namespace, name); err != nil {
		t.Fatal(err)
	}
}

// eventsOf are the events beside a ConfigMap, the one last seen at the end.
func (c *fakeCluster) eventsOf(t *testing.T, name string) []corev1.Event {
	t.Helper()
	namespace, name, _ := strings.Cut(name, "/")
	list, err := c.tracker.List(corev1.SchemeGroupVersion.WithResource("events"), corev1.SchemeGroupVersion.WithKind("Event"), namespace)
	if err != nil {
		t.Fatal(err)
	}
	events := slices.DeleteFunc(list.(*corev1.EventList).Items, func(e corev1.Event) bool { return e.InvolvedObject.Name != name })
	slices.SortFunc(events, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return events
}

// written counts writes of events since the last call.
func (c *fakeCluster) written() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.writes)
	c.writes = nil
	return n
}

func operator(t testing.TB, backend string, rules ...string) *rule.Set {
	t.Helper()
	set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(rulesBelow("backends: ["+backend+"]\n", append(rules, "up: up")...))})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const open = "{name: main, url: 'http://a:9090', teams: true}"

// rulesBelow is a file of External rules, "a: up", below a head.
func rulesBelow(head string, rules ...string) string {
	text := "apiVersion: pitot.dev/v1alpha1\nkind: Config\n" + head + "rules:\n"
	for _, r := range rules {
		metric, query, _ := strings.Cut(r, ": ")
		text += fmt.Sprintf("- {metric: %s, type: External, query: '%s'}\n", metric, query)
	}
	return text
}

func rules(all ...string) string { return rulesBelow("", all...) }

// A rig is a Watcher that runs, and what it published.
type rig struct {
	*Watcher
	mu        sync.Mutex
	published map[string]*rule.Set
	times     int
}

func start(t *testing.T, c *fakeCluster, options Options) (r *rig, stop func()) {
	t.Helper()
	r = &rig{}
	options.Client, options.Log = c, zap.NewNop()
	if options.Operator == nil {
		options.Operator = operator(t, open)
	}
	options.Publish = func(teams map[string]*rule.Set) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.published = teams
		r.times++
	}
	r.Watcher = New(options)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	return r, func() { cancel(); <-done }
}

// want fails unless these rules are served, as "shop/a: query".
func (r *rig) want(t *testing.T, what string, want ...string) {
	t.Helper()
	time.Sleep(3 * pause)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, namespace := range slices.Sorted(maps.Keys(r.published)) {
		for _, one := range r.published[namespace].Rules {
			got = append(got, fmt.Sprintf("%s/%s: %s", one.Namespace, one.Metric, one.Expr()))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// A life of ConfigMaps in two namespaces.
func TestConfigMapsAreServedEachByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x", "b: x"))
		c.put(t, "bank/web", rules("a: y("))
		r, stop := start(t, c, Options{})
		defer stop()
		r.want(t, "at the start", `shop/a: x{namespace="shop"}`, `shop/b: x{namespace="shop"}`)
		if err := r.Ready(); err != nil {
			t.Errorf("a ConfigMap without a right rule: not ready: %v", err)
		}
		c.put(t, "bank/web", rules("a: y"))
		r.want(t, "repaired", `bank/a: y{namespace="bank"}`, `shop/a: x{namespace="shop"}`, `shop/b: x{namespace="shop"}`)
		c.put(t, "shop/web", rules("a: x(", "b: z"))
		r.want(t, "a rule that breaks is kept", `bank/a: y{namespace="bank"}`, `shop/a: x{namespace="shop"}`, `shop/b: z{namespace="shop"}`)
		c.put(t, "shop/web", "]")
		r.want(t, "and all of them", `bank/a: y{namespace="bank"}`, `shop/a: x{namespace="shop"}`, `shop/b: z{namespace="shop"}`)
		if s := r.Statuses()[1]; s.String() != "shop/web" || len(s.Kept) != 2 || len(s.Problems) != 1 {
			t.Errorf("status %+v", s)
		}
		c.put(t, "shop/web", rules("b: x"))
		c.put(t, "shop/queue", rules("b: q", "c: q"))
		r.want(t, "the older one's counts", `bank/a: y{namespace="bank"}`, `shop/b: x{namespace="shop"}`, `shop/c: q{namespace="shop"}`)
		c.remove(t, "shop/web")
		r.want(t, "until it is gone", `bank/a: y{namespace="bank"}`, `shop/b: q{namespace="shop"}`, `shop/c: q{namespace="shop"}`)
		c.remove(t, "shop/queue")
		r.want(t, "nothing is left", `bank/a: y{namespace="bank"}`)
		if len(r.published) != 1 {
			t.Errorf("%d namespaces", len(r.published))
		}
	})
}

func TestEventsSayWhatBecameOfAConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		r, stop := start(t, c, Options{Operator: operator(t, open, "b: up")})
		defer stop()
		for _, step := range []struct{ name, text, want string }{
			{"loaded", rules("a: x"), `Normal RulesLoaded 1 rule of namespace "shop": a (namespaces)`},
			{"it stands for an operator's", rules("a: x", "b: x"),
				`Normal RulesLoaded 2 rules of namespace "shop": a (namespaces), b (namespaces); here they stand for the operator's rules of the same names: b`},
			{"broken", rules("a: x("), `Warning RuleBroken 1 problem; the other rules are served, and one that was right before is served as it was. ` +
				`r.yaml:4:41: rule "a": field "query": unclosed left parenthesis`},
			{"very broken", rules("a: x(", "b: x(", "c: x(", "d: x(", "e: x("), `Warning RuleBroken 5 problems; the other rules are served, and one that was right before is served as it was. ` +
				`r.yaml:4:41: rule "a": field "query": unclosed left parenthesis | r.yaml:5:41: rule "b": field "query": unclosed left parenthesis | ` +
				`r.yaml:6:41: rule "c": field "query": unclosed left parenthesis | and 2 more: pitot rules -n shop`},
			{"as before", rules("a: x"), `Normal RulesLoaded 1 rule of namespace "shop": a (namespaces)`},
		} {
			c.put(t, "shop/web", step.text)
			time.Sleep(2 * writePause)
			synctest.Wait()
			events := c.eventsOf(t, "shop/web")
			last := events[len(events)-1]
			if diff := cmp.Diff(step.want, last.Type+" "+last.Reason+" "+last.Message); diff != "" {
				t.Errorf("%s: -want +got\n%s", step.name, diff)
			}
			if last.InvolvedObject.UID != "shopweb" || last.InvolvedObject.Kind != "ConfigMap" {
				t.Errorf("%s: about %+v", step.name, last.InvolvedObject)
			}
		}
		if n := len(c.eventsOf(t, "shop/web")); n != 4 {
			t.Errorf("%d events, want one for each text", n)
		}
		// It comes again, so that it is not forgotten.
		c.written()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := c.written(); n < 4 || n > 10 {
			t.Errorf("%d writes in two hours without news", n)
		}
		r.want(t, "in the end", `shop/a: x{namespace="shop"}`)
	})
}

// Two replicas say the same in one event, and nobody can have many written.
func TestEventsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x("))
		_, stop1 := start(t, c, Options{})
		defer stop1()
		_, stop2 := start(t, c, Options{})
		defer stop2()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(c.eventsOf(t, "shop/web")); n != 1 {
			t.Errorf("%d events of two replicas, want 1", n)
		}
		c.written()
		for i := range 600 {
			c.put(t, "shop/web", rules(fmt.Sprintf("a%d: x", i)))
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		// A minute has six pauses; the second replica may find each event there already.
		if n := c.written(); n > 2*2*7 {
			t.Errorf("%d writes in a minute", n)
		}
	})
}

func TestATeamWithManyConfigMapsKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		for i := range 300 {
			c.put(t, fmt.Sprintf("flood/m%03d", i), rules("a: x"))
		}
		c.put(t, "shop/web", rules("a: x"))
		_, stop := start(t, c, Options{})
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(c.eventsOf(t, "shop/web")); n != 1 {
			t.Errorf("%d events of the other team after ten seconds", n)
		}
		if n := c.written(); n > 1+10*writesOfTeam {
			t.Errorf("%d writes in ten seconds", n)
		}
	})
}

func TestWhatTheOperatorClosesIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x"))
		r, stop := start(t, c, Options{})
		defer stop()
		r.want(t, "open", `shop/a: x{namespace="shop"}`)
		r.SetOperator(operator(t, "{name: main, url: 'http://a:9090'}"))
		r.want(t, "closed: nothing is kept")
		r.SetOperator(operator(t, open))
		r.want(t, "open again", `shop/a: x{namespace="shop"}`)
	})
}

func TestWithoutTheRightToListItIsReadyAndSaysWhatToGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x"))
		forbidden := apierrors.NewForbidden(configMaps.GroupResource(), "", errors.New(`User "pitot" cannot list resource "configmaps"`))
		c.refuse(forbidden, "list configmaps", "watch configmaps")
		r, stop := start(t, c, Options{})
		defer stop()
		r.want(t, "without the right")
		if err := r.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "grant list and watch on configmaps in all namespaces") {
			t.Errorf("error %v", err)
		}
		c.refuse(nil, "list configmaps", "watch configmaps")
		time.Sleep(2 * time.Minute)
		r.want(t, "with it", `shop/a: x{namespace="shop"}`)
		c.refuse(forbidden, "list configmaps", "watch configmaps")
		time.Sleep(10 * time.Minute)
		r.want(t, "when it is taken away", `shop/a: x{namespace="shop"}`)
		if err := r.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
	})
}

func TestItIsNotReadyBeforeTheClusterHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x"))
		c.refuse(errors.New("connection refused"), "list configmaps")
		r, stop := start(t, c, Options{})
		defer stop()
		time.Sleep(time.Minute)
		if err := r.Ready(); err == nil {
			t.Error("ready without an answer of the cluster")
		}
		c.refuse(nil, "list configmaps")
		time.Sleep(2 * time.Minute)
		if err := r.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		r.want(t, "and then its rules are there", `shop/a: x{namespace="shop"}`)
	})
}

func TestEventsThatAreRefusedComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x"))
		c.refuse(apierrors.NewForbidden(corev1.Resource("events"), "", errors.New("no")), "create events")
		r, stop := start(t, c, Options{})
		defer stop()
		r.want(t, "the rules do not wait", `shop/a: x{namespace="shop"}`)
		c.refuse(nil, "create events")
		time.Sleep(2 * refusedPause)
		synctest.Wait()
		if n := len(c.eventsOf(t, "shop/web")); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

func TestOnlyTheNamespacesThatAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.put(t, "shop/web", rules("a: x"))
		c.put(t, "bank/web", rules("a: x"))
		c.put(t, "farm/web", rules("a: x"))
		r, stop := start(t, c, Options{Namespaces: []string{"shop", "farm"}})
		defer stop()
		r.want(t, "of three", `farm/a: x{namespace="farm"}`, `shop/a: x{namespace="shop"}`)
	})
}

func TestTheOldestConfigMapsOfManyAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var want []string
		for i := range rule.MaxTeamConfigMaps + 1 {
			c.put(t, fmt.Sprintf("shop/m%02d", i), rules(fmt.Sprintf("a%02d: x", i)))
			want = append(want, fmt.Sprintf(`shop/a%02d: x{namespace="shop"}`, i))
			time.Sleep(time.Second)
		}
		r, stop := start(t, c, Options{})
		defer stop()
		r.want(t, "the newest is not", want[:rule.MaxTeamConfigMaps]...)
		if last := r.Statuses()[rule.MaxTeamConfigMaps]; len(last.Problems) != 1 || !strings.Contains(last.Problems.Error(), "more than 20 ConfigMaps") {
			t.Errorf("the newest is told %v", last.Problems)
		}
		c.remove(t, "shop/m00")
		r.want(t, "until one is gone", want[1:]...)
	})
}

func TestWhatIsTooLongIsNotHeld(t *testing.T) {
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "m", ManagedFields: []metav1.ManagedFieldsEntry{{}}},
		Data: map[string]string{"a.yaml": "x", "b.txt": strings.Repeat("x", 1<<20)}}
	if diff := cmp.Diff(map[string]string{"a.yaml": "x"}, slim(o).Data); diff != "" || slim(o).ManagedFields != nil {
		t.Error(diff)
	}
	o.Data["a.yaml"] = strings.Repeat("x", rule.MaxTeamBytes+1)
	_, problems := rule.LoadTeam(operator(t, open).TeamOf("shop"), rule.NewConfigMap("shop", "m", slim(o).Data))
	if want := "shop/m:1:1: the files of the ConfigMap have more than 65536 bytes: none of them is read"; problems.Error() != want {
		t.Errorf("got %s", problems)
	}
	if len(shortened(strings.Repeat("ä", maxNote))) > maxNote {
		t.Error("a note is too long")
	}
}
