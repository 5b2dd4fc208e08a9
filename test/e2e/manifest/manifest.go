// Package manifest reads manifests and applies them as kubectl apply
// --server-side does.
package manifest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Decode returns the objects of a manifest, those without a namespace first.
func Decode(text string) (objects []*unstructured.Unstructured, err error) {
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := documents.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int {
		return min(len(a.GetNamespace()), 1) - min(len(b.GetNamespace()), 1)
	})
	return objects, nil
}

// fieldManager owns what an Applier applies.
const fieldManager = "e2e"

// atOnce is how many objects are applied side by side.
const atOnce = 8

// An Applier applies objects to one cluster.
type Applier struct {
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// NewApplier returns an Applier that acts as the client.
func NewApplier(client *rest.Config) (*Applier, error) {
	typed, err := kubernetes.NewForConfig(client)
	if err != nil {
		return nil, err
	}
	dynamic, err := dynamic.NewForConfig(client)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(typed.Discovery()))
	return &Applier{dynamic: dynamic, mapper: mapper}, nil
}

// Serves says why objects of a kind cannot be applied yet.
func (a *Applier) Serves(kind schema.GroupKind) error {
	a.mapper.Reset()
	_, err := a.mapper.RESTMapping(kind)
	return err
}

// Apply applies every object of a manifest: what has no namespace in the order
// of the text, then the rest in any.
func (a *Applier) Apply(ctx context.Context, text string) error {
	objects, err := Decode(text)
	if err != nil {
		return err
	}
	var (
		applying sync.WaitGroup
		mu       sync.Mutex
		problems []error
	)
	apply := func(object *unstructured.Unstructured) {
		if err := a.Object(ctx, object); err != nil {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, err)
		}
	}
	slots := make(chan struct{}, atOnce)
	for _, object := range objects {
		if object.GetNamespace() == "" {
			apply(object)
			continue
		}
		slots <- struct{}{}
		applying.Go(func() {
			defer func() { <-slots }()
			apply(object)
		})
	}
	applying.Wait()
	return errors.Join(problems...)
}

// Object applies one object, and takes over the fields that others own.
func (a *Applier) Object(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	resource := a.dynamic.Resource(mapping.Resource)
	var objects dynamic.ResourceInterface = resource
	if object.GetNamespace() != "" {
		objects = resource.Namespace(object.GetNamespace())
	}
	force := true
	_, err = objects.Patch(ctx, object.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
	}
	return nil
}
