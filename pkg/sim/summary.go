package sim

import (
	"math"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A tally adds up the Summary. Times are in seconds until the end.
type tally struct {
	before workload.Totals // of the lead-in
	sum    Summary
	length float64
	ready  float64
	short  time.Duration // for which the run has been short of ready pods now

	judged, needed bool
	foresight      foresight
	last           rescale
}

// A rescale is one that the HPA made.
type rescale struct {
	up, any bool
	at      time.Duration
}

// A second is a step as the tally sees it.
type second struct {
	length            time.Duration
	seconds           float64 // the same
	pods, ready, need int
	latency, waiting  float64
	over, atMax       bool
}

func newTally(c *Config) tally {
	return tally{
		sum:    Summary{WorstLatency: math.NaN(), Reasons: map[hpa.Reason]int{}},
		judged: c.Objective != nil, needed: c.Need != nil,
		foresight: newForesight(c.Pods.Startup.Mean, c.Step),
	}
}

// step adds a step.
func (t *tally) step(s *second) {
	d, sum := s.seconds, &t.sum
	t.length += d
	t.ready += float64(s.ready) * d
	sum.ReplicaHours += float64(s.pods) * d
	sum.MaxReplicas = max(sum.MaxReplicas, s.ready)
	sum.WorstBacklog = max(sum.WorstBacklog, s.waiting)
	if s.latency > sum.WorstLatency || math.IsNaN(sum.WorstLatency) {
		sum.WorstLatency = s.latency
	}
	if s.over {
		sum.MinutesOver += d
	}
	if s.atMax {
		sum.MinutesAtMax += d
	}
	if t.needed {
		t.compare(s)
	}
}

// compare adds what was missing, and what was too much.
func (t *tally) compare(s *second) {
	t.foresight.step(s.need, s.seconds)
	missing := float64(s.need-s.ready) * s.seconds
	if missing <= 0 {
		t.short = 0
		t.sum.OverProvisionedHours -= missing
		return
	}
	t.sum.UnderProvisionedHours += missing
	t.short += s.length
	t.sum.LongestShort = max(t.sum.LongestShort, t.short)
}

// reversal is how soon a rescale in the other direction counts as one.
const reversal = 10 * time.Minute

// synced adds a sync.
func (t *tally) synced(at time.Duration, decision *hpa.Decision, reason hpa.Reason) {
	t.sum.Syncs++
	t.sum.Reasons[reason]++
	if decision.Failed {
		t.sum.FailedSyncs++
	}
	if decision.Outcome != hpa.Rescaled {
		return
	}
	up := decision.To > decision.From
	if up {
		t.sum.ScaleUps++
	} else {
		t.sum.ScaleDowns++
	}
	if t.last.any && t.last.up != up && at-t.last.at <= reversal {
		t.sum.Reversals++
	}
	t.last = rescale{up: up, any: true, at: at}
}

// summary is the Summary at the end of the run.
func (r *run) summary() Summary {
	t := &r.tally
	s, whole := t.sum, r.Fleet.Whole()
	s.Arrived = whole.Arrived - t.before.Arrived + t.before.Waiting + t.before.InService
	s.Completed = whole.Completed - t.before.Completed
	s.Failed = whole.Failed - t.before.Failed
	s.Dropped = whole.Dropped - t.before.Dropped
	s.Waiting = whole.Waiting + whole.InService
	s.P50, s.P95, s.P99 = r.Fleet.Latency(0.5), r.Fleet.Latency(0.95), r.Fleet.Latency(0.99)

	s.MeanReplicas = t.ready / t.length
	s.ReplicaHours /= 3600
	s.Cost = s.ReplicaHours * r.Price
	s.MinutesAtMax /= 60
	s.MinutesOver /= 60
	if !t.judged {
		s.MinutesOver = math.NaN()
	}
	s.UnderProvisionedHours /= 3600
	s.OverProvisionedHours /= 3600
	s.PerfectForesight = t.foresight.end() / 3600
	if !t.needed {
		s.UnderProvisionedHours, s.OverProvisionedHours = math.NaN(), math.NaN()
	}
	if !t.needed || !t.judged { // Nobody foresees what meets no objective.
		s.PerfectForesight = math.NaN()
	}
	return s
}
