// Package reading turns the answer of a rule's query into what an object's
// metric reads: a number that an HPA may act on, or a state and its cause.
//
// It is pure: an answer, a rule and the names of pods go in, Readings come out.
//
//	Pod        one pod of a Pods rule
//	Workload   a Deployment, StatefulSet, …: its pods folded or put together
//	Labelled   an object whose own label the result carries
//	Series     the items of an External rule
//	Total      those items as one value of their Namespace
//
// # Promises
//
// There is no zero but a measured one, or one that the rule asks for in
// writing. NaN, infinities, negative and very large values, two series where
// one is meant, samples that are too old, and no series at all are states of
// their own, each with a cause that an HPA's user can act on. A zero by policy
// keeps the state that it stands for; one that is proved is Idle.
package reading

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// A State says what kind of answer stands behind a Reading.
type State int

// The states. Only Value comes with a number, Idle, Empty and NotANumber where
// the rule's policy says zero, and Idle where zero is proved.
const (
	// Value: a number that an HPA may act on.
	Value State = iota
	// Idle: series are present and nothing happened, so a quantile has no meaning;
	// or no series is present, and it is proved that this means zero.
	Idle
	// Empty: no series for the object.
	Empty
	// NotANumber: the expression gave NaN.
	NotANumber
	// Ambiguous: several series where one is meant.
	Ambiguous
	// Negative: below zero, which an HPA takes for an overflow, and not allowed.
	Negative
	// OutOfRange: infinite, or beyond the rule's ceiling.
	OutOfRange
	// Stale: the newest sample behind the value is too old.
	Stale
)

var stateNames = [...]string{"value", "idle", "empty", "not-a-number", "ambiguous", "negative", "out-of-range", "stale"}

// String is the state's name in messages and in JSON.
func (s State) String() string { return stateNames[s] }

// MarshalText makes JSON carry the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Reading is an object's metric at one time.
type Reading struct {
	Object instant.Object
	// Series are the labels of an External item. Empty otherwise, and where there
	// is no such item.
	Series labels.Labels
	State  State
	// Value is the number to serve. It is meaningless when Cause is set.
	Value float64
	// Cause says why there is no number to serve. "" when there is one.
	Cause string
}

// Milli is the value in thousandths, rounded to the nearest: the HPA reads no
// finer. Call it only when Cause is "".
func (r Reading) Milli() int64 { return int64(math.Round(r.Value * 1000)) }

// Err is nil when there is a number to serve, and a *NoValueError otherwise. It
// names the series of an External item.
func (r Reading) Err() error {
	switch {
	case r.Cause == "":
		return nil
	case r.Series.IsEmpty():
		return &NoValueError{State: r.State, Cause: r.Cause}
	default:
		return &NoValueError{State: r.State, Cause: fmt.Sprintf("series %s: %s", r.Series, r.Cause)}
	}
}

// A NoValueError says why a Reading has no number.
type NoValueError struct {
	State State
	Cause string
}

func (e *NoValueError) Error() string { return e.Cause }
