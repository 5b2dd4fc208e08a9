package snapshot

import (
	"cmp"
	"slices"
	"time"
)

// A KeyStatus is what is known of a key that is alive, for people who look.
type KeyStatus struct {
	Key        Key
	ReadAt     time.Time // when it was last read, or wanted
	AnsweredAt time.Time // when the last good answer was asked for; zero if there never was one
	Err        error     // of the latest query; nil if it was answered, or never ended yet
}

// Keys returns the keys that are alive, sorted by backend and query.
func (s *Store) Keys() []KeyStatus {
	s.mu.RLock()
	statuses := make([]KeyStatus, 0, len(s.keys))
	for _, e := range s.keys {
		statuses = append(statuses, e.status())
	}
	s.mu.RUnlock()
	slices.SortFunc(statuses, func(a, b KeyStatus) int {
		return cmp.Or(cmp.Compare(a.Key.Backend, b.Key.Backend), cmp.Compare(a.Key.Query, b.Key.Query))
	})
	return statuses
}

func (e *entry) status() KeyStatus {
	status := KeyStatus{Key: e.key, ReadAt: e.lastRead()}
	latest := e.latest.Load()
	if latest == nil {
		return status
	}
	status.Err = latest.err
	if latest.good != nil {
		status.AnsweredAt = latest.good.AskedAt
	}
	return status
}

// Away returns the failures of the backends that are asked by one query at a
// time until they answer, by name.
func (s *Store) Away() map[string]error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	away := map[string]error{}
	for name, b := range s.backends {
		if err := b.breaker.open(); err != nil {
			away[name] = err
		}
	}
	return away
}
