//go:build integration

// These tests run a real Prometheus, built by hack/testbin.sh, and compare what
// it answers through promapi with what promdb answers from the same samples and
// from the same page:
//
//	go test -tags integration ./pkg/internal/promapi
package promapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

// patience bounds every wait for Prometheus, which starts slowly on a busy machine.
const patience = 2 * time.Minute

// An application is a /metrics page that is under load: its counters follow the clock.
type application struct {
	*httptest.Server
	begun time.Time
	// small leaves series out; broken answers 500.
	small, broken atomic.Bool
}

func startApplication(t *testing.T) *application {
	t.Helper()
	a := &application{begun: time.Now()}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

func (a *application) serve(w http.ResponseWriter, _ *http.Request) {
	if a.broken.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	ms := float64(time.Since(a.begun).Milliseconds())
	for i, path := range []string{"/", "/slow", "/idle"} {
		if path == "/idle" {
			ms = 0
		}
		fmt.Fprintf(w, "http_requests_total{path=%q,code=\"200\"} %g\n", path, math.Floor(ms*float64(i+1)/7))
		for j, le := range []string{"5e-2", "0.1", "1", "+Inf"} {
			fmt.Fprintf(w, "http_request_duration_seconds_bucket{path=%q,le=%q} %g\n", path, le, math.Floor(ms*float64(j+1)/11))
		}
	}
	_, _ = io.WriteString(w, `# HELP queue_depth Jobs that wait.
# TYPE queue_depth gauge
queue_depth{queue="ü\"\\\n",pod="its-own"} 17
temperature NaN
ceiling +Inf
floor -Inf
tiny 5e-324
third 0.3333333333333333
`)
	if !a.small.Load() {
		_, _ = io.WriteString(w, "passing 1\n")
	}
}

const prometheusYAML = `
global:
  scrape_interval: 1s
scrape_configs:
- job_name: web
  static_configs:
  - targets: [%q]
    labels: {namespace: shop, pod: web-0}
`

// startPrometheus runs the real server on a free port until the test ends.
func startPrometheus(t *testing.T, target string) (baseURL string, stop func()) {
	t.Helper()
	folder, err := exec.Command("../../../hack/testbin.sh", "prometheus").Output()
	if err != nil {
		t.Fatalf("hack/testbin.sh prometheus: %v: %s", err, stderr(err))
	}
	work := t.TempDir()
	configFile := filepath.Join(work, "prometheus.yml")
	if err := os.WriteFile(configFile, []byte(fmt.Sprintf(prometheusYAML, target)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	cmd := exec.Command(filepath.Join(strings.TrimSpace(string(folder)), "prometheus"),
		"--config.file="+configFile, "--storage.tsdb.path="+filepath.Join(work, "tsdb"), "--web.listen-address="+address)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // even if this process is killed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("prometheus said:\n%s", log.String())
		}
	})
	return "http://" + address, stop
}

func stderr(err error) []byte {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.Stderr
	}
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// await polls until an expression has an answer with samples.
func await(t *testing.T, client *promapi.Client, expr string) instant.Vector {
	t.Helper()
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		v, err := client.Query(t.Context(), expr, time.Time{})
		if err == nil && len(v.Samples) > 0 {
			return v
		}
		last = err
	}
	t.Fatalf("after %s prometheus still has no answer to %s: %v", patience, expr, last)
	return instant.Vector{}
}

