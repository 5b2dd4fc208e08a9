package pods

import (
	"context"
	"fmt"
	"sync"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

// A source is one resource that is listed and watched: the far end for a
// reflector, which it tells how to ask, and the near end, which writes what
// came into the tree.
type source struct {
	client   metadata.Interface
	resource schema.GroupVersionResource
	fields   string // field selector

	change func(edit func(*tree) bool)
	set    func(*tree, *metav1.PartialObjectMetadata) bool
	delete func(*tree, types.NamespacedName) bool
	held   func(*tree) []types.NamespacedName // names of this resource in the tree

	mu     sync.Mutex
	listed bool
	err    error // of the last call, nil if it succeeded
}

// listerWatcher makes the calls and remembers how the last one went.
func (s *source) listerWatcher() cache.ListerWatcher {
	all := s.client.Resource(s.resource)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = s.fields
			list, err := all.List(ctx, options)
			s.called("list", err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = s.fields
			w, err := all.Watch(ctx, options)
			s.called("watch", err)
			return w, err
		},
	}, s.client)
}

func (s *source) called(verb string, err error) {
	if err != nil {
		err = fmt.Errorf("%s %s: %w", verb, s.resource.GroupResource(), err)
	}
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w (hint: grant list and watch on %s in all namespaces)", err, s.resource.GroupResource())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// ready is nil once the resource was listed, and says why not before.
func (s *source) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.listed:
		return nil
	case s.err != nil:
		return s.err
	default:
		return fmt.Errorf("%s: not listed yet", s.resource.GroupResource())
	}
}

func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Add, Update, Delete, Replace and Resync are the cache.ReflectorStore that the
// reflector writes to. There are no tombstones: what vanished unseen is missing
// from the next Replace.

func (s *source) Add(obj any) error {
	o, err := metadataOf(obj)
	if err != nil {
		return err
	}
	s.change(func(t *tree) bool { return s.set(t, o) })
	return nil
}

func (s *source) Update(obj any) error { return s.Add(obj) }

func (s *source) Delete(obj any) error {
	o, err := metadataOf(obj)
	if err != nil {
		return err
	}
	s.change(func(t *tree) bool { return s.delete(t, nameOf(o)) })
	return nil
}

// Replace makes the list the truth.
func (s *source) Replace(list []any, _ string) error {
	objects := make(map[types.NamespacedName]*metav1.PartialObjectMetadata, len(list))
	for _, item := range list {
		o, err := metadataOf(item)
		if err != nil {
			return err
		}
		objects[nameOf(o)] = o
	}
	s.change(func(t *tree) (changed bool) {
		for _, o := range objects {
			changed = s.set(t, o) || changed
		}
		for _, name := range s.held(t) {
			if objects[name] == nil {
				changed = s.delete(t, name) || changed
			}
		}
		return changed
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = true
	return nil
}

// Resync has nothing to do.
func (s *source) Resync() error { return nil }

// Transformer keeps a first list small while the reflector gathers it.
func (s *source) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		o, err := metadataOf(obj)
		if err != nil {
			return nil, err
		}
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace:       o.Namespace,
			Name:            o.Name,
			ResourceVersion: o.ResourceVersion,
			Labels:          o.Labels,
			OwnerReferences: o.OwnerReferences,
		}}, nil
	}
}

func metadataOf(obj any) (*metav1.PartialObjectMetadata, error) {
	o, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, fmt.Errorf("%T in a watch of metadata", obj)
	}
	return o, nil
}

func nameOf(o *metav1.PartialObjectMetadata) types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

// controllerOf is the workload that controls o, or the zero Workload.
func controllerOf(o *metav1.PartialObjectMetadata) Workload {
	ref := metav1.GetControllerOfNoCopy(o)
	if ref == nil {
		return Workload{}
	}
	kind := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	// Thousands of pods name the same controller, each in its own bytes.
	intern := func(s string) string { return unique.Make(s).Value() }
	return Workload{Group: intern(plural.Group), Resource: intern(plural.Resource), Name: intern(ref.Name)}
}
