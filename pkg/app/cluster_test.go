package app

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeKube is as much of a kube-apiserver as "pitot serve" talks to. What it
// holds never changes. While it is away, its port refuses connections.
type fakeKube struct {
	address string
	server  *httptest.Server // nil: it is away
	more    http.Handler     // answers what is not held

	mu    sync.Mutex
	calls map[string]int // by path
}

// newFakeKube returns a kube-apiserver that is away, and a kubeconfig file.
func newFakeKube(t *testing.T) (k *fakeKube, kubeconfig string) {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k = &fakeKube{address: port.Addr().String(), more: http.NotFoundHandler(), calls: make(map[string]int)}
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.goAway)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	write(t, kubeconfig, fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n"+
		"clusters: [{name: c, cluster: {server: http://%s}}]\n", k.address))
	return k, kubeconfig
}

func (k *fakeKube) come(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", k.address)
	if err != nil {
		t.Fatal(err)
	}
	k.server = httptest.NewUnstartedServer(k)
	_ = k.server.Listener.Close() // that on a port of its own choice
	k.server.Listener = listener
	k.server.Start()
}

func (k *fakeKube) goAway() {
	if k.server != nil {
		_ = k.server.Listener.Close()
		k.server.CloseClientConnections() // ends the watches
		k.server.Close()
	}
	k.server = nil
}

func (k *fakeKube) callsOf(path string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[path]
}

const (
	podsPath   = "/api/v1/pods"
	hpasPath   = "/apis/autoscaling/v2/horizontalpodautoscalers"
	slicesPath = "/apis/discovery.k8s.io/v1/endpointslices"

	configMapsPath = "/api/v1/configmaps"
)

// What a cluster holds, by path: kind and API version of the objects, and all of them.
var held = map[string]struct {
	kind, version string
	objects       []string
}{
	podsPath:                    {"PartialObjectMetadata", "meta.k8s.io/v1", nil},
	"/apis/apps/v1/replicasets": {"PartialObjectMetadata", "meta.k8s.io/v1", nil},
	"/apis/batch/v1/jobs":       {"PartialObjectMetadata", "meta.k8s.io/v1", nil},
	hpasPath: {"HorizontalPodAutoscaler", "autoscaling/v2", []string{
		`"metadata": {"namespace": "shop", "name": "web", "resourceVersion": "1"},
		 "spec": {"metrics": [{"type": "External", "external": {"metric": {"name": "ready"}}}]}`,
	}},
	configMapsPath: {"ConfigMap", "v1", []string{
		`"metadata": {"namespace": "shop", "name": "web", "resourceVersion": "1", "labels": {"pitot.dev/rules": "true"}},
		 "data": {"rules.yaml": "apiVersion: pitot.dev/v1alpha1\nkind: Config\nrules:\n- {metric: mine, type: External, query: sum(load)}\n- {metric: wrong, type: External, query: sum(}"}`,
	}},
	slicesPath: {"EndpointSlice", "discovery.k8s.io/v1", []string{
		`"metadata": {"namespace": "shop", "name": "web-x", "resourceVersion": "1", "labels": {"kubernetes.io/service-name": "web"}},
		 "endpoints": [{"targetRef": {"kind": "Pod", "name": "web-1"}}, {"targetRef": {"kind": "Pod", "name": "web-2"}}]`,
	}},
}

func (k *fakeKube) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.calls[r.URL.Path]++
	k.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/subjectaccessreviews") {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": true}}`)
		return
	}
	known, ok := held[r.URL.Path]
	if !ok {
		k.more.ServeHTTP(w, r)
		return
	}
	head := fmt.Sprintf(`"kind": %q, "apiVersion": %q`, known.kind, known.version)
	if r.FormValue("watch") == "" {
		var items []string
		for _, o := range known.objects {
			items = append(items, "{"+head+", "+o+"}")
		}
		fmt.Fprintf(w, `{"kind": %q, "apiVersion": %q, "metadata": {"resourceVersion": "1"}, "items": [%s]}`,
			known.kind+"List", known.version, strings.Join(items, ", "))
		return
	}
	if r.FormValue("sendInitialEvents") == "true" {
		for _, o := range known.objects {
			fmt.Fprintf(w, `{"type": "ADDED", "object": {%s, %s}}`, head, o)
		}
		fmt.Fprintf(w, `{"type": "BOOKMARK", "object": {%s, "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}}}`, head)
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// A whole life beside a kube-apiserver: it is away, it comes, and it goes.
func TestServeACluster(t *testing.T) {
	prometheus := httptest.NewServer(queryAPI(t))
	t.Cleanup(prometheus.Close)
	kube, kubeconfig := newFakeKube(t)
	config := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, config, configText(prometheus.URL, "ready: ready"))
	p := startServing(t, "--config", config, "--kubeconfig", kubeconfig, "--bind-address", "127.0.0.1",
		"--authentication-skip-lookup", "--shutdown-delay-duration", "0s")

	if code, body := p.get(t, "/livez"); code != http.StatusOK {
		t.Errorf("/livez without a cluster: %d %s", code, body)
	}
	if code, body := p.get(t, "/readyz"); code != http.StatusInternalServerError || !strings.Contains(body, "[-]pods failed") {
		t.Errorf("/readyz without a cluster: %d %s", code, body)
	}

	kube.come(t)
	came := time.Now()
	within(t, "readiness", func() bool { code, _ := p.get(t, "/readyz"); return code == http.StatusOK })
	if took := time.Since(came); took > 5*time.Second {
		t.Errorf("ready %s after the cluster came, want within 5s", took)
	}

	var status statusReport
	look := func() statusReport {
		code, body := p.get(t, "/statusz?format=json")
		status = statusReport{}
		if err := json.Unmarshal([]byte(body), &status); err != nil || code != http.StatusOK || status.Cluster == nil {
			t.Fatalf("/statusz: %d %v %s", code, err, body)
		}
		return status
	}
	within(t, "the query of the HPA's metric, which nobody has read", func() bool {
		return len(look().Queries) == 1 && status.Queries[0].Query == "ready" && status.Queries[0].AgeSeconds != nil
	})
	if status.Cluster.Autoscalers != 1 || len(status.Cluster.Problems) != 0 {
		t.Errorf("/statusz of the cluster: %+v", *status.Cluster)
	}

	if n := kube.callsOf(slicesPath); n != 0 {
		t.Errorf("%d calls for EndpointSlices that no rule needs", n)
	}
	write(t, config, configText(prometheus.URL, "ready: ready")+"- {metric: load, type: Object, of: services, aggregate: sum, query: load}\n")
	const service = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/load"
	within(t, "the load of the pods behind a Service", func() bool {
		code, body := p.get(t, service)
		return code == http.StatusOK && strings.Contains(body, `"value":"19346m"`)
	})

	const queue = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/ready"
	if code, body := p.get(t, queue); code != http.StatusOK {
		t.Errorf("an external metric: %d %s", code, body)
	}
	kube.goAway()
	within(t, "every watch failing", func() bool {
		problems := strings.Join(look().Cluster.Problems, " ")
		return strings.Contains(problems, "watch pods: ") && strings.Contains(problems, "watch endpointslices.discovery.k8s.io: ") &&
			strings.Contains(problems, "watch horizontalpodautoscalers.autoscaling: ")
	})
	for _, path := range []string{service, queue, "/readyz"} {
		if code, body := p.get(t, path); code != http.StatusOK {
			t.Errorf("%s after the cluster went: %d %s", path, code, body)
		}
	}
}