// copySamples loads into a promdb what Prometheus holds, up to a time.
func copySamples(t *testing.T, baseURL string, db *promdb.DB, at time.Time) {
	t.Helper()
	response, err := http.PostForm(baseURL+"/api/v1/query", url.Values{
		"query": {`{__name__=~".+"}[5m]`},
		"time":  {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	for _, series := range body.Data.Result {
		for _, pair := range series.Values {
			v, err := strconv.ParseFloat(pair[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			at := time.UnixMilli(int64(math.Round(pair[0].(float64) * 1000)))
			if err := db.Append(at, labels.FromMap(series.Metric), v); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// table sorts a Vector by labels.
func table(v instant.Vector) map[string]float64 {
	m := map[string]float64{}
	for _, s := range v.Samples {
		m[s.Labels.String()] = s.Value
	}
	return m
}

// sameValues allows for another order of summation.
var sameValues = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)}

var expressions = []string{
	`http_requests_total`,
	`{namespace="shop",pod="web-0",__name__!~"scrape_.*"}`,
	`rate(http_requests_total[5s])`,
	`increase(http_requests_total{path!="/idle"}[4s])`,
	`irate(http_requests_total[5s])`,
	`sum by (namespace, pod) (rate(http_requests_total[5s]))`,
	`avg without (path) (rate(http_requests_total[5s]))`,
	`max by (pod) (rate(http_requests_total[5s])) - min by (pod) (rate(http_requests_total[5s]))`,
	`sum by (namespace, pod, le) (rate(http_request_duration_seconds_bucket[5s]))`,
	`histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5s])))`,
	`histogram_quantile(0.5, sum by (pod, le) (rate(http_request_duration_seconds_bucket{path="/idle"}[5s])))`,
	`queue_depth{exported_pod="its-own"}`,
	`temperature or ceiling or floor or tiny or third`,
	`timestamp(up)`,
	`count_over_time(up[5s])`,
	`max_over_time(sum(rate(http_requests_total[3s]))[4s:1s])`,
	`http_requests_total offset 2s`,
	`label_replace(up, "zone", "$1", "pod", "(.*)-0")`,
	`absent(nothing)`,
	`nothing`,
	`http_requests_total > 1e18`,
	`sum(http_requests_total) / on() group_left() count(http_requests_total)`,
	`scalar(third) * 3`,
	`time()`,
	`vector(1)`,
	`topk(2, http_requests_total)`,
}

func TestRealPrometheus(t *testing.T) {
	app := startApplication(t)
	host := strings.TrimPrefix(app.URL, "http://")
	baseURL, stop := startPrometheus(t, host)
	client, err := promapi.New(promapi.Config{URL: baseURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	await(t, client, `up == 1 and on() count_over_time(http_requests_total{path="/"}[1m]) >= 8`)
	newest := await(t, client, `max(timestamp(up))`).Samples[0].Value
	at := time.UnixMilli(int64(math.Round(newest * 1000))).UTC()

	db := promdb.New(promdb.Options{})
	copySamples(t, baseURL, db, at)
	for _, expr := range expressions {
		t.Run(expr, func(t *testing.T) {
			fromHTTP, err := client.Query(t.Context(), expr, at)
			if err != nil {
				t.Fatal(err)
			}
			fromMemory, err := db.Query(t.Context(), expr, at)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(table(fromHTTP), table(fromMemory), sameValues); diff != "" {
				t.Errorf("samples (-prometheus +promdb):\n%s", diff)
			}
			if !fromHTTP.At.Equal(at) || !fromMemory.At.Equal(at) {
				t.Errorf("at %s and %s, want %s", fromHTTP.At, fromMemory.At, at)
			}
			if diff := cmp.Diff(fromHTTP.Warnings, fromMemory.Warnings, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-prometheus +promdb):\n%s", diff)
			}
		})
	}
	t.Run("a warning is one on both sides", func(t *testing.T) {
		fromHTTP, err := client.Query(t.Context(), `quantile(2, up)`, at)
		if err != nil {
			t.Fatal(err)
		}
		fromMemory, err := db.Query(t.Context(), `quantile(2, up)`, at)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromHTTP.Warnings, fromMemory.Warnings); diff != "" || len(fromHTTP.Warnings) != 1 {
			t.Errorf("warnings (-prometheus +promdb):\n%s%v", diff, fromHTTP.Warnings)
		}
	})
	t.Run("errors", func(t *testing.T) { testErrors(t, client, db, at) })
	t.Run("scrapes", func(t *testing.T) { testScrapes(t, app, host, client) })
	t.Run("a server that is gone is unreachable", func(t *testing.T) {
		stop()
		_, err := client.Query(t.Context(), "up", time.Time{})
		if want := "prometheus " + baseURL + ": connection refused"; err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	})
}

func testErrors(t *testing.T, client *promapi.Client, db *promdb.DB, at time.Time) {
	for _, tc := range []struct {
		expr, errorType, says string
	}{
		{`sum(`, "bad_data", "parse error"},
		{`up + on() http_requests_total`, "execution", "found duplicate series"},
		{`up[5s]`, "", "answers with a matrix"},
		{`"text"`, "", "answers with a string"},
	} {
		v, err := client.Query(t.Context(), tc.expr, at)
		e, ok := errors.AsType[*promapi.Error](err)
		if !ok || e.Kind != promapi.BadQuery || e.Type != tc.errorType || !strings.Contains(e.Message, tc.says) {
			t.Errorf("%s: %v, %v; want a bad query, %s: %s", tc.expr, v, err, tc.errorType, tc.says)
		}
		if v, err := db.Query(t.Context(), tc.expr, at); err == nil {
			t.Errorf("%s: promdb answers %v", tc.expr, v)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Query(ctx, `count_over_time(vector(1)[1d:1ms])`, at)
	if e, ok := errors.AsType[*promapi.Error](err); !ok || (e.Kind != promapi.Timeout && e.Kind != promapi.BadQuery) {
		t.Errorf("an expensive query: %v, want a timeout or too many samples", err)
	}
}

// testScrapes lets promdb and Prometheus scrape the same page, and then the same
// troubles of it. Values of counters move on between two scrapes; only which
// series there are is compared.
func testScrapes(t *testing.T, app *application, host string, client *promapi.Client) {
	db := promdb.New(promdb.Options{})
	scraper, err := promdb.NewScraper(db, promdb.ScrapeOptions{}, promdb.Target{
		URL:    app.URL + "/metrics",
		Labels: labels.FromStrings("job", "web", "instance", host, "namespace", "shop", "pod", "web-0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	compare := func(trouble, settled string) {
		t.Helper()
		await(t, client, settled)
		scraper.Scrape(t.Context())
		// Prometheus reports more about a scrape than promdb does.
		const expr = `{job="web",__name__!~"scrape_series_added|scrape_samples_post_metric_relabeling"}`
		fromHTTP, err := client.Query(t.Context(), expr, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		fromMemory, err := db.Query(t.Context(), expr, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		want, got := slices.Sorted(maps.Keys(table(fromHTTP))), slices.Sorted(maps.Keys(table(fromMemory)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: series (-prometheus +promdb):\n%s", trouble, diff)
		}
		for _, expr := range []string{`up`, `scrape_samples_scraped`, `queue_depth`} {
			fromHTTP, _ := client.Query(t.Context(), expr, time.Time{})
			fromMemory, _ := db.Query(t.Context(), expr, time.Time{})
			if diff := cmp.Diff(table(fromHTTP), table(fromMemory)); diff != "" {
				t.Errorf("%s: %s (-prometheus +promdb):\n%s", trouble, expr, diff)
			}
		}
	}
	compare("no trouble", `up == 1`)
	app.small.Store(true)
	compare("a series vanishes", `absent(passing)`)
	app.broken.Store(true)
	compare("the page breaks", `up == 0`)
	app.broken.Store(false)
	compare("the page is back", `up == 1`)
}
