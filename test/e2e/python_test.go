package e2e

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

const (
	// pythonWindow is that of the rules of TestPython: 20 scrapes.
	pythonWindow = 20 * time.Second
	// pythonLoad is in requests per second, for each application.
	pythonLoad = 21
	// settled is how long a change of the load takes until every read is of a
	// window after it: a scrape, a refresh, and one for the machine.
	settled = pythonWindow + scrapeInterval + 2*refreshInterval
)

// How far what Pitot serves may be from what the customers counted.
const (
	rateError     = 0.05
	inFlightError = 0.10
	// unsteady is for the rate of a workload while its pods change.
	unsteady = 0.10
)

// bounds are the buckets of the applications' histograms, in seconds.
var bounds = []float64{0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10}

// webExamples are those that answer requests.
var webExamples = []string{"flask-gunicorn", "fastapi-uvicorn", "fastapi-gunicorn", "django-gunicorn"}

// TestPython runs the applications of examples/apps from the very files that the
// documentation shows, and holds what the HPA reads beside what customers count.
func TestPython(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	startPrometheus(c, "main")
	broker := startBroker(c)
	applications := openApps(c, "redis://redis:6379", "redis://"+broker.address)
	var rules []string
	for _, example := range append(slices.Clone(webExamples), "celery-redis") {
		rules = append(rules, exampleRules(t, example)...)
	}
	c.pitot = startPitot(c, pitotSetup{config: "python.yaml", values: map[string]any{"Rules": rules}})

	for _, example := range webExamples {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			testWebExample(t, applications, example)
		})
	}
	t.Run("flask-gunicorn without multiprocess mode", func(t *testing.T) {
		t.Parallel()
		testWorkersThatCountAlone(t, applications)
	})
	t.Run("celery-redis", func(t *testing.T) {
		t.Parallel()
		testCeleryExample(t, applications)
	})
}

