package hpa

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// rps is an HPA on 100 requests a second for each pod, with the API server's
// default behavior.
func rps(minimum, maximum int32) Spec {
	none := time.Duration(0)
	return Spec{
		MinReplicas: minimum,
		MaxReplicas: maximum,
		Metrics:     []Metric{{Type: Pods, Name: "rps", Target: Target{Type: AverageValue, Milli: 100_000}}},
		Behavior: &Behavior{
			ScaleUp: Rules{StabilizationWindow: &none, SelectPolicy: MaxChange,
				Policies: []Policy{{PodsPolicy, 4, 15 * time.Second}, {PercentPolicy, 100, 15 * time.Second}}},
			ScaleDown: Rules{SelectPolicy: MaxChange, Policies: []Policy{{PercentPolicy, 100, 15 * time.Second}}},
		},
		Controller: DefaultController(),
	}
}

// running are n ready pods, each of which has this sample.
func running(n int, milli int64) Observation {
	seen := Observation{Replicas: int32(n), StatusReplicas: int32(n), Readings: make([]Reading, 1)}
	for range n {
		seen.Pods = append(seen.Pods, Pod{Phase: PodRunning, Ready: True, ReadySince: t0.Add(-time.Hour), Started: t0.Add(-time.Hour)})
		seen.Readings[0].Pods = append(seen.Readings[0].Pods, Sample{Present: true, Milli: milli, At: t0, Window: time.Minute})
	}
	return seen
}

// A state may be kept and used again: a simulation branches, a test compares.
func TestStepChangesNothingThatItWasGiven(t *testing.T) {
	spec, state := rps(1, 100), State{}
	now := t0
	for _, milli := range []int64{300_000, 10_000, 200_000, 100_000, 1_000} {
		for _, failing := range []error{nil, errors.New("forbidden")} {
			seen := running(7, milli)
			seen.ScaleWriteErr = failing
			before := clone(t, state)
			_, after, err := Step(&spec, state, &seen, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, state); diff != "" {
				t.Fatalf("the state that was given changed (-before +after)\n%s", diff)
			}
			state = after
			now = now.Add(4 * time.Minute)
		}
	}
}

