package e2e

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// apply renders a manifest of testdata and applies each of its documents on the
// server's side, as kubectl apply --server-side does.
func (c *cluster) apply(t *testing.T, file string, values any) {
	t.Helper()
	text, err := render(file, values)
	if err != nil {
		t.Fatal(err)
	}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
	for {
		var object unstructured.Unstructured
		err := documents.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil && len(object.Object) > 0 {
			err = c.applyObject(c.ctx, &object)
		}
		if err != nil {
			t.Fatalf("testdata/%s: %v", file, err)
		}
	}
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
