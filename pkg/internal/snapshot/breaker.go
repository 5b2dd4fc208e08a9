package snapshot

import (
	"errors"
	"sync"
	"time"
)

// A Verdict is what an error of a Querier may say of its backend. What says
// nothing is taken for a sign that the backend is not well.
type Verdict interface {
	error
	// Answered reports whether the backend is well, and the query or its answer is
	// at fault.
	Answered() bool
	// Pause is how long the backend asks to be left alone; 0 if it does not.
	Pause() time.Duration
}

// answered reports whether the outcome of a query shows a backend that is well.
func answered(err error) bool {
	if err == nil || errors.Is(err, ErrPartial) {
		return true
	}
	verdict, ok := errors.AsType[Verdict](err)
	return ok && verdict.Answered()
}

// What a breaker bears, and how long it obeys a backend that wants to be left alone.
const (
	failuresToOpen = 3
	probeEvery     = retryAfter * 9 / 10 // a key whose retry comes early by chance is in time
	maxPause       = time.Minute
)

// A breaker keeps queries from a backend that does not answer: it opens after a
// few failures in a row, and then lets one query through at a time, to see
// whether the backend is back. The zero value is closed.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	since    time.Time // the first of them
	last     error     // of them; nil when there is none
	probe    time.Time // when the next query may pass an open breaker
}

// admit returns nil if a query may be sent now, and the failure that keeps it
// from it otherwise. A query that passes an open breaker is its probe: no other
// passes for a while.
func (b *breaker) admit(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failures < failuresToOpen:
		return nil
	case now.Before(b.probe):
		return b.last
	default:
		b.probe = now.Add(probeEvery)
		return nil
	}
}

// note takes the outcome of a query. One that was never sent says nothing. It
// tells whom it concerns when the breaker opens and when it closes; told must not
// call the breaker.
func (b *breaker) note(now time.Time, err error, told func(Absence)) {
	if errors.Is(err, errBusy) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	wasOpen := b.failures >= failuresToOpen
	if answered(err) {
		if wasOpen {
			told(Absence{Lasted: now.Sub(b.since)})
		}
		b.failures, b.last, b.since, b.probe = 0, nil, time.Time{}, time.Time{}
		return
	}
	if b.failures == 0 {
		b.since = now
	}
	b.failures++
	b.last = err
	pause := probeEvery
	if verdict, ok := errors.AsType[Verdict](err); ok && verdict.Pause() > 0 {
		b.failures = max(b.failures, failuresToOpen)
		pause = max(pause, min(verdict.Pause(), maxPause))
	}
	b.probe = now.Add(pause)
	if !wasOpen && b.failures >= failuresToOpen {
		told(Absence{Err: err})
	}
}

// open returns the failure that keeps queries from the backend; nil when none does.
func (b *breaker) open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < failuresToOpen {
		return nil
	}
	return b.last
}
