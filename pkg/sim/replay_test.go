package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// recordedHPA is that of testdata/recorded.jsonl: test/e2e/testdata/hpa-fidelity.yaml.
func recordedHPA() *hpa.Spec {
	seconds := func(n time.Duration) *time.Duration { n *= time.Second; return &n }
	up := 0.05
	spec := perPod(2, 12, 10)
	spec.Metrics[0].Name = "page_requests_per_second"
	spec.Behavior = &hpa.Behavior{
		ScaleUp: hpa.Rules{
			StabilizationWindow: seconds(5), SelectPolicy: hpa.MaxChange, Tolerance: &up,
			Policies: []hpa.Policy{
				{Type: hpa.PodsPolicy, Value: 3, Period: 9 * time.Second},
				{Type: hpa.PercentPolicy, Value: 50, Period: 9 * time.Second},
			},
		},
		ScaleDown: hpa.Rules{
			StabilizationWindow: seconds(15), SelectPolicy: hpa.MinChange,
			Policies: []hpa.Policy{
				{Type: hpa.PodsPolicy, Value: 3, Period: 13 * time.Second},
				{Type: hpa.PercentPolicy, Value: 40, Period: 13 * time.Second},
			},
		},
	}
	return spec
}

// testdata/recorded.jsonl is the beginning of what TestFidelity of test/e2e
// recorded of the HPA controller of Kubernetes 1.37.2, with what that did.
func TestAReplayDecidesWhatTheRealControllerDid(t *testing.T) {
	text, err := os.ReadFile("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	syncs, err := ReadRecorded(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := Replay(recordedHPA(), hpa.State{}, syncs)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[hpa.Reason]bool{}
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var want struct {
			Did struct {
				Wrote            int32 // -1 is nothing
				Reason           string
				Current, Desired int32
				Conditions       []string
			}
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		decision, state := replayed[i].Decision, replayed[i].State
		got := want
		got.Did.Wrote, got.Did.Reason, got.Did.Conditions = -1, decision.Reason, nil
		if decision.Outcome == hpa.Rescaled {
			got.Did.Wrote = decision.To
		}
		got.Did.Current, got.Did.Desired = state.CurrentReplicas, state.DesiredReplicas
		for _, one := range state.Conditions {
			got.Did.Conditions = append(got.Did.Conditions, fmt.Sprint(one.Type, " ", one.Status, " ", one.Reason))
			reasons[one.Reason] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("sync %d at %s (-controller +replay):\n%s\n%s", i+1, syncs[i].At, diff, decision.Describe())
		}
	}
	for _, reason := range []hpa.Reason{
		hpa.ReasonScaleUpStabilized, hpa.ReasonScaleDownStabilized, hpa.ReasonScaleUpLimit, hpa.ReasonScaleDownLimit,
		hpa.ReasonTooManyReplicas, hpa.ReasonTooFewReplicas, hpa.ReasonFailedGetPodsMetric,
	} {
		if !reasons[reason] {
			t.Errorf("no sync with %s", reason)
		}
	}
}

// A change counts for the period of a policy from when it was written.
func TestAReplayDatesChangesByTheirWriting(t *testing.T) {
	spec := perPod(1, 9, 1)
	spec.Behavior.ScaleUp.Policies = []hpa.Policy{{Type: hpa.PodsPolicy, Value: 1, Period: 10 * time.Second}}
	busy := func(replicas int32) hpa.Observation {
		return hpa.Observation{
			Replicas: replicas,
			Pods:     []hpa.Pod{{Name: "a", Phase: hpa.PodRunning}},
			Readings: []hpa.Reading{{Pods: []hpa.Sample{{Present: true, Milli: 9000}}}},
		}
	}
	for took, want := range map[time.Duration]int32{0: 3, 100 * time.Millisecond: 3, 101 * time.Millisecond: 2} {
		replayed, err := Replay(spec, hpa.State{}, []Recorded{
			{At: noon, Wrote: noon.Add(took), Observation: busy(1)},
			{At: noon.Add(10100 * time.Millisecond), Observation: busy(2)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := replayed[1].Decision.To; got != want {
			t.Errorf("written after %v: %d replicas, want %d", took, got, want)
		}
	}
}
