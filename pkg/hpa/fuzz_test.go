package hpa

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// FuzzStep plays random syncs and asks for what holds whatever the controller
// does: the trail changes nothing, nor does whose the state is, what was given
// stays as it was, and a count that is written lies within the bounds of the spec.
// That the decisions are the controller's own is shown by test/conformance.
func FuzzStep(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		spec, state, now, replicas := randomSpec(rng), State{}, t0, rng.Int32N(12)
		var owned State
		for range 60 {
			now = now.Add(time.Duration(rng.Int64N(int64(time.Minute))))
			seen := randomObservation(rng, spec, replicas, now)
			before := clone(t, state)
			decision, after, err := Step(&spec, state, &seen, now)
			if err != nil {
				t.Fatal(err)
			}
			explained, again, err := Explain(&spec, state, &seen, now)
			if err != nil {
				t.Fatal(err)
			}
			if explained.Describe() == "" {
				t.Errorf("nothing to say about %+v", explained)
			}
			explained.Trail = nil
			if explained != decision || !reflect.DeepEqual(after, again) {
				t.Fatalf("the trail changed %+v to %+v", decision, explained)
			}
			if !reflect.DeepEqual(before, clone(t, state)) {
				t.Fatal("the state that was given changed")
			}
			advanced, err := Advance(&spec, &owned, &seen, now)
			if err != nil || advanced != decision || !reflect.DeepEqual(owned, after) {
				t.Fatalf("%+v on a state of its own, %+v on one that is shared (%v)", advanced, decision, err)
			}
			bounds(t, spec, decision)
			state = after
			if decision.Outcome == Rescaled {
				replicas = decision.To
			}
		}
	})
}

func bounds(t *testing.T, spec Spec, d Decision) {
	t.Helper()
	changed := d.Outcome == Rescaled || d.Outcome == NotRescaled
	switch {
	case changed == (d.From == d.To):
		t.Errorf("%+v", d)
	case changed && (d.To < 0 || d.To > spec.MaxReplicas):
		t.Errorf("%+v is beyond %d", d, spec.MaxReplicas)
	// From zero a policy may allow less than minReplicas where no condition
	// tells that the HPA went to zero.
	case changed && d.To < spec.MinReplicas && d.From != 0:
		t.Errorf("%+v is below %d", d, spec.MinReplicas)
	}
}

func randomSpec(rng *rand.Rand) Spec {
	spec := rps(rng.Int32N(3), 3+rng.Int32N(20))
	if rng.IntN(3) == 0 {
		spec.Behavior = nil
	}
	spec.Controller.Profile, _ = Kubernetes(Oldest + rng.IntN(Newest-Oldest+1))
	all := []Metric{
		{Type: Resource, Name: CPU, Target: Target{Type: Utilization, Percent: 80}},
		{Type: ContainerResource, Name: "memory", Container: "app", Target: Target{Type: AverageValue, Milli: 1000}},
		{Type: Pods, Name: "rps", Target: Target{Type: AverageValue, Milli: 1000}},
		{Type: Object, Name: "rps", Kind: "Ingress", Target: Target{Type: Value, Milli: 5000}},
		{Type: External, Name: "queue", Target: Target{Type: AverageValue, Milli: 1000}},
		{Type: External, Name: "latency", Target: Target{Type: Value, Milli: 200}},
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	spec.Metrics = all[:1+rng.IntN(3)]
	return spec
}

func randomObservation(rng *rand.Rand, spec Spec, replicas int32, now time.Time) Observation {
	seen := Observation{Replicas: replicas, StatusReplicas: max(0, replicas-rng.Int32N(3)), Readings: make([]Reading, len(spec.Metrics))}
	if rng.IntN(30) == 0 {
		seen.ScaleReadErr = errors.New("forbidden")
	}
	if rng.IntN(30) == 0 {
		seen.ScaleWriteErr = errors.New("forbidden")
	}
	phases := []Phase{PodRunning, PodRunning, PodRunning, PodPending, PodFailed, PodSucceeded, PodUnknown}
	statuses := []Status{True, True, True, False, Unknown, ""}
	for range seen.StatusReplicas {
		seen.Pods = append(seen.Pods, Pod{
			Phase:       phases[rng.IntN(len(phases))],
			Terminating: rng.IntN(10) == 0,
			Ready:       statuses[rng.IntN(len(statuses))],
			ReadySince:  now.Add(-time.Duration(rng.Int64N(int64(10 * time.Minute)))),
			Started:     now.Add(-time.Duration(rng.Int64N(int64(10 * time.Minute)))),
			Template:    &Template{Containers: []Container{{Name: "app", Requests: Requests{CPU: 1000, "memory": 1000}}}},
		})
	}
	load := rng.Int64N(20_000)
	for i := range seen.Readings {
		r := &seen.Readings[i]
		if rng.IntN(10) == 0 {
			r.Err = errors.New("unavailable")
		}
		r.Values = []int64{load}
		for range seen.Pods {
			r.Pods = append(r.Pods, Sample{Present: rng.IntN(10) > 0, Milli: rng.Int64N(2000), At: now, Window: time.Minute})
		}
	}
	return seen
}
