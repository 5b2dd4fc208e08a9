// Package sim flies an HPA in a wind tunnel: it plays a demand against pods that
// the HPA's own arithmetic adds and removes.
//
//	end, err := sim.Run(ctx, &sim.Config{Spec: &spec, Demand: demand, Fleet: fleet, Pipeline: pipeline}, handler)
//
// The loop is closed. Requests arrive as the Demand says and are served by a
// workload.Fleet; a Pipeline makes metrics of what the pods count, as late and as
// coarse as scrapes and windows make them; at every sync hpa.Step decides on
// them; a controller creates and deletes pods, which take their time to start and
// to stop; and the next requests meet those pods.
//
// Time is virtual and runs as fast as the machine allows. Chance is seeded: equal
// configurations give equal messages, byte for byte.
//
// What happens is told as Messages to a Handler while it happens, and nothing is
// kept. Package report renders them.
package sim

import (
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A Config is one run. Zero values mean what the comments call default; Run
// refuses what cannot be.
type Config struct {
	Name   string // of the run, on all of its messages
	Seed   uint64
	Begin  time.Time // the virtual time of the demand's beginning
	Demand workload.Demand
	// LeadIn is how long the demand's first rate has arrived before the beginning,
	// so that queues, windows and counters are those of a service at work. If that is
	// more than the pods can serve, nine tenths of what they can arrive instead: no
	// run begins with a backlog that nobody asked for. In the lead-in nothing is
	// decided, told or counted, but its latencies take part in those of the Summary.
	// 0 is none: the first syncs then find no metrics.
	LeadIn time.Duration

	// Spec is the HPA; nil is none, and the replicas stay as they are.
	Spec *hpa.Spec
	// Replicas are there and ready at the beginning; 0 is the HPA's minimum, or one.
	Replicas int32

	Pods    Pods
	Cluster Cluster

	// Fleet serves and Pipeline observes; both belong to this run alone. The first
	// quantile of the Fleet's Steps is that of the Objective, or 0.95 without one.
	Fleet    workload.Fleet
	Pipeline Pipeline // may be nil without Pods, Object and External metrics

	Events []Event // in any order

	// Objective judges the run; nil is none. Need, with it or without, is how many
	// ready replicas a demand per second needs; nil leaves out what it would tell.
	Objective *Objective
	Need      func(rate float64) int
	Price     float64 // of a replica for an hour, 0 is none

	Step   time.Duration // of the fleet, 1s by default and at most
	Report time.Duration // between two Ticks, the Cluster's SyncPeriod by default
	// Trails makes the decisions of Syncs carry how they came about.
	Trails bool
}

// Pods is how the pods of the workload live.
type Pods struct {
	// Startup is the time from a pod's creation until it is ready; of it, Pending
	// is the part before its containers run. Both 0: at once.
	Startup workload.Time
	Pending time.Duration
	// Shutdown is the longest a deleted pod may take to finish what it has.
	Shutdown time.Duration
	// Template is what a pod requests; nil is nothing.
	Template *hpa.Template
}

// Cluster is what stands between a decision and its pods.
type Cluster struct {
	// SyncPeriod is the HPA controller's, 15s by default: the time from the end of
	// a sync to the next. Phase is when the first comes, and SyncLatency the mean
	// time that one takes, 30ms by default. It varies: a real controller never runs
	// on an exact grid.
	SyncPeriod  time.Duration
	Phase       time.Duration
	SyncLatency time.Duration
	// ControllerLag is the time from a new count to created or deleted pods, 200ms
	// by default.
	ControllerLag time.Duration
	// MetricsInterval is that of the resource metrics API (metrics-server), 15s by
	// default. A pod has CPU metrics from its second sample.
	MetricsInterval time.Duration
}

// A Pipeline makes metrics of what pods count.
type Pipeline interface {
	// Observe is called once per step, after it, in the order of time. Scrapes that
	// are due happen in it.
	Observe(at time.Time, scene Scene)
	// Read answers for metrics of type Pods, Object and External at a sync, as the
	// metrics APIs do. The result has an entry for each metric; of other types it is
	// ignored. The samples of a Pods metric are in the order of pods.
	//
	// Pods are all pods that exist, in rising order. The result is valid until the
	// next call.
	Read(at time.Time, metrics []hpa.Metric, pods []int) []hpa.Reading
}

// A Checker is a Pipeline that knows beforehand which metrics it has. Run asks it
// about the metrics of the HPA and of its Edits, and refuses what it refuses.
type Checker interface {
	Check(metrics []hpa.Metric) error
}

// A Witness is a Pipeline that also knows the signals as they are.
type Witness interface {
	// True appends to into, for each metric, its signal since the last call without
	// scrapes and windows, in the metric's unit: of a Pods metric the mean of the
	// pods, of Object and External metrics the whole; NaN where there is none. The
	// fleet was last lapped at the last call.
	True(at time.Time, scene Scene, metrics []hpa.Metric, into []float64) []float64
}

// An OpenLoop is a Pipeline whose metrics are as recorded, whatever the replicas.
type OpenLoop interface {
	OpenLoop()
}

// A Scene is what a Pipeline can see.
type Scene struct {
	Pods  []ScenePod // those that answer scrapes, in order of their ids; valid during the call
	Fleet workload.Fleet
	// Version changes whenever Pods does. It is never zero.
	Version int
	// Outage is set while Prometheus is down: nothing is scraped or answered.
	Outage bool
}

// A ScenePod is a pod that answers scrapes.
type ScenePod struct {
	ID          int
	Name        string
	Since       time.Time // it became ready
	Terminating bool
}

// An Objective is what latency should be: the quantile of the requests of each
// second is to be at most Limit.
type Objective struct {
	Quantile float64
	Limit    time.Duration
}

// An Event is something that happens to the cluster during a run.
type Event struct {
	At   time.Duration // since the beginning
	For  time.Duration // Outage, StuckPods
	Kind EventKind
	// Replicas is what ManualScale sets.
	Replicas int32
	// Spec is the HPA after an Edit.
	Spec *hpa.Spec
}

// An EventKind is what happens.
type EventKind string

// The kinds of events.
const (
	Outage      EventKind = "prometheusOutage"  // nothing is scraped or answered
	StuckPods   EventKind = "podsFailToStart"   // pods that are created in it become ready after it
	Restart     EventKind = "controllerRestart" // the HPA controller forgets its memory
	ManualScale EventKind = "scale"             // somebody else sets the replicas
	Edit        EventKind = "edit"              // the HPA changes
)
