package certs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"go.uber.org/zap"
)

// A world is a cluster with one Secret and some APIServices. Unlike client-go's
// fakes it refuses a write to what has changed since it was read, on which the
// replicas rely.
type world struct {
	mu       sync.Mutex
	version  int
	secret   *corev1.Secret // nil: deleted
	services map[string]*unstructured.Unstructured
	watchers []*watcher
	writes   []string // what was written, in order: "secret", "patch v1…"
	// latency is how long a call takes, and fail what becomes of it.
	latency func() time.Duration
	fail    func(replica, verb, object string) error
	// changed is told of every new bundle.
	changed func(name string, bundle []byte)
}

type watcher struct {
	*watch.FakeWatcher
	object string
}

func testOptions() Options {
	return Options{
		Service:     types.NamespacedName{Namespace: "monitoring", Name: "pitot"},
		Secret:      types.NamespacedName{Namespace: "monitoring", Name: "pitot-ca"},
		APIServices: []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"},
		CALife:      time.Minute,
		LeafLife:    20 * time.Second,
	}
}

// newWorld is as a release leaves it: an empty Secret, and APIServices that
// lead to the Service and have no bundle.
func newWorld(o Options) *world {
	w := &world{
		services: map[string]*unstructured.Unstructured{},
		latency:  func() time.Duration { return 5 * time.Millisecond },
		fail:     func(string, string, string) error { return nil },
		changed:  func(string, []byte) {},
	}
	w.release(o)
	for _, name := range o.APIServices {
		w.services[name] = apiServiceObject(name, o.Service)
	}
	return w
}

func apiServiceObject(name string, service types.NamespacedName) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": name, "resourceVersion": "1"},
		"spec":     map[string]any{"service": map[string]any{"namespace": service.Namespace, "name": service.Name, "port": int64(443)}},
	}}
}

// release makes the Secret, empty, as an installation does.
func (w *world) release(o Options) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: o.Secret.Namespace, Name: o.Secret.Name}}
	w.bump(&w.secret.ObjectMeta)
}

func (w *world) bump(meta metav1.Object) {
	w.version++
	meta.SetResourceVersion(strconv.Itoa(w.version))
	for _, watching := range w.watchers {
		if watching.object != meta.GetName() || watching.IsStopped() {
			continue
		}
		watching.Modify(metadataOf(meta))
	}
}

func metadataOf(object metav1.Object) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: object.GetNamespace(), Name: object.GetName(), ResourceVersion: object.GetResourceVersion(),
	}}
}

// editSecret changes the Secret behind everybody's back.
func (w *world) editSecret(edit func(*corev1.Secret)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.secret != nil {
		edit(w.secret)
		w.bump(&w.secret.ObjectMeta)
	}
}

func (w *world) deleteSecret() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secret = nil
}

// setBundle writes a caBundle, as whoever applies a manifest does.
func (w *world) setBundle(name string, bundle []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.putBundle(name, bundle)
}

func (w *world) putBundle(name string, bundle []byte) {
	object := w.services[name]
	if len(bundle) == 0 {
		unstructured.RemoveNestedField(object.Object, "spec", "caBundle")
	} else if err := unstructured.SetNestedField(object.Object, base64.StdEncoding.EncodeToString(bundle), "spec", "caBundle"); err != nil {
		panic(err)
	}
	w.bump(object)
	w.changed(name, bundle)
}

func (w *world) bundle(name string) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return readService(w.services[name]).bundle
}

func (w *world) authorities(t *testing.T, o Options) []authority {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	authorities, err := decodeSecret(w.secret.Data, o.Service)
	if err != nil {
		t.Errorf("secret: %v", err)
	}
	return authorities
}

func (w *world) wrote() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	writes := strings.Join(w.writes, ", ")
	w.writes = nil
	return writes
}

// call takes its time and may fail, after which it holds the lock.
func (w *world) call(ctx context.Context, replica, verb, object string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(w.latency()):
	}
	w.mu.Lock()
	if err := w.fail(replica, verb, object); err != nil {
		w.mu.Unlock()
		if errors.Is(err, context.DeadlineExceeded) {
			<-ctx.Done()
			return ctx.Err()
		}
		return err
	}
	return nil
}

var secretResource = schema.GroupResource{Resource: "secrets"}

// worldSecrets is how a replica sees the Secret.
type worldSecrets struct {
	*world
	replica string
}

