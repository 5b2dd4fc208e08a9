package pods

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// TestMain removes the process-wide handlers of unexpected errors: one of them
// sleeps by the wall clock, which to the clock of a synctest bubble is decades.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	os.Exit(m.Run())
}

// object is the metadata of an object, such as "Pod shop/web-1", controlled by
// "apps/v1 ReplicaSet web" or by nobody.
func object(kind, name, controller string) *metav1.PartialObjectMetadata {
	apiVersion := map[string]string{"Pod": "v1", "ReplicaSet": "apps/v1", "Job": "batch/v1"}[kind]
	namespace, name, _ := strings.Cut(name, "/")
	o := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
	}
	if controller != "" {
		owner := strings.Fields(controller)
		yes := true
		o.OwnerReferences = []metav1.OwnerReference{{APIVersion: owner[0], Kind: owner[1], Name: owner[2], Controller: &yes}}
	}
	return o
}

func labelled(o *metav1.PartialObjectMetadata, set labels.Set) *metav1.PartialObjectMetadata {
	o.Labels = set
	return o
}

func newClient(objects ...*metav1.PartialObjectMetadata) *fake.FakeMetadataClient {
	scheme := fake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		panic(err)
	}
	var all []kruntime.Object
	for _, o := range objects {
		all = append(all, o)
	}
	return fake.NewSimpleMetadataClient(scheme, all...)
}

// storeOf is the near end of a source, which its reflector writes to.
func storeOf(s source) cache.TransformingStore { return s.(cache.TransformingStore) }

// running runs an index in the bubble of a synctest and waits until it has
// nothing to do.
func running(t *testing.T, client *fake.FakeMetadataClient) *Index {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	index := New(client, newDiscovery())
	done := make(chan struct{})
	go func() { index.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return index
}

var (
	podGVR        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	replicaSetGVR = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
)

func deployment(name string) Workload { return Workload{"apps", "deployments", name} }

func TestPodsOfAWorkload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		index := running(t, newClient(
			object("Pod", "shop/web-a-1", "apps/v1 ReplicaSet web-a"),
			object("Pod", "shop/web-b-1", "apps/v1 ReplicaSet web-b"),
			object("Pod", "shop/web-b-2", "apps/v1 ReplicaSet web-b"),
			object("ReplicaSet", "shop/web-a", "apps/v1 Deployment web"),
			object("ReplicaSet", "shop/web-b", "apps/v1 Deployment web"),
			object("Pod", "other/web-c-1", "apps/v1 ReplicaSet web-c"),
			object("ReplicaSet", "other/web-c", "apps/v1 Deployment web"),

			object("Pod", "shop/canary-1", "apps/v1 ReplicaSet canary"),
			object("ReplicaSet", "shop/canary", "argoproj.io/v1alpha1 Rollout canary"),
			object("Pod", "shop/lonely-1", "apps/v1 ReplicaSet lonely"),
			object("ReplicaSet", "shop/lonely", ""),

			object("Pod", "shop/db-0", "apps/v1 StatefulSet db"),
			object("Pod", "shop/agent-x", "apps/v1 DaemonSet agent"),
			object("Pod", "shop/old-1", "v1 ReplicationController old"),
			object("Pod", "shop/nightly-1-x", "batch/v1 Job nightly-1"),
			object("Job", "shop/nightly-1", "batch/v1 CronJob nightly"),
			object("Pod", "shop/ray-head", "ray.io/v1 RayCluster ray"),
			object("Pod", "shop/proxy-1", "example.com/v1 Proxy proxy"),
			object("Pod", "shop/bare", ""),
			object("Pod", "shop/static-node1", "v1 Node node1"),
		))
		if err := index.Ready(); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			of   Workload
			want []string
		}{
			{deployment("web"), []string{"web-a-1", "web-b-1", "web-b-2"}},
			{Workload{"apps", "replicasets", "web-b"}, []string{"web-b-1", "web-b-2"}},
			{Workload{"apps", "replicasets", "lonely"}, []string{"lonely-1"}},
			{Workload{"argoproj.io", "rollouts", "canary"}, []string{"canary-1"}},
			{Workload{"apps", "statefulsets", "db"}, []string{"db-0"}},
			{Workload{"apps", "daemonsets", "agent"}, []string{"agent-x"}},
			{Workload{"", "replicationcontrollers", "old"}, []string{"old-1"}},
			{Workload{"batch", "jobs", "nightly-1"}, []string{"nightly-1-x"}},
			{Workload{"batch", "cronjobs", "nightly"}, []string{"nightly-1-x"}},
			{Workload{"ray.io", "rayclusters", "ray"}, []string{"ray-head"}},
			{Workload{"example.com", "proxies", "proxy"}, []string{"proxy-1"}},

			{Workload{"extensions", "deployments", "web"}, nil}, // the group counts
			{deployment("canary"), nil},
			{deployment("nobody"), nil},
			{Workload{}, nil},
		}
		for _, test := range tests {
			if diff := cmp.Diff(test.want, index.Of("shop", test.of)); diff != "" {
				t.Errorf("pods of %v (-want +got):\n%s", test.of, diff)
			}
		}
		if diff := cmp.Diff([]string{"web-c-1"}, index.Of("other", deployment("web"))); diff != "" {
			t.Errorf("pods of web in another namespace (-want +got):\n%s", diff)
		}
		if got := index.Of("nowhere", deployment("web")); got != nil {
			t.Errorf("pods in a namespace without pods: %v", got)
		}
		if diff := cmp.Diff([]string{"canary", "lonely", "web-a", "web-b"}, index.Workloads("shop", "apps", "replicasets")); diff != "" {
			t.Errorf("ReplicaSets (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"web"}, index.Workloads("shop", "apps", "deployments")); diff != "" {
			t.Errorf("Deployments (-want +got):\n%s", diff)
		}
		if got := index.Workloads("shop", "", ""); got != nil {
			t.Errorf("workloads of no kind: %v", got)
		}
	})
}

