package snapshot

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A KeyStatus is what is known of a key that is alive, for people who look.
type KeyStatus struct {
	Key        Key
	ReadAt     time.Time // when it was last read, or wanted
	AnsweredAt time.Time // when the last good answer was asked for; zero if there never was one
	Err        error     // of the latest query; nil if it was answered, or never ended yet
	// ReadErr is what a read gets now instead of an answer; nil: an answer.
	ReadErr error
	// SampledAt is when the oldest of the samples behind the last good answer was
	// taken; zero if nobody asked.
	SampledAt time.Time
}

// A BackendStatus is what is known of a backend.
type BackendStatus struct {
	Name string
	// Away says why it is asked by one query at a time until it answers; nil when it
	// is not.
	Away error
	// AnsweredAt is when the latest query with an answer was asked; zero if none was.
	AnsweredAt time.Time
	// InFlight counts the keys that are being asked.
	InFlight int
}

// Keys returns the keys that are alive, sorted by backend and query.
func (s *Store) Keys() []KeyStatus {
	s.mu.RLock()
	entries := slices.Collect(maps.Values(s.keys))
	s.mu.RUnlock()
	now := time.Now()
	statuses := make([]KeyStatus, 0, len(entries))
	for _, e := range entries {
		statuses = append(statuses, e.status(now, s.opts.MaxAge))
	}
	slices.SortFunc(statuses, func(a, b KeyStatus) int {
		return cmp.Or(cmp.Compare(a.Key.Backend, b.Key.Backend), cmp.Compare(a.Key.Query, b.Key.Query))
	})
	return statuses
}

func (e *entry) status(now time.Time, maxAge time.Duration) KeyStatus {
	status := KeyStatus{Key: e.key, ReadAt: e.lastRead()}
	latest := e.latest.Load()
	if latest == nil {
		status.ReadErr = &PendingError{Backend: e.key.Backend, Waited: now.Sub(e.born)}
		return status
	}
	status.Err = latest.err
	_, status.ReadErr = latest.serve(e.key.Backend, now, maxAge)
	if latest.good != nil {
		status.AnsweredAt = latest.good.AskedAt
		status.SampledAt = latest.good.sampledAt(e.key)
	}
	return status
}

// sampledAt is when the oldest sample of the answer to a key was taken: zero where
// nobody asked, or nothing answered.
func (s *Snapshot) sampledAt(key Key) time.Time {
	if key.SampleTimes.Query == "" || len(s.Vector.Samples) == 0 {
		return time.Time{}
	}
	var oldest time.Duration
	for _, sample := range s.Vector.Samples {
		oldest = max(oldest, sample.Age)
	}
	return s.AskedAt.Add(-oldest)
}

// Backends returns the backends, sorted by name.
func (s *Store) Backends() []BackendStatus {
	s.mu.RLock()
	defer s.mu.RUnlock()
	statuses := make([]BackendStatus, 0, len(s.backends))
	for _, name := range slices.Sorted(maps.Keys(s.backends)) {
		b := s.backends[name]
		statuses = append(statuses, BackendStatus{
			Name: name, Away: b.breaker.open(), AnsweredAt: b.health.lastAnswer(), InFlight: int(b.inFlight.Load()),
		})
	}
	return statuses
}
