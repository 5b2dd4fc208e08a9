package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A controller is the HPA controller between two syncs.
type controller struct {
	spec   *hpa.Spec // nil: there is no HPA
	state  hpa.State
	next   time.Duration
	chance *rand.Rand

	seen     hpa.Observation
	observed []Observed
	message  Sync
}

// took is how long a sync takes: half of the mean is certain, the other half
// exponential. A controller waits for its period after it, so that syncs wander
// over scrapes and refreshes.
func (c *controller) took(mean time.Duration) time.Duration {
	return mean/2 + time.Duration(c.chance.ExpFloat64()*float64(mean/2))
}

// sync lets the HPA decide at a time that is due, and the cluster act on it.
func (r *run) sync(at time.Duration) error {
	h, now := &r.hpa, r.time(at)
	h.seen = hpa.Observation{
		Replicas: r.workload.desired, StatusReplicas: int32(r.workload.active),
		Pods:     r.workload.seen,
		Readings: r.pipeline.read(now, h.spec.Metrics, r.workload.ids),
	}
	r.metrics.read(h.spec.Metrics, h.seen.Readings, &r.workload)

	decision, err := h.decide(r.Trails, now)
	if err != nil {
		return err
	}
	took := h.took(r.Cluster.SyncLatency)
	h.next = at + took + r.Cluster.SyncPeriod
	if decision.Outcome == hpa.Rescaled {
		r.workload.scale(decision.To, at+took+r.Cluster.ControllerLag)
	}
	reason := Reason(h.spec, &decision, &h.state)
	r.tally.synced(at, &decision, reason)
	if r.handler == nil {
		return nil
	}
	h.observed = observe(h.observed[:0], h.spec.Metrics, &h.seen)
	h.message = Sync{
		Run: r.Name, At: at, Time: now, Decision: decision, Reason: reason,
		Conditions: h.state.Conditions, Observed: h.observed,
	}
	return r.tell(&h.message)
}

// decide is the controller's decision on what it has seen.
func (c *controller) decide(trail bool, now time.Time) (decision hpa.Decision, err error) {
	if !trail {
		return hpa.Advance(c.spec, &c.state, &c.seen, now)
	}
	decision, c.state, err = hpa.Explain(c.spec, c.state, &c.seen, now)
	return decision, err
}

// Reason says in one word what held or moved the count at a sync, given the state
// after it. It is, of the first that applies:
//
//	the reason of ScalingActive   the HPA has no count to act on, or is paused
//	TooFewReplicas, TooManyReplicas   the bounds of the HPA forced the count
//	the reason of ScalingLimited  a limit or a policy changed the count
//	the reason of AbleToScale     a window of stabilization did, or a rescale
//	                              succeeded or failed
//	DesiredWithinRange            nothing did: the count is what the metrics want
//
// A rescale that was also held or limited has the reason of that.
func Reason(spec *hpa.Spec, decision *hpa.Decision, state *hpa.State) hpa.Reason {
	switch decision.Outcome {
	case hpa.NoProposal, hpa.NoSelector, hpa.Paused:
		return reasonOf(state, hpa.ScalingActive)
	case hpa.NoScale, hpa.NotRescaled:
		return reasonOf(state, hpa.AbleToScale)
	}
	// Forced moves leave ScalingLimited as an earlier sync left it.
	switch {
	case decision.From > spec.MaxReplicas:
		return hpa.ReasonTooManyReplicas
	case decision.From != 0 && decision.From < spec.MinReplicas:
		return hpa.ReasonTooFewReplicas
	}
	if limited, ok := state.Condition(hpa.ScalingLimited); ok && limited.Status == hpa.True {
		return limited.Reason
	}
	if able := reasonOf(state, hpa.AbleToScale); able != hpa.ReasonReadyForNewScale {
		return able
	}
	return hpa.ReasonDesiredWithinRange
}

func reasonOf(state *hpa.State, t hpa.ConditionType) hpa.Reason {
	one, _ := state.Condition(t)
	return one.Reason
}

// observe appends what the metrics are to the HPA.
func observe(into []Observed, metrics []hpa.Metric, seen *hpa.Observation) []Observed {
	for i := range metrics {
		m, reading := &metrics[i], &seen.Readings[i]
		one := Observed{Metric: name(m), Target: float64(m.Target.Milli) / 1000, Value: math.NaN()}
		if m.Target.Type == hpa.Utilization {
			one.Target = float64(m.Target.Percent)
		}
		switch {
		case reading.Err != nil:
			one.Err = reading.Err.Error()
		case m.Type == hpa.Object || m.Type == hpa.External:
			one.whole(m, reading, seen.StatusReplicas)
		default:
			one.average(m, reading, seen.Pods)
		}
		into = append(into, one)
	}
	return into
}

// name names a metric as people do.
func name(m *hpa.Metric) string {
	if m.Container != "" {
		return m.Name + "/" + m.Container
	}
	return m.Name
}

// whole is one value, of each pod that exists where the target is.
func (o *Observed) whole(m *hpa.Metric, reading *hpa.Reading, pods int32) {
	if len(reading.Values) == 0 {
		o.Err = "no value"
		return
	}
	o.Value = 0
	for _, milli := range reading.Values {
		o.Value += float64(milli) / 1000
	}
	if m.Target.Type == hpa.AverageValue {
		o.Value = share(o.Value, float64(pods))
	}
}

// average is that of the pods that have a sample and are not on their way out.
func (o *Observed) average(m *hpa.Metric, reading *hpa.Reading, pods []hpa.Pod) {
	var milli, requests int64
	for i := range reading.Pods {
		if reading.Pods[i].Present && !pods[i].Terminating {
			o.Pods++
			milli += reading.Pods[i].Milli
			requests += requested(m, pods[i].Template)
		}
	}
	switch {
	case o.Pods == 0:
		o.Err = "no pod has a sample"
	case m.Target.Type == hpa.Utilization:
		o.Value = share(100*float64(milli), float64(requests))
	default:
		o.Value = float64(milli) / 1000 / float64(o.Pods)
	}
}

// share is a over b, and nothing where b is.
func share(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}
