package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// bundle are certificates that end at given times, after months.
func bundle(t *testing.T, ends ...time.Time) (text []byte) {
	t.Helper()
	return certificates(t, now.Add(-2000*time.Hour), ends...)
}

// shortBundle is a certificate for a day.
func shortBundle(t *testing.T) []byte {
	t.Helper()
	return certificates(t, now.Add(-time.Hour), now.Add(23*time.Hour))
}

func certificates(t *testing.T, begin time.Time, ends ...time.Time) (text []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i, end := range ends {
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), NotBefore: begin, NotAfter: end, IsCA: true}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWhoSetsReplicasAgain(t *testing.T) {
	for _, test := range []struct {
		name, metadata string
		want           []string
	}{
		{"nobody", `{}`, nil},
		{"the HPA", `{managedFields: [{manager: kube-controller-manager, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}]}`, nil},
		{"kubectl scale", `{managedFields: [{manager: kubectl, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}]}`, nil},
		{"kubectl create, which nobody repeats", `{managedFields: [{manager: kubectl-create, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}]}`, nil},
		{"Helm", `{managedFields: [{manager: helm, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}]}`, []string{"helm"}},
		{"Helm, without replicas", `{managedFields: [{manager: helm, operation: Update, fieldsV1: {"f:spec": {"f:template": {}}}}]}`, nil},
		{"whoever applies on the server's side", `{managedFields: [{manager: our-gitops, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}}}}]}`, []string{"our-gitops"}},
		{"kubectl apply before the HPA wrote", `{annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"replicas":3}}'}, managedFields: [{manager: kubectl-client-side-apply, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}]}`, []string{"kubectl-client-side-apply"}},
		{"kubectl apply after the HPA wrote", `{annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"replicas":3}}'}}`, []string{"kubectl-client-side-apply"}},
		{"kubectl apply without replicas", `{annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{}}'}}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := object(t, "{apiVersion: apps/v1, kind: Deployment, metadata: "+test.metadata+"}")
			if got := NewWorkload(o).Owners; !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestMonitorMisses(t *testing.T) {
	for _, test := range []struct {
		name, monitor string
		want          miss
	}{
		{"by name", `{selector: {matchLabels: {app: web}}, endpoints: [{port: http}]}`, hit},
		{"any namespace", `{selector: {}, namespaceSelector: {any: true}, endpoints: [{port: http}]}`, hit},
		{"one of several ports", `{selector: {}, endpoints: [{port: metrics}, {port: http}]}`, hit},
		{"a port by number", `{selector: {}, endpoints: [{targetPort: 8000}]}`, hit},
		{"another port", `{selector: {}, endpoints: [{port: metrics}]}`, wrongPort},
		{"another namespace", `{selector: {}, namespaceSelector: {matchNames: [other]}, endpoints: [{port: http}]}`, wrongNamespace},
		{"one label of two", `{selector: {matchLabels: {app: web, tier: front}}, endpoints: [{port: http}]}`, wrongLabels},
		{"the monitor of another app", `{selector: {matchLabels: {app: api}}, endpoints: [{port: http}]}`, notMeant},
		{"no selector", `{endpoints: [{port: http}]}`, notMeant},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := NewMonitor(object(t, "{kind: ServiceMonitor, metadata: {namespace: shop, name: scrape}, spec: "+test.monitor+"}"))
			if got := m.misses("web", "shop", map[string]string{"app": "web"}, []string{"http"}); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}

func TestReadController(t *testing.T) {
	c := ReadController("p", []string{"kube-controller-manager", "--kube-api-qps=50", "--v=4", "--horizontal-pod-autoscaler-sync-period", "30s", "--controllers=*"})
	if want := (Controller{Pod: "p", QPS: 50, SyncPeriod: 30 * time.Second, Tolerance: 0.1, Workers: 5}); *c != want {
		t.Errorf("%+v, want %+v", *c, want)
	}
}

func FuzzReadController(f *testing.F) {
	f.Add("--kube-api-qps=50")
	f.Add("--horizontal-pod-autoscaler-tolerance=x")
	f.Add("-")
	f.Add("--")
	f.Add("--=")
	f.Fuzz(func(t *testing.T, word string) {
		if ReadController("p", []string{"kube-controller-manager", word}) == nil {
			t.Error("nil")
		}
	})
}
