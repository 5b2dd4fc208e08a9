package app

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/pitot-autoscaling/pitot/pkg/internal/certs"
)

// A tinyCluster is the part of kube-apiserver that certificates need, over HTTP.
// It has no watches.
type tinyCluster struct {
	t       *testing.T
	mu      sync.Mutex
	version int
	secret  *corev1.Secret
	service *unstructured.Unstructured
	asked   map[string]bool // "GET /api/v1/…"
	manager string          // of the caBundle
	refuses bool            // to change anything
}

const (
	tinySecret  = "/api/v1/namespaces/monitoring/secrets/pitot-ca"
	tinyService = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.custom.metrics.k8s.io"
)

func newTinyCluster(t *testing.T) *tinyCluster {
	return &tinyCluster{
		t: t, asked: map[string]bool{},
		secret: &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "pitot-ca", ResourceVersion: "1", Labels: map[string]string{"app": "pitot"}},
		},
		service: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
			"metadata": map[string]any{"name": "v1beta1.custom.metrics.k8s.io", "resourceVersion": "1"},
			"spec":     map[string]any{"service": map[string]any{"namespace": "monitoring", "name": "pitot"}},
		}},
	}
}

// ServeHTTP implements http.Handler.
func (c *tinyCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := r.Method + " " + r.URL.Path
	if selector := r.URL.Query().Get("fieldSelector"); selector != "" {
		asked += "?" + selector
	}
	c.asked[asked] = true
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	if c.refuses && r.Method != http.MethodGet {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET " + tinySecret:
		c.answer(w, c.secret)
	case "PUT " + tinySecret:
		secret := &corev1.Secret{}
		if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, secret); err != nil {
			c.t.Error(err)
		}
		if c.fresh(w, secret.ResourceVersion, c.secret.ResourceVersion) {
			secret.TypeMeta = c.secret.TypeMeta
			secret.ResourceVersion = c.next()
			c.secret = secret
			c.answer(w, c.secret)
		}
	case "GET " + tinyService:
		c.answer(w, c.service)
	case "PATCH " + tinyService:
		var patch struct {
			Metadata struct{ ResourceVersion string }
			Spec     map[string]any
		}
		if err := json.Unmarshal(body, &patch); err != nil || r.Header.Get("Content-Type") != string(types.MergePatchType) {
			c.t.Errorf("patch %s: %v", body, err)
		}
		if c.fresh(w, patch.Metadata.ResourceVersion, c.service.GetResourceVersion()) {
			maps.Copy(c.service.Object["spec"].(map[string]any), patch.Spec)
			c.service.SetResourceVersion(c.next())
			c.manager = r.URL.Query().Get("fieldManager")
			c.answer(w, c.service)
		}
	default:
		w.WriteHeader(http.StatusForbidden)
	}
}

func (c *tinyCluster) next() string {
	c.version++
	return strconv.Itoa(c.version + 1)
}

func (c *tinyCluster) fresh(w http.ResponseWriter, got, want string) bool {
	if got != want {
		w.WriteHeader(http.StatusConflict)
	}
	return got == want
}

func (c *tinyCluster) answer(w http.ResponseWriter, object any) {
	if err := json.NewEncoder(w).Encode(object); err != nil {
		c.t.Error(err)
	}
}

// The keeper of "pitot serve" asks a cluster for no more than the page on
// certificates grants, and what it writes is what the cluster understands.
func TestKeeperThroughRealClients(t *testing.T) {
	cluster := newTinyCluster(t)
	api := httptest.NewServer(cluster)
	defer api.Close()
	options := certs.Options{
		Service:     types.NamespacedName{Namespace: "monitoring", Name: "pitot"},
		Secret:      types.NamespacedName{Namespace: "monitoring", Name: "pitot-ca"},
		APIServices: []string{"v1beta1.custom.metrics.k8s.io"},
		CALife:      certs.DefaultCALife, LeafLife: certs.DefaultLeafLife,
	}
	keeper, err := newKeeper(options, &rest.Config{Host: api.URL}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keeper.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	inSync := func() bool {
		report := keeper.Report()
		return len(report.APIServices) == 1 && report.APIServices[0].State == "in sync" && keeper.Ready() == nil
	}
	for deadline := time.Now().Add(20 * time.Second); !inSync(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in sync: %+v", keeper.Report())
		}
	}
	cluster.mu.Lock()
	defer cluster.mu.Unlock()
	if cluster.secret.Labels["app"] != "pitot" || len(cluster.secret.Data["ca.crt"]) == 0 {
		t.Errorf("secret %+v", cluster.secret)
	}
	if cluster.manager != "pitot" {
		t.Errorf("field manager %q, want pitot", cluster.manager)
	}
	want := []string{
		"GET " + tinySecret,
		"GET " + tinyService,
		"GET /api/v1/namespaces/monitoring/secrets?metadata.name=pitot-ca",
		"GET /apis/apiregistration.k8s.io/v1/apiservices?metadata.name=v1beta1.custom.metrics.k8s.io",
		"PATCH " + tinyService,
		"PUT " + tinySecret,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(cluster.asked))); diff != "" {
		t.Errorf("asked (-want +got)\n%s", diff)
	}
}
