package certs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// APIServiceResource is what the client for APIServices is made for. That client
// is the dynamic one: of an APIService four fields matter here, and its typed
// client is in k8s.io/kube-aggregator, a server with all it depends on.
var APIServiceResource = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// fieldManager owns the caBundle. A tool that applies an APIService without one
// therefore leaves it alone, on the server's side too.
const fieldManager = "pitot"

// SecretResource is what a watch of the Secret is made for.
var SecretResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// Secrets are the calls for the Secret, in its namespace.
type Secrets interface {
	Get(context.Context, string, metav1.GetOptions) (*corev1.Secret, error)
	Update(context.Context, *corev1.Secret, metav1.UpdateOptions) (*corev1.Secret, error)
}

// APIServices are the calls for APIServices, of a dynamic client.
type APIServices interface {
	Get(context.Context, string, metav1.GetOptions, ...string) (*unstructured.Unstructured, error)
	Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (*unstructured.Unstructured, error)
}

// Changes tell that objects changed, without their content, as a metadata client
// does. They may be refused: then changes are seen a while later.
type Changes interface {
	List(context.Context, metav1.ListOptions) (*metav1.PartialObjectMetadataList, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// A cluster makes the calls, each in bounded time.
type cluster struct {
	options     Options
	secrets     Secrets
	apiServices APIServices
}

// read looks at everything. The Secret comes along for a write.
func (c cluster) read(ctx context.Context) (view, *corev1.Secret) {
	v := view{services: make([]apiService, len(c.options.APIServices))}
	var secret *corev1.Secret
	var reads sync.WaitGroup // together, so that a cluster that hangs costs one timeout
	reads.Go(func() { secret = c.readSecret(ctx, &v.secret) })
	for i, name := range c.options.APIServices {
		reads.Go(func() { v.services[i] = c.readAPIService(ctx, name) })
	}
	reads.Wait()
	return v, secret
}

func (c cluster) readSecret(ctx context.Context, v *secretView) *corev1.Secret {
	ctx, cancel := context.WithTimeout(ctx, c.options.callTimeout())
	defer cancel()
	secret, err := c.secrets.Get(ctx, c.options.Secret.Name, metav1.GetOptions{})
	if err != nil {
		v.unread = c.secretError("get", err)
		return nil
	}
	v.authorities, v.flaw = decodeSecret(secret.Data, c.options.Service)
	return secret
}

func (c cluster) secretError(verb string, err error) error {
	wrapped := fmt.Errorf("%s secret %s: %w", verb, c.options.Secret, err)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w (hint: whoever installs Pitot makes it, empty: install again, or kubectl create secret generic -n %s %s)",
			wrapped, c.options.Secret.Namespace, c.options.Secret.Name)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w (hint: grant get, list, watch and update on this secret)", wrapped)
	default:
		return wrapped
	}
}

func (c cluster) readAPIService(ctx context.Context, name string) apiService {
	ctx, cancel := context.WithTimeout(ctx, c.options.callTimeout())
	defer cancel()
	object, err := c.apiServices.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return apiService{name: name, absent: true}
	case err != nil:
		return apiService{name: name, unread: apiServiceError("get", name, err)}
	default:
		return readService(object)
	}
}

func apiServiceError(verb, name string, err error) error {
	wrapped := fmt.Errorf("%s apiservice %s: %w", verb, name, err)
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w (hint: grant get, list, watch and patch on this apiservice)", wrapped)
	}
	return wrapped
}

// readService takes from an APIService what matters. Fields of another type than
// the API's count as absent: kube-apiserver lets none through.
func readService(object *unstructured.Unstructured) apiService {
	text := func(path ...string) string {
		value, _, _ := unstructured.NestedString(object.Object, path...)
		return value
	}
	s := apiService{
		name:    object.GetName(),
		version: object.GetResourceVersion(),
		service: types.NamespacedName{Namespace: text("spec", "service", "namespace"), Name: text("spec", "service", "name")},
	}
	s.insecure, _, _ = unstructured.NestedBool(object.Object, "spec", "insecureSkipTLSVerify")
	s.bundle, _ = base64.StdEncoding.DecodeString(text("spec", "caBundle"))
	return s
}

// writeSecret fills the Secret, unless somebody has written it since it was read.
func (c cluster) writeSecret(ctx context.Context, secret *corev1.Secret, authorities []authority) error {
	content, err := encodeSecret(authorities)
	if err != nil {
		return err
	}
	secret = secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	maps.Copy(secret.Data, content)
	ctx, cancel := context.WithTimeout(ctx, c.options.callTimeout())
	defer cancel()
	if _, err := c.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
		return c.secretError("update", err)
	}
	return nil
}

// writeBundle sets the caBundle, unless somebody has written the APIService
// since it was read: it may lead elsewhere by now.
func (c cluster) writeBundle(ctx context.Context, w bundleWrite) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": w.to.version},
		"spec":     map[string]any{"caBundle": w.bundle},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.callTimeout())
	defer cancel()
	if _, err := c.apiServices.Patch(ctx, w.to.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager}); err != nil {
		return apiServiceError("patch", w.to.name, err)
	}
	return nil
}
