package app

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// shopApp has signals for the metrics of the example rules, and the series that
// these ask for.
const shopApp = `apiVersion: pitot.dev/v1alpha1
kind: App
server: {kind: sync, workers: 4, serviceTime: 80ms}
startup: 20s
signals:
  http_requests_per_second: rate
  http_p95_seconds: {signal: p95, onIdle: zero}
exposes:
- {name: http_requests_total, of: completed, labels: {handler: /work}}
- {name: http_request_duration_highr_seconds, of: latency, buckets: [0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5]}
`

const shopHPA = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 12
  metrics:
  - type: Pods
    pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: "20"}}
  - type: Object
    object:
      metric: {name: http_p95_seconds}
      describedObject: {apiVersion: apps/v1, kind: Deployment, name: web}
      target: {type: Value, value: 500m}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 120}
`

// shopFlight is half an hour with a ramp, a flash crowd and a silence.
func shopFlight(t testing.TB, pipeline scenario.Pipeline) *flight {
	t.Helper()
	app, err := scenario.ReadApp("app.yaml", strings.NewReader(shopApp))
	if err != nil {
		t.Fatal(err)
	}
	found, err := manifest.Read("hpa.yaml", strings.NewReader(shopHPA))
	if err != nil {
		t.Fatal(err)
	}
	demand, err := workload.ParseShape("ramp 20 to 120 over 6m, 400 for 3m, 30 for 8m, 0 for 6m, 60 for 7m", 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../examples/pitot.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := rule.Load(rule.File{Name: "pitot.yaml", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	f := &flight{name: "web", autoscaler: &found[0], app: app, demand: demand, begin: shapesBegin, pipeline: pipeline, rules: rules, seed: 7}
	f.setLeadIn()
	return f
}

// A logbook keeps what every sync read and did.
type logbook struct{ lines []string }

func (l *logbook) Handle(m sim.Message) error {
	sync, ok := m.(*sim.Sync)
	if !ok {
		return nil
	}
	line := fmt.Sprintf("%s %d → %d", sync.At.Round(time.Millisecond), sync.Decision.From, sync.Decision.To)
	for _, o := range sync.Observed {
		value := "none"
		if !math.IsNaN(o.Value) {
			value = fmt.Sprintf("%.3f of %d", o.Value, o.Pods)
		}
		line += fmt.Sprintf(" %s=%s", o.Metric, value)
	}
	l.lines = append(l.lines, line)
	return nil
}

// queueFlight is a queue that two of the example's HPAs read, one as an External
// metric and one as an Object.
func queueFlight(t *testing.T, name string, pipeline scenario.Pipeline) *flight {
	t.Helper()
	flags := tunnelFlags{
		name: name, pipeline: string(pipeline), seed: 3, config: []string{"../../examples/pitot.yaml"},
		app: filepath.Join(t.TempDir(), "app.yaml"), demand: scenario.Demand{Shape: "5 for 10m, 170 for 2m, 5 for 20m", Scale: 1},
	}
	if err := os.WriteFile(flags.app, []byte(`apiVersion: pitot.dev/v1alpha1
kind: App
server: {kind: queue, workers: 8, serviceTime: 400ms, prefetch: 3}
startup: 15s
signals: {queue_depth: backlog}
exposes: [{name: queue_messages_ready, of: backlog, labels: {queue: emails}}]
`), 0o644); err != nil {
		t.Fatal(err)
	}
	flights, err := flags.flights(Env{Getenv: os.Getenv}, []string{"../../examples/hpa.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return flights[0]
}

// What the fast pipeline computes is what Prometheus and Pitot make of the same
// scrapes, sample by sample.
func TestBothPipelinesReadTheSame(t *testing.T) {
	outage := []sim.Event{{Kind: sim.Outage, At: 8 * time.Minute, For: 100 * time.Second}}
	for name, fly := range map[string]func(scenario.Pipeline) *flight{
		"rate and latency": func(p scenario.Pipeline) *flight { return shopFlight(t, p) },
		"rate and latency, with an outage": func(p scenario.Pipeline) *flight {
			f := shopFlight(t, p)
			f.events = outage
			return f
		},
		"a queue, external": func(p scenario.Pipeline) *flight { return queueFlight(t, "worker", p) },
		"a queue, of the namespace, with an outage": func(p scenario.Pipeline) *flight {
			f := queueFlight(t, "mailer", p)
			f.events = outage
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			logs := map[scenario.Pipeline]*logbook{}
			for _, pipeline := range []scenario.Pipeline{scenario.Signals, scenario.PromQL} {
				logs[pipeline] = &logbook{}
				if _, err := fly(pipeline).fly(t.Context(), logs[pipeline]); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(logs[scenario.PromQL].lines, logs[scenario.Signals].lines); diff != "" {
				t.Errorf("(-promql +signals)\n%s", diff)
			}
			if n := len(logs[scenario.Signals].lines); n < 100 {
				t.Errorf("only %d syncs", n)
			}
		})
	}
}
