package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// simulated is a day of a shop as the simulator has it: an outage in the morning,
// pods that do not start at noon, a restart of the controller in the evening.
func simulated(t testing.TB, name string, change func(*sim.Config)) *sim.Config {
	t.Helper()
	bounds := []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	server := workload.Server{Kind: workload.Sync, Workers: 8, Service: workload.Time{Mean: 80 * time.Millisecond, SCV: 1}, CPU: 20 * time.Millisecond, Balancer: workload.Random, Timeout: 30 * time.Second}
	planner, err := workload.NewPlanner(server, 0.95, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := workload.NewFleet(server, workload.Options{Quantiles: []float64{0.95}, Bounds: bounds})
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := sim.NewSignals(map[string]sim.Signal{
		"http_requests_per_second": {Kind: sim.Rate, Window: 2 * time.Minute},
		"http_p95_seconds":         {Kind: sim.Latency, Window: 2 * time.Minute, Quantile: 0.95},
	}, sim.SignalOptions{Bounds: bounds, Workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	c := &sim.Config{
		Name: name, Seed: 1, Begin: dawn, LeadIn: 5 * time.Minute,
		Demand: workload.Sine(500, 420, 24*time.Hour).Over(24 * time.Hour),
		Spec: &hpa.Spec{
			MinReplicas: 2, MaxReplicas: 14,
			Metrics: []hpa.Metric{
				{Type: hpa.Pods, Name: "http_requests_per_second", Target: hpa.Target{Type: hpa.AverageValue, Milli: 60_000}},
				{Type: hpa.Object, Name: "http_p95_seconds", Kind: "Deployment", Target: hpa.Target{Type: hpa.Value, Milli: 450}},
			},
			Behavior: sim.DefaultBehavior(), Controller: hpa.DefaultController(),
		},
		Pods:  sim.Pods{Startup: workload.Time{Mean: 40 * time.Second, SCV: 0.2}, Shutdown: 30 * time.Second},
		Fleet: fleet, Pipeline: pipeline, Need: planner.Need,
		Objective: &sim.Objective{Quantile: 0.95, Limit: 500 * time.Millisecond}, Price: 0.04,
		Trails: true,
		Events: []sim.Event{
			{At: 4 * time.Hour, For: time.Hour, Kind: sim.Outage},
			{At: 7 * time.Hour, For: 20 * time.Minute, Kind: sim.StuckPods},
			{At: 19 * time.Hour, Kind: sim.Restart},
		},
	}
	change(c)
	return c
}

// What the simulator tells is what the renderers understand: a run of it, and the
// replay of its lines, give the same bytes in every format.
func TestARealRunReplays(t *testing.T) {
	run := func(h sim.Handler) {
		c := simulated(t, "web", func(c *sim.Config) {
			c.Demand = workload.Sine(500, 420, 2*time.Hour).Over(2 * time.Hour)
			for i := range c.Events {
				c.Events[i].At /= 12
				c.Events[i].For /= 12
			}
		})
		if _, err := sim.Run(t.Context(), c, h); err != nil {
			t.Fatal(err)
		}
	}
	var lines bytes.Buffer
	jsonl := NewJSONL(&lines)
	run(jsonl)
	closed(t, jsonl)
	for format := range renderers(&bytes.Buffer{}) {
		var live, replayed bytes.Buffer
		first, second := forReal(format, &live), forReal(format, &replayed)
		run(first)
		closed(t, first)
		if err := ReadMessages(bytes.NewReader(lines.Bytes()), second); err != nil {
			t.Fatal(err)
		}
		closed(t, second)
		if diff := cmp.Diff(live.String(), replayed.String()); diff != "" {
			t.Errorf("%s: -live +replayed\n%s", format, diff)
		}
		if format == "csv" && !strings.Contains(live.String(), "true_http_p95_seconds") {
			t.Error("the table lacks a metric")
		}
	}
}

// forReal is a renderer without the metrics of another HPA.
func forReal(format string, w *bytes.Buffer) renderer {
	if format == "csv" {
		return NewCSV(w)
	}
	return renderers(w)[format]
}
