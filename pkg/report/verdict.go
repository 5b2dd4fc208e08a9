package report

import (
	"fmt"
	"math"
	"strings"
)

// Verdict says in one sentence what came of the run.
func (r *Run) Verdict() string {
	s := &r.Summary
	var b strings.Builder
	if r.OpenLoop {
		b.WriteString("Open loop (the metrics are as recorded, whatever the replicas): ")
	}
	fmt.Fprintf(&b, "%s would have %s with %s replica-hours", r.Name, r.deed(), fixed(s.ReplicaHours, 1))
	if times := r.timesForesight(); !math.IsNaN(times) {
		fmt.Fprintf(&b, ", %s times what perfect foresight needs", significant(times))
	}
	fmt.Fprintf(&b, "; %s", counted(s.ScaleUps+s.ScaleDowns, "scale event", "scale events"))
	// Computed fleets lose hundredths of a request where real ones lose none.
	if lost := s.Failed + s.Dropped; lost >= 1 && s.Arrived > 0 {
		fmt.Fprintf(&b, "; %s of the requests failed or were dropped", share(lost/s.Arrived))
	}
	if s.FailedSyncs > 0 {
		fmt.Fprintf(&b, "; %s of %s failed", counted(s.FailedSyncs, "sync", "syncs"), fixed(float64(s.Syncs), 0))
	}
	b.WriteByte('.')
	return b.String()
}

// deed is what the run did: met its objective, or served without one.
func (r *Run) deed() string {
	met := r.met()
	switch s := &r.Summary; {
	case !math.IsNaN(met) && met >= 1:
		return fmt.Sprintf("met %s in every second", r.objective())
	case !math.IsNaN(met):
		return fmt.Sprintf("met %s in %s of the seconds", r.objective(), share(met))
	case math.IsNaN(s.P95):
		return fmt.Sprintf("served %s requests", fixed(s.Completed, 0))
	default:
		return fmt.Sprintf("served %s requests at a p95 of %s", fixed(s.Completed, 0), span(s.P95))
	}
}

// objective writes what latency should be: p95 ≤ 500 ms.
func (r *Run) objective() string {
	return fmt.Sprintf("%s ≤ %s", quantile(r.Objective.Quantile), limit(r.Objective.Limit))
}

// met is the share of time in which the objective was met, NaN without one.
func (r *Run) met() float64 {
	if r.Objective == nil || r.Length <= 0 {
		return math.NaN()
	}
	return 1 - r.Summary.MinutesOver/r.Length.Minutes()
}

// timesForesight is the replica-hours over the fewest that would do, NaN where
// those are not known.
func (r *Run) timesForesight() float64 {
	if !(r.Summary.PerfectForesight > 0) {
		return math.NaN()
	}
	return r.Summary.ReplicaHours / r.Summary.PerfectForesight
}
