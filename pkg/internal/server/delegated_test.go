package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

const hpaController = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"

// authority is a certificate authority that lives for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	a := authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// client issues a client certificate for a user name.
func (a authority) client(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// kubeAPI is as much of a kube-apiserver as delegation talks to: the ConfigMap
// of trust, SubjectAccessReviews and TokenReviews.
type kubeAPI struct {
	frontProxy, clients authority
	down, hanging       atomic.Bool
	allow               func(authorizationv1.SubjectAccessReviewSpec) bool

	mu      sync.Mutex
	reviews []string // the access reviews, in words
}

func newKubeAPI(t *testing.T, allow func(authorizationv1.SubjectAccessReviewSpec) bool) (*kubeAPI, *Options) {
	k := &kubeAPI{frontProxy: newAuthority(t, "front-proxy-ca"), clients: newAuthority(t, "kubernetes"), allow: allow}
	srv := httptest.NewServer(k)
	t.Cleanup(func() {
		srv.CloseClientConnections() // ends the watches
		srv.Close()
	})

	opts := NewOptions()
	opts.Serving.BindAddress = []byte{127, 0, 0, 1}
	opts.Serving.BindPort = 0
	opts.ShutdownDelay = 0
	opts.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	kubeconfig := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: %q}}]\n", srv.URL)
	if err := os.WriteFile(opts.Kubeconfig, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return k, opts
}

func (k *kubeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if k.hanging.Load() {
		_, _ = io.Copy(io.Discard, r.Body) // before that, the end of the connection goes unseen
		<-r.Context().Done()
		return
	}
	if k.down.Load() {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/namespaces/kube-system/configmaps"):
		k.configMaps(w, r)
	case strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
		answer(w, r, func(review *authorizationv1.SubjectAccessReview) {
			k.record(review.Spec)
			review.Status.Allowed = k.allow(review.Spec)
		})
	case strings.HasSuffix(r.URL.Path, "/tokenreviews"):
		answer(w, r, func(review *authenticationv1.TokenReview) {
			review.Status.Authenticated = review.Spec.Token == "secret"
			review.Status.User.Username = "token-holder"
		})
	default:
		http.NotFound(w, r)
	}
}

// answer decodes a review, lets fill complete it and sends it back.
func answer[T any](w http.ResponseWriter, r *http.Request, fill func(*T)) {
	review := new(T)
	if err := json.NewDecoder(r.Body).Decode(review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fill(review)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(review)
}

func (k *kubeAPI) configMaps(w http.ResponseWriter, r *http.Request) {
	trust := corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: trustNamespace, Name: trustName, ResourceVersion: "1"},
		Data: map[string]string{
			"client-ca-file":                     k.clients.pem(),
			"requestheader-client-ca-file":       k.frontProxy.pem(),
			"requestheader-allowed-names":        `["front-proxy"]`,
			"requestheader-username-headers":     `["X-Remote-User"]`,
			"requestheader-group-headers":        `["X-Remote-Group"]`,
			"requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
		},
	}
	query := r.URL.Query()
	if query.Get("watch") == "" {
		_ = json.NewEncoder(w).Encode(corev1.ConfigMapList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"},
			ListMeta: metav1.ListMeta{ResourceVersion: "1"},
			Items:    []corev1.ConfigMap{trust},
		})
		return
	}
	if query.Get("sendInitialEvents") == "true" {
		end := corev1.ConfigMap{TypeMeta: trust.TypeMeta, ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}}
		for _, event := range []any{
			map[string]any{"type": "ADDED", "object": trust},
			map[string]any{"type": "BOOKMARK", "object": end},
		} {
			_ = json.NewEncoder(w).Encode(event)
		}
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func (k *kubeAPI) record(spec authorizationv1.SubjectAccessReviewSpec) {
	words := spec.User + ": "
	if a := spec.ResourceAttributes; a != nil {
		words += fmt.Sprintf("%s %s/%s namespace=%q name=%q", a.Verb, a.Group, a.Resource, a.Namespace, a.Name)
		if a.Subresource != "" {
			words += " subresource=" + a.Subresource
		}
		if a.LabelSelector != nil || a.FieldSelector != nil {
			words += " with selectors"
		}
	} else {
		words += spec.NonResourceAttributes.Verb + " " + spec.NonResourceAttributes.Path
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reviews = append(k.reviews, words)
}

func (k *kubeAPI) takeReviews() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	reviews := k.reviews
	k.reviews = nil
	return reviews
}

