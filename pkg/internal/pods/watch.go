package pods

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
)

// finished excludes pods that will never run again. A pod that finishes while
// watched leaves the watch as if deleted.
const finished = "status.phase!=Failed,status.phase!=Succeeded"

// New returns an index of the pods of a whole cluster. It is empty until Run.
//
// The clients' account needs list and watch on pods, replicasets.apps and
// jobs.batch in all namespaces, and to follow Services on
// endpointslices.discovery.k8s.io.
func New(client metadata.Interface, slices discoveryclient.EndpointSlicesGetter) *Index {
	x := newIndex()
	x.sources = []source{
		x.watchPods(client),
		x.watchParents(client, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}),
		x.watchParents(client, schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}),
	}
	x.followable = []source{x.watchSlices(slices)}
	return x
}

func (x *Index) watchPods(client metadata.Interface) source {
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	return &mirror.Source[*metav1.PartialObjectMetadata]{
		Resource:      pods.GroupResource(),
		Client:        client,
		Calls:         mirror.CallsOf(client.Resource(pods)),
		FieldSelector: finished,
		Slim:          slimMetadata,
		Copy: branch[*metav1.PartialObjectMetadata]{
			change: x.change,
			set: func(t *tree, o *metav1.PartialObjectMetadata) {
				t.setPod(mirror.NameOf(o), o.Labels, controllerOf(o))
			},
			delete: func(t *tree, name types.NamespacedName) {
				t.deletePod(name, time.Now())
			},
			held: (*tree).podNames,
		},
	}
}

// watchParents watches a kind of object that stands between pods and workloads.
func (x *Index) watchParents(client metadata.Interface, resource schema.GroupVersionResource) source {
	child := func(name types.NamespacedName) Workload {
		return Workload{Group: resource.Group, Resource: resource.Resource, Name: name.Name}
	}
	return &mirror.Source[*metav1.PartialObjectMetadata]{
		Resource: resource.GroupResource(),
		Client:   client,
		Calls:    mirror.CallsOf(client.Resource(resource)),
		Slim:     slimMetadata,
		Copy: branch[*metav1.PartialObjectMetadata]{
			change: x.change,
			set: func(t *tree, o *metav1.PartialObjectMetadata) {
				t.setParent(o.Namespace, child(mirror.NameOf(o)), controllerOf(o))
			},
			delete: func(t *tree, name types.NamespacedName) {
				t.setParent(name.Namespace, child(name), Workload{})
			},
			held: func(t *tree) []types.NamespacedName {
				return t.childNames(resource.GroupResource())
			},
		},
	}
}

// slimMetadata keeps what says who owns whom.
func slimMetadata(o *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace:       o.Namespace,
		Name:            o.Name,
		ResourceVersion: o.ResourceVersion,
		Labels:          o.Labels,
		OwnerReferences: o.OwnerReferences,
	}}
}

// watchSlices watches the EndpointSlices that are of a Service.
func (x *Index) watchSlices(client discoveryclient.EndpointSlicesGetter) source {
	return &mirror.Source[*discovery.EndpointSlice]{
		Resource:      discovery.Resource("endpointslices"),
		Client:        client,
		Calls:         mirror.CallsOf(client.EndpointSlices(metav1.NamespaceAll)),
		LabelSelector: discovery.LabelServiceName,
		Slim:          slimSlice,
		Copy: branch[*discovery.EndpointSlice]{
			change: x.change,
			set: func(t *tree, o *discovery.EndpointSlice) {
				t.setSlice(mirror.NameOf(o), sliceOf(o), time.Now())
			},
			delete: func(t *tree, name types.NamespacedName) {
				t.deleteSlice(name, time.Now())
			},
			held: (*tree).sliceNames,
		},
	}
}

// slimSlice keeps which pods an EndpointSlice lists for which Service.
func slimSlice(o *discovery.EndpointSlice) *discovery.EndpointSlice {
	slim := &discovery.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace:       o.Namespace,
		Name:            o.Name,
		ResourceVersion: o.ResourceVersion,
		Labels:          map[string]string{discovery.LabelServiceName: o.Labels[discovery.LabelServiceName]},
	}}
	for _, pod := range sliceOf(o).pods {
		slim.Endpoints = append(slim.Endpoints, discovery.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod}})
	}
	return slim
}

// sliceOf takes every endpoint that is a pod of the namespace, whatever its
// conditions.
func sliceOf(o *discovery.EndpointSlice) slice {
	s := slice{service: o.Labels[discovery.LabelServiceName]}
	for _, endpoint := range o.Endpoints {
		ref := endpoint.TargetRef
		if ref != nil && ref.Kind == "Pod" && (ref.Namespace == "" || ref.Namespace == o.Namespace) {
			s.pods = append(s.pods, ref.Name)
		}
	}
	slices.Sort(s.pods)
	s.pods = slices.Compact(s.pods)
	return s
}

// Follow begins to learn the pods of a kind of workload, if that takes more than
// owner references: those of Services. It returns at once, and may be called
// again and before Run. What is followed stays followed.
func (x *Index) Follow(group, resource string) {
	if (Workload{Group: group, Resource: resource}).isService() {
		x.followServices()
	}
}

// Run lists and watches until ctx is done. What fails is tried again, with
// backoff; what was known stays known meanwhile, and Err says why. Call it once.
func (x *Index) Run(ctx context.Context) {
	ctx = klog.NewContext(ctx, klog.Logger{}) // the libraries would log every attempt that fails
	var wg sync.WaitGroup
	for _, s := range x.sources {
		wg.Go(func() { s.Run(ctx) })
	}
	for _, s := range x.followable {
		wg.Go(func() {
			select {
			case <-ctx.Done():
			case <-x.followed:
				s.Run(ctx)
			}
		})
	}
	wg.Wait()
}

// Ready is nil once the pods and their owners were listed, and says why not
// before. It has the form of a readiness check.
func (x *Index) Ready() error { return each(x.sources, source.Ready) }

// Knows is nil once the answers for a kind of workload, or for pods, are
// complete, and says why they are not before. It is Ready but for Services,
// whose EndpointSlices may lack where the rest is complete.
func (x *Index) Knows(group, resource string) error {
	if (Workload{Group: group, Resource: resource}).isService() {
		return each(x.followable, source.Ready)
	}
	return x.Ready()
}

// Err is nil while everything can be listed and watched. After Ready it says
// why the answers may have become old: the index then stands as it last was.
func (x *Index) Err() error {
	return errors.Join(each(x.sources, source.Err), each(x.followable, source.Err))
}

func each(sources []source, check func(source) error) error {
	var errs []error
	for _, s := range sources {
		errs = append(errs, check(s))
	}
	return errors.Join(errs...)
}
