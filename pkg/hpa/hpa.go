// Package hpa decides what the HorizontalPodAutoscaler of Kubernetes would
// decide.
//
// It is one reconcile of the controller as a function: values in, values out.
//
//	spec := hpa.Spec{MinReplicas: 2, MaxReplicas: 10, Metrics: metrics, Controller: hpa.DefaultController()}
//	decision, state, err := hpa.Step(&spec, state, &observation, now)
//
// Spec is the HPA object and the flags of its controller, Observation what one
// sync reads from the cluster, State what the controller and the HPA's status
// remember from one sync to the next. Step never changes what it was given.
// Explain does the same and keeps a Trail of every stage, which
// Decision.Describe puts into sentences. Advance is Step for those who make
// millions of decisions.
//
// The package has no clock, no cluster and no logger. Given equal inputs, Step
// returns equal outputs on every architecture: where Go leaves a conversion to
// the processor, it does what the controller does on amd64.
//
// test/conformance runs the real controller beside Step. docs/conformance.md
// says for which versions that was done.
//
// # Units
//
// Amounts are in milli, thousandths of the metric's unit, as the controller
// computes them: 1500 is 1.5 requests per second, or 1.5 CPU cores; 1 MiB of
// memory is 1048576000.
//
// # Limitations
//
// The package does not decide when a sync happens, and does not know labels:
// which pods belong to the target is the caller's answer in Observation.Pods.
// Messages of conditions are left out; their types, statuses and reasons are
// Kubernetes' own.
package hpa

import "time"

// Step makes the decision of one sync at the time now.
//
// The error tells of input that no controller could have met, such as readings
// that do not match the metrics; the state then comes back as it was. What goes
// wrong in a cluster (a metric that cannot be read, a scale that cannot be
// written) is part of the observation, and its consequence part of the decision.
//
// Spec and observation are pointers because they are large. Step reads them
// and keeps nothing of them.
func Step(spec *Spec, state State, observation *Observation, now time.Time) (Decision, State, error) {
	return step(spec, state, observation, now, nil, false)
}

// Advance is Step on a State that nobody else holds: its recommendations are
// overwritten where they are, where Step copies them. Conditions and scale events
// are new slices where they change, as those of Step are.
func Advance(spec *Spec, state *State, observation *Observation, now time.Time) (Decision, error) {
	decision, next, err := step(spec, *state, observation, now, nil, true)
	*state = next
	return decision, err
}

// Explain is Step with the Trail of the decision.
func Explain(spec *Spec, state State, observation *Observation, now time.Time) (Decision, State, error) {
	return step(spec, state, observation, now, &Trail{}, false)
}

func step(spec *Spec, state State, seen *Observation, now time.Time, trail *Trail, owned bool) (Decision, State, error) {
	if err := check(spec, &state, seen); err != nil {
		return Decision{}, state, err
	}
	r := reconcile{
		spec:    spec,
		seen:    seen,
		now:     now,
		min:     spec.MinReplicas,
		max:     spec.MaxReplicas,
		current: seen.Replicas,
		state:   state,
		owned:   owned,
		trail:   trail,
	}
	r.conditions.load(state.Conditions)
	decision := r.run()
	decision.Trail = trail
	r.state.Conditions = r.conditions.replacing(state.Conditions)
	return decision, r.state, nil
}
