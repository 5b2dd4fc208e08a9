package pods

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// watched is a resource that is listed and watched into the tree.
type watched interface {
	run(ctx context.Context)
	ready() error   // nil once it was listed
	failure() error // of the last call
	cache.TransformingStore
}

// A source is one resource that is listed and watched: the far end for a
// reflector, which it tells how to ask, and the near end, which writes what
// came into the tree.
type source[T watchable] struct {
	resource schema.GroupResource
	client   any // that makes the calls
	calls    cache.ListWatch
	fields   string // field selector
	labels   string // label selector

	change func(edit func(*tree))
	slim   func(T) T // what is needed of an object
	set    func(*tree, T)
	delete func(*tree, types.NamespacedName)
	held   func(*tree) []types.NamespacedName // names of this resource in the tree

	mu     sync.Mutex
	listed bool
	err    error // of the last call, nil if it succeeded
}

// watchable is what a list or watch brings.
type watchable interface {
	metav1.Object
	runtime.Object
}

// callsOf are the calls of a client for one resource.
func callsOf[L runtime.Object](all interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}) cache.ListWatch {
	return cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return all.List(ctx, options)
		},
		WatchFuncWithContext: all.Watch,
	}
}

// run lists and watches until ctx is done. A reflector writes straight into the
// tree. An informer would hold every object a second time, in a store that
// nothing reads.
func (s *source[T]) run(ctx context.Context) {
	var example T
	reflector := cache.NewReflectorWithOptions(s.listerWatcher(), example, s,
		cache.ReflectorOptions{Name: "pitot/pods", TypeDescription: s.resource.String()})
	reflector.RunWithContext(ctx)
}

// listerWatcher makes the calls and remembers how the last one went.
func (s *source[T]) listerWatcher() cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (list runtime.Object, err error) {
			options.FieldSelector, options.LabelSelector = s.fields, s.labels
			err = s.persist(ctx, "list", func() (err error) {
				list, err = s.calls.ListWithContextFunc(ctx, options)
				return err
			})
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (w watch.Interface, err error) {
			options.FieldSelector, options.LabelSelector = s.fields, s.labels
			err = s.persist(ctx, "watch", func() (err error) {
				w, err = s.calls.WatchFuncWithContext(ctx, options)
				return err
			})
			return w, err
		},
	}, s.client)
}

// patience is the pause after a call that got no answer.
const patience = time.Second

// persist repeats a call until it is answered. To a cluster that was away this
// index is then back in a second: the reflector would come back in a minute, as
// is right where the answer is a refusal.
func (s *source[T]) persist(ctx context.Context, verb string, call func() error) error {
	for {
		err := call()
		s.called(verb, err)
		var unanswered *url.Error
		if !errors.As(err, &unanswered) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(patience):
		}
	}
}

func (s *source[T]) called(verb string, err error) {
	if err != nil {
		err = fmt.Errorf("%s %s: %w", verb, s.resource, err)
	}
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w (hint: grant list and watch on %s in all namespaces)", err, s.resource)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// ready is nil once the resource was listed, and says why not before.
func (s *source[T]) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.listed:
		return nil
	case s.err != nil:
		return s.err
	default:
		return fmt.Errorf("%s: not listed yet", s.resource)
	}
}

func (s *source[T]) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Add, Update, Delete, Replace and Resync are the cache.ReflectorStore that the
// reflector writes to. There are no tombstones: what vanished unseen is missing
// from the next Replace.

func (s *source[T]) Add(obj any) error {
	o, err := s.objectOf(obj)
	if err != nil {
		return err
	}
	s.change(func(t *tree) { s.set(t, o) })
	return nil
}

func (s *source[T]) Update(obj any) error { return s.Add(obj) }

func (s *source[T]) Delete(obj any) error {
	o, err := s.objectOf(obj)
	if err != nil {
		return err
	}
	s.change(func(t *tree) { s.delete(t, nameOf(o)) })
	return nil
}

// Replace makes the list the truth.
func (s *source[T]) Replace(list []any, _ string) error {
	objects := make(map[types.NamespacedName]T, len(list))
	for _, item := range list {
		o, err := s.objectOf(item)
		if err != nil {
			return err
		}
		objects[nameOf(o)] = o
	}
	s.change(func(t *tree) {
		for _, o := range objects {
			s.set(t, o)
		}
		for _, name := range s.held(t) {
			if _, listed := objects[name]; !listed {
				s.delete(t, name)
			}
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = true
	return nil
}

// Resync has nothing to do.
func (s *source[T]) Resync() error { return nil }

// Transformer keeps a first list small while the reflector gathers it.
func (s *source[T]) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		o, err := s.objectOf(obj)
		if err != nil {
			return nil, err
		}
		return s.slim(o), nil
	}
}

func (s *source[T]) objectOf(obj any) (T, error) {
	o, ok := obj.(T)
	if !ok {
		return o, fmt.Errorf("%T in a watch of %s", obj, s.resource)
	}
	return o, nil
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
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
