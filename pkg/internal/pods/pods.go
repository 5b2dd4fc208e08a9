// Package pods knows which pods a cluster runs and which workload each belongs
// to, and answers from memory.
//
//	index := pods.New(metadataClient, client.DiscoveryV1())
//	go index.Run(ctx)
//	// once index.Ready() == nil:
//	names := index.Of("shop", pods.Workload{Group: "apps", Resource: "deployments", Name: "web"})
//
// Static makes an index of given pods, for use without a cluster.
//
// # What is a live pod
//
// Every pod whose phase is neither Succeeded nor Failed: a pending pod counts
// (it has no series, so no value is made up for it), and so does a pod that is
// being deleted, until it is gone. A terminating pod still finishes requests,
// and the load it carries is load of the workload. Where the
// HorizontalPodAutoscaler wants terminating pods left out, in Pods metrics, it
// drops them itself.
//
// # What belongs to a workload
//
// The pods whose controller (the owner reference with controller: true) is the
// workload, and the pods whose controller is a ReplicaSet or a Job whose
// controller is the workload. That covers the built-in kinds and every custom
// resource that owns pods or ReplicaSets directly. An owner's kind becomes a
// resource by the rules of English plurals, as in Kubernetes' own clients; a
// resource with an irregular plural is not found. A kind need not be known in
// advance: a custom resource that is installed later is found with its first pod.
//
// To a Service belong the pods that its EndpointSlices list, ready or not,
// terminating ones included: whatever can still carry its load. A pod leaves a
// Service with its last EndpointSlice, by the pod's end or by a change of labels.
//
// # What it costs
//
// Metadata of pods, ReplicaSets and Jobs is listed once and then watched. Of a
// pod its name, labels and controller are kept, of the others who controls
// them. Pods with the same labels and controller share the labels. EndpointSlices
// are listed and watched from the first Follow of Services on, and of each the
// Service and the names of its pods are kept.
package pods

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// A Workload names the object that runs pods. The namespace is that of its
// pods. Resource is the plural, as in "deployments"; Group is "" for core
// Kubernetes.
type Workload struct {
	Group    string
	Resource string
	Name     string
}

// isService reports whether the workload is a Service, which owns no pods.
func (w Workload) isService() bool { return w.Group == "" && w.Resource == "services" }

// in is the workload's name and namespace.
func (w Workload) in(namespace string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: w.Name}
}

// A Pod is one pod of a Static index.
type Pod struct {
	Namespace string
	Name      string
	Labels    map[string]string
	Owner     Workload // the zero Workload: none
}

// An Index answers which pods exist. Its methods may be called concurrently.
type Index struct {
	mu   sync.RWMutex
	tree tree

	sources        []source
	followable     []source      // those behind Services: watched once followed
	followed       chan struct{} // closed by followServices
	followServices func()        // may be called again
}

func newIndex() *Index {
	x := &Index{tree: newTree(), followed: make(chan struct{})}
	x.followServices = sync.OnceFunc(func() { close(x.followed) })
	return x
}

// Static returns an index of the given pods. It is ready and never changes.
func Static(pods ...Pod) *Index {
	x := newIndex()
	for _, p := range pods {
		x.tree.setPod(types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, p.Labels, p.Owner)
	}
	return x
}

// Live returns the names of the live pods of a namespace whose labels match the
// selector, sorted. It is nil if there are none.
func (x *Index) Live(namespace string, selector labels.Selector) []string {
	x.mu.RLock()
	names := x.tree.live(namespace, selector)
	x.mu.RUnlock()
	slices.Sort(names)
	return names
}

// Len is the number of live pods that are known.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tree.len()
}

// Of returns the names of the live pods of a workload, sorted. It is nil if
// there are none, or no such workload.
func (x *Index) Of(namespace string, w Workload) []string {
	x.mu.RLock()
	names := x.tree.of(namespace, w)
	x.mu.RUnlock()
	slices.Sort(names)
	return slices.Compact(names)
}

// Memory is how long a pod that is gone is remembered.
const Memory = time.Hour

// Departed returns the names of the pods that left a workload at or after a
// time, sorted, as far as Memory and this process go back. What they counted
// before is still in a rate over that time, and was load of the workload.
func (x *Index) Departed(namespace string, w Workload, since time.Time) []string {
	x.mu.RLock()
	names := x.tree.departedFrom(namespace, w, since)
	x.mu.RUnlock()
	slices.Sort(names)
	return names
}

// Workloads returns the names of the workloads of a kind that have a live pod
// in the namespace, sorted.
func (x *Index) Workloads(namespace, group, resource string) []string {
	x.mu.RLock()
	names := x.tree.workloads(namespace, group, resource)
	x.mu.RUnlock()
	slices.Sort(names)
	return slices.Compact(names)
}

// change applies edit.
func (x *Index) change(edit func(*tree)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	edit(&x.tree)
}
