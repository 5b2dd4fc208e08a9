package e2e

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"text/template"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

//go:embed testdata
var testdata embed.FS

// render fills a template of testdata.
func render(file string, values any) (string, error) {
	text, err := template.New(file).Option("missingkey=error").ParseFS(testdata, "testdata/"+file)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = text.ExecuteTemplate(&out, file, values)
	return out.String(), err
}

// atOnce is how many objects are applied side by side.
const atOnce = 8

// apply renders a manifest of testdata and applies each of its documents on the
// server's side, as kubectl apply --server-side does: what has no namespace in
// the order of the file, then the rest in any.
func (c *cluster) apply(t *testing.T, file string, values any) {
	t.Helper()
	objects, err := manifest(file, values)
	if err != nil {
		t.Fatalf("testdata/%s: %v", file, err)
	}
	var applying sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	apply := func(object *unstructured.Unstructured) {
		if err := c.applyObject(c.ctx, object); err != nil {
			t.Errorf("testdata/%s: %v", file, err)
		}
	}
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
	if t.Failed() {
		t.FailNow()
	}
}

// manifest renders a manifest, those without a namespace first.
func manifest(file string, values any) (objects []*unstructured.Unstructured, err error) {
	text, err := render(file, values)
	if err != nil {
		return nil, err
	}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
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

func (c *cluster) applyObject(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	resource := c.dynamic.Resource(mapping.Resource)
	var objects dynamic.ResourceInterface = resource
	if object.GetNamespace() != "" {
		objects = resource.Namespace(object.GetNamespace())
	}
	force := true
	_, err = objects.Patch(ctx, object.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "e2e", Force: &force})
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
	}
	return nil
}
