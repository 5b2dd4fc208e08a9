package hpa

import "time"

// A State is what one sync leaves for the next. The zero State is that of an
// HPA that was never reconciled.
type State struct {
	// Recommendations, ScaleUps and ScaleDowns are in the memory of the
	// controller's process. They are slots rather than logs: an entry that is
	// too old is overwritten where it stands, so their order is not that of time.
	// Nil recommendations are those of a controller that never saw the HPA.
	Recommendations []Recommendation `json:"recommendations"`
	ScaleUps        []ScaleEvent     `json:"scaleUps,omitempty"`
	ScaleDowns      []ScaleEvent     `json:"scaleDowns,omitempty"`

	// The rest is in the status of the HPA object.

	CurrentReplicas int32       `json:"currentReplicas"`
	DesiredReplicas int32       `json:"desiredReplicas"`
	Conditions      []Condition `json:"conditions,omitempty"` // in order of their first appearance
	LastScaleTime   time.Time   `json:"lastScaleTime,omitzero"`
}

// A Recommendation is what the metrics proposed at a sync, before stabilization
// and limits.
type Recommendation struct {
	Replicas int32     `json:"replicas"`
	At       time.Time `json:"at"`
}

// A ScaleEvent is a change that was written, in one direction.
type ScaleEvent struct {
	Change int32     `json:"change"` // replicas, never negative
	At     time.Time `json:"at"`
	// Outdated means that the slot may be overwritten. It stays set even if a
	// longer period would make the event count again.
	Outdated bool `json:"outdated,omitempty"`
}

// Restarted is the state after the controller restarted or another replica of
// it became the leader: the HPA's status is there, the memory is lost.
func (s State) Restarted() State {
	s.Recommendations, s.ScaleUps, s.ScaleDowns = nil, nil, nil
	return s
}
