package hpa

import (
	"slices"
	"time"
)

// A Condition is a condition of the HPA's status, without its message.
type Condition struct {
	Type   ConditionType `json:"type"`
	Status Status        `json:"status"`
	Reason Reason        `json:"reason"`
	Since  time.Time     `json:"since,omitzero"` // last transition of Status
}

// A ConditionType is the type of a condition.
type ConditionType string

// The types of conditions.
const (
	AbleToScale    ConditionType = "AbleToScale"    // the scale can be read and written
	ScalingActive  ConditionType = "ScalingActive"  // the metrics give a count
	ScalingLimited ConditionType = "ScalingLimited" // a limit changed that count
	ScaledToZero   ConditionType = "ScaledToZero"   // the HPA itself went to zero
)

// A Status is the status of a condition.
type Status string

// The statuses of conditions.
const (
	True    Status = "True"
	False   Status = "False"
	Unknown Status = "Unknown"
)

// A Reason is the reason of a condition, in Kubernetes' spelling.
type Reason string

// The reasons of AbleToScale.
const (
	ReasonSucceededGetScale   Reason = "SucceededGetScale"
	ReasonFailedGetScale      Reason = "FailedGetScale"
	ReasonReadyForNewScale    Reason = "ReadyForNewScale"
	ReasonScaleUpStabilized   Reason = "ScaleUpStabilized"
	ReasonScaleDownStabilized Reason = "ScaleDownStabilized"
	ReasonSucceededRescale    Reason = "SucceededRescale"
	ReasonFailedUpdateScale   Reason = "FailedUpdateScale"
)

// The reasons of ScalingActive.
const (
	ReasonValidMetricFound                 Reason = "ValidMetricFound"
	ReasonScalingDisabled                  Reason = "ScalingDisabled"
	ReasonInvalidSelector                  Reason = "InvalidSelector"
	ReasonAmbiguousSelector                Reason = "AmbiguousSelector"
	ReasonFailedGetResourceMetric          Reason = "FailedGetResourceMetric"
	ReasonFailedGetContainerResourceMetric Reason = "FailedGetContainerResourceMetric"
	ReasonFailedGetPodsMetric              Reason = "FailedGetPodsMetric"
	ReasonFailedGetObjectMetric            Reason = "FailedGetObjectMetric"
	ReasonFailedGetExternalMetric          Reason = "FailedGetExternalMetric"
)

// The reasons of ScalingLimited.
const (
	ReasonDesiredWithinRange Reason = "DesiredWithinRange"
	ReasonTooFewReplicas     Reason = "TooFewReplicas"
	ReasonTooManyReplicas    Reason = "TooManyReplicas"
	ReasonScaleUpLimit       Reason = "ScaleUpLimit"
	ReasonScaleDownLimit     Reason = "ScaleDownLimit"
)

// The reasons of ScaledToZero.
const (
	ReasonScaledToZero    Reason = "ScaledToZero"
	ReasonNotScaledToZero Reason = "NotScaledToZero"
)

// failed is the reason where a metric of this type gives no count.
func (t MetricType) failed() Reason {
	switch t {
	case Resource:
		return ReasonFailedGetResourceMetric
	case ContainerResource:
		return ReasonFailedGetContainerResourceMetric
	case Pods:
		return ReasonFailedGetPodsMetric
	case Object:
		return ReasonFailedGetObjectMetric
	default:
		return ReasonFailedGetExternalMetric
	}
}

// types is how many types of conditions there are.
const types = 4

// Condition returns the condition of a type, and whether there is one.
func (s *State) Condition(t ConditionType) (Condition, bool) {
	i := slices.IndexFunc(s.Conditions, func(one Condition) bool { return one.Type == t })
	if i < 0 {
		return Condition{}, false
	}
	return s.Conditions[i], true
}

// conditions are those of one reconcile while it changes them. They are an
// array to keep them off the heap: most syncs leave them as they were.
type conditions struct {
	all [types]Condition
	n   int
}

func (c *conditions) load(from []Condition) { c.n = copy(c.all[:], from) }

// find returns the index of a type, or n.
func (c *conditions) find(t ConditionType) int {
	i := 0
	for i < c.n && c.all[i].Type != t {
		i++
	}
	return i
}

// set gives a condition a status and a reason. A new type comes last.
func (c *conditions) set(t ConditionType, status Status, reason Reason, now time.Time) {
	i := c.find(t)
	if i == c.n {
		c.all[i] = Condition{Type: t}
		c.n++
	}
	one := &c.all[i]
	if one.Status != status {
		one.Since = now
	}
	one.Status, one.Reason = status, reason
}

// remove forgets a condition.
func (c *conditions) remove(t ConditionType) {
	if i := c.find(t); i < c.n {
		copy(c.all[i:], c.all[i+1:])
		c.n--
	}
}

// isTrue reports whether a condition is there and true.
func (c *conditions) isTrue(t ConditionType) bool {
	i := c.find(t)
	return i < c.n && c.all[i].Status == True
}

// replacing returns before if nothing changed, otherwise a copy to keep.
func (c *conditions) replacing(before []Condition) []Condition {
	if slices.Equal(c.all[:c.n], before) {
		return before
	}
	after := make([]Condition, c.n)
	copy(after, c.all[:c.n])
	return after
}
