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
	x := &Expectations{}
	for _, e := range all {
		x.trials = append(x.trials, trial{Expectation: e, state: state{extreme: math.NaN()}})
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
	at      time.Duration
	begun   bool
	ended   bool
	summary sim.Summary
	metrics []hpa.MetricType // of the HPA, in their order

	// What holds now. A latency is NaN where no request ended.
	replicas, ready, pods, waiting float64
	p50, p95, p99                  float64

	// What was counted so far.
	ticked                   time.Duration // the end of the last Tick
	lasted                   time.Duration // that the last Tick was about
	ups, downs, reversed     float64
	arrived, dropped, failed float64
	minutesOver, podHours    float64
	shortFor, longestShort   time.Duration
	failedSyncs, syncs       int

	synced  bool
	sync    time.Duration
	reason  hpa.Reason   // of the last sync
	carried []hpa.Reason // all of the last sync, valid until the next

	direction int // of the last scale event
	scaledAt  time.Duration
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
	s.begun = true
	if m.Spec != nil {
		for _, metric := range m.Spec.Metrics {
			s.metrics = append(s.metrics, metric.Type)
		}
	}
	n := float64(m.Replicas)
	s.replicas, s.ready, s.pods = n, n, n
	nan := math.NaN()
	s.p50, s.p95, s.p99 = nan, nan, nan
}

func (s *scene) tick(m *sim.Tick) {
	s.lasted, s.ticked = m.At-s.ticked, m.At
	s.replicas, s.ready, s.pods, s.waiting = float64(m.Desired), float64(m.Ready), float64(m.Pods), m.Waiting
	s.p50, s.p95, s.p99 = latency(m.P50, m.Waiting), latency(m.P95, m.Waiting), latency(m.P99, m.Waiting)

	s.arrived += m.Demand * s.lasted.Seconds()
	s.dropped += m.Dropped
	s.failed += m.Failed
	s.minutesOver += m.Over / 60
	s.podHours += s.pods * s.lasted.Hours()
	s.shortFor += s.lasted
	if m.Ready >= m.Need {
		s.shortFor = 0
	}
	s.longestShort = max(s.longestShort, s.shortFor)
}

// latency is that of a tick in which requests ended. Where they wait and none
// ends it has no end in sight; where there are none it is not a number.
func latency(quantile, waiting float64) float64 {
	if math.IsNaN(quantile) && waiting > 0 {
		return math.Inf(1)
	}
	return quantile
}

// now is the value that a figure has at this time. Requests are whole ones: a
// fleet that computes has fractions, and less than half of one is none.
func (s *scene) now(f Figure) float64 {
	switch f {
	case Replicas:
		return s.replicas
	case Ready:
		return s.ready
	case PodCount:
		return s.pods
	case Waiting:
		return math.Round(s.waiting)
	case P50:
		return s.p50
	case P95:
		return s.p95
	default:
		return s.p99
	}
}

// soFar is a figure of the whole run as far as it is counted while it goes, and
// whether it is. Requests are whole ones.
func (s *scene) soFar(f Figure) (float64, bool) {
	switch f {
	case ScaleEvents:
		return s.ups + s.downs, true
	case ScaleUps:
		return s.ups, true
	case ScaleDowns:
		return s.downs, true
	case Reversals:
		return s.reversed, true
	case PodHours:
		return s.podHours, true
	case Dropped:
		return math.Round(s.dropped), true
	case Failed:
		return math.Round(s.failed), true
	case MinutesOver:
		return s.minutesOver, true
	case LongestShort:
		return s.longestShort.Seconds(), true
	case FailedSyncs:
		return float64(s.failedSyncs), true
	default:
		return 0, false
	}
}

func (s *scene) decision(m *sim.Sync) {
	s.synced, s.sync, s.reason = true, m.At, m.Reason
	s.syncs++
	s.carried = append(s.carried[:0], m.Reason)
	for _, c := range m.Conditions {
		s.carried = append(s.carried, c.Reason)
	}
	for i, o := range m.Observed {
		if o.Err != "" && i < len(s.metrics) {
			s.carried = append(s.carried, failedReason(s.metrics[i]))
		}
	}
	if m.Decision.Failed {
		s.failedSyncs++
	}
	if m.Decision.Outcome == hpa.Rescaled {
		s.scaled(m)
	}
}

// reversal is how soon a scale event in the other direction is one.
const reversal = 10 * time.Minute

func (s *scene) scaled(m *sim.Sync) {
	s.replicas = float64(m.Decision.To)
	direction := 1
	if m.Decision.To < m.Decision.From {
		direction = -1
		s.downs++
	} else {
		s.ups++
	}
	if s.direction == -direction && m.At-s.scaledAt <= reversal {
		s.reversed++
	}
	s.direction, s.scaledAt = direction, m.At
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
