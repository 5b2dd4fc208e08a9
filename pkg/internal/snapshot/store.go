package snapshot

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Options configure a Store. Default fills what is zero.
type Options struct {
	// Backends are those that keys can name.
	Backends map[string]Backend
	// Interval is the time between two queries of a key. Default 15s, the HPA's
	// own period.
	Interval time.Duration
	// MaxAge bounds the age of what Read returns. Default 30s, and at least
	// twice the Interval, so that one failed refresh goes unnoticed.
	MaxAge time.Duration
	// Linger is how long a key that nobody reads or wants stays alive. Default 15m: a
	// controller manager with default flags needs 500s to sweep 10,000 HPAs.
	Linger time.Duration
	// FirstWait is how long reads wait for the first answer to a key, from when the
	// key was first read or wanted. Default 1s.
	FirstWait time.Duration
	// Concurrency bounds the queries in flight per backend. Default 8.
	Concurrency int64
	// MaxKeys bounds the keys alive. Default 10000.
	MaxKeys int
	// Jitter shortens a key's pause by chance, which spreads queries that began
	// together. Default: by up to a twentieth. It is called concurrently.
	Jitter func(Key, time.Duration) time.Duration
	// Observe, if set, is told of every refresh of a key when it ends. It is called
	// concurrently.
	Observe func(Observation)
	// ObserveAbsence, if set, is told when a backend goes away and when it is back. It
	// is called concurrently, for one backend in the order of what happened.
	ObserveAbsence func(Absence)
}

// A Backend is where queries go. Default fills what is zero.
type Backend struct {
	Querier Querier
	// Timeout bounds the queries of one refresh, and before them the wait for
	// their turn. Default 10s.
	Timeout time.Duration
	// ScrapeInterval is the backend's time between two scrapes. Default 15s. A
	// backend that was away for more than two of them has missed data.
	ScrapeInterval time.Duration
	// Coverage asks the backend, before its first answer over a window, whether
	// its data fill the window. It has to have a metric up.
	Coverage bool
	// Concurrency bounds the queries in flight. Default that of the Options.
	Concurrency int64
	// MaxKeys bounds the keys alive. Default that of the Options, which all backends
	// share.
	MaxKeys int
}

// Default returns b with every zero field filled.
func (b Backend) Default() Backend {
	setDefault(&b.Timeout, 10*time.Second)
	setDefault(&b.ScrapeInterval, 15*time.Second)
	return b
}

// An Observation is one refresh of a key, seen from here.
type Observation struct {
	Key     Key
	Err     error // nil: answered
	Skipped bool  // nothing was sent: the backend is away
	Away    bool  // the backend is away: that is the news, and not the key
	Elapsed time.Duration
	Series  int
}

// An Absence is a time in which a backend does not answer. It is observed twice:
// when it begins and when it is over.
type Absence struct {
	Backend string
	Err     error         // of the query that showed it; nil: the backend is back
	Lasted  time.Duration // from the first failure to the first answer; 0 at the beginning
}

// Default returns o with every zero field filled.
func (o Options) Default() Options {
	setDefault(&o.Interval, 15*time.Second)
	setDefault(&o.MaxAge, max(30*time.Second, 2*o.Interval))
	setDefault(&o.Linger, 15*time.Minute)
	setDefault(&o.FirstWait, time.Second)
	setDefault(&o.Concurrency, 8)
	setDefault(&o.MaxKeys, 10000)
	if o.Jitter == nil {
		o.Jitter = jitter
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.ObserveAbsence == nil {
		o.ObserveAbsence = func(Absence) {}
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// retryAfter is the pause after a failed query where the Interval is longer:
// a backend that comes back is noticed soon, at a cost that stays bounded.
const retryAfter = 5 * time.Second

// A Store keeps Snapshots fresh. Its methods may be called concurrently.
type Store struct {
	opts Options

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.RWMutex
	backends map[string]*backend
	keys     map[Key]*entry // by Key.asked, each of one of the backends
}

// A backend is a Backend with what all its keys share.
type backend struct {
	Backend
	gate     *semaphore.Weighted
	health   *watch
	breaker  *breaker
	inFlight atomic.Int64 // keys that are being asked
	observe  func(Absence)
}

// NewStore returns an empty Store. Close it to stop its queries.
func NewStore(opts Options) *Store {
	s := &Store{opts: opts.Default(), keys: make(map[Key]*entry)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.SetBackends(s.opts.Backends)
	return s
}

// SetBackends replaces the backends. The keys of a backend that stays the same
// notice nothing. Those of one that changes ask the new one from the next
// interval on, and serve the last answer until it is too old. Those of a backend
// that is gone are forgotten at once.
func (s *Store) SetBackends(given map[string]Backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	backends := make(map[string]*backend)
	for name, b := range given {
		backends[name] = newBackend(s.backends[name], b.Default(), s.opts.Concurrency, s.opts.ObserveAbsence)
	}
	s.backends = backends
	maps.DeleteFunc(s.keys, func(key Key, _ *entry) bool { return backends[key.Backend] == nil })
}

// newBackend returns the successor of a backend, which may be nil: itself if
// nothing changes. What another Querier leads to may be the same server, so its
// health is not forgotten.
func newBackend(last *backend, now Backend, concurrency int64, observe func(Absence)) *backend {
	if last != nil && last.Backend == now {
		return last
	}
	b := &backend{Backend: now, gate: semaphore.NewWeighted(cmp.Or(now.Concurrency, concurrency)), health: new(watch), breaker: new(breaker), observe: observe}
	if last != nil {
		b.health = last.health
	}
	return b
}

// Close ends every query and waits for the last one.
func (s *Store) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.done.Wait()
}

// Read returns the key's Snapshot from memory and keeps the key alive.
//
// The errors are *FailedError (the backend's answer to the latest query was an
// error), *StaleError, *PendingError, *UnknownBackendError, ErrTooManyKeys,
// ErrClosed and the error of ctx.
func (s *Store) Read(ctx context.Context, key Key) (*Snapshot, error) {
	e, err := s.demand(key)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, e); err != nil {
		return nil, err
	}
	return e.latest.Load().serve(key.Backend, time.Now(), s.opts.MaxAge)
}

// await returns when e has an outcome, good or bad.
func (s *Store) await(ctx context.Context, e *entry) error {
	if e.latest.Load() != nil {
		return nil
	}
	timer := time.NewTimer(time.Until(e.born.Add(s.opts.FirstWait)))
	defer timer.Stop()
	select {
	case <-e.first:
		return nil
	case <-timer.C:
		return &PendingError{Backend: e.key.Backend, Waited: time.Since(e.born)}
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return ErrClosed
	}
}

// demand returns the entry of key, making it if need be, and notes the read.
func (s *Store) demand(key Key) (*entry, error) {
	asked := key.asked()
	s.mu.RLock()
	e, ok := s.keys[asked]
	if ok {
		e.touch(time.Now())
	}
	s.mu.RUnlock()
	if ok {
		return e, nil
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.keys[asked]; ok {
		e.touch(time.Now())
		return e, nil
	}
	switch {
	case s.ctx.Err() != nil:
		return nil, ErrClosed
	case s.backends[key.Backend] == nil:
		return nil, &UnknownBackendError{Backend: key.Backend}
	case len(s.keys) >= s.opts.MaxKeys || s.full(key.Backend):
		return nil, ErrTooManyKeys
	default:
		e = &entry{key: key, born: time.Now(), first: make(chan struct{})}
	}
	e.touch(time.Now())
	s.keys[asked] = e
	s.done.Go(func() { s.keepFresh(e) })
	return e, nil
}

// full reports whether a backend has as many keys as it may have by itself.
func (s *Store) full(backend string) bool {
	left := s.backends[backend].MaxKeys
	if left == 0 {
		return false
	}
	for key := range s.keys {
		if key.Backend == backend {
			left--
		}
	}
	return left <= 0
}

// keepFresh queries e once per interval until nobody reads it any more.
func (s *Store) keepFresh(e *entry) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-timer.C:
		}
		backend := s.turn(e)
		if backend == nil {
			return
		}
		started := time.Now()
		pause := s.opts.Jitter(e.key, s.opts.Interval)
		if err := s.refresh(e, backend); err != nil {
			pause = min(pause, s.retryIn(e.key, err, started))
		}
		timer.Reset(max(time.Until(started.Add(pause)), s.rest(e.key)))
	}
}

