package snapshot

import (
	"errors"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

var errBusy = errors.New("all slots of this backend were taken until the deadline")

// errRepeated says that asking again has brought nothing new.
var errRepeated = errors.New("it repeats its last answer, evaluated at the same time, as a cache does")

// An outcome is what is known of a key after a query: the last good answer, and
// the failure since then, if any. It is immutable.
type outcome struct {
	good *Snapshot // nil: there never was one
	err  error     // nil: the latest query was answered
}

// next is the outcome after one more query. A nil receiver is the state before
// the first query.
func (o *outcome) next(asked time.Time, answer reply, err error) *outcome {
	if err == nil {
		return &outcome{good: &Snapshot{Vector: answer.vector, Proof: answer.proof, AskedAt: asked}}
	}
	if o == nil {
		return &outcome{err: err}
	}
	return &outcome{good: o.good, err: err}
}

// repeats reports whether an answer is the last good one once more: no two
// evaluations have the same millisecond, whatever the backend's clock. Answers
// without a sample are dated to the second only. A zero At says nothing.
func (o *outcome) repeats(asked time.Time, vector instant.Vector) bool {
	if o == nil || o.good == nil || vector.At.IsZero() {
		return false
	}
	return vector.At.Equal(o.good.Vector.At) && asked.Sub(o.good.AskedAt) > time.Second
}

// serve decides what a reader gets: the last good answer while it is young
// enough, the cause otherwise.
func (o *outcome) serve(backend string, now time.Time, maxAge time.Duration) (*Snapshot, error) {
	if o.good == nil {
		return nil, &FailedError{Backend: backend, Err: o.err}
	}
	age := now.Sub(o.good.AskedAt)
	switch {
	case age <= maxAge:
		return o.good, nil
	case o.err != nil:
		return nil, &FailedError{Backend: backend, Err: o.err, Since: age}
	default:
		return nil, &StaleError{Backend: backend, Age: age, MaxAge: maxAge}
	}
}
