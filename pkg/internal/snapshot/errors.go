package snapshot

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrPartial marks an answer that its backend itself doubts.
var ErrPartial = errors.New("partial answer")

// ErrTooManyKeys is returned for a new key when Options.MaxKeys are alive.
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

func partial(warnings []string) error {
	return fmt.Errorf("%w: %s", ErrPartial, strings.Join(warnings, "; "))
}
