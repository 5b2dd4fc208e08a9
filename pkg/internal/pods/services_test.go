package pods

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	fakediscovery "k8s.io/client-go/kubernetes/typed/discovery/v1/fake"
	clienttesting "k8s.io/client-go/testing"
)

var sliceGVR = discovery.SchemeGroupVersion.WithResource("endpointslices")

// A fakeDiscovery is an API server that holds EndpointSlices.
type fakeDiscovery struct {
	fakediscovery.FakeDiscoveryV1
	tracker clienttesting.ObjectTracker

	mu        sync.Mutex
	forbidden bool
	selector  string // of the last list
	calls     int
}

// IsWatchListSemanticsUnSupported tells reflectors to list before they watch.
func (d *fakeDiscovery) IsWatchListSemanticsUnSupported() bool { return true }

func newDiscovery(slices ...*discovery.EndpointSlice) *fakeDiscovery {
	d := &fakeDiscovery{tracker: clienttesting.NewObjectTracker(scheme.Scheme, scheme.Codecs.UniversalDecoder())}
	d.Fake = &clienttesting.Fake{}
	d.AddReactor("list", "*", func(a clienttesting.Action) (bool, kruntime.Object, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls++
		d.selector = a.(clienttesting.ListAction).GetListRestrictions().Labels.String()
		if d.forbidden {
			return true, nil, apierrors.NewForbidden(sliceGVR.GroupResource(), "", errors.New("no right to list"))
		}
		return false, nil, nil
	})
	d.AddReactor("*", "*", clienttesting.ObjectReaction(d.tracker))
	d.AddWatchReactor("*", func(clienttesting.Action) (bool, kwatch.Interface, error) {
		w, err := d.tracker.Watch(sliceGVR, "")
		return true, w, err
	})
	for _, s := range slices {
		if err := d.tracker.Add(s); err != nil {
			panic(err)
		}
	}
	return d
}

func (d *fakeDiscovery) forbid(forbidden bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forbidden = forbidden
}

func (d *fakeDiscovery) listed() (calls int, selector string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls, d.selector
}

// endpoints is an EndpointSlice such as "shop/web-a" of Service "web" with pods.
// A pod with a mark is "web-1 terminating" or "web-1 unready".
func endpoints(name, service string, pods ...string) *discovery.EndpointSlice {
	namespace, name, _ := strings.Cut(name, "/")
	o := &discovery.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if service != "" {
		o.Labels = map[string]string{discovery.LabelServiceName: service}
	}
	for _, pod := range pods {
		pod, mark, _ := strings.Cut(pod, " ")
		ready, terminating := mark == "", mark == "terminating"
		o.Endpoints = append(o.Endpoints, discovery.Endpoint{
			Addresses:  []string{"10.0.0.1"},
			Conditions: discovery.EndpointConditions{Ready: &ready, Serving: &ready, Terminating: &terminating},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod, UID: "a-uid"},
		})
	}
	return o
}

// following runs an index that follows Services.
func following(t *testing.T, d *fakeDiscovery) *Index {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	index := New(newClient(), d)
	index.Follow("", "services")
	done := make(chan struct{})
	go func() { index.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return index
}

func service(name string) Workload { return Workload{Resource: "services", Name: name} }

func TestPodsOfAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stranger := endpoints("shop/web-manual", "web")
		stranger.Endpoints = []discovery.Endpoint{
			{Addresses: []string{"10.0.0.9"}},
			{TargetRef: &corev1.ObjectReference{Kind: "Node", Name: "node-1"}},
			{TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "other", Name: "foreign"}},
			{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "local"}},
		}
		index := following(t, newDiscovery(
			endpoints("shop/web-ipv4", "web", "web-2", "web-1", "web-3 unready", "web-4 terminating"),
			endpoints("shop/web-ipv6", "web", "web-1", "web-2"),
			endpoints("shop/web-more", "web", "web-5"),
			endpoints("shop/api-x", "api", "web-1", "api-1"),
			endpoints("shop/idle-x", "idle"),
			endpoints("shop/unlabelled", "", "web-9"),
			endpoints("other/web-ipv4", "web", "web-7"),
			endpoints("other/shy-x", "shy", "shy-1"),
			stranger,
		))
		if err := index.Knows("", "services"); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			namespace string
			of        Workload
			want      []string
		}{
			{"shop", service("web"), []string{"local", "web-1", "web-2", "web-3", "web-4", "web-5"}},
			{"shop", service("api"), []string{"api-1", "web-1"}},
			{"shop", service("idle"), nil},
			{"shop", service("nobody"), nil},
			{"other", service("web"), []string{"web-7"}},
			{"nowhere", service("web"), nil},
			{"shop", Workload{"serving.knative.dev", "services", "web"}, nil}, // the group counts
			{"shop", service(""), nil},
		} {
			if diff := cmp.Diff(test.want, index.Of(test.namespace, test.of)); diff != "" {
				t.Errorf("pods of %v in %s (-want +got):\n%s", test.of, test.namespace, diff)
			}
		}
		if diff := cmp.Diff([]string{"api", "web"}, index.Workloads("shop", "", "services")); diff != "" {
			t.Errorf("Services (-want +got):\n%s", diff)
		}
		if got := index.Workloads("shop", "serving.knative.dev", "services"); got != nil {
			t.Errorf("of another group: %v", got)
		}
	})
}

