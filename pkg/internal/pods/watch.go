package pods

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

// finished excludes pods that will never run again. A pod that finishes while
// watched leaves the watch as if deleted.
const finished = "status.phase!=Failed,status.phase!=Succeeded"

// New returns an index of the pods of a whole cluster. It is empty until Run.
//
// The client's account needs list and watch on pods, replicasets.apps and
// jobs.batch in all namespaces.
func New(client metadata.Interface) *Index {
	x := &Index{tree: newTree()}
	x.sources = []*source{
		x.watchPods(client),
		x.watchParents(client, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}),
		x.watchParents(client, schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}),
	}
	return x
}

func (x *Index) watchPods(client metadata.Interface) *source {
	return &source{
		client:   client,
		resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		fields:   finished,
		change:   x.change,
		set: func(t *tree, o *metav1.PartialObjectMetadata) bool {
			return t.setPod(nameOf(o), o.Labels, controllerOf(o))
		},
		delete: func(t *tree, name types.NamespacedName) bool {
			return t.deletePod(name, time.Now())
		},
		held: (*tree).podNames,
	}
}

// watchParents watches a kind of object that stands between pods and workloads.
func (x *Index) watchParents(client metadata.Interface, resource schema.GroupVersionResource) *source {
	child := func(name types.NamespacedName) Workload {
		return Workload{Group: resource.Group, Resource: resource.Resource, Name: name.Name}
	}
	return &source{
		client:   client,
		resource: resource,
		change:   x.change,
		set: func(t *tree, o *metav1.PartialObjectMetadata) bool {
			return t.setParent(o.Namespace, child(nameOf(o)), controllerOf(o))
		},
		delete: func(t *tree, name types.NamespacedName) bool {
			return t.setParent(name.Namespace, child(name), Workload{})
		},
		held: func(t *tree) []types.NamespacedName {
			return t.childNames(resource.GroupResource())
		},
	}
}

// Run lists and watches until ctx is done. What fails is tried again, with
// backoff; what was known stays known meanwhile. Call it once.
func (x *Index) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range x.sources {
		// A reflector writes straight into the tree. An informer would hold every
		// object a second time, in a store that nothing reads.
		reflector := cache.NewReflectorWithOptions(s.listerWatcher(), &metav1.PartialObjectMetadata{}, s,
			cache.ReflectorOptions{Name: "pitot/pods", TypeDescription: s.resource.GroupResource().String()})
		wg.Go(func() { reflector.RunWithContext(ctx) })
	}
	wg.Wait()
}

// Synced reports whether everything was listed at least once. It stays true.
func (x *Index) Synced() bool { return x.Ready() == nil }

// Ready is nil once everything was listed, and says why not before. It has the
// form of a readiness check.
func (x *Index) Ready() error {
	var errs []error
	for _, s := range x.sources {
		errs = append(errs, s.ready())
	}
	return errors.Join(errs...)
}

// Err is nil while everything can be listed and watched. After Ready it says
// why the answers may have become old: the index then stands as it last was.
func (x *Index) Err() error {
	var errs []error
	for _, s := range x.sources {
		errs = append(errs, s.failure())
	}
	return errors.Join(errs...)
}