func (s worldSecrets) Get(ctx context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	if err := s.call(ctx, s.replica, "get", name); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.secret == nil {
		return nil, apierrors.NewNotFound(secretResource, name)
	}
	return s.secret.DeepCopy(), nil
}

func (s worldSecrets) Update(ctx context.Context, secret *corev1.Secret, _ metav1.UpdateOptions) (*corev1.Secret, error) {
	if err := s.call(ctx, s.replica, "update", secret.Name); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	switch {
	case s.secret == nil:
		return nil, apierrors.NewNotFound(secretResource, secret.Name)
	case s.secret.ResourceVersion != secret.ResourceVersion:
		return nil, apierrors.NewConflict(secretResource, secret.Name, errors.New("modified"))
	}
	s.writes = append(s.writes, "secret")
	s.secret = secret.DeepCopy()
	s.bump(&s.secret.ObjectMeta)
	return s.secret.DeepCopy(), nil
}

// worldChanges is how a replica is told of changes.
type worldChanges struct {
	*world
	replica string
}

// IsWatchListSemanticsUnSupported tells reflectors to list before they watch.
func (worldChanges) IsWatchListSemanticsUnSupported() bool { return true }

func (c worldChanges) List(ctx context.Context, options metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	name := strings.TrimPrefix(options.FieldSelector, "metadata.name=")
	if err := c.call(ctx, c.replica, "list", name); err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	list := &metav1.PartialObjectMetadataList{}
	if c.secret != nil && c.secret.Name == name {
		list.Items = append(list.Items, *metadataOf(c.secret))
	}
	if object := c.services[name]; object != nil {
		list.Items = append(list.Items, *metadataOf(object))
	}
	return list, nil
}

func (c worldChanges) Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	name := strings.TrimPrefix(options.FieldSelector, "metadata.name=")
	if err := c.call(ctx, c.replica, "watch", name); err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	watching := &watcher{watch.NewFakeWithChanSize(10_000, false), name}
	c.watchers = append(c.watchers, watching)
	return watching, nil
}

// worldServices is how a replica sees the APIServices.
type worldServices struct {
	*world
	replica string
}

func (s worldServices) Get(ctx context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	if err := s.call(ctx, s.replica, "get", name); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.services[name] == nil {
		return nil, apierrors.NewNotFound(APIServiceResource.GroupResource(), name)
	}
	return s.services[name].DeepCopy(), nil
}

func (s worldServices) Patch(ctx context.Context, name string, _ types.PatchType, patch []byte, _ metav1.PatchOptions, _ ...string) (*unstructured.Unstructured, error) {
	if err := s.call(ctx, s.replica, "patch", name); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var want struct {
		Metadata struct{ ResourceVersion string }
		Spec     struct{ CABundle []byte }
	}
	if err := json.Unmarshal(patch, &want); err != nil {
		return nil, err
	}
	if s.services[name].GetResourceVersion() != want.Metadata.ResourceVersion {
		return nil, apierrors.NewConflict(APIServiceResource.GroupResource(), name, errors.New("modified"))
	}
	s.writes = append(s.writes, "patch "+name)
	s.putBundle(name, want.Spec.CABundle)
	return s.services[name].DeepCopy(), nil
}

// A replica is a keeper that runs, with a clock of its own.
type replica struct {
	name   string
	keeper *Keeper
	stop   func() // returns when it has stopped
	mu     sync.Mutex
	ahead  time.Duration
}

func (r *replica) setClock(ahead time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead = ahead
}

func (r *replica) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

// leaf is what the replica serves; nil before it is signed.
func (r *replica) leaf() *leaf {
	r.keeper.mu.Lock()
	defer r.keeper.mu.Unlock()
	if !r.keeper.signed {
		return nil
	}
	return r.keeper.served
}

// start runs a replica until the test ends or it is stopped.
func (w *world) start(t *testing.T, o Options, name string, ahead time.Duration) *replica {
	t.Helper()
	r := &replica{name: name, ahead: ahead}
	keeper, err := New(o, Deps{
		Secrets: worldSecrets{w, name}, SecretChanges: worldChanges{w, name},
		APIServices: worldServices{w, name}, APIServiceChanges: worldChanges{w, name},
		Log: zap.NewNop(), Now: r.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.keeper = keeper
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keeper.Run(ctx); close(done) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	return r
}

// between returns a random duration.
func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(rng.Int64N(int64(high-low)))
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func seconds(start time.Time) string { return fmt.Sprintf("t=%.2fs", time.Since(start).Seconds()) }
