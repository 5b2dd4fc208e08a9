package sim

import (
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A Handler is told what happens. The message and what it refers to are valid
// until Handle returns. An error ends the run.
type Handler interface {
	Handle(m Message) error
}

// A Message is one of Begin, Tick, Sync, Happening and End, all pointers. A run is
// one Begin, then the others in the order of time, then one End.
type Message interface {
	// Of is the name of the run.
	Of() string
}

// Begin is the first message of a run.
type Begin struct {
	Run       string
	Time      time.Time
	Length    time.Duration
	Step      time.Duration
	Report    time.Duration
	Replicas  int32
	Spec      *hpa.Spec
	Objective *Objective
	Seed      uint64
	// OpenLoop is set where the metrics are as recorded, whatever the replicas.
	OpenLoop bool
}

// A Tick sums up the time since the last one.
type Tick struct {
	Run  string
	At   time.Duration // its end, since the beginning
	Time time.Time     // the same

	Demand    float64 // requests per second that arrived, the mean
	Capacity  float64 // requests per second that the ready pods can serve, at the end; 0 where it has no bound or nothing arrived yet
	Completed float64 // requests
	Failed    float64 // requests that timed out or were lost with their pod
	Dropped   float64 // requests that were refused
	Waiting   float64 // requests, at the end

	Desired int32 // spec.replicas, at the end
	Pods    int   // that exist, at the end, terminating ones included
	Ready   int   // at the end
	Need    int   // the most that the demand needed; 0 where that is not known

	// Latency of the requests that ended, in seconds; NaN where none did.
	P50 float64
	P95 float64
	P99 float64
	// Objective is the objective's quantile, NaN without.
	Objective float64
	// Over is the seconds in which the objective was missed.
	Over float64

	// True are the signals of the HPA's metrics, in their order and comparable with
	// Observed, as they were in this time without scrapes and windows; NaN where a
	// metric has no such value.
	True []float64
}

// A Sync is a decision of the HPA.
type Sync struct {
	Run        string
	At         time.Duration
	Time       time.Time
	Decision   hpa.Decision
	Reason     hpa.Reason      // in one word, of the conditions what held or moved the count
	Conditions []hpa.Condition // after the sync
	// Observed are the values of the HPA's metrics, in their order: of Pods and
	// resource metrics the average of the pods that have one and do not terminate, of
	// an average of other metrics the share of each pod that exists.
	Observed []Observed
}

// Observed is a metric as the HPA read it, in the metric's unit.
type Observed struct {
	Metric string
	Value  float64 // NaN with Err
	Target float64
	Pods   int // that had a value
	Err    string
}

// A Happening is an Event that begins, or one that ends.
type Happening struct {
	Run  string
	At   time.Duration
	Time time.Time
	Kind EventKind
	Over bool
	Text string
}

// End is the last message of a run.
type End struct {
	Run     string
	At      time.Duration
	Summary Summary
}

// A Summary is the run in figures. Hours and minutes are of virtual time.
type Summary struct {
	Arrived   float64 // requests, with those that were there at the beginning
	Completed float64 // requests
	Failed    float64 // requests that timed out or were lost with their pod
	Dropped   float64 // requests that were refused
	Waiting   float64 // requests that were still there at the end, those in service included

	ReplicaHours float64 // of pods from creation until they are gone
	Cost         float64 // replica-hours times price
	MeanReplicas float64 // ready ones
	MaxReplicas  int     // ready ones

	// Latency of all requests that ended, in seconds; NaN of none.
	P50 float64
	P95 float64
	P99 float64
	// WorstLatency is the worst second's: of the objective's quantile, or of the p95.
	WorstLatency float64
	WorstBacklog float64 // most requests that waited at once

	// MinutesOver are those in which the objective was missed: a second counts where
	// its quantile was above the limit, where more failed or were dropped than may be
	// slower than the quantile, or where requests waited and none ended. NaN without
	// an objective.
	MinutesOver float64

	ScaleUps   int // by the HPA
	ScaleDowns int // by the HPA
	Reversals  int // scale events in the other direction than the one before, within ten minutes of it

	// LongestShort is the longest time for which fewer replicas were ready than
	// needed: how long a step of the demand waits for capacity. The hours are the
	// integrals of what was missing and of what was too much. NaN where the need is not known.
	LongestShort          time.Duration
	UnderProvisionedHours float64
	OverProvisionedHours  float64
	PerfectForesight      float64 // replica-hours of the fewest replicas that meet the objective, each started one startup earlier; NaN without an objective
	Syncs                 int
	FailedSyncs           int                // that the controller counts as errors
	Reasons               map[hpa.Reason]int // syncs by their reason
	MinutesAtMax          float64            // desired was the HPA's maximum
}

// Of implements Message.
func (m *Begin) Of() string { return m.Run }

// Of implements Message.
func (m *Tick) Of() string { return m.Run }

// Of implements Message.
func (m *Sync) Of() string { return m.Run }

// Of implements Message.
func (m *Happening) Of() string { return m.Run }

// Of implements Message.
func (m *End) Of() string { return m.Run }