// a caller sends requests to srv with a certificate and headers.
type caller struct {
	srv    *Server
	client *http.Client
	header http.Header
}

func newCaller(t *testing.T, srv *Server, cert *tls.Certificate, header http.Header) *caller {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(srv.CA())
	// A certificate is sent whatever the server says it accepts, for its hints
	// come late if it has just started.
	config := &tls.Config{RootCAs: pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if cert == nil {
			return &tls.Certificate{}, nil
		}
		return cert, nil
	}}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{srv, &http.Client{Transport: transport}, header}
}

func (c *caller) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, c.srv.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.header.Clone()
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// throughFrontProxy is a caller that the kube-apiserver vouches for.
func (k *kubeAPI) throughFrontProxy(t *testing.T, srv *Server, user string) *caller {
	cert := k.frontProxy.client(t, "front-proxy")
	return newCaller(t, srv, &cert, http.Header{"X-Remote-User": {user}})
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30s: %s", what)
		}
	}
}

func delegated(t *testing.T, k *kubeAPI, opts *Options) *Server {
	t.Helper()
	srv, err := New(opts, Deps{Custom: echo{}, External: echo{}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, srv)
	if !k.down.Load() && !k.hanging.Load() {
		probe(t, srv, "/readyz", 200)
		k.takeReviews()
	}
	return srv
}

func TestAutoscalerCostsOneReview(t *testing.T) {
	k, opts := newKubeAPI(t, func(spec authorizationv1.SubjectAccessReviewSpec) bool { return spec.User == hpaController })
	hpa := k.throughFrontProxy(t, delegated(t, k, opts), hpaController)
	for i := range 50 {
		for _, path := range []string{
			fmt.Sprintf("/apis/custom.metrics.k8s.io/v1beta1/namespaces/n%d/pods/*/m?labelSelector=app%%3Da%d", i, i),
			fmt.Sprintf("/apis/custom.metrics.k8s.io/v1beta2/namespaces/n%d/deployments.apps/web/m", i),
			fmt.Sprintf("/apis/external.metrics.k8s.io/v1beta1/namespaces/n%d/m?labelSelector=queue%%3Dq%d", i, i),
		} {
			if code, body := hpa.get(t, path); code != 200 {
				t.Fatalf("%s: status %d: %s", path, code, body)
			}
		}
	}
	want := []string{
		hpaController + `: get custom.metrics.k8s.io/* namespace="" name=""`,
		hpaController + `: list external.metrics.k8s.io/* namespace="" name=""`,
	}
	if diff := cmp.Diff(want, k.takeReviews()); diff != "" {
		t.Errorf("access reviews for 150 reads (-want +got):\n%s", diff)
	}
}

func TestReaderOfOneNamespace(t *testing.T) {
	k, opts := newKubeAPI(t, func(spec authorizationv1.SubjectAccessReviewSpec) bool {
		return spec.ResourceAttributes != nil && spec.ResourceAttributes.Namespace == "shop"
	})
	alice := k.throughFrontProxy(t, delegated(t, k, opts), "alice")
	const metric = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/%s/pods/*/m?labelSelector=app%%3D%s"
	for _, app := range []string{"a", "b", "c"} {
		if code, body := alice.get(t, fmt.Sprintf(metric, "shop", app)); code != 200 {
			t.Errorf("her own namespace: status %d: %s", code, body)
		}
	}
	if code, _ := alice.get(t, fmt.Sprintf(metric, "bank", "a")); code != 403 {
		t.Errorf("another namespace: status %d, want 403", code)
	}
	want := []string{
		`alice: get custom.metrics.k8s.io/* namespace="" name=""`,
		`alice: get custom.metrics.k8s.io/pods namespace="shop" name="*" subresource=m`,
		`alice: get custom.metrics.k8s.io/pods namespace="bank" name="*" subresource=m`,
	}
	if diff := cmp.Diff(want, k.takeReviews()); diff != "" {
		t.Errorf("access reviews (-want +got):\n%s", diff)
	}
}

func TestWhoIsWho(t *testing.T) {
	k, opts := newKubeAPI(t, func(authorizationv1.SubjectAccessReviewSpec) bool { return false })
	opts.Authorization.DenyCacheTTL = 0 // every case is to be seen
	srv := delegated(t, k, opts)
	certificate := func(a authority, name string) *tls.Certificate { c := a.client(t, name); return &c }
	remote := func(user string) http.Header { return http.Header{"X-Remote-User": {user}} }
	tests := []struct {
		name   string
		cert   *tls.Certificate
		header http.Header
		want   string // the user that the cluster was asked about; "" if the request is refused as nobody's
	}{
		{"nobody", nil, nil, "system:anonymous"},
		{"a header without a certificate is a lie", nil, remote("root"), "system:anonymous"},
		{"a header by a client that is not the front proxy", certificate(k.clients, "mallory"), remote("root"), "mallory"},
		{"a name that the front proxy does not have", certificate(k.frontProxy, "other-proxy"), remote("root"), ""},
		{"the front proxy", certificate(k.frontProxy, "front-proxy"), remote("alice"), "alice"},
		{"a client certificate", certificate(k.clients, "bob"), nil, "bob"},
		{"a certificate of a stranger", certificate(newAuthority(t, "kubernetes"), "bob"), nil, ""},
		{"a token", nil, http.Header{"Authorization": {"Bearer secret"}}, "token-holder"},
		{"a token that is wrong", nil, http.Header{"Authorization": {"Bearer guess"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k.takeReviews()
			code, body := newCaller(t, srv, test.cert, test.header).get(t, "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m")
			who := ""
			for _, review := range k.takeReviews() {
				who, _, _ = strings.Cut(review, ": ")
			}
			if who != test.want {
				t.Errorf("taken for %q, want %q", who, test.want)
			}
			if want := map[bool]int{true: 401, false: 403}[test.want == ""]; code != want {
				t.Errorf("status %d, want %d: %s", code, want, body)
			}
		})
	}
	t.Run("own metrics are not public", func(t *testing.T) {
		if code, _ := newCaller(t, srv, nil, nil).get(t, "/metrics"); code != 403 {
			t.Errorf("status %d, want 403", code)
		}
	})
}

// A kube-apiserver that is away at the start delays readiness and kills nothing.
func TestClusterComesLater(t *testing.T) {
	k, opts := newKubeAPI(t, func(authorizationv1.SubjectAccessReviewSpec) bool { return true })
	k.down.Store(true)
	srv := delegated(t, k, opts)
	probe(t, srv, "/livez", 200)
	if body := probe(t, srv, "/readyz", 500); !strings.Contains(body, "[-]front-proxy failed") {
		t.Errorf("/readyz does not say what is missing:\n%s", body)
	}
	k.down.Store(false)
	probe(t, srv, "/readyz", 200)
	hpa := k.throughFrontProxy(t, srv, hpaController)
	if code, body := hpa.get(t, "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m"); code != 200 {
		t.Errorf("once the cluster is there: status %d: %s", code, body)
	}
}

// One that takes connections and says nothing is not waited for either.
func TestClusterHangs(t *testing.T) {
	k, opts := newKubeAPI(t, func(authorizationv1.SubjectAccessReviewSpec) bool { return true })
	k.hanging.Store(true)
	srv := delegated(t, k, opts)
	probe(t, srv, "/livez", 200)
	if code, body := newCaller(t, srv, nil, nil).get(t, "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m"); code != 504 && code != 500 {
		t.Errorf("a metric: status %d: %s", code, body)
	}
}

// An error of the cluster is no answer to whether a request is allowed, and is
// not asked for twice.
func TestCoarseFirstHandsOnErrors(t *testing.T) {
	away := errors.New("connection refused")
	var asked []string
	cluster := authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		asked = append(asked, a.GetAPIGroup()+"/"+a.GetResource())
		return authorizer.DecisionNoOpinion, "", away
	})
	ask := func(a authorizer.AttributesRecord) {
		t.Helper()
		a.User = &user.DefaultInfo{Name: "alice"}
		decision, _, err := coarseFirst(cluster, "custom", "external").Authorize(t.Context(), a)
		if decision != authorizer.DecisionNoOpinion || !errors.Is(err, away) {
			t.Errorf("decision %s, err %v", decision, err)
		}
	}
	ask(authorizer.AttributesRecord{ResourceRequest: true, Verb: "get", APIGroup: "custom", Resource: "pods", LabelSelectorRequirements: labels.Requirements{}})
	ask(authorizer.AttributesRecord{ResourceRequest: true, Verb: "delete", APIGroup: "custom", Resource: "pods"})
	ask(authorizer.AttributesRecord{ResourceRequest: true, Verb: "get", APIGroup: "other", Resource: "pods"})
	ask(authorizer.AttributesRecord{Verb: "get", Path: "/metrics"})
	want := []string{"custom/*", "custom/pods", "other/pods", "/"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked the cluster (-want +got):\n%s", diff)
	}
}
