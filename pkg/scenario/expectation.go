package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// An Expectation is one thing that a run must have been. ParseExpectation reads
// it, and String prints it so that it reads the same.
type Expectation struct {
	Position // of the text in its file

	Form   Form
	Figure Figure // but for Never and Always
	Op     Op
	Limit  Limit

	From  time.Duration // At, Between, ReasonAt: since the beginning
	Until time.Duration // Between
	Share float64       // For: percent of the time

	Reason hpa.Reason // ReasonAt, Never, Always
}

// A Form is the way in which an expectation looks at a run.
type Form string

// The forms.
const (
	Whole    Form = "whole"    // scale_events <= 3: the figure of the whole run
	At       Form = "at"       // replicas at 5m == 8
	Between  Form = "between"  // replicas between 10m and 20m >= 4: all the time
	Max      Form = "max"      // max(replicas) <= 20
	Min      Form = "min"      // min(ready) >= 2
	For      Form = "for"      // p95 < 500ms for 99% of time
	ReasonAt Form = "reasonAt" // reason at 5m == ScaleDownStabilized
	Never    Form = "never"    // never: FailedGetPodsMetric
	Always   Form = "always"   // always: ValidMetricFound
)

// A Figure is what is measured of a run.
type Figure string

// The figures that have a value at every time. Latencies have one of the whole
// run too.
const (
	Replicas Figure = "replicas" // what the HPA or somebody else set
	Ready    Figure = "ready"    // replicas that take requests
	PodCount Figure = "pods"     // that exist, starting and terminating ones included
	Waiting  Figure = "backlog"  // requests or tasks that wait
	P50      Figure = "p50"      // latency of the requests that ended
	P95      Figure = "p95"
	P99      Figure = "p99"
)

// The figures of the whole run, as sim.Summary defines them.
const (
	ScaleEvents  Figure = "scale_events" // ups and downs
	ScaleUps     Figure = "scale_ups"
	ScaleDowns   Figure = "scale_downs"
	Reversals    Figure = "reversals"
	PodHours     Figure = "pod_hours"
	Dropped      Figure = "dropped"
	Failed       Figure = "failed"
	MinutesOver  Figure = "minutes_over"
	LongestShort Figure = "longest_short"
	FailedSyncs  Figure = "failed_syncs"
	MinutesAtMax Figure = "minutes_at_max"
)

// A trait is what can be asked about a figure.
type trait struct {
	figure  Figure
	timed   bool // it has a value at every time
	whole   bool // it has a value of the whole run
	latency bool // its unit is time
	events  bool // it counts events, which may be limited per time
	part    bool // it counts requests, of which it may be a percentage
}

var traits = []trait{
	{figure: Replicas, timed: true},
	{figure: Ready, timed: true},
	{figure: PodCount, timed: true},
	{figure: Waiting, timed: true},
	{figure: P50, timed: true, whole: true, latency: true},
	{figure: P95, timed: true, whole: true, latency: true},
	{figure: P99, timed: true, whole: true, latency: true},
	{figure: ScaleEvents, whole: true, events: true},
	{figure: ScaleUps, whole: true, events: true},
	{figure: ScaleDowns, whole: true, events: true},
	{figure: Reversals, whole: true, events: true},
	{figure: PodHours, whole: true},
	{figure: Dropped, whole: true, part: true},
	{figure: Failed, whole: true, part: true},
	{figure: MinutesOver, whole: true},
	{figure: LongestShort, whole: true, latency: true},
	{figure: FailedSyncs, whole: true},
	{figure: MinutesAtMax, whole: true},
}

func traitOf(f Figure) (trait, bool) {
	for _, t := range traits {
		if t.figure == f {
			return t, true
		}
	}
	return trait{}, false
}

// figureNames lists the figures that have some trait.
func figureNames(has func(trait) bool) []string {
	var names []string
	for _, t := range traits {
		if has(t) {
			names = append(names, string(t.figure))
		}
	}
	return names
}

// An Op compares what a run was with what it should have been.
type Op string

// The comparisons, in an order in which no one hides a longer one.
const (
	AtMost    Op = "<="
	AtLeast   Op = ">="
	Equal     Op = "=="
	Different Op = "!="
	Below     Op = "<"
	Above     Op = ">"
)

