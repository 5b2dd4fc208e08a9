package scenario

import (
	"math"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// Resolution is how often a run should report where expectations judge it: they
// see the figures of Ticks at their end, and counts also at Syncs.
const Resolution = time.Second

// Expectations judge a run while it goes. They are a sim.Handler of one run, and
// keep nothing of it but what is still needed: memory does not grow with its
// length.
type Expectations struct {
	trials []trial
	scene  scene
}

// NewExpectations returns the judge of a run that has not begun.
func NewExpectations(all []Expectation) *Expectations {
	x := &Expectations{scene: newScene()}
	for _, e := range all {
		x.trials = append(x.trials, trial{Expectation: e, state: newState(e)})
	}
	return x
}

// Judge is NewExpectations of the case's.
func (c *Case) Judge() *Expectations { return NewExpectations(c.Expect) }

// Handle implements sim.Handler.
func (x *Expectations) Handle(m sim.Message) error {
	at := timeOf(m)
	for i := range x.trials {
		x.trials[i].before(at, &x.scene)
	}
	x.scene.see(m)
	for i := range x.trials {
		x.trials[i].after(m, &x.scene)
	}
	return nil
}

// Results are those of the run so far, in the order of the expectations. They
// stand when its End was handled.
func (x *Expectations) Results() []Result {
	results := make([]Result, len(x.trials))
	for i := range x.trials {
		results[i] = x.trials[i].result(&x.scene)
	}
	return results
}

func timeOf(m sim.Message) time.Duration {
	switch m := m.(type) {
	case *sim.Tick:
		return m.At
	case *sim.Sync:
		return m.At
	case *sim.Happening:
		return m.At
	case *sim.End:
		return m.At
	default:
		return 0
	}
}

// A scene is what is known of a run at a time.
type scene struct {
	at    time.Duration
	ended bool
	begin struct {
		length  time.Duration
		metrics []hpa.MetricType
	}
	summary sim.Summary

	values map[Figure]float64 // NaN where there is none
	lasted time.Duration      // that the last Tick was about
	totals map[Figure]float64 // so far, of what can be counted while it goes

	synced   bool
	syncs    int
	sync     time.Duration
	reason   hpa.Reason   // of the last sync
	carried  []hpa.Reason // all of the last sync
	last     int          // direction of the last scale event
	lastAt   time.Duration
	shortFor time.Duration
}

func newScene() scene {
	return scene{values: map[Figure]float64{}, totals: map[Figure]float64{}}
}

func (s *scene) see(m sim.Message) {
	s.at = timeOf(m)
	switch m := m.(type) {
	case *sim.Begin:
		s.beginning(m)
	case *sim.Tick:
		s.tick(m)
	case *sim.Sync:
		s.decision(m)
	case *sim.End:
		s.ended, s.summary = true, m.Summary
	}
}

func (s *scene) beginning(m *sim.Begin) {
	s.begin.length = m.Length
	if m.Spec != nil {
		for _, metric := range m.Spec.Metrics {
			s.begin.metrics = append(s.begin.metrics, metric.Type)
		}
	}
	for _, f := range []Figure{Replicas, Ready, PodCount} {
		s.values[f] = float64(m.Replicas)
	}
	s.values[Waiting] = 0
	for _, f := range []Figure{P50, P95, P99} {
		s.values[f] = math.NaN()
	}
}

func (s *scene) tick(m *sim.Tick) {
	s.lasted = m.At - s.totalTime()
	s.totals[elapsed] = m.At.Seconds()
	s.values[Replicas] = float64(m.Desired)
	s.values[Ready] = float64(m.Ready)
	s.values[PodCount] = float64(m.Pods)
	s.values[Waiting] = m.Waiting
	s.values[P50] = latency(m.P50, m.Waiting)
	s.values[P95] = latency(m.P95, m.Waiting)
	s.values[P99] = latency(m.P99, m.Waiting)

	s.totals[Dropped] += m.Dropped
	s.totals[Failed] += m.Failed
	s.totals[arrived] += m.Demand * s.lasted.Seconds()
	s.totals[MinutesOver] += m.Over / 60
	s.totals[PodHours] += float64(m.Pods) * s.lasted.Hours()
	if m.Ready < m.Need {
		s.shortFor += s.lasted
	} else {
		s.shortFor = 0
	}
	s.totals[LongestShort] = max(s.totals[LongestShort], s.shortFor.Seconds())
}

// Totals besides those that can be asked for.
const (
	elapsed Figure = "elapsed" // seconds of ticks
	arrived Figure = "arrived" // requests
)

func (s *scene) totalTime() time.Duration {
	return time.Duration(math.Round(s.totals[elapsed] * float64(time.Second)))
}

// latency is that of a tick in which requests ended. Where they wait and none
// ends it has no end in sight; where there are none it is not a number.
func latency(quantile, waiting float64) float64 {
	if math.IsNaN(quantile) && waiting > 0 {
		return math.Inf(1)
	}
	return quantile
}

func (s *scene) decision(m *sim.Sync) {
	s.synced, s.sync, s.reason = true, m.At, m.Reason
	s.syncs++
	s.carried = append(s.carried[:0], m.Reason)
	for _, c := range m.Conditions {
		s.carried = append(s.carried, c.Reason)
	}
	for i, o := range m.Observed {
		if o.Err != "" && i < len(s.begin.metrics) {
			s.carried = append(s.carried, failedReason(s.begin.metrics[i]))
		}
	}
	if m.Decision.Failed {
		s.totals[FailedSyncs]++
	}
	if m.Decision.Outcome == hpa.Rescaled {
		s.scaled(m)
	}
}

// reversal is how soon a scale event in the other direction is one.
const reversal = 10 * time.Minute

func (s *scene) scaled(m *sim.Sync) {
	s.values[Replicas] = float64(m.Decision.To)
	direction, figure := 1, ScaleUps
	if m.Decision.To < m.Decision.From {
		direction, figure = -1, ScaleDowns
	}
	s.totals[figure]++
	s.totals[ScaleEvents]++
	if s.last == -direction && m.At-s.lastAt <= reversal {
		s.totals[Reversals]++
	}
	s.last, s.lastAt = direction, m.At
}

// failedReason is that of the event of a metric that could not be read, beside
// which others may have given a count.
func failedReason(t hpa.MetricType) hpa.Reason {
	switch t {
	case hpa.Resource:
		return hpa.ReasonFailedGetResourceMetric
	case hpa.ContainerResource:
		return hpa.ReasonFailedGetContainerResourceMetric
	case hpa.Pods:
		return hpa.ReasonFailedGetPodsMetric
	case hpa.Object:
		return hpa.ReasonFailedGetObjectMetric
	default:
		return hpa.ReasonFailedGetExternalMetric
	}
}

func (s *scene) carries(r hpa.Reason) bool { return slices.Contains(s.carried, r) }
