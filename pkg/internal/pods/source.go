package pods

import (
	"context"
	"unique"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
)

// A source is a resource that is mirrored into the tree: a mirror.Source.
type source interface {
	Run(ctx context.Context)
	Ready() error
	Err() error
}

// A branch is what the tree keeps of one resource. It is a mirror.Copy.
type branch[T mirror.Object] struct {
	change func(edit func(*tree))
	set    func(*tree, T)
	delete func(*tree, types.NamespacedName)
	held   func(*tree) []types.NamespacedName // names of this resource in the tree
}

// Set implements mirror.Copy.
func (b branch[T]) Set(o T) { b.change(func(t *tree) { b.set(t, o) }) }

// Delete implements mirror.Copy.
func (b branch[T]) Delete(o T) { b.change(func(t *tree) { b.delete(t, mirror.NameOf(o)) }) }

// Replace implements mirror.Copy.
func (b branch[T]) Replace(objects map[types.NamespacedName]T) {
	b.change(func(t *tree) {
		for _, o := range objects {
			b.set(t, o)
		}
		for _, name := range b.held(t) {
			if _, listed := objects[name]; !listed {
				b.delete(t, name)
			}
		}
	})
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
