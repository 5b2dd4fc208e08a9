//go:build integration

package app

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadedPage is the /metrics page of an application under load: its counter
// follows the clock.
func loadedPage(t *testing.T, metric string) (target string) {
	t.Helper()
	begun := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		n := math.Floor(100 * time.Since(begun).Seconds())
		fmt.Fprintf(w, "# TYPE %[1]s_total counter\n%[1]s_total %[2]g\n# TYPE %[1]s_seconds histogram\n%[1]s_seconds_bucket{le=\"0.1\"} %[2]g\n%[1]s_seconds_bucket{le=\"+Inf\"} %[2]g\n", metric, n)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// TestCheckAgainstARealPrometheus tries rules on pages that are right, under the
// labels of old annotations, and on one that two jobs scrape.
func TestCheckAgainstARealPrometheus(t *testing.T) {
	twice := loadedPage(t, "twice")
	url := startScraping(t, fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs:
- job_name: web
  static_configs:
  - {targets: [%q], labels: {kubernetes_namespace: shop, kubernetes_pod_name: web-1}}
  - {targets: [%q], labels: {kubernetes_namespace: shop, kubernetes_pod_name: web-2}}
- job_name: api
  static_configs: [{targets: [%q], labels: {kubernetes_namespace: shop, kubernetes_pod_name: api-1}}]
- job_name: api-pods
  static_configs: [{targets: [%[3]q], labels: {kubernetes_namespace: shop, kubernetes_pod_name: api-1}}]
`, loadedPage(t, "right"), loadedPage(t, "right"), twice))
	config := func(metric string) string {
		return fmt.Sprintf(`
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://nowhere:9090, scrapeInterval: 500ms}]
rules:
- {metric: rps, type: Pods, query: 'sum by (namespace, pod) (rate(%[1]s_total[5s]))'}
- {metric: p95, type: Object, of: deployments.apps, quantile: 0.95, buckets: 'sum by (namespace, pod, le) (rate(%[1]s_seconds_bucket[5s]))'}
`, metric)
	}
	last := ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("pitot check said:\n%s", last)
		}
	})
	within(t, "pages that are right", func() bool {
		printed, code := checkAgainst(t, config("right"), url)
		last = printed
		return code == exitFine && strings.Contains(printed, "2 rules, 1 backend: nothing is wrong") &&
			strings.Contains(printed, "labels: legacy-annotations (") &&
			strings.Contains(printed, "rps of pods: 2 objects in 1 namespace, such as shop/web-1") &&
			strings.Contains(printed, "2 series, a sample each 500ms, 10 in the window") &&
			strings.Contains(printed, "; 0 % of observations above the highest bucket")
	})
	within(t, "a page that is scraped twice", func() bool {
		printed, code := checkAgainst(t, config("twice"), url)
		last = printed
		return code == exitFound && strings.Contains(printed, fmt.Sprintf(
			"error: 1 pod has the same series of twice_total from several targets: shop/api-1 from {instance=%q, job=\"api\"} and {instance=%[1]q, job=\"api-pods\"} [scraped-twice]", twice))
	})
}

// startScraping runs the real server with a configuration until the test ends.
func startScraping(t *testing.T, config string) (url string) {
	t.Helper()
	folder, err := exec.Command(repository+"/hack/testbin.sh", "prometheus").Output()
	if err != nil {
		t.Fatalf("hack/testbin.sh prometheus: %v", err)
	}
	work, address := t.TempDir(), freeAddress(t)
	write(t, filepath.Join(work, "prometheus.yml"), config)
	process := exec.Command(filepath.Join(strings.TrimSpace(string(folder)), "prometheus"),
		"--config.file="+filepath.Join(work, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(work, "tsdb"), "--web.listen-address="+address)
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // even if this process is killed
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
	})
	within(t, "Prometheus", func() bool { code, _ := get(t, "http://"+address+"/-/ready"); return code == http.StatusOK })
	return "http://" + address
}
