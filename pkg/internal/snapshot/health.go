package snapshot

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// health is what the queries of a backend have shown of it. After a time without
// an answer its own data have a gap, and what looks back over the gap is too low
// until the window has passed it. It is immutable.
type health struct {
	answered time.Time // when the latest query with an answer was asked; zero: none was
	failing  bool      // a query failed since then
	back     time.Time // when the backend last answered again after a gap; zero: it had none
}

// afterFailure is the health after one more query without an answer.
func (h health) afterFailure() health {
	h.failing = true
	return h
}

// afterAnswer is the health after a query with an answer. Where queries failed
// for longer than bearable before it, the backend may have missed what it
// scrapes.
func (h health) afterAnswer(asked time.Time, bearable time.Duration) health {
	if asked.Before(h.answered) {
		return h
	}
	if h.failing && asked.Sub(h.answered) > bearable {
		h.back = asked
	}
	h.answered, h.failing = asked, false
	return h
}

// fullAt is when a window is full again after the latest gap: the backend finds
// its targets within a scrape interval, and the window passes the gap from there.
func (h health) fullAt(window, scrapeInterval time.Duration) time.Time {
	if window == 0 || h.back.IsZero() {
		return time.Time{}
	}
	return h.back.Add(window + scrapeInterval)
}

// A window is what is known of a backend's data over a window of time, from
// before this process first saw the backend.
type window struct {
	full  bool
	since time.Time // when it was first found not to be full
}

// A RecoveringError says that a backend was away and that the answer looks back
// on a time that it has not seen in full: a rate would be too low.
type RecoveringError struct {
	Window time.Duration
	Until  time.Time
}

func (e *RecoveringError) Error() string {
	return fmt.Sprintf("recovering: it was away, and a window of %s is full again at %s",
		e.Window, e.Until.UTC().Format(time.TimeOnly+"Z"))
}

// A watch keeps the health of a backend.
type watch struct {
	mu sync.Mutex
	health
	windows map[time.Duration]window
}

// unsure reports whether nobody knows yet that the backend's data fill a window.
func (w *watch) unsure(length time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return length > 0 && !w.windows[length].full
}

// covered records whether the backend has data throughout a window, and returns
// when it will have: zero if it has. By then it has been watched for so long.
func (w *watch) covered(length time.Duration, full bool, now time.Time, scrapeInterval time.Duration) (fullAt time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.windows[length]
	if known.since.IsZero() {
		known.since = now
	}
	fullAt = known.since.Add(length + scrapeInterval)
	known.full = full || known.full || !now.Before(fullAt)
	if w.windows == nil {
		w.windows = map[time.Duration]window{}
	}
	w.windows[length] = known
	if known.full {
		return time.Time{}
	}
	return fullAt
}

// lastAnswer is when the latest query with an answer was asked; zero if none was.
func (w *watch) lastAnswer() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered
}

// note records the outcome of a query that was sent and returns the health after
// it. A backend that answers with an error is there.
func (w *watch) note(asked time.Time, err error, bearable time.Duration) health {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(err, errBusy):
	case answered(err):
		w.health = w.afterAnswer(asked, bearable)
	default:
		w.health = w.afterFailure()
	}
	return w.health
}
