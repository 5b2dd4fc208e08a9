package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A legacyShop has a queue with nothing in it but what its exporter proves, and one
// with 12 messages, under the labels of old annotations.
func legacyShop(t *testing.T) (url string) {
	target := " kubernetes_namespace=shop kubernetes_pod_name=rabbitmq-0 job=rabbitmq instance=a"
	return live(t, 15*time.Second,
		liveSeries{"up" + target, 1, 0},
		liveSeries{"ready queue=emails" + target, 12, 0})
}

const queuesText = `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: %q}]
rules:
- {metric: depth, type: External, query: 'sum by (namespace, queue) (ready)', selectable: [queue], zeroWhen: 'max(up) == 1'}
- {metric: total, type: External, query: 'sum(ready)', zeroWhen: 'max(up) == 1'}
`

func TestQueryPrintsWhatReachesTheBackend(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, fmt.Sprintf(queuesText, legacyShop(t)))
	for metric, want := range map[string][]string{
		"depth": {"query: sum by (kubernetes_namespace, queue) (ready)", `shop queue="emails"  12 `},
		"total": {`query: sum(ready{kubernetes_namespace="shop"})`, "  12 "},
	} {
		var out lockedBuffer
		code := Main(t.Context(), Env{Stdout: &out, Stderr: &out}, []string{"query", metric, "-c", name, "-n", "shop"})
		for _, part := range want {
			if !strings.Contains(out.String(), part) || code != exitFine {
				t.Errorf("%s: exit code %d, without %q:\n%s", metric, code, part, out.String())
			}
		}
	}
}

// TestServeFindsOutTheLabels: while the backend is away nothing is zero, although
// under other names nothing would be found and the proof would hold.
func TestServeFindsOutTheLabels(t *testing.T) {
	shop, err := url.Parse(legacyShop(t))
	if err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	away.Store(true)
	forward := httputil.NewSingleHostReverseProxy(shop)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(backend.Close)
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, fmt.Sprintf(queuesText, backend.URL))
	p := serve(t, "--config", name) // and is ready
	const metrics = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/"
	for _, metric := range []string{"depth", "total"} {
		if code, body := p.get(t, metrics+metric); code != http.StatusServiceUnavailable || !strings.Contains(body, "which labels its series have for namespaces is not known yet") {
			t.Errorf("%s while it is away: %d %s", metric, code, body)
		}
	}
	if _, body := p.get(t, "/statusz"); !strings.Contains(body, "labels: not known yet (prometheus "+backend.URL) {
		t.Errorf("/statusz while it is away: %s", body)
	}

	away.Store(false)
	for _, metric := range []string{"depth", "total"} {
		within(t, metric, func() bool {
			code, body := p.get(t, metrics+metric)
			if code == http.StatusOK && !strings.Contains(body, `"value":"12"`) {
				t.Fatalf("%s: %s", metric, body)
			}
			return code == http.StatusOK
		})
	}
	_, body := p.get(t, "/statusz")
	for _, part := range []string{
		"labels: legacy-annotations (2 of 2 series of its rules have kubernetes_namespace)",
		`sum(ready{kubernetes_namespace="shop"})`, "sum by (kubernetes_namespace, queue) (ready)",
	} {
		if !strings.Contains(body, part) {
			t.Errorf("/statusz lacks %q:\n%s", part, body)
		}
	}
}