func TestOnlyTheControllerOwns(t *testing.T) {
	o := object("Pod", "shop/web-1", "apps/v1 ReplicaSet web")
	o.OwnerReferences = append([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "bystander"}}, o.OwnerReferences...)
	if got, want := controllerOf(o), (Workload{"apps", "replicasets", "web"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLive(t *testing.T) {
	index := Static(
		Pod{Namespace: "shop", Name: "web-2", Labels: map[string]string{"app": "web", "tier": "a"}, Owner: deployment("web")},
		Pod{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}, Owner: deployment("web")},
		Pod{Namespace: "shop", Name: "db-0", Labels: map[string]string{"app": "db"}},
		Pod{Namespace: "other", Name: "web-9", Labels: map[string]string{"app": "web"}},
	)
	for selector, want := range map[string][]string{
		"":             {"db-0", "web-1", "web-2"},
		"app=web":      {"web-1", "web-2"},
		"app=web,tier": {"web-2"},
		"app!=web":     {"db-0"},
		"app=none":     nil,
	} {
		parsed, err := labels.Parse(selector)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, index.Live("shop", parsed)); diff != "" {
			t.Errorf("selector %q (-want +got):\n%s", selector, diff)
		}
	}
	if got := index.Live("nowhere", labels.Everything()); got != nil {
		t.Errorf("in a namespace without pods: %v", got)
	}
}