// rest is a short time by chance. Without it, keys that have waited for the same
// would ask at the same instant.
func (s *Store) rest(key Key) time.Duration { return retryAfter - s.opts.Jitter(key, retryAfter) }

// retryIn is the pause after a failed query. A backend that recovers is asked
// when its windows are full again, not by all keys at one instant.
func (s *Store) retryIn(key Key, err error, started time.Time) time.Duration {
	var recovering *RecoveringError
	if errors.As(err, &recovering) {
		return recovering.Until.Sub(started) + s.rest(key)
	}
	return s.opts.Jitter(key, retryAfter)
}

// jitter is the default Jitter.
func jitter(_ Key, d time.Duration) time.Duration {
	return d - rand.N(d/20+1)
}

// turn returns the backend that e is to ask now; nil if e is no longer alive. It
// drops e if its last read is too long ago.
func (s *Store) turn(e *entry) *backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[e.key.asked()] != e { // dropped with its backend
		return nil
	}
	if time.Since(e.lastRead()) > s.opts.Linger {
		delete(s.keys, e.key.asked())
		return nil
	}
	return s.backends[e.key.Backend]
}

// refresh asks the backend once, publishes the outcome and returns its error.
func (s *Store) refresh(e *entry, from *backend) error {
	asked := time.Now()
	answer, err := from.ask(s.ctx, e.key)
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	err = from.judge(e.key, asked, answer, err)
	if err == nil && e.latest.Load().repeats(asked, answer.vector) {
		err = errRepeated
	}
	_, skipped := errors.AsType[*deniedError](err)
	s.opts.Observe(Observation{
		Key: e.key, Err: err, Skipped: skipped, Away: from.breaker.open() != nil,
		Elapsed: time.Since(asked), Series: len(answer.vector.Samples),
	})
	e.publish(asked, answer, err)
	return err
}

// judge notes what a query showed of the backend's health. An answer over a window
// that the backend has not seen in full becomes an error.
func (b *backend) judge(key Key, asked time.Time, answer reply, err error) error {
	if _, denied := errors.AsType[*deniedError](err); denied {
		return err
	}
	full := later(answer.fullAt, b.health.note(asked, err, 2*b.ScrapeInterval).fullAt(key.Window, b.ScrapeInterval))
	if err == nil && asked.Before(full) {
		return &RecoveringError{Window: key.Window, Until: full}
	}
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// An entry is a key that is alive.
type entry struct {
	key    Key
	born   time.Time
	first  chan struct{} // closed with the first outcome
	latest atomic.Pointer[outcome]
	read   atomic.Int64 // Unix nanoseconds of the last read
}

func (e *entry) touch(now time.Time) { e.read.Store(now.UnixNano()) }
func (e *entry) lastRead() time.Time { return time.Unix(0, e.read.Load()) }

// publish replaces the latest outcome. Only keepFresh calls it.
func (e *entry) publish(asked time.Time, answer reply, err error) {
	before := e.latest.Load()
	e.latest.Store(before.next(asked, answer, err))
	if before == nil {
		close(e.first)
	}
}