// clone goes through JSON: what it loses, a simulation that is stopped and
// continued would lose too.
func clone(t *testing.T, s State) State {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out State
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAStateSurvivesJSON(t *testing.T) {
	spec, state := rps(1, 100), State{}
	for i, milli := range []int64{300_000, 10_000, 200_000} {
		seen := running(7, milli)
		_, after, err := Step(&spec, state, &seen, t0.Add(time.Duration(i)*10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		state = after
	}
	if len(state.ScaleUps) == 0 || len(state.ScaleDowns) == 0 || len(state.Conditions) == 0 {
		t.Fatalf("too little happened: %+v", state)
	}
	if diff := cmp.Diff(state, clone(t, state)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

func TestADecisionWithItsTrailSurvivesJSON(t *testing.T) {
	spec := rps(0, 10)
	spec.Metrics = []Metric{{Type: External, Name: "queue", Target: Target{Type: AverageValue, Milli: 5000}}}
	state := State{Conditions: []Condition{{Type: ScaledToZero, Status: True, Reason: ReasonScaledToZero}}}
	decision, _, err := Explain(&spec, state, &Observation{Readings: []Reading{{Values: []int64{8000}}}}, t0)
	if err != nil {
		t.Fatal(err)
	}
	if !math.IsInf(float64(decision.Trail.Metrics[0].Ratio), 1) {
		t.Errorf("the ratio from zero is %v", decision.Trail.Metrics[0].Ratio)
	}
	text, err := json.Marshal(decision)
	if err != nil {
		t.Fatal(err)
	}
	var again Decision
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if again.Describe() != decision.Describe() {
		t.Errorf("got\n%s\nwant\n%s", again.Describe(), decision.Describe())
	}
}

func TestARestartKeepsTheStatus(t *testing.T) {
	spec, seen := rps(1, 100), running(4, 300_000)
	_, state, err := Step(&spec, State{}, &seen, t0)
	if err != nil {
		t.Fatal(err)
	}
	want := State{CurrentReplicas: 4, DesiredReplicas: 8, LastScaleTime: t0, Conditions: state.Conditions}
	if diff := cmp.Diff(want, state.Restarted()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(state.Recommendations) == 0 || len(state.ScaleUps) == 0 {
		t.Error("the state itself has forgotten")
	}
}

func TestInputThatNoControllerMeets(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Spec, *Observation)
	}{
		{"no metrics", "no metrics: the API server fills in one for the CPU", func(s *Spec, _ *Observation) { s.Metrics = nil }},
		{"negative minimum", "minReplicas -1 is negative", func(s *Spec, _ *Observation) { s.MinReplicas = -1 }},
		{"no maximum", "maxReplicas 0 is less than 1 or than minReplicas 0", func(s *Spec, _ *Observation) { s.MinReplicas, s.MaxReplicas = 0, 0 }},
		{"maximum below minimum", "maxReplicas 3 is less than 1 or than minReplicas 5", func(s *Spec, _ *Observation) { s.MinReplicas, s.MaxReplicas = 5, 3 }},
		{"a reading too few", "0 readings for 1 metrics", func(_ *Spec, o *Observation) { o.Readings = nil }},
		{"a sample too few", "metric 1 (rps): samples for 3 pods, there are 4", func(_ *Spec, o *Observation) { o.Readings[0].Pods = o.Readings[0].Pods[1:] }},
		{"negative replicas", "the scale has -1 replicas in its spec and 4 in its status", func(_ *Spec, o *Observation) { o.Replicas = -1 }},
		{"unknown type", `metric 1 (rps): unknown type "Pod"`, func(s *Spec, _ *Observation) { s.Metrics[0].Type = "Pod" }},
		{"a target of another type", `metric 1 (rps): a Pods metric has no target of type "Value"`, func(s *Spec, _ *Observation) { s.Metrics[0].Target.Type = Value }},
		{"a resource's value", "metric 1 (rps): a Resource metric has no target of type Value", func(s *Spec, _ *Observation) { s.Metrics[0].Type, s.Metrics[0].Target.Type = Resource, Value }},
		{"a queue's utilization", "metric 1 (rps): an External metric has no target of type Utilization", func(s *Spec, _ *Observation) { s.Metrics[0].Type, s.Metrics[0].Target.Type = External, Utilization }},
		{"unknown target", `metric 1 (rps): unknown target type "Average"`, func(s *Spec, _ *Observation) { s.Metrics[0].Type, s.Metrics[0].Target.Type = External, "Average" }},
		{"a target of nothing", "metric 1 (rps): a target of 0m", func(s *Spec, _ *Observation) { s.Metrics[0].Target.Milli = 0 }},
		{"a target of no percent", "metric 1 (rps): a target of 0 %", func(s *Spec, _ *Observation) {
			s.Metrics[0].Type, s.Metrics[0].Target = Resource, Target{Type: Utilization}
		}},
		{"an object of two values", "metric 1 (rps): 2 values for one object", func(s *Spec, o *Observation) {
			s.Metrics[0].Type, o.Readings[0].Values = Object, []int64{1, 2}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, seen := rps(1, 10), running(4, 100_000)
			c.change(&spec, &seen)
			before := State{CurrentReplicas: 7}
			decision, state, err := Step(&spec, before, &seen, t0)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if decision != (Decision{}) || !reflect.DeepEqual(state, before) {
				t.Errorf("it decided %+v and left %+v", decision, state)
			}
		})
	}
}

func TestConditionsThatNoControllerSets(t *testing.T) {
	spec, seen := rps(1, 10), running(4, 100_000)
	for _, c := range []struct {
		want string
		all  []Condition
	}{
		{`unknown condition "Ready"`, []Condition{{Type: AbleToScale}, {Type: "Ready"}}},
		{"two conditions AbleToScale", []Condition{{Type: AbleToScale}, {Type: AbleToScale}}},
	} {
		if _, _, err := Step(&spec, State{Conditions: c.all}, &seen, t0); text(err) != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// The API server takes such an Object metric, and the controller fails at it.
func TestATargetThatTheControllerDoesNotUnderstand(t *testing.T) {
	spec := rps(1, 10)
	spec.Metrics[0] = Metric{Type: Object, Name: "rps", Kind: "Ingress"}
	decision, state, err := Step(&spec, State{}, &Observation{Replicas: 4, Readings: []Reading{{Values: []int64{1}}}}, t0)
	if err != nil || decision.Outcome != NoProposal {
		t.Fatalf("%+v, %v", decision, err)
	}
	if c, _ := state.Condition(ScalingActive); c.Reason != ReasonFailedGetObjectMetric {
		t.Errorf("%+v", c)
	}
}

func TestProfiles(t *testing.T) {
	want := map[int]Profile{
		33: {Zero: ZeroByMinimum},
		34: {Zero: ZeroByMinimum, PodLevelRequests: true, SaturatingAverages: true},
		35: {Zero: ZeroByMinimum, PodLevelRequests: true, SaturatingAverages: true, Tolerances: true, SaturatingValues: true, ContainersMustExist: true},
		36: {Zero: ZeroPauses, PodLevelRequests: true, SaturatingAverages: true, Tolerances: true, SaturatingValues: true, ContainersMustExist: true},
		37: {Zero: ZeroByCondition, SyncsAtOnce: true, PodLevelRequests: true, SaturatingAverages: true, Tolerances: true, SaturatingValues: true, ContainersMustExist: true},
	}
	got := map[int]Profile{}
	for minor := range 100 {
		if p, ok := Kubernetes(minor); ok {
			got[minor] = p
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMetricsInTheWordsOfEvents(t *testing.T) {
	average, value, utilization := Target{Type: AverageValue}, Target{Type: Value}, Target{Type: Utilization}
	for _, c := range []struct {
		metric Metric
		want   string
	}{
		{Metric{Type: Pods, Name: "rps", Target: average}, "pods metric rps"},
		{Metric{Type: Resource, Name: CPU, Target: average}, "cpu resource"},
		{Metric{Type: Resource, Name: CPU, Target: utilization}, "cpu resource utilization (percentage of request)"},
		{Metric{Type: ContainerResource, Name: CPU, Container: "app", Target: average}, "cpu resource"},
		{Metric{Type: ContainerResource, Name: CPU, Container: "app", Target: utilization}, "cpu container resource utilization (percentage of request)"},
		{Metric{Type: Object, Name: "rps", Kind: "Ingress", Target: value}, "Ingress metric rps"},
		{Metric{Type: Object, Name: "rps", Kind: "Ingress", Target: average}, "external metric rps(nil)"},
		{Metric{Type: External, Name: "queue", Target: average}, "external metric queue(nil)"},
		{Metric{Type: External, Name: "queue", Selector: "&LabelSelector{}", Target: value}, "external metric queue(&LabelSelector{})"},
	} {
		if got := c.metric.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
