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
	Run       string        `json:"run"`
	Time      time.Time     `json:"time"`
	Length    time.Duration `json:"length"`
	Step      time.Duration `json:"step"`
	Report    time.Duration `json:"report"`
	Replicas  int32         `json:"replicas"`
	Spec      *hpa.Spec     `json:"spec,omitempty"`
	Objective *Objective    `json:"objective,omitempty"`
	Seed      uint64        `json:"seed"`
	// OpenLoop is set where the metrics are as recorded, whatever the replicas.
	OpenLoop bool `json:"openLoop,omitempty"`
}

// A Tick sums up the time since the last one.
type Tick struct {
	Run  string        `json:"run"`
	At   time.Duration `json:"at"`   // its end, since the beginning
	Time time.Time     `json:"time"` // the same

	Demand    float64 `json:"demand"`    // requests per second that arrived, the mean
	Capacity  float64 `json:"capacity"`  // requests per second that the ready pods can serve, at the end; 0 where it has no bound or nothing arrived yet
	Completed float64 `json:"completed"` // requests
	Failed    float64 `json:"failed"`    // requests that timed out or were lost with their pod
	Dropped   float64 `json:"dropped"`   // requests that were refused
	Waiting   float64 `json:"waiting"`   // requests, at the end

	Desired int32 `json:"desired"` // spec.replicas, at the end
	Pods    int   `json:"pods"`    // that exist, at the end, terminating ones included
	Ready   int   `json:"ready"`   // at the end
	Need    int   `json:"need"`    // the most that the demand needed; 0 where that is not known

	// Latency of the requests that ended, in seconds; NaN where none did, null in JSON.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	// Objective is the objective's quantile, NaN without.
	Objective float64 `json:"objective"`
	// Over is the seconds in which the objective was missed.
	Over float64 `json:"over"`

	// True are the signals of the HPA's metrics, in their order and comparable with
	// Observed, as they were in this time without scrapes and windows; NaN where a
	// metric has no such value.
	True []float64 `json:"true,omitempty"`
}

// A Sync is a decision of the HPA.
type Sync struct {
	Run        string          `json:"run"`
	At         time.Duration   `json:"at"`
	Time       time.Time       `json:"time"`
	Decision   hpa.Decision    `json:"decision"`
	Reason     hpa.Reason      `json:"reason"`     // in one word, of the conditions what held or moved the count
	Conditions []hpa.Condition `json:"conditions"` // after the sync
	// Observed are the values of the HPA's metrics, in their order: of Pods and
	// resource metrics the average of the pods that have one and do not terminate, of
	// an average of other metrics the share of each pod that exists.
	Observed []Observed `json:"observed"`
}

// Observed is a metric as the HPA read it, in the metric's unit.
type Observed struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"` // NaN with Err, null in JSON
	Target float64 `json:"target"`
	Pods   int     `json:"pods,omitempty"` // that had a value
	Err    string  `json:"error,omitempty"`
}

// A Happening is an Event that begins, or one that ends.
type Happening struct {
	Run  string        `json:"run"`
	At   time.Duration `json:"at"`
	Time time.Time     `json:"time"`
	Kind EventKind     `json:"event"`
	Over bool          `json:"over,omitempty"`
	Text string        `json:"text"`
}

// End is the last message of a run.
type End struct {
	Run     string        `json:"run"`
	At      time.Duration `json:"at"`
	Summary Summary       `json:"summary"`
}

// A Summary is the run in figures. Hours and minutes are of virtual time.
type Summary struct {
	Arrived   float64 `json:"arrived"`   // requests, with those that were there at the beginning
	Completed float64 `json:"completed"` // requests
	Failed    float64 `json:"failed"`    // requests that timed out or were lost with their pod
	Dropped   float64 `json:"dropped"`   // requests that were refused
	Waiting   float64 `json:"waiting"`   // requests that were still there at the end, those in service included

	ReplicaHours float64 `json:"replicaHours"` // of pods from creation until they are gone
	Cost         float64 `json:"cost"`         // replica-hours times price
	MeanReplicas float64 `json:"meanReplicas"` // ready ones
	MaxReplicas  int     `json:"maxReplicas"`  // ready ones

	// Latency of all requests that ended, in seconds; NaN of none.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	// WorstLatency is the worst second's: of the objective's quantile, or of the p95.
	WorstLatency float64 `json:"worstLatency"`
	WorstBacklog float64 `json:"worstBacklog"` // most requests that waited at once

	// MinutesOver are those in which the objective was missed: a second counts where
	// its quantile was above the limit, where more failed or were dropped than may be
	// slower than the quantile, or where requests waited and none ended. NaN without
	// an objective.
	MinutesOver float64 `json:"minutesOver"`

	ScaleUps   int `json:"scaleUps"`   // by the HPA
	ScaleDowns int `json:"scaleDowns"` // by the HPA
	Reversals  int `json:"reversals"`  // scale events in the other direction than the one before, within ten minutes of it

	// LongestShort is the longest time for which fewer replicas were ready than
	// needed: how long a step of the demand waits for capacity. The hours are the
	// integrals of what was missing and of what was too much. NaN where the need is not known.
	LongestShort          time.Duration      `json:"longestShort"`
	UnderProvisionedHours float64            `json:"underProvisionedHours"`
	OverProvisionedHours  float64            `json:"overProvisionedHours"`
	PerfectForesight      float64            `json:"perfectForesight"` // replica-hours of the fewest replicas needed, each started one startup earlier
	Syncs                 int                `json:"syncs"`
	FailedSyncs           int                `json:"failedSyncs"`  // that the controller counts as errors
	Reasons               map[hpa.Reason]int `json:"reasons"`      // syncs by their reason
	MinutesAtMax          float64            `json:"minutesAtMax"` // desired was the HPA's maximum
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