func TestStaticIsReady(t *testing.T) {
	index := Static(Pod{Namespace: "shop", Name: "web-1", Owner: deployment("web")})
	if err := errors.Join(index.Ready(), index.Knows("", "services"), index.Err()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"web-1"}, index.Of("shop", deployment("web"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	index.Run(t.Context()) // has nothing to do
}

func TestFollowsTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient()
		index := running(t, client)
		track := client.Tracker()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		web := labels.SelectorFromSet(labels.Set{"app": "web"})
		// step checks what holds after a change.
		step := func(what string, of, live []string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(of, index.Of("shop", deployment("web"))); diff != "" {
				t.Errorf("%s: pods of web (-want +got):\n%s", what, diff)
			}
			if diff := cmp.Diff(live, index.Live("shop", web)); diff != "" {
				t.Errorf("%s: pods with app=web (-want +got):\n%s", what, diff)
			}
		}

		pod := labelled(object("Pod", "shop/web-a-1", "apps/v1 ReplicaSet web-a"), labels.Set{"app": "web"})
		must(track.Create(podGVR, pod, "shop"))
		step("a pod before its ReplicaSet", nil, []string{"web-a-1"})

		must(track.Create(replicaSetGVR, object("ReplicaSet", "shop/web-a", "apps/v1 Deployment web"), "shop"))
		step("then the ReplicaSet", []string{"web-a-1"}, []string{"web-a-1"})

		must(track.Create(replicaSetGVR, object("ReplicaSet", "shop/web-b", "apps/v1 Deployment web"), "shop"))
		step("a ReplicaSet without pods", []string{"web-a-1"}, []string{"web-a-1"})

		must(track.Create(podGVR, object("Pod", "shop/web-b-1", "apps/v1 ReplicaSet web-b"), "shop"))
		step("its pod, without labels", []string{"web-a-1", "web-b-1"}, []string{"web-a-1"})

		terminating := pod.DeepCopy()
		terminating.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		must(track.Update(podGVR, terminating, "shop"))
		step("a pod that is being deleted still serves", []string{"web-a-1", "web-b-1"}, []string{"web-a-1"})

		must(track.Update(podGVR, labelled(terminating.DeepCopy(), labels.Set{"app": "quarantine"}), "shop"))
		step("other labels", []string{"web-a-1", "web-b-1"}, nil)

		must(track.Update(replicaSetGVR, object("ReplicaSet", "shop/web-b", "apps/v1 Deployment other"), "shop"))
		step("a ReplicaSet adopted by another Deployment", []string{"web-a-1"}, nil)

		must(track.Update(replicaSetGVR, object("ReplicaSet", "shop/web-b", ""), "shop"))
		step("and released", []string{"web-a-1"}, nil)

		must(track.Delete(podGVR, "shop", "web-a-1"))
		step("the pod is gone", nil, nil)

		must(track.Update(podGVR, object("Pod", "shop/web-b-1", "apps/v1 ReplicaSet web-a"), "shop"))
		step("a pod adopted by another ReplicaSet", []string{"web-b-1"}, nil)
		if got := index.Of("shop", Workload{"apps", "replicasets", "web-b"}); got != nil {
			t.Errorf("the former ReplicaSet still has %v", got)
		}

		must(track.Delete(podGVR, "shop", "web-b-1"))
		step("the last pod is gone before its ReplicaSet", nil, nil)
		must(track.Delete(replicaSetGVR, "shop", "web-a"))
		must(track.Delete(replicaSetGVR, "shop", "web-b"))
		// A deletion elsewhere sweeps what departed too long ago.
		time.Sleep(Memory + time.Second)
		must(track.Create(podGVR, object("Pod", "other/bare", ""), "other"))
		synctest.Wait()
		must(track.Delete(podGVR, "other", "bare"))
		synctest.Wait()
		if _, ok := index.tree.namespaces["shop"]; ok {
			t.Error("a namespace is remembered that holds nothing")
		}
	})
}

// What a pod that is gone has counted is still in the rates of the workload.
func TestDeparted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(
			object("Pod", "shop/web-a-1", "apps/v1 ReplicaSet web-a"),
			object("Pod", "shop/web-a-2", "apps/v1 ReplicaSet web-a"),
			object("Pod", "shop/db-0", "apps/v1 StatefulSet db"),
			object("Pod", "shop/bare", ""),
			object("ReplicaSet", "shop/web-a", "apps/v1 Deployment web"),
		)
		index := running(t, client)
		remove := func(name string) {
			t.Helper()
			if err := client.Tracker().Delete(podGVR, "shop", name); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		departed := func(w Workload, ago time.Duration) string {
			return strings.Join(index.Departed("shop", w, time.Now().Add(-ago)), " ")
		}
		want := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: departed %q, want %q", what, got, want)
			}
		}
		web, db := deployment("web"), Workload{"apps", "statefulsets", "db"}
		want("at first", departed(web, time.Hour), "")
		remove("web-a-1")
		remove("bare")
		time.Sleep(time.Minute)
		remove("web-a-2")
		want("within both deletions", departed(web, time.Minute), "web-a-1 web-a-2")
		want("of the ReplicaSet too", departed(Workload{"apps", "replicasets", "web-a"}, time.Minute), "web-a-1 web-a-2")
		want("after the first deletion", departed(web, time.Minute-time.Second), "web-a-2")
		want("of another workload", departed(db, time.Hour), "")
		want("in another namespace", strings.Join(index.Departed("other", web, time.Time{}), " "), "")

		remove("db-0")
		want("a StatefulSet's pod", departed(db, time.Minute), "db-0")
		if err := client.Tracker().Create(podGVR, object("Pod", "shop/db-0", "apps/v1 StatefulSet db"), "shop"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want("that came back", departed(db, time.Minute), "")

		time.Sleep(Memory + time.Second)
		remove("db-0")
		want("after an hour", departed(web, 24*time.Hour), "")
	})
}

