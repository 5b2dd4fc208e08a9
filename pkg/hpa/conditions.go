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

// Condition returns the condition of a type, and whether there is one.
func (s State) Condition(t ConditionType) (Condition, bool) {
	i := conditions(s.Conditions).index(t)
	if i < 0 {
		return Condition{}, false
	}
	return s.Conditions[i], true
}

// conditions are those of one reconcile while it changes them.
type conditions []Condition

func (c conditions) index(t ConditionType) int {
	return slices.IndexFunc(c, func(one Condition) bool { return one.Type == t })
}

// set gives a condition a status and a reason. A new type comes last.
func (c *conditions) set(t ConditionType, status Status, reason Reason, now time.Time) {
	i := c.index(t)
	if i < 0 {
		i = len(*c)
		*c = append(*c, Condition{Type: t})
	}
	one := &(*c)[i]
	if one.Status != status {
		one.Since = now
	}
	one.Status, one.Reason = status, reason
}

// remove forgets a condition.
func (c *conditions) remove(t ConditionType) {
	if i := c.index(t); i >= 0 {
		*c = slices.Delete(*c, i, i+1)
	}
}

// isTrue reports whether a condition is there and true.
func (c conditions) isTrue(t ConditionType) bool {
	i := c.index(t)
	return i >= 0 && c[i].Status == True
}

// replacing returns before if nothing changed, otherwise a copy to keep.
func (c conditions) replacing(before []Condition) []Condition {
	if slices.Equal(c, before) {
		return before
	}
	return slices.Clone(c)
}
