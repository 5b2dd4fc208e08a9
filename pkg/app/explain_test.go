package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

func TestScaleHint(t *testing.T) {
	half := hpa.Target{Type: hpa.Value, Milli: 500}
	for _, tc := range []struct {
		name   string
		value  string
		target hpa.Target
		hinted bool
	}{
		{"milliseconds for a target in seconds", "500", half, true},
		{"more milliseconds than the target", "2500", half, true},
		{"the same with its unit", "500m", half, false},
		{"a value that is meant", "500.0", half, false},
		{"some seconds", "3", half, false},
		{"a busy moment", "40", half, false},
		{"a target in whole units", "50000", hpa.Target{Type: hpa.Value, Milli: 2000}, false},
		{"a target in percent", "500", hpa.Target{Type: hpa.Utilization, Percent: 80}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := scaleHint(tc.value, tc.target); (got != "") != tc.hinted {
				t.Errorf("hint %q", got)
			}
		})
	}
}

// A pod without a word about it is at work; a young one is judged by its age
// and by how long it has been ready.
func TestPodsOfAnExplainedSync(t *testing.T) {
	at := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	seen := newExplainedSync()
	if err := seen.read([]byte(`
pods:
- {name: plain}
- {name: young, age: 40s, readyFor: 10s}
- {name: ended, phase: Succeeded}
- {name: leaving, ready: false, terminating: true}
`)); err != nil {
		t.Fatal(err)
	}
	var got []hpa.Pod
	for _, pod := range seen.pods() {
		got = append(got, pod.observed(at, nil))
	}
	long := at.Add(-time.Hour)
	want := []hpa.Pod{
		{Name: "plain", Phase: hpa.PodRunning, Ready: hpa.True, Started: long, ReadySince: long},
		{Name: "young", Phase: hpa.PodRunning, Ready: hpa.True, Started: at.Add(-40 * time.Second), ReadySince: at.Add(-10 * time.Second)},
		{Name: "ended", Phase: hpa.PodSucceeded, Ready: hpa.False, Started: long, ReadySince: long},
		{Name: "leaving", Phase: hpa.PodRunning, Ready: hpa.False, Started: long, ReadySince: long, Terminating: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// FuzzExplainedSync lets no file make a decision fail that was let in.
func FuzzExplainedSync(f *testing.F) {
	f.Add("replicas: 3\nmetrics: {cpu: {a: 90, b: none}, queue: 60}\npods: [{name: a}, {name: b, ready: false, age: 20s}]\n")
	f.Add("replicas: 2\nmetrics: {cpu: 90%, queue: }\nrecommendations: [{replicas: 8, ago: 2m}]\nscalings: [{change: -2, ago: 90s}]\n")
	f.Add("replicas: 0\nscaledToZero: true\nmetrics: {cpu: none, queue: 9E}\nwindow: 1h\nat: 2026-11-02T12:00:00Z\n")
	spec := &hpa.Spec{
		MinReplicas: 0,
		MaxReplicas: 10,
		Metrics: []hpa.Metric{
			{Type: hpa.Resource, Name: "cpu", Target: hpa.Target{Type: hpa.Utilization, Percent: 60}},
			{Type: hpa.External, Name: "queue", Target: hpa.Target{Type: hpa.AverageValue, Milli: 30_000}},
		},
		Controller: hpa.DefaultController(),
	}
	f.Fuzz(func(t *testing.T, text string) {
		seen := newExplainedSync()
		if seen.read([]byte(text)) != nil {
			return
		}
		observation, err := seen.observation(spec)
		if err != nil {
			return
		}
		decision, _, err := hpa.Explain(spec, seen.state(), observation, seen.At)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if !strings.HasSuffix(decision.Describe(), ".\n") {
			t.Errorf("described as %q", decision.Describe())
		}
	})
}