// A pod that leaves a Service took part in its load until then, whether it ends
// or lives on with other labels.
func TestPodsThatLeaveAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiscovery(endpoints("shop/web-a", "web", "web-1", "web-2", "web-3"))
		index := following(t, d)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		update := func(o *discovery.EndpointSlice) { t.Helper(); must(d.tracker.Update(sliceGVR, o, "shop")) }
		step := func(what, members, departed string) {
			t.Helper()
			if got := strings.Join(index.Of("shop", service("web")), " "); got != members {
				t.Errorf("%s: pods %q, want %q", what, got, members)
			}
			if got := strings.Join(index.Departed("shop", service("web"), time.Now().Add(-time.Minute)), " "); got != departed {
				t.Errorf("%s: departed %q, want %q", what, got, departed)
			}
		}
		step("at first", "web-1 web-2 web-3", "")
		update(endpoints("shop/web-a", "web", "web-1", "web-2"))
		step("one is gone", "web-1 web-2", "web-3")
		must(d.tracker.Create(sliceGVR, endpoints("shop/web-b", "web", "web-2", "web-4"), "shop"))
		step("a second slice, which repeats a pod", "web-1 web-2 web-4", "web-3")
		update(endpoints("shop/web-a", "web", "web-1"))
		step("a pod that is still in the other slice", "web-1 web-2 web-4", "web-3")
		update(endpoints("shop/web-a", "web", "web-1", "web-3"))
		step("a pod that came back", "web-1 web-2 web-3 web-4", "")
		must(d.tracker.Delete(sliceGVR, "shop", "web-b"))
		step("a slice is gone", "web-1 web-3", "web-2 web-4")
		time.Sleep(2 * time.Minute)
		step("later", "web-1 web-3", "")
		update(endpoints("shop/web-a", "other", "web-1"))
		step("a slice that went to another Service", "", "web-1 web-3")
		if got := index.Of("shop", service("other")); !slices.Equal(got, []string{"web-1"}) {
			t.Errorf("pods of the other Service: %v", got)
		}

		must(d.tracker.Delete(sliceGVR, "shop", "web-a"))
		time.Sleep(Memory + time.Minute)
		must(d.tracker.Create(sliceGVR, endpoints("shop/api", "api"), "shop"))
		if left := index.tree.services.left; len(left) != 0 {
			t.Errorf("remembered for more than %s: %v", Memory, left)
		}
	})
}

func TestServicesAreWatchedOnlyWhenFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiscovery(endpoints("shop/web-a", "web", "web-1"))
		ctx, cancel := context.WithCancel(t.Context())
		index := New(newClient(), d)
		index.Follow("apps", "deployments")
		done := make(chan struct{})
		go func() { index.Run(ctx); close(done) }()
		synctest.Wait()
		if n, _ := d.listed(); n != 0 {
			t.Errorf("%d lists of EndpointSlices that no rule needs", n)
		}
		if err := index.Ready(); err != nil {
			t.Errorf("not ready without them: %v", err)
		}
		const want = "endpointslices.discovery.k8s.io: not listed yet"
		if err := index.Knows("", "services"); err == nil || err.Error() != want {
			t.Errorf("knows Services: %v, want %s", err, want)
		}
		for range 3 {
			index.Follow("", "services")
		}
		synctest.Wait()
		if n, selector := d.listed(); n != 1 || selector != "kubernetes.io/service-name" {
			t.Errorf("%d lists of EndpointSlices with selector %q, want one", n, selector)
		}
		if err := index.Knows("", "services"); err != nil {
			t.Error(err)
		}
		if got := index.Of("shop", service("web")); !slices.Equal(got, []string{"web-1"}) {
			t.Errorf("pods %v", got)
		}
		cancel()
		<-done
	})
}

func TestSaysWhatToGrantForServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiscovery(endpoints("shop/web-a", "web", "web-1"))
		d.forbid(true)
		index := following(t, d)
		const want = "list endpointslices.discovery.k8s.io: endpointslices.discovery.k8s.io is forbidden: no right to list " +
			"(hint: grant list and watch on endpointslices.discovery.k8s.io in all namespaces)"
		if err := index.Knows("", "services"); err == nil || err.Error() != want {
			t.Errorf("knows Services: %v\nwant %s", err, want)
		}
		if err := index.Err(); err == nil || err.Error() != want {
			t.Errorf("Err: %v\nwant %s", err, want)
		}
		if err := errors.Join(index.Ready(), index.Knows("", "pods"), index.Knows("apps", "deployments")); err != nil {
			t.Errorf("what owners tell is known without EndpointSlices, and yet: %v", err)
		}
		d.forbid(false)
		time.Sleep(5 * time.Minute) // in the bubble: longer than any backoff
		synctest.Wait()
		if err := errors.Join(index.Knows("", "services"), index.Err()); err != nil {
			t.Errorf("after the grant: %v", err)
		}
	})
}

// After a broken watch comes a list, from which the vanished are missing.
func TestSlicesThatVanishedUnseenAreForgotten(t *testing.T) {
	index := New(newClient(), newDiscovery())
	source := storeOf(index.followable[0])
	if err := source.Replace([]any{endpoints("shop/web-a", "web", "web-1"), endpoints("shop/web-b", "web", "web-2")}, ""); err != nil {
		t.Fatal(err)
	}
	if err := source.Replace([]any{endpoints("shop/web-b", "web", "web-2")}, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"web-2"}, index.Of("shop", service("web"))); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"web-1"}, index.Departed("shop", service("web"), time.Time{})); diff != "" {
		t.Errorf("departed (-want +got):\n%s", diff)
	}
	if err := source.Add(object("Pod", "shop/web-1", "")); err == nil {
		t.Error("a pod passes for an EndpointSlice")
	}
}

func TestOnlyPodsAreKeptOfAList(t *testing.T) {
	source := storeOf(New(newClient(), newDiscovery()).followable[0])
	full := endpoints("shop/web-a", "web", "web-2 unready", "web-1")
	full.ResourceVersion = "7"
	full.Labels["app"] = "web"
	full.OwnerReferences = []metav1.OwnerReference{{Kind: "Service", Name: "web"}}
	want := &discovery.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-a", ResourceVersion: "7", Labels: map[string]string{discovery.LabelServiceName: "web"}},
		Endpoints: []discovery.Endpoint{
			{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "web-1"}},
			{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "web-2"}},
		},
	}
	got, err := source.Transformer()(full)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Whatever slices say in whatever order, a Service has the pods that the last
// word of each slice names, and a pod is departed or a member, never both.
func TestSlicesAgainstTheObviousWay(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		s := newServices()
		last := map[string]slice{}
		ever := map[string]map[string]bool{"a": {}, "b": {}}
		for step := range 40 {
			name, now := fmt.Sprintf("slice-%d", rng.IntN(4)), slice{}
			if rng.IntN(5) > 0 {
				now.service = string(rune('a' + rng.IntN(2)))
				for pod := range 5 {
					if rng.IntN(2) == 0 {
						now.pods = append(now.pods, fmt.Sprintf("pod-%d", pod))
						ever[now.service][fmt.Sprintf("pod-%d", pod)] = true
					}
				}
			}
			last[name] = now
			s.set(types.NamespacedName{Namespace: "shop", Name: name}, now, time.Unix(int64(step), 0))
			for _, service := range []string{"a", "b"} {
				want := map[string]string{}
				for pod := range ever[service] {
					want[pod] = "departed"
				}
				for _, said := range last {
					for _, pod := range said.pods {
						if said.service == service {
							want[pod] = "member"
						}
					}
				}
				got := map[string]string{}
				for _, pod := range s.departed(types.NamespacedName{Namespace: "shop", Name: service}, time.Time{}) {
					got[pod] = "departed"
				}
				for _, pod := range s.pods(types.NamespacedName{Namespace: "shop", Name: service}) {
					got[pod] += "member"
					got[pod] = strings.ReplaceAll(got[pod], "membermember", "member")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("Service %s -want +got\n%s", service, diff)
				}
			}
		}
		for name := range last {
			s.set(types.NamespacedName{Namespace: "shop", Name: name}, slice{}, time.Unix(40, 0))
		}
		s.forgetDeparted(time.Unix(41, 0))
		if len(s.slices)+len(s.slicesOf)+len(s.left) != 0 {
			t.Fatalf("something is left of nothing: %+v", s)
		}
	}
}
