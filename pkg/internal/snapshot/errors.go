package snapshot

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrPartial marks an answer that its backend itself doubts.
var ErrPartial = errors.New("partial answer")

// ErrTooManyKeys is returned for a new key when Options.MaxKeys are alive, or
// Backend.MaxKeys of its backend.
var ErrTooManyKeys = errors.New("too many different queries are alive")

// ErrClosed is returned by a closed Store.
var ErrClosed = errors.New("snapshot store is closed")

// An UnknownBackendError names a backend that the Store does not have.
type UnknownBackendError struct{ Backend string }

func (e *UnknownBackendError) Error() string {
	return fmt.Sprintf("backend %q is not configured", e.Backend)
}

// A PendingError says that a key's first query has not been answered yet.
type PendingError struct {
	Backend string
	Waited  time.Duration
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("backend %q has not answered the first query yet (waited %s)", e.Backend, e.Waited.Round(time.Second))
}

// A FailedError says that the latest query of a key failed and that no answer
// young enough is left.
type FailedError struct {
	Backend string
	Err     error         // why
	Since   time.Duration // age of the last good answer; 0 when there never was one
}

func (e *FailedError) Error() string {
	if e.Since == 0 {
		return fmt.Sprintf("backend %q: %s (no good answer yet)", e.Backend, e.Err)
	}
	return fmt.Sprintf("backend %q: %s (last good answer %s ago)", e.Backend, e.Err, e.Since.Round(time.Second))
}

func (e *FailedError) Unwrap() error { return e.Err }

// A StaleError says that the latest answer is too old and that its successor
// has neither arrived nor failed.
type StaleError struct {
	Backend string
	Age     time.Duration
	MaxAge  time.Duration
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("backend %q: latest answer is %s old, the bound is %s", e.Backend, e.Age.Round(time.Second), e.MaxAge)
}

// A Cause names why a key has no answer that may be served. It can serve as a
// metric's label.
type Cause string

// The causes.
const (
	Pending    Cause = "pending"    // the first query has not been answered yet
	Recovering Cause = "recovering" // the backend was away, and a window is not full yet
	Partial    Cause = "partial"    // the backend doubts its own answer
	Failed     Cause = "failed"     // the query failed
	Stale      Cause = "stale"      // the answer is too old, and no other has come
)

// CauseOf names what stands behind an error of Read: "" for those that are not
// about the key, such as a request that was cut off. What made a query fail comes
// before the failure.
func CauseOf(err error) Cause {
	switch {
	case is[*PendingError](err):
		return Pending
	case is[*RecoveringError](err):
		return Recovering
	case errors.Is(err, ErrPartial):
		return Partial
	case is[*FailedError](err):
		return Failed
	case is[*StaleError](err):
		return Stale
	default:
		return ""
	}
}

// is reports whether an error of type E is in err's chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func partial(warnings []string) error {
	return fmt.Errorf("%w: %s", ErrPartial, strings.Join(warnings, "; "))
}
