package charts

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// A cluster is what lookup finds.
type cluster struct{ dynamic.Interface }

// GetClientFor implements engine.ClientProvider.
func (c cluster) GetClientFor(apiVersion, _ string) (dynamic.NamespaceableResourceInterface, bool, error) {
	version, err := schema.ParseGroupVersion(apiVersion)
	return c.Resource(version.WithResource("apiservices")), false, err
}

// served is a cluster in which an APIService leads to a Service; none is
// kube-apiserver itself.
func served(name string, service *apiregistration.ServiceReference, annotations map[string]string) cluster {
	return cluster{fake.NewSimpleDynamicClient(scheme, &apiregistration.APIService{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiregistration.k8s.io/v1", Kind: "APIService"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
		Spec:       apiregistration.APIServiceSpec{Service: service},
	})}
}

// TestOwners installs where an API is served already.
func TestOwners(t *testing.T) {
	external := map[string]any{"external": true}
	for _, test := range []struct {
		name       string
		apiService map[string]any
		cluster    cluster
		want       string // "" for no objection
	}{
		{
			"KEDA has external metrics", external,
			served("v1beta1.external.metrics.k8s.io", &apiregistration.ServiceReference{Namespace: "keda", Name: "keda-operator-metrics-apiserver"},
				map[string]string{"meta.helm.sh/release-name": "keda"}),
			"APIService v1beta1.external.metrics.k8s.io is served by keda/keda-operator-metrics-apiserver (Helm release keda), and can have one owner only: " +
				"set apiService.external=false to leave external metrics to it, or uninstall it",
		},
		{
			"prometheus-adapter has custom metrics", nil,
			served("v1beta1.custom.metrics.k8s.io", &apiregistration.ServiceReference{Namespace: "monitoring", Name: "prometheus-adapter"}, nil),
			"APIService v1beta1.custom.metrics.k8s.io is served by monitoring/prometheus-adapter, and can have one owner only: " +
				"uninstall that adapter, or set apiService.create=false to run beside it",
		},
		{
			"kube-apiserver serves it itself", nil,
			served("v1beta2.custom.metrics.k8s.io", nil, nil),
			"APIService v1beta2.custom.metrics.k8s.io is served by kube-apiserver itself",
		},
		{
			"KEDA is left alone", nil,
			served("v1beta1.external.metrics.k8s.io", &apiregistration.ServiceReference{Namespace: "keda", Name: "keda-operator-metrics-apiserver"}, nil), "",
		},
		{
			"beside prometheus-adapter", map[string]any{"create": false},
			served("v1beta1.custom.metrics.k8s.io", &apiregistration.ServiceReference{Namespace: "monitoring", Name: "prometheus-adapter"}, nil), "",
		},
		{
			"an upgrade of what is installed", external,
			served("v1beta1.external.metrics.k8s.io", &apiregistration.ServiceReference{Namespace: "monitoring", Name: "pitot"}, nil), "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := defaults()
			if test.apiService != nil {
				r.values["apiService"] = test.apiService
			}
			alone := rendered(t, r)
			r.clients = test.cluster
			files, err := r.render()
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("refused with: %v\nwant: %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// What is rendered does not depend on what the cluster says.
			equal(t, "what is rendered", manifest(files), manifest(alone))
		})
	}
}

// TestLookupOnlyRefuses finds uses of lookup, and of what else makes a rendering
// differ from the one before.
func TestLookupOnlyRefuses(t *testing.T) {
	files, err := filepath.Glob(chartPath + "/templates/*")
	if err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`\{\{-? [^}]*\b(lookup|now|rand\w*|gen[A-Z]\w*|uuidv4|htpasswd|IsUpgrade|IsInstall|Revision|Capabilities)\b`)
	var found []string
	for _, file := range files {
		if filepath.Base(file) == "tests" {
			continue
		}
		read(t, file, func(text []byte) error {
			for _, use := range action.FindAllStringSubmatch(string(text), -1) {
				found = append(found, filepath.Base(file)+": "+use[1])
			}
			return nil
		})
	}
	equal(t, "uses", found, []string{"apiservices.yaml: lookup"})
}
