package snapshot

import (
	"context"
	"errors"
	"time"
)

// A Manual is a Store without goroutines and without a clock: the caller tells
// the time, and the queries that are due run until they have ended. It is for
// simulations, which have all of a Store's rules and no time to wait. Its backends
// answer at once; it has no breaker and asks for no coverage, since it sees them
// from their beginning. It is not safe for concurrent use.
type Manual struct {
	opts     Options
	phase    func(Key) time.Duration // nil: intervals count from the first read
	backends map[string]*backend
	entries  map[Key]*manualEntry // by Key.asked
	order    []*manualEntry       // as they were first read: queries run in this order
	now      time.Time
}

// A manualEntry is a key that is alive.
type manualEntry struct {
	key    Key
	latest *outcome
	due    time.Time // of the next query
	read   time.Time
}

// NewManual returns an empty Manual. Of the options, FirstWait, Concurrency, Observe
// and ObserveAbsence mean nothing to it, and Jitter is none by default. The phase is when
// within each interval of Unix time a key is asked; nil: an interval after it was
// asked last.
func NewManual(opts Options, phase func(Key) time.Duration) *Manual {
	if opts.Jitter == nil {
		opts.Jitter = func(_ Key, d time.Duration) time.Duration { return d }
	}
	m := &Manual{opts: opts.Default(), phase: phase, backends: map[string]*backend{}, entries: map[Key]*manualEntry{}}
	for name, b := range m.opts.Backends {
		m.backends[name] = newBackend(nil, b.Default(), 1, m.opts.ObserveAbsence)
	}
	return m
}

// Advance tells the time, which never goes back, and asks what is due by then.
func (m *Manual) Advance(ctx context.Context, now time.Time) {
	m.now = now
	alive := m.order[:0]
	for _, e := range m.order {
		if now.Sub(e.read) > m.opts.Linger {
			delete(m.entries, e.key.asked())
			continue
		}
		alive = append(alive, e)
		if !now.Before(e.due) {
			m.refresh(ctx, e)
		}
	}
	clear(m.order[len(alive):])
	m.order = alive
}

// Want has a key asked when it is due next, so that the first read finds an answer.
// It is for a time before the first Advance, which is told.
func (m *Manual) Want(key Key, now time.Time) {
	m.now = now
	if m.entries[key.asked()] != nil {
		return
	}
	e := m.add(key)
	e.read, e.due = now, m.next(key)
}

func (m *Manual) add(key Key) *manualEntry {
	e := &manualEntry{key: key}
	m.entries[key.asked()] = e
	m.order = append(m.order, e)
	return e
}

// next is when a key is asked again if all goes well.
func (m *Manual) next(key Key) time.Time {
	if m.phase == nil {
		return m.now.Add(m.opts.Jitter(key, m.opts.Interval))
	}
	into := time.Duration(m.now.UnixNano()) % m.opts.Interval
	at := m.now.Add(m.phase(key) - into)
	for !at.After(m.now) {
		at = at.Add(m.opts.Interval)
	}
	return at
}

// Read returns the key's Snapshot as of the last Advance. The errors are those of
// Store.Read, without those of waiting.
func (m *Manual) Read(ctx context.Context, key Key) (*Snapshot, error) {
	e, ok := m.entries[key.asked()]
	if !ok {
		switch {
		case m.backends[key.Backend] == nil:
			return nil, &UnknownBackendError{Backend: key.Backend}
		case len(m.entries) >= m.opts.MaxKeys:
			return nil, ErrTooManyKeys
		}
		e = m.add(key)
	}
	e.read = m.now
	if e.latest == nil {
		m.refresh(ctx, e)
	}
	return e.latest.serve(key.Backend, m.now, m.opts.MaxAge)
}

// refresh asks the backend once and judges the answer as a Store does.
func (m *Manual) refresh(ctx context.Context, e *manualEntry) {
	from := m.backends[e.key.Backend]
	answer, err := from.all(ctx, e.key)
	err = from.judge(e.key, m.now, answer, err)
	if err == nil && e.latest.repeats(m.now, answer.vector) {
		err = errRepeated
	}
	e.latest = e.latest.next(m.now, answer, err)
	e.due = m.next(e.key)
	recovering, isRecovering := errors.AsType[*RecoveringError](err)
	switch {
	case isRecovering:
		e.due = earlier(e.due, recovering.Until)
	case err != nil:
		e.due = earlier(e.due, m.now.Add(m.opts.Jitter(e.key, retryAfter)))
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