// After a broken watch comes a list, from which the vanished are missing.
func TestWhatVanishedUnseenIsForgotten(t *testing.T) {
	index := New(newClient(), newDiscovery())
	pods, replicaSets := storeOf(index.sources[0]), storeOf(index.sources[1])
	replace := func(s cache.ReflectorStore, objects ...any) {
		t.Helper()
		if err := s.Replace(objects, ""); err != nil {
			t.Fatal(err)
		}
	}
	replace(replicaSets, object("ReplicaSet", "shop/web-a", "apps/v1 Deployment web"), object("ReplicaSet", "shop/web-b", "apps/v1 Deployment web"))
	replace(pods, object("Pod", "shop/web-a-1", "apps/v1 ReplicaSet web-a"), object("Pod", "shop/web-b-1", "apps/v1 ReplicaSet web-b"))

	replace(pods, object("Pod", "shop/web-b-1", "apps/v1 ReplicaSet web-b"))
	if diff := cmp.Diff([]string{"web-b-1"}, index.Of("shop", deployment("web"))); diff != "" {
		t.Errorf("a pod vanished (-want +got):\n%s", diff)
	}
	replace(replicaSets, object("ReplicaSet", "shop/web-a", "apps/v1 Deployment web"))
	if got := index.Of("shop", deployment("web")); got != nil {
		t.Errorf("a ReplicaSet vanished, and yet %v", got)
	}
}

// Whatever the order of events, the same objects give the same answers.
func TestOrderDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		final := map[cache.ReflectorStore][]*metav1.PartialObjectMetadata{}
		index := New(newClient(), newDiscovery())
		type event struct {
			on     cache.ReflectorStore
			object *metav1.PartialObjectMetadata
		}
		var events []event
		for i := range 6 {
			rs := object("ReplicaSet", fmt.Sprintf("shop/web-%d", i), fmt.Sprintf("apps/v1 Deployment d%d", i%2))
			events = append(events, event{storeOf(index.sources[1]), rs})
			for j := range 3 {
				pod := object("Pod", fmt.Sprintf("shop/web-%d-%d", i, j), fmt.Sprintf("apps/v1 ReplicaSet web-%d", i))
				events = append(events, event{storeOf(index.sources[0]), pod})
			}
		}
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, e := range events {
			if err := e.on.Add(e.object); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(3) == 0 {
				if err := e.on.Delete(e.object); err != nil {
					t.Fatal(err)
				}
				continue
			}
			final[e.on] = append(final[e.on], e.object)
		}
		// The slow obvious way: read the survivors.
		want := map[string][]string{}
		for _, rs := range final[storeOf(index.sources[1])] {
			for _, pod := range final[storeOf(index.sources[0])] {
				if pod.OwnerReferences[0].Name == rs.Name {
					d := rs.OwnerReferences[0].Name
					want[d] = append(want[d], pod.Name)
				}
			}
		}
		for _, d := range []string{"d0", "d1"} {
			slices.Sort(want[d])
			if diff := cmp.Diff(want[d], index.Of("shop", deployment(d))); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", d, diff)
			}
		}
	}
}

func TestSaysWhatToGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(object("Pod", "shop/web-1", "apps/v1 StatefulSet web"))
		var forbidden sync.Map
		forbidden.Store("pods", true)
		client.PrependReactor("list", "*", func(a clienttesting.Action) (bool, kruntime.Object, error) {
			gr := a.GetResource().GroupResource()
			if _, ok := forbidden.Load(gr.Resource); ok {
				return true, nil, apierrors.NewForbidden(gr, "", errors.New(`User "system:serviceaccount:pitot:pitot" cannot list resource "pods" in API group "" at the cluster scope`))
			}
			return false, nil, nil
		})
		index := running(t, client)

		const want = `list pods: pods is forbidden: User "system:serviceaccount:pitot:pitot" cannot list resource "pods" ` +
			`in API group "" at the cluster scope (hint: grant list and watch on pods in all namespaces)`
		if err := index.Ready(); err == nil || err.Error() != want {
			t.Errorf("not ready because of:\n%v\nwant:\n%s", err, want)
		}
		forbidden.Delete("pods")
		time.Sleep(5 * time.Minute) // in the bubble: longer than any backoff
		synctest.Wait()
		if err := errors.Join(index.Ready(), index.Err()); err != nil {
			t.Errorf("after the grant: %v", err)
		}
		if diff := cmp.Diff([]string{"web-1"}, index.Of("shop", Workload{"apps", "statefulsets", "web"})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestNotListedYet(t *testing.T) {
	index := New(newClient(), newDiscovery())
	const want = "pods: not listed yet\nreplicasets.apps: not listed yet\njobs.batch: not listed yet"
	if err := index.Ready(); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if err := index.Err(); err != nil {
		t.Errorf("nothing failed, and yet: %v", err)
	}
}

func TestAsksForLivePodsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient()
		selectors := map[string]string{}
		var mu sync.Mutex
		client.PrependReactor("list", "*", func(a clienttesting.Action) (bool, kruntime.Object, error) {
			mu.Lock()
			defer mu.Unlock()
			selectors[a.GetResource().Resource] = a.(clienttesting.ListAction).GetListRestrictions().Fields.String()
			return false, nil, nil
		})
		running(t, client)
		want := map[string]string{"pods": "status.phase!=Failed,status.phase!=Succeeded", "replicasets": "", "jobs": ""}
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(want, selectors); diff != "" {
			t.Errorf("field selectors (-want +got):\n%s", diff)
		}
	})
}

// Readers and the watch at once; the race detector is the judge.
func TestConcurrentUse(t *testing.T) {
	index := New(newClient(), newDiscovery())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				index.Of("shop", deployment("web"))
				index.Live("shop", labels.Everything())
				index.Workloads("shop", "apps", "deployments")
				_ = index.Ready()
			}
		})
	}
	for s := range 3 {
		wg.Go(func() {
			for i := range 200 {
				source := storeOf(index.sources[s])
				o := object([]string{"Pod", "ReplicaSet", "Job"}[s], fmt.Sprintf("shop/o-%d", i%20), fmt.Sprintf("apps/v1 ReplicaSet o-%d", i%7))
				if err := errors.Join(source.Add(o), source.Replace([]any{o}, ""), source.Delete(o)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// A cluster of 10,000 pods in 10 namespaces: 20 pods to a ReplicaSet, ten dead
// ReplicaSets to a live one, eight labels to a pod.
func bigCluster(tb testing.TB) *Index {
	index := New(newClient(), newDiscovery())
	add := func(s cache.ReflectorStore, o *metav1.PartialObjectMetadata) {
		if err := s.Add(o); err != nil {
			tb.Fatal(err)
		}
	}
	for w := range 500 {
		ns := fmt.Sprintf("team-%d", w%10)
		for r := range 11 {
			add(storeOf(index.sources[1]), object("ReplicaSet", fmt.Sprintf("%s/checkout-service-%d-%d", ns, w, r), fmt.Sprintf("apps/v1 Deployment checkout-service-%d", w)))
		}
		for p := range 20 {
			o := object("Pod", fmt.Sprintf("%s/checkout-service-%d-0-%05d", ns, w, p), fmt.Sprintf("apps/v1 ReplicaSet checkout-service-%d-0", w))
			o.Labels = map[string]string{}
			for _, l := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
				"app.kubernetes.io/component", "app.kubernetes.io/managed-by", "helm.sh/chart", "team", "pod-template-hash"} {
				o.Labels[strings.Clone(l)] = fmt.Sprintf("value-%d", w)
			}
			add(storeOf(index.sources[0]), o)
		}
	}
	return index
}

func BenchmarkMemory(b *testing.B) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		index := bigCluster(b)
		b.ReportMetric(float64(heap()-before)/10_000, "B/pod")
		runtime.KeepAlive(index)
	}
}

func BenchmarkOf(b *testing.B) {
	index := bigCluster(b)
	b.ReportAllocs()
	for b.Loop() {
		if len(index.Of("team-7", deployment("checkout-service-7"))) != 20 {
			b.Fatal("not 20 pods")
		}
	}
}

func BenchmarkLive(b *testing.B) {
	index := bigCluster(b)
	selector := labels.SelectorFromSet(labels.Set{"app.kubernetes.io/name": "value-7", "app.kubernetes.io/instance": "value-7"})
	b.ReportAllocs()
	for b.Loop() {
		if len(index.Live("team-7", selector)) != 20 {
			b.Fatal("not 20 pods")
		}
	}
}
