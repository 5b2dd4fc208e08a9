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
// one is meant, and no series at all are states of their own, each with a cause
// that an HPA's user can act on.
package reading

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// A State says what kind of answer stands behind a Reading.
type State int

// The states. Only Value, and Idle where its rule says so, come with a number.
const (
	// Value: a number that an HPA may act on.
	Value State = iota
	// Idle: series are present and nothing happened, so a quantile has no meaning.
	Idle
	// Empty: no series for the object.
	Empty
	// NotANumber: the expression gave NaN.
	NotANumber
	// Ambiguous: several series where one is meant.
	Ambiguous
	// Negative: below zero, which an HPA takes for an overflow.
	Negative
	// OutOfRange: infinite, or above Ceiling.
	OutOfRange
)

var stateNames = [...]string{"value", "idle", "empty", "not-a-number", "ambiguous", "negative", "out-of-range"}

// String is the state's name in messages and in JSON.
func (s State) String() string { return stateNames[s] }

// MarshalText makes JSON carry the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Ceiling is the largest value served. The HPA multiplies and rounds what it
// reads in integers of 32 and 64 bits without checking every product: far above
// any real load, a larger value would come out as a small one.
const Ceiling = 1e9

// A Reading is an object's metric at one time.
type Reading struct {
	Object instant.Object
	// Series are the labels of an External item; empty otherwise.
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

// Err is nil when there is a number to serve, and a *NoValueError otherwise.
func (r Reading) Err() error {
	if r.Cause == "" {
		return nil
	}
	return &NoValueError{State: r.State, Cause: r.Cause}
}

// A NoValueError says why a Reading has no number.
type NoValueError struct {
	State State
	Cause string
}

func (e *NoValueError) Error() string { return e.Cause }

// judge decides whether v may be served as it is.
func judge(object instant.Object, v float64) Reading {
	r := Reading{Object: object, Value: v}
	switch {
	case math.IsNaN(v):
		r.State = NotANumber
		r.Cause = "the query gave NaN, as a division of nothing by nothing does"
	case v < 0:
		r.State = Negative
		r.Cause = fmt.Sprintf("the query gave %g, and an HPA takes a negative value for an overflow: use clamp_min(…, 0) in the query if it means nothing", v)
	case v > Ceiling:
		r.State = OutOfRange
		r.Cause = fmt.Sprintf("the query gave %g, and values above %g overflow inside the HPA: choose a larger unit in the query", v, float64(Ceiling))
	}
	return r
}

func empty(object instant.Object, format string, args ...any) Reading {
	return Reading{Object: object, State: Empty, Cause: fmt.Sprintf(format, args...)}
}
