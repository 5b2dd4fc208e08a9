package sim

import (
	"errors"
	"fmt"
	"time"
)

// This file is the adapter between Prometheus and the HPA, with the rules of
// Pitot: answers come from the last refresh, a failure is bridged by the last
// good answer until that is too old, and after a time without an answer what
// looks back over a window stays an error until the window has passed the gap.

// A backend is what the adapter has seen of Prometheus. Times are Unix
// milliseconds.
type backend struct {
	interval int64 // between scrapes
	answered int64
	failing  bool
	back     int64 // when it last answered again after a gap; 0: it had none
}

// A query is a signal in the adapter.
type query struct {
	Signal
	name    string
	column  int     // of the pods' series
	target  *series // of what is not scraped from pods
	counted float64 // by Arrivals at the last look without scrapes

	phase   time.Duration
	due     int64
	good    int64 // when the last good answer was evaluated; 0: there is none
	failure failure
}

// A failure is why the latest refresh brought no answer.
type failure struct {
	away  bool
	until int64 // recovering until then
}

func (f failure) err(window time.Duration) error {
	if f.away {
		return errors.New("connection refused")
	}
	return fmt.Errorf("recovering: it was away, and a window of %s is full again at %s",
		window, time.UnixMilli(f.until).UTC().Format(time.TimeOnly+"Z"))
}

// retryAfter is the pause after a query that failed.
const retryAfter = int64(5 * time.Second / time.Millisecond)

// refresh asks Prometheus once. What was answered is asked again at its phase.
func (q *query) refresh(now int64, b *backend, away bool, every time.Duration) {
	q.due = nextAt(now, q.phase, every)
	if away {
		b.failing = true
		q.failure = failure{away: true}
		q.due = min(q.due, now+retryAfter)
		return
	}
	if b.failing && now-b.answered > 2*b.interval {
		b.back = now
	}
	b.answered, b.failing = now, false
	full := b.back + q.Window.Milliseconds() + b.interval
	if q.Window > 0 && b.back > 0 && now < full {
		q.failure = failure{until: full}
		q.due = min(q.due, full)
		return
	}
	q.failure, q.good = failure{}, now
}

const backendName = "prometheus"

// readable says why there is no answer to read.
func (q *query) readable(now, maxAge int64) error {
	age := now - q.good
	switch {
	case q.good == 0:
		return fmt.Errorf("backend %q: %w (no good answer yet)", backendName, q.failure.err(q.Window))
	case age <= maxAge:
		return nil
	case q.failure != failure{}:
		return fmt.Errorf("backend %q: %w (last good answer %s ago)", backendName, q.failure.err(q.Window),
			(time.Duration(age) * time.Millisecond).Round(time.Second))
	default:
		return fmt.Errorf("backend %q: latest answer is %s old, the bound is %s", backendName,
			(time.Duration(age) * time.Millisecond).Round(time.Second), time.Duration(maxAge)*time.Millisecond)
	}
}
