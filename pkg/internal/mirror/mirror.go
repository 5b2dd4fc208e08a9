// Package mirror keeps a copy of what a cluster holds of one resource, up to
// date, and of each object only what the copy needs.
//
//	source := &mirror.Source[*autoscaling.HorizontalPodAutoscaler]{Resource: …, Calls: mirror.CallsOf(client.…), Copy: copy}
//	go source.Run(ctx)
//	// once source.Ready() == nil, copy holds all there is
//
// It is a client-go reflector that writes straight into the copy: an informer
// would hold every object a second time, in a store that nothing reads.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// An Object is what a list or watch brings.
type Object interface {
	metav1.Object
	runtime.Object
}

// A Copy is what a Source writes to, one call at a time.
type Copy[T Object] interface {
	// Set is told of an object that is new or has changed.
	Set(T)
	// Delete is told of an object that is gone.
	Delete(T)
	// Replace is told of all the objects there are: what is not among them is gone.
	Replace(map[types.NamespacedName]T)
}

// A Source is one resource that is listed and watched into a Copy: the far end
// for a reflector, which it tells how to ask, and the near end that it writes
// to. Set the fields, then call Run.
type Source[T Object] struct {
	Resource  schema.GroupResource // for messages
	Namespace string               // for messages; "": all
	Client    any                  // that makes the Calls
	Calls     cache.ListWatch
	// FieldSelector and LabelSelector narrow what is asked for.
	FieldSelector, LabelSelector string
	// Slim returns what the Copy needs of an object: namespace, name and
	// resource version at least. It keeps a first list small while it is gathered.
	Slim func(T) T
	Copy Copy[T]

	mu     sync.Mutex
	listed bool
	err    error // of the last call, nil if it succeeded
}

// CallsOf are the calls of a typed client for one resource.
func CallsOf[L runtime.Object](all interface {
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

// Run lists and watches until ctx is done. What fails is tried again, with
// backoff; what was known stays known meanwhile. Call it once.
func (s *Source[T]) Run(ctx context.Context) {
	var example T
	reflector := cache.NewReflectorWithOptions(s.listerWatcher(), example, s,
		cache.ReflectorOptions{Name: "pitot", TypeDescription: s.Resource.String()})
	reflector.RunWithContext(ctx)
}

// Ready is nil once the resource was listed, and says why not before.
func (s *Source[T]) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.listed:
		return nil
	case s.err != nil:
		return s.err
	default:
		return fmt.Errorf("%s: not listed yet", s.Resource)
	}
}

// Err is nil while the resource can be listed and watched. After Ready it says
// why the Copy may have become old.
func (s *Source[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// listerWatcher makes the calls and remembers how the last one went.
func (s *Source[T]) listerWatcher() cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (list runtime.Object, err error) {
			options.FieldSelector, options.LabelSelector = s.FieldSelector, s.LabelSelector
			err = s.persist(ctx, "list", func() (err error) {
				list, err = s.Calls.ListWithContextFunc(ctx, options)
				return err
			})
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (w watch.Interface, err error) {
			options.FieldSelector, options.LabelSelector = s.FieldSelector, s.LabelSelector
			err = s.persist(ctx, "watch", func() (err error) {
				w, err = s.Calls.WatchFuncWithContext(ctx, options)
				return err
			})
			return w, err
		},
	}, s.Client)
}

// patience is the pause after a call that got no answer.
const patience = time.Second

// persist repeats a call until it is answered. When a cluster comes that was
// away, its copy is there in a second: the reflector would come back in a minute,
// as is right where the answer is a refusal.
func (s *Source[T]) persist(ctx context.Context, verb string, call func() error) error {
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

func (s *Source[T]) called(verb string, err error) {
	if err != nil {
		err = fmt.Errorf("%s %s: %w", verb, s.Resource, err)
	}
	if apierrors.IsForbidden(err) {
		where := "all namespaces"
		if s.Namespace != "" {
			where = "namespace " + s.Namespace
		}
		err = fmt.Errorf("%w (hint: grant list and watch on %s in %s)", err, s.Resource, where)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// NameOf is the namespace and name of an object.
func NameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}