// exampleRules are the rules of an example, each as JSON.
func exampleRules(t *testing.T, example string) (rules []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, example, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Rules []map[string]any `json:"rules"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", example, err)
	}
	for _, rule := range file.Rules {
		rules = append(rules, inPlace(t, example, rule))
		if rule["metric"] == named(example, "http_requests_per_second") {
			// The same of the workload.
			rule["type"], rule["of"], rule["aggregate"] = "Object", "deployments.apps", "sum"
			rules = append(rules, string(inJSON(t, rule)))
		}
	}
	return rules
}

// inPlace gives a rule its name among those of all examples and a short window.
func inPlace(t *testing.T, example string, rule map[string]any) string {
	t.Helper()
	rule["metric"] = named(example, rule["metric"].(string))
	if buckets, ok := rule["buckets"].(string); ok {
		rule["buckets"] = strings.ReplaceAll(buckets, "[2m]", "["+pythonWindow.String()+"]")
	} else if rule["with"] == nil {
		rule["with"] = map[string]any{"window": pythonWindow.String()}
	}
	return string(inJSON(t, rule))
}

// named is the name of an example's metric among those of all.
func named(example, metric string) string {
	return strings.ReplaceAll(example, "-", "_") + "_" + metric
}

// renamed makes an example's HPA read the metrics of that example.
func renamed(example string) func(*unstructured.Unstructured) {
	return func(object *unstructured.Unstructured) {
		if object.GetKind() != "HorizontalPodAutoscaler" {
			return
		}
		metrics, _, _ := unstructured.NestedSlice(object.Object, "spec", "metrics")
		for _, entry := range metrics {
			for _, source := range []string{"pods", "object"} {
				if name, ok, _ := unstructured.NestedString(entry.(map[string]any), source, "metric", "name"); ok {
					_ = unstructured.SetNestedField(entry.(map[string]any), named(example, name), source, "metric", "name")
				}
				if kind, _, _ := unstructured.NestedString(entry.(map[string]any), source, "describedObject", "kind"); kind == "Namespace" {
					_ = unstructured.SetNestedField(entry.(map[string]any), object.GetNamespace(), source, "describedObject", "name")
				}
			}
		}
		_ = unstructured.SetNestedSlice(object.Object, metrics, "spec", "metrics")
	}
}

// A web application under an even load: what the HPA reads is what the customers
// had, also when a pod is killed and when a container starts again. Without load
// it is idle, and when it does not answer it is an error.
func testWebExample(t *testing.T, a *apps, example string) {
	c := a.cluster
	w := &watcher{apps: a, example: example}
	a.deploy(t, example, example, renamed(example), "deployment.yaml", "hpa.yaml")
	a.awaitAnswering(t, example, "web", 2)
	w.customers = a.sendCustomers(example, pythonLoad, ordersAndReports)
	defer w.customers.Stop()
	c.Pass(t, settled)
	w.compare(t)
	c.awaitScalingActive(t, example, "web", 20*time.Second, corev1.ConditionTrue)

	t.Run("a pod is killed", w.testKilled)
	t.Run("a container starts again", w.testRestarted)
	w.customers.Stop()
	t.Run("without load", w.testIdle)
	t.Run("without answers", w.testCrashed)
}

// A watcher reads the metrics of a web example.
type watcher struct {
	apps      *apps
	example   string
	customers *customers
}

func (w *watcher) pods(metric string) string {
	return "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + w.example + "/pods/*/" + named(w.example, metric)
}

func (w *watcher) workload(metric string) string {
	return "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + w.example + "/deployments.apps/web/" + named(w.example, metric)
}

// each reads a metric of every pod, by name.
func (w *watcher) each(ctx context.Context, metric string) (map[string]float64, error) {
	items, err := w.apps.cluster.items(ctx, w.pods(metric))
	values := map[string]float64{}
	for _, item := range items {
		values[item.DescribedObject.Name] = item.Value.AsApproximateFloat64()
	}
	return values, err
}

// total reads a metric of every pod and adds up.
func (w *watcher) total(ctx context.Context, metric string) (total float64, err error) {
	values, err := w.each(ctx, metric)
	for _, value := range values {
		total += value
	}
	return total, err
}

// compare reads five times what Pitot serves, beside what the customers had. A
// machine that stalls loses a scrape, which is a twentieth of the window: then it
// reads again after a window.
func (w *watcher) compare(t *testing.T) {
	t.Helper()
	const attempts = 3
	for attempt := 1; ; attempt++ {
		var problems []error
		for range 5 {
			problems = append(problems, w.comparison(t))
			w.apps.cluster.Pass(t, scrapeInterval)
		}
		err := errors.Join(problems...)
		if err == nil {
			return
		}
		if attempt == attempts {
			t.Fatal(err)
		}
		t.Log(err)
		w.apps.cluster.Pass(t, settled)
	}
}

// comparison says where what Pitot serves is not what the customers had.
func (w *watcher) comparison(t *testing.T) error {
	t.Helper()
	c := w.apps.cluster
	rate, err1 := w.total(c.Ctx, "http_requests_per_second")
	inFlight, err2 := w.total(c.Ctx, "http_requests_in_flight")
	p95, err3 := c.rate(c.Ctx, w.workload("http_p95_seconds"))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	had := w.customers.over(pythonWindow, time.Now().Add(-refreshInterval))
	t.Logf("served %.2f/s, %.2f in flight, p95 %.0f ms; the customers had %.2f/s, %.2f, %d ms; load %s",
		rate, inFlight, p95*1000, had.perSecond, had.inFlight, had.p95.Milliseconds(), loadAverage(t))
	var problems []error
	if off(rate, had.perSecond) > rateError {
		problems = append(problems, fmt.Errorf("the rate is %.1f %% off", 100*off(rate, had.perSecond)))
	}
	if off(inFlight, had.inFlight) > inFlightError {
		problems = append(problems, fmt.Errorf("the requests in flight are %.1f %% off", 100*off(inFlight, had.inFlight)))
	}
	if bucket(p95) != bucket(had.p95.Seconds()) {
		problems = append(problems, errors.New("the p95 is in another bucket"))
	}
	return errors.Join(problems...)
}

// off is how far a value is from the truth.
func off(value, truth float64) float64 { return math.Abs(value/truth - 1) }

// bucket is the number of the bucket that a duration falls into.
func bucket(seconds float64) int {
	n, _ := slices.BinarySearch(bounds, seconds)
	return n
}

// A pod that is killed leaves the metrics of pods at once and that of the workload
// within a window, in which its share fades as that of its successor grows.
func (w *watcher) testKilled(t *testing.T) {
	c := w.apps.cluster
	killed := w.apps.answering(w.example, "web")[0].key
	w.apps.kill(t, killed)
	c.Eventually(t, 5*time.Second, "it is out of the metrics of pods", func(ctx context.Context) error {
		values, err := w.each(ctx, "http_requests_per_second")
		if _, there := values[killed.name]; there && err == nil {
			err = fmt.Errorf("it has %g", values[killed.name])
		}
		return err
	})
	w.throughoutWindow(t)
}

// A container that starts again counts from zero, which is no negative rate and
// no spike.
func (w *watcher) testRestarted(t *testing.T) {
	w.apps.awaitAnswering(t, w.example, "web", 2)
	if err := w.apps.restart(w.apps.answering(w.example, "web")[0].key); err != nil {
		t.Fatal(err)
	}
	w.throughoutWindow(t)
	w.apps.awaitAnswering(t, w.example, "web", 2)
	w.apps.cluster.Pass(t, 2*time.Second)
}

// throughoutWindow watches the workload's rate for a window and a bit, after
// which it is right again.
func (w *watcher) throughoutWindow(t *testing.T) {
	t.Helper()
	c, began := w.apps.cluster, time.Now()
	least, most := math.Inf(1), 0.0
	for time.Since(began) < settled {
		rate, err := c.rate(c.Ctx, w.workload("http_requests_per_second"))
		if err != nil {
			t.Fatalf("after %s: %v", time.Since(began).Round(time.Millisecond), err)
		}
		had := w.customers.over(pythonWindow, time.Now().Add(-refreshInterval))
		least, most = min(least, rate/had.perSecond), max(most, rate/had.perSecond)
		c.Pass(t, 500*time.Millisecond)
	}
	t.Logf("the workload's rate was between %.3f and %.3f of what the customers had", least, most)
	if least < 1-unsteady || most > 1+unsteady {
		t.Errorf("the workload's rate was between %.3f and %.3f of what the customers had, want 1 to %g", least, most, unsteady)
	}
	c.Eventually(t, 10*time.Second, "the rate is that of the customers", func(ctx context.Context) error {
		rate, err := c.rate(ctx, w.workload("http_requests_per_second"))
		had := w.customers.over(pythonWindow, time.Now().Add(-refreshInterval))
		if err == nil && off(rate, had.perSecond) > rateError {
			err = fmt.Errorf("%g where the customers had %g", rate, had.perSecond)
		}
		return err
	})
}

// Without load everything is zero, and the HPA goes on.
func (w *watcher) testIdle(t *testing.T) {
	c := w.apps.cluster
	c.Eventually(t, settled+10*time.Second, "it is idle", func(ctx context.Context) error {
		rate, err1 := w.total(ctx, "http_requests_per_second")
		inFlight, err2 := w.total(ctx, "http_requests_in_flight")
		p95, err3 := c.rate(ctx, w.workload("http_p95_seconds"))
		// Probes are in the requests in flight of Django, whose sum has no path.
		if err := errors.Join(err1, err2, err3); err != nil || rate == 0 && inFlight < 0.01 && p95 == 0 {
			return err
		}
		return fmt.Errorf("%g/s, %g in flight, p95 %g s", rate, inFlight, p95)
	})
	c.awaitScalingActive(t, w.example, "web", 20*time.Second, corev1.ConditionTrue)
}

// Metrics that nobody can read are an error, not a zero.
func (w *watcher) testCrashed(t *testing.T) {
	w.apps.crash(w.example, "web")
	w.apps.cluster.awaitScalingActive(t, w.example, "web", time.Minute, corev1.ConditionFalse)
}

// Workers that each count for themselves are told by the page itself.
func testWorkersThatCountAlone(t *testing.T, a *apps) {
	const namespace = "alone"
	alone := func(object *unstructured.Unstructured) {
		containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		delete(containers[0].(map[string]any), "env")
		_ = unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers")
	}
	a.deploy(t, namespace, "flask-gunicorn", alone, "deployment.yaml")
	a.awaitAnswering(t, namespace, "web", 1)
	customers := a.sendCustomers(namespace, 10, ordersAndReports)
	defer customers.Stop()
	a.cluster.Pass(t, 5*time.Second)

	code, said := a.detect(t, namespace)
	if code != 3 || !strings.Contains(said, "[no-multiprocess]") {
		t.Errorf("pitot detect exits with %d and says\n%s", code, said)
	}
	a.awaitAnswering(t, "flask-gunicorn", "web", 2)
	if code, said := a.detect(t, "flask-gunicorn"); code != 0 {
		t.Errorf("in multiprocess mode pitot detect exits with %d and says\n%s", code, said)
	}
}

// detect runs pitot detect on a pod.
func (a *apps) detect(t *testing.T, namespace string) (code int, said string) {
	t.Helper()
	command := exec.CommandContext(a.cluster.Ctx, a.cluster.programs.pitot,
		"detect", a.answering(namespace, "web")[0].metricsURL(), "--objective", "p95=500ms")
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(out)
}

// startBroker starts a Redis for Celery.
func startBroker(c *cluster) *redis {
	port := trial.FreePort()
	c.Start(trial.Command{Name: "broker", Path: "/usr/bin/redis-server", Args: []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--dir", c.Folder,
	}})
	r := &redis{address: trial.Loopback(port)}
	c.Eventually(c.T, 20*time.Second, "the broker answers", func(ctx context.Context) error { return r.do(ctx, "PING") })
	return r
}

// Tasks of three priorities: the backlog is what is not done yet, exactly, also
// when the lists are empty because a worker has reserved the rest.
func testCeleryExample(t *testing.T, a *apps) {
	const namespace, example = "celery-redis", "celery-redis"
	c := a.cluster
	rename := renamed(example)
	a.deploy(t, namespace, example, func(object *unstructured.Unstructured) {
		rename(object)
		if object.GetKind() == "Deployment" && object.GetName() == "worker" {
			_ = unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas")
		}
	}, "deployment.yaml")
	a.awaitAnswering(t, namespace, "redis-exporter", 1)
	backlog := func(ctx context.Context) (float64, error) {
		return c.rate(ctx, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/"+namespace+"/metrics/"+
			named(example, "celery_backlog")+"?metricLabelSelector=queue%3Dcelery")
	}
	is := func(want float64) func(context.Context) error {
		return func(ctx context.Context) error {
			value, err := backlog(ctx)
			if err == nil && value != want {
				err = fmt.Errorf("%g", value)
			}
			return err
		}
	}
	c.Eventually(t, 30*time.Second, "an empty queue is zero", is(0))

	a.sendTasks(t, "mail", 0, 30)
	a.sendTasks(t, "mail", 3, 14)
	a.sendTasks(t, "export", 9, 4)
	c.Eventually(t, 20*time.Second, "the backlog is all that was sent", is(48))
	c.Throughout(t, 5*time.Second, "it stays that", is(48))

	one := []byte(`{"spec":{"replicas":1}}`)
	if _, err := c.client.AppsV1().Deployments(namespace).Patch(c.Ctx, "worker", types.MergePatchType, one, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	// Mails are urgent, and done in seconds. Of the exports two run and two wait,
	// each for 12 s.
	for _, rest := range []float64{4, 2} {
		c.Eventually(t, 40*time.Second, fmt.Sprintf("%g exports are not done", rest), is(rest))
		if done := a.succeeded(t, namespace); done != 48-int(rest) {
			t.Errorf("the backlog is %g where the worker has done %d of 48", rest, done)
		}
		c.Throughout(t, 3*time.Second, "while they take their time", is(rest))
	}
	c.Eventually(t, 40*time.Second, "all are done", is(0))
	if done := a.succeeded(t, namespace); done != 48 {
		t.Errorf("the backlog is 0 where the worker has done %d of 48", done)
	}

	a.deploy(t, namespace, example, rename, "hpa.yaml")
	c.awaitScalingActive(t, namespace, "worker", 20*time.Second, corev1.ConditionTrue)
	a.crash(namespace, "redis-exporter")
	c.awaitScalingActive(t, namespace, "worker", time.Minute, corev1.ConditionFalse)
}

// sendTasks sends tasks as the example's own program does.
func (a *apps) sendTasks(t *testing.T, task string, priority, number int) {
	t.Helper()
	command := exec.CommandContext(a.cluster.Ctx, python, "send.py", task, "--priority", strconv.Itoa(priority), strconv.Itoa(number))
	command.Dir = filepath.Join(examples, "celery-redis")
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "BROKER="+strings.NewReplacer(a.others...).Replace("redis://redis:6379/0"))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// succeeded is how many tasks the workers say that they have done.
func (a *apps) succeeded(t *testing.T, namespace string) (done int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(a.cluster.Logs, "pod-"+namespace+"-worker-*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		done += strings.Count(string(text), "] succeeded in ")
	}
	return done
}
