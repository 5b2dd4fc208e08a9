package hpa

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A Trail is how a decision came about, stage by stage. Stages that were not
// reached are nil.
type Trail struct {
	// Forced is the reason of a move into the bounds of the spec, for which no
	// metric is asked.
	Forced string `json:"forced,omitempty"`
	// Metrics are in the order of the spec.
	Metrics []MetricTrail `json:"metrics,omitempty"`
	// Want is what the metrics ask for together, and not less than zero.
	Want          int32          `json:"want"`
	Stabilization *Stabilization `json:"stabilization,omitempty"`
	Limit         *Limit         `json:"limit,omitempty"`
	// Raised reports that minReplicas was reached from zero past all policies.
	Raised bool `json:"raised,omitempty"`
}

// A MetricTrail is how a metric came to its proposal.
type MetricTrail struct {
	Metric Metric `json:"metric"`
	Err    string `json:"error,omitempty"` // why there is no proposal

	Pods *PodCounts `json:"pods,omitempty"` // Resource, ContainerResource, Pods

	Usage       int64 `json:"usage"`                 // milli: the value or the average, as the status shows it
	Utilization int32 `json:"utilization,omitempty"` // percent of the requests, as the status shows it

	Ratio      Ratio      `json:"ratio"` // usage over target
	Tolerances Tolerances `json:"tolerances"`

	Filled *Filled `json:"filled,omitempty"` // where pods without a sample were guessed

	Serving int `json:"serving,omitempty"` // running and ready pods, where Rule is FromServingPods

	// Of the average of an Object or External metric: the total in milli, and
	// the status.replicas that share it. Without any, Usage means nothing.
	Total int64 `json:"total,omitempty"`
	Exist int32 `json:"exist,omitempty"`

	Rule     Rule  `json:"rule,omitempty"`
	Proposal int32 `json:"proposal"`
}

// Filled is the second look at a metric, with the pods that have no sample that
// counts: as full where the first look would scale down, as idle where it would
// scale up.
type Filled struct {
	Pods  int64 `json:"pods"`
	Ratio Ratio `json:"ratio"`
}

// A Rule is how a proposal follows from a ratio.
type Rule string

// The rules of proposals.
const (
	WithinTolerance  Rule = "WithinTolerance"  // nothing changes
	FromReadyPods    Rule = "FromReadyPods"    // ratio × pods whose samples count
	FromFilledPods   Rule = "FromFilledPods"   // second ratio × all these pods
	DirectionTurned  Rule = "DirectionTurned"  // the second ratio is on the other side of 1: nothing changes
	CountContradicts Rule = "CountContradicts" // the count would move against the ratio: nothing changes
	FromServingPods  Rule = "FromServingPods"  // ratio × running and ready pods
	FromTotal        Rule = "FromTotal"        // total over the target of each pod
	FromZero         Rule = "FromZero"         // the ratio itself, without tolerance
)

// A Stabilization is how the past changed a proposal.
type Stabilization struct {
	From   int32         `json:"from"`
	To     int32         `json:"to"`
	Window time.Duration `json:"window,omitempty"` // the one that changed it
	// By is the youngest recommendation that alone would hold the count, Until
	// when it leaves the window. Nil where nothing of the past matters.
	By    *Recommendation `json:"by,omitempty"`
	Until time.Time       `json:"until,omitzero"`
}

// A Limit is how bounds and policies changed a count.
type Limit struct {
	From     int32         `json:"from"`
	To       int32         `json:"to"`
	Reason   Reason        `json:"reason"`
	Disabled bool          `json:"disabled,omitempty"` // selectPolicy is Disabled
	Policies []PolicyTrail `json:"policies,omitempty"`
}

// A PolicyTrail is what one policy allows.
type PolicyTrail struct {
	Policy Policy `json:"policy"`
	Base   int32  `json:"base"`   // the count at the beginning of the period
	Allows int32  `json:"allows"` // the count that may be reached
	Moves  []Move `json:"moves,omitempty"`
}

// A Move is a change within a policy's period, negative for a scale-down.
type Move struct {
	Change int32     `json:"change"`
	At     time.Time `json:"at"`
}

// A Ratio is a number that JSON may have no word for: from zero replicas a
// ratio is infinite or not a number. Such a ratio is a string there.
type Ratio float64

// MarshalJSON writes a number, or "+Inf", "-Inf" or "NaN".
func (r Ratio) MarshalJSON() ([]byte, error) {
	if f := float64(r); math.IsInf(f, 0) || math.IsNaN(f) {
		return json.Marshal(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return json.Marshal(float64(r))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Ratio) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) != nil {
		return json.Unmarshal(text, (*float64)(r))
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return fmt.Errorf("ratio: %w", err)
	}
	*r = Ratio(f)
	return nil
}

func (t *Trail) limit() *Limit {
	if t.Limit == nil {
		t.Limit = &Limit{}
	}
	return t.Limit
}

func (l *Limit) note(p Policy, base, allows int32, moves []Move) {
	l.Policies = append(l.Policies, PolicyTrail{Policy: p, Base: base, Allows: allows, Moves: moves})
}

// What follows takes notes for a metric. On nil, where nobody asked for a
// trail, each of them does nothing.

func (n *MetricTrail) grouped(pods *PodCounts) {
	if n != nil {
		counts := *pods
		n.Pods = &counts
	}
}

func (n *MetricTrail) measured(target Target, l load, ratio float64) {
	if n == nil {
		return
	}
	n.Ratio = Ratio(ratio)
	if target.Type == Utilization {
		n.Utilization, n.Usage = percent(l), l.usage/l.listed
		return
	}
	n.Usage = l.usage / l.pods
}

func (n *MetricTrail) tolerated(t Tolerances) {
	if n != nil {
		n.Tolerances = t
	}
}

func (n *MetricTrail) filled(ratio float64, pods int64) {
	if n != nil {
		n.Filled = &Filled{Pods: pods, Ratio: Ratio(ratio)}
	}
}

func (n *MetricTrail) whole(usage int64, ratio float64, t Tolerances) {
	if n != nil {
		n.Usage, n.Ratio, n.Tolerances = usage, Ratio(ratio), t
	}
}

func (n *MetricTrail) serves(pods int) {
	if n != nil {
		n.Serving, n.Rule = pods, FromServingPods
	}
}

func (n *MetricTrail) divided(total int64, exist int32) {
	if n != nil {
		n.Total, n.Exist = total, exist
	}
}

func (n *MetricTrail) follows(rule Rule) {
	if n != nil {
		n.Rule = rule
	}
}

// conclude keeps the proposal. A metric that failed has no numbers, whatever
// was known before it failed.
func (n *MetricTrail) conclude(replicas int32, err error) {
	if err != nil {
		*n = MetricTrail{Metric: n.Metric, Pods: n.Pods, Err: err.Error()}
		return
	}
	n.Proposal = replicas
}
