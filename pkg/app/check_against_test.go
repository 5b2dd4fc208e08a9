package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
)

// A liveSeries gets a sample every so often, up to now: it grows by its step.
type liveSeries struct {
	text string // name label=value …
	from float64
	step float64
}

// live serves series as a Prometheus does, for ten minutes past.
func live(t *testing.T, every time.Duration, all ...liveSeries) (url string) {
	t.Helper()
	db, now := promdb.New(promdb.Options{}), time.Now()
	for _, one := range all {
		words := strings.Fields(one.text)
		pairs := []string{"__name__", words[0]}
		for _, pair := range words[1:] {
			name, value, _ := strings.Cut(pair, "=")
			pairs = append(pairs, name, value)
		}
		const samples = 40
		for i := range samples {
			if err := db.Append(now.Add(time.Duration(i+1-samples)*every), labels.FromStrings(pairs...), one.from+one.step*float64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	server := promtest.New(promtest.Options{Truth: db})
	t.Cleanup(server.Close)
	listening := httptest.NewServer(server)
	t.Cleanup(listening.Close)
	return listening.URL
}

// troubledShop has a rate that is right but for a pod that is scraped twice, buckets
// that end too early, and a queue.
func troubledShop(t *testing.T) (url string) {
	var all []liveSeries
	for pod, jobs := range map[string][]string{"web-1": {"web"}, "web-2": {"web", "web-pods"}} {
		for _, job := range jobs {
			target := fmt.Sprintf(" namespace=shop pod=%s job=%s instance=%s:8000", pod, job, pod)
			all = append(all, liveSeries{"up" + target, 1, 0}, liveSeries{"http_requests_total" + target, 0, 150})
		}
		target := fmt.Sprintf(" namespace=shop pod=%s job=web instance=%s:8000", pod, pod)
		for bound, count := range map[string]float64{"0.1": 60, "0.5": 100, "1": 138, "+Inf": 150} {
			all = append(all, liveSeries{"http_request_duration_seconds_bucket" + target + " le=" + bound, 0, count})
		}
	}
	all = append(all,
		liveSeries{"up namespace=shop pod=rabbitmq-0 job=rabbitmq instance=rabbitmq-0:15692", 1, 0},
		liveSeries{"queue_messages_ready namespace=shop pod=rabbitmq-0 job=rabbitmq instance=rabbitmq-0:15692 queue=emails", 12, 0})
	return live(t, 15*time.Second, all...)
}

// checkAgainst runs pitot check, and returns what it printed and its exit code.
func checkAgainst(t *testing.T, config, url string, args ...string) (printed string, code int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code = Main(t.Context(), Env{Stdout: &out, Stderr: &out, Stdin: strings.NewReader(""), Getenv: os.Getenv}, append([]string{"check", name, "--against", url}, args...))
	return out.String(), code
}

// TestTheTranscriptOfCheck runs what docs/check.md shows.
func TestTheTranscriptOfCheck(t *testing.T) {
	page := readText(t, repository+"/docs/check.md")
	config := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(page)[1]
	transcript := regexp.MustCompile("(?s)```text\n\\$ pitot check pitot.yaml --against http://localhost:9090 (.*?)\n(.*?)```").FindStringSubmatch(page)
	if transcript == nil {
		t.Fatal("docs/check.md shows no transcript")
	}
	url := troubledShop(t)
	printed, code := checkAgainst(t, config, url, shellWords(t, transcript[1])...)
	if diff := cmp.Diff(timeless(transcript[2]), timeless(strings.ReplaceAll(printed, url, "http://localhost:9090"))); diff != "" || code != exitFound {
		t.Errorf("exit code %d (-documented +printed)\n%s", code, diff)
	}
}

// timeless replaces what differs from run to run.
func timeless(text string) string {
	return regexp.MustCompile(`[0-9.]+ kB in [0-9]+ms`).ReplaceAllString(text, "SIZE in TIME")
}

func TestACheckAgainstAPrometheusThatIsRight(t *testing.T) {
	url := live(t, 15*time.Second,
		liveSeries{"up kubernetes_namespace=shop kubernetes_pod_name=web-1 job=web instance=a", 1, 0},
		liveSeries{"requests_total kubernetes_namespace=shop kubernetes_pod_name=web-1 job=web instance=a", 0, 15})
	const config = `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://nowhere:9090, bearerTokenFile: /nowhere}]
rules:
- {metric: rps, type: Pods, query: 'sum by (namespace, pod) (rate(requests_total[2m]))'}
`
	printed, code := checkAgainst(t, config, url)
	want := `backend main, ` + url + `
  labels: legacy-annotations (1 of 1 series of its rules have kubernetes_namespace)

rps of pods: 1 object in 1 namespace, such as shop/web-1
  sum by (kubernetes_namespace, kubernetes_pod_name) (rate(requests_total[2m]))
  reads requests_total[2m]: 1 series, a sample each 15s, 8 in the window
  answers 1 series, SIZE in TIME

1 rule, 1 backend: nothing is wrong
`
	if diff := cmp.Diff(want, timeless(printed)); diff != "" || code != exitFine {
		t.Errorf("exit code %d (-want +got)\n%s", code, diff)
	}
	printed, code = checkAgainst(t, config, url, "-o", "json")
	var report checkReport
	if err := json.Unmarshal([]byte(printed), &report); err != nil || code != exitFine {
		t.Fatalf("exit code %d, %v: %s", code, err, printed)
	}
	one := report.Against.Rules[0]
	if one.Bytes < 100 || one.Bytes > 5000 || one.Seconds <= 0 || math.Abs(one.Inputs[0].IntervalSeconds-15) > 0.01 {
		t.Errorf("measured %+v", one)
	}
	if report.Against.Backends[0].Labels != "legacy-annotations" || !report.Valid {
		t.Errorf("got %s", printed)
	}
}

func TestACheckAgainstWhatDoesNotAnswer(t *testing.T) {
	const config = `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://127.0.0.1:1}]
rules: [{metric: rps, type: External, query: 'sum by (namespace) (x)'}]
`
	for _, test := range []struct {
		name, config, against, want string
		code                        int
	}{
		{"closed", config, ownBackends, "backend main, http://127.0.0.1:1\n  error: prometheus http://127.0.0.1:1: connection refused\n\n0 rules, 1 backend: 1 error, 0 warnings\n", exitFound},
		{"closed, with labels that are configured", strings.Replace(config, ":1}", ":1, labels: otel}", 1), ownBackends, "query-failed", exitFound},
		{"empty", config, live(t, time.Second), "labels: not known yet (it has neither series of its rules nor scrape targets)", exitFound},
		{"no address", config, "prometheus:9090", `pitot: --against: prometheus: "prometheus:9090" is not an http or https address`, exitUsage},
		{"a broken configuration", strings.Replace(config, "rps", "r s", 1), ownBackends, `field "metric"`, exitFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			printed, code := checkAgainst(t, test.config, test.against)
			if !strings.Contains(printed, test.want) || code != test.code {
				t.Errorf("exit code %d: %s", code, printed)
			}
		})
	}
	if printed, code := checkAgainst(t, config, ownBackends, "--objective", "fast"); code != exitUsage {
		t.Errorf("exit code %d: %s", code, printed)
	}
}
