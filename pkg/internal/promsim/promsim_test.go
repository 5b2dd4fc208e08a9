package promsim_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promsim"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A steady fleet has pods that complete ten requests a second times their id, half
// of them within 100 ms and all within 200 ms, and a queue of 42.
type steady struct {
	workload.Fleet
	now   time.Time
	since map[int]time.Time
}

func (f *steady) Pod(pod int, into *workload.Counts) {
	n := f.now.Sub(f.since[pod]).Seconds() * 10 * float64(pod)
	*into = workload.Counts{Completed: n, Seconds: n * 0.1, Buckets: append(into.Buckets[:0], n/2, n, n)}
}

func (f *steady) Whole() workload.Totals { return workload.Totals{Ready: 42.4} }

// A world plays pods to a pipeline.
type world struct {
	t        *testing.T
	pipeline *promsim.Pipeline
	fleet    *steady
	now      time.Time
	outage   bool
	pods     []int
	spec     hpa.Spec
}

func newWorld(t *testing.T) *world {
	t.Helper()
	p, spec, err := shop(shopPage)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, pipeline: p, now: begin, spec: spec, fleet: &steady{since: map[int]time.Time{}}}
}

var shopPage = []scenario.Exposed{
	{Name: "http_requests_total", Of: scenario.CountsCompleted, Labels: map[string]string{"handler": "/work"}},
	{Name: "http_request_duration_highr_seconds", Of: scenario.CountsLatency, Buckets: []float64{0.1, 0.2}},
	{Name: "queue_messages_ready", Of: scenario.CountsBacklog, Labels: map[string]string{"queue": "emails"}},
}

const autoscaler = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 20
  metrics:
  - type: Pods
    pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: "20"}}
  - type: Object
    object:
      metric: {name: http_p95_seconds}
      describedObject: {apiVersion: apps/v1, kind: Deployment, name: web}
      target: {type: Value, value: 500m}
  - type: External
    external:
      metric: {name: queue_depth, selector: {matchLabels: {queue: emails}}}
      target: {type: AverageValue, averageValue: "60"}
  - type: Object
    object:
      metric: {name: queue_depth}
      describedObject: {apiVersion: v1, kind: Namespace, name: shop}
      target: {type: Value, value: "60"}
`

// shop is the pipeline of the example rules over a page.
func shop(page []scenario.Exposed) (*promsim.Pipeline, hpa.Spec, error) {
	text, err := os.ReadFile("../../../examples/pitot.yaml")
	if err != nil {
		return nil, hpa.Spec{}, err
	}
	set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: text})
	if err != nil {
		return nil, hpa.Spec{}, err
	}
	found, err := manifest.Read("hpa.yaml", strings.NewReader(autoscaler))
	if err != nil {
		return nil, hpa.Spec{}, err
	}
	p, err := promsim.New(promsim.Options{
		Rules: set, Autoscaler: &found[0], Page: page, Bounds: []float64{0.1, 0.2},
		ScrapeInterval: 15 * time.Second, Refresh: 15 * time.Second,
	})
	return p, found[0].Spec, err
}

// pass lets seconds pass.
func (w *world) pass(seconds int) {
	for range seconds {
		w.now = w.now.Add(time.Second)
		w.fleet.now = w.now
		scene := sim.Scene{Fleet: w.fleet, Outage: w.outage}
		for _, id := range w.pods {
			if _, known := w.fleet.since[id]; !known {
				w.fleet.since[id] = w.now
			}
			scene.Pods = append(scene.Pods, sim.ScenePod{ID: id, Name: fmt.Sprint("web-", id), Since: w.fleet.since[id]})
		}
		w.pipeline.Observe(w.now, scene)
	}
}

// read writes what the HPA reads of each metric.
func (w *world) read() string {
	var lines []string
	for i, r := range w.pipeline.Read(w.now, w.spec.Metrics, w.pods) {
		line := fmt.Sprintf("%s %s:", w.spec.Metrics[i].Type, w.spec.Metrics[i].Name)
		switch {
		case r.Err != nil:
			line += " " + r.Err.Error()
		case w.spec.Metrics[i].Type == hpa.Pods:
			for _, s := range r.Pods {
				if s.Present {
					line += fmt.Sprintf(" %d", s.Milli)
				} else {
					line += " -"
				}
			}
		default:
			line += fmt.Sprint(" ", r.Values)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

var update = flag.Bool("update", false, "rewrite golden output")

// TestReadsAreThoseOfTheAdapter plays testdata/reads.txt.
func TestReadsAreThoseOfTheAdapter(t *testing.T) {
	w := newWorld(t)
	var got strings.Builder
	note := func(what string) { fmt.Fprintf(&got, "%s\n%s\n\n", what, w.read()) }

	w.pods = []int{1, 2}
	w.pass(10)
	note("10s: a rate needs two scrapes")
	w.pass(60)
	note("70s: pod 1 completes 10 a second, pod 2 twice as many")
	w.pods = []int{1, 2, 3}
	w.pass(10)
	note("80s: pod 3 has come")
	w.pass(60)
	note("140s: pod 3 has a rate")
	w.pods = []int{1, 3}
	w.pass(20)
	note("160s: pod 2 is gone; its share of the quantile stays for a window")
	w.outage = true
	w.pass(20)
	note("180s: Prometheus has been away for 20s, which is bridged")
	w.pass(40)
	note("220s: away for a minute")
	w.outage = false
	w.pass(20)
	note("240s: it is back, windows are not full")
	w.pass(150)
	note("390s: windows are full")

	const golden = "testdata/reads.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAPageMustHaveWhatTheRulesAskFor(t *testing.T) {
	_, _, err := shop(shopPage[:1])
	if err == nil {
		t.Fatal("a page without a histogram is accepted")
	}
	const want = `metric http_p95_seconds: its rule asks for http_request_duration_highr_seconds_bucket, which the simulated pods do not expose (hint: add it to exposes of the app)
metric queue_depth: its rule asks for queue_messages_ready, which the simulated pods do not expose (hint: add it to exposes of the app)
metric queue_depth: its rule asks for queue_messages_ready, which the simulated pods do not expose (hint: add it to exposes of the app)`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
