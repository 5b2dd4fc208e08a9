package mirror

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// A Source is the store that its reflector writes to. There are no tombstones:
// what vanished unseen is missing from the next Replace.
var _ cache.TransformingStore = (*Source[Object])(nil)

// Add hands an object on to the Copy.
func (s *Source[T]) Add(obj any) error {
	o, err := s.objectOf(obj)
	if err != nil {
		return err
	}
	s.Copy.Set(o)
	return nil
}

// Update is Add.
func (s *Source[T]) Update(obj any) error { return s.Add(obj) }

// Delete takes an object from the Copy.
func (s *Source[T]) Delete(obj any) error {
	o, err := s.objectOf(obj)
	if err != nil {
		return err
	}
	s.Copy.Delete(o)
	return nil
}

// Replace makes the list the truth.
func (s *Source[T]) Replace(list []any, _ string) error {
	objects := make(map[types.NamespacedName]T, len(list))
	for _, item := range list {
		o, err := s.objectOf(item)
		if err != nil {
			return err
		}
		objects[NameOf(o)] = o
	}
	s.Copy.Replace(objects)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = true
	return nil
}

// Resync has nothing to do.
func (s *Source[T]) Resync() error { return nil }

// Transformer applies Slim.
func (s *Source[T]) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		o, err := s.objectOf(obj)
		if err != nil {
			return nil, err
		}
		return s.Slim(o), nil
	}
}

func (s *Source[T]) objectOf(obj any) (T, error) {
	o, ok := obj.(T)
	if !ok {
		return o, fmt.Errorf("%T in a watch of %s", obj, s.Resource)
	}
	return o, nil
}