var ops = []Op{AtMost, AtLeast, Equal, Different, Below, Above}

func (o Op) holds(got, limit float64) bool {
	switch o {
	case AtMost:
		return got <= limit
	case AtLeast:
		return got >= limit
	case Equal:
		return got == limit
	case Different:
		return got != limit
	case Below:
		return got < limit
	default:
		return got > limit
	}
}

// bounds reports whether the comparison is broken for good by too much of
// something that only grows.
func (o Op) bounds() bool { return o == AtMost || o == Below || o == Equal }

// A Limit is what a figure is compared with.
type Limit struct {
	// Value is in seconds with the unit Seconds.
	Value float64
	Unit  Unit
	Per   time.Duration // PerTime: how often within any such time
}

// A Unit is what a limit is in.
type Unit string

// The units.
const (
	Count   Unit = "count"
	Seconds Unit = "seconds"
	Percent Unit = "percent" // of the requests that arrived
	PerTime Unit = "perTime"
)

// pers are the times that a rate can be per.
var pers = []struct {
	name string
	time time.Duration
}{
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
}

// String returns the limit as it is written.
func (l Limit) String() string { return l.with(l.Value) }

// with is another value in the unit of the limit.
func (l Limit) with(value float64) string {
	number := strconv.FormatFloat(value, 'f', -1, 64)
	switch l.Unit {
	case Seconds:
		return duration(time.Duration(math.Round(value * float64(time.Second))))
	case Percent:
		return number + "%"
	case PerTime:
		for _, per := range pers {
			if per.time == l.Per {
				return number + "/" + per.name
			}
		}
	}
	return number
}

// String returns the expectation as ParseExpectation reads it.
func (e Expectation) String() string {
	compare := fmt.Sprintf("%s %s", e.Op, e.Limit)
	switch e.Form {
	case At:
		return fmt.Sprintf("%s at %s %s", e.Figure, duration(e.From), compare)
	case Between:
		return fmt.Sprintf("%s between %s and %s %s", e.Figure, duration(e.From), duration(e.Until), compare)
	case Max, Min:
		return fmt.Sprintf("%s(%s) %s", e.Form, e.Figure, compare)
	case For:
		return fmt.Sprintf("%s %s for %s%% of time", e.Figure, compare, strconv.FormatFloat(e.Share, 'f', -1, 64))
	case ReasonAt:
		return fmt.Sprintf("reason at %s %s %s", duration(e.From), e.Op, e.Reason)
	case Never, Always:
		return fmt.Sprintf("%s: %s", e.Form, e.Reason)
	default:
		return fmt.Sprintf("%s %s", e.Figure, compare)
	}
}

// MarshalText implements encoding.TextMarshaler.
func (e Expectation) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// reasons are those that a sync can have, in Kubernetes' spelling.
var reasons = []hpa.Reason{
	hpa.ReasonSucceededGetScale, hpa.ReasonFailedGetScale, hpa.ReasonReadyForNewScale, hpa.ReasonScaleUpStabilized,
	hpa.ReasonScaleDownStabilized, hpa.ReasonSucceededRescale, hpa.ReasonFailedUpdateScale,
	hpa.ReasonValidMetricFound, hpa.ReasonScalingDisabled, hpa.ReasonInvalidSelector, hpa.ReasonAmbiguousSelector,
	hpa.ReasonFailedGetResourceMetric, hpa.ReasonFailedGetContainerResourceMetric, hpa.ReasonFailedGetPodsMetric,
	hpa.ReasonFailedGetObjectMetric, hpa.ReasonFailedGetExternalMetric,
	hpa.ReasonDesiredWithinRange, hpa.ReasonTooFewReplicas, hpa.ReasonTooManyReplicas, hpa.ReasonScaleUpLimit, hpa.ReasonScaleDownLimit,
	hpa.ReasonScaledToZero, hpa.ReasonNotScaledToZero,
}

func reasonNames() []string {
	names := make([]string, len(reasons))
	for i, r := range reasons {
		names[i] = string(r)
	}
	return names
}

// listed is names for a hint.
func listed(names []string) string { return strings.Join(names, ", ") }
