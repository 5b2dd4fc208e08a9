// Package snapshot keeps the latest answer of every query that somebody reads.
//
// A reader names a Key and gets the Snapshot that is in memory:
//
//	store := snapshot.NewStore(snapshot.Options{Backends: backends})
//	defer store.Close()
//	snap, err := store.Read(ctx, snapshot.Key{Backend: "main", Query: "up"})
//
// The first read of a key asks its backend and waits a moment for the answer.
// From then on the query runs in the background once per interval, however many
// readers there are, until nobody has read it for a while.
//
// # Promises
//
//   - A Snapshot that Read returns is at most Options.MaxAge old.
//   - Beyond that age, and until a first answer, Read returns an error that
//     names the cause. A failure is remembered and answered at once.
//   - An answer that a backend repeats, as a cache does, gets no younger.
//   - A Vector that carries warnings is a failure, not an answer.
//   - After a backend was away, a query with a window fails until its window has
//     passed the gap: a rate over half a window is half the rate.
//   - A sample's Age is that of the newest sample behind it, where the Key asks.
//   - A backend that does not answer is asked by one query at a time.
//   - Only the first reads of a key wait, until Options.FirstWait after it came
//     alive.
package snapshot

import (
	"context"
	"sync"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A Querier evaluates an instant query. It returns no sample, rather than a
// zero, for a series that does not exist. A zero at leaves the evaluation time
// to the backend's clock. It is called concurrently, and must return soon after
// ctx ends.
type Querier interface {
	Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error)
}

// A Key is one query at one backend: the unit of refresh and of cost.
type Key struct {
	Backend string // name of a backend
	Query   string // final PromQL
	// Window is how far Query looks back; 0 for an instant value.
	Window time.Duration
	// SampleTimes is what tells how old the samples behind the answer are; zero:
	// nobody asks.
	SampleTimes promexpr.SampleTimes
	// ZeroWhen is the condition that proves zero where there is no sample; "" where
	// nothing does.
	ZeroWhen string
	// Metric names the rule that asks, for whoever observes. It tells no keys apart:
	// of several rules with one query, the one that asks first is named.
	Metric string
}

// asked is what tells keys apart.
func (k Key) asked() Key {
	k.Metric = ""
	return k
}

// A Snapshot is a backend's answer at one time. It is immutable and shared.
type Snapshot struct {
	// Vector is the answer; it carries no warnings.
	Vector instant.Vector
	// Proof is the answer to Key.ZeroWhen, evaluated at the same time where it holds.
	Proof Proof
	// AskedAt is when the query was sent, by this process's clock: ages count
	// from here, so that neither a slow answer nor a skewed clock hides one.
	AskedAt time.Time

	mu     sync.Mutex
	groups map[groupKey]instant.Groups
}

type groupKey struct{ namespaceLabel, nameLabel string }

// Group is Vector.Group, computed once per Snapshot and pair of labels.
func (s *Snapshot) Group(namespaceLabel, nameLabel string) instant.Groups {
	key := groupKey{namespaceLabel, nameLabel}
	s.mu.Lock()
	defer s.mu.Unlock()
	if groups, ok := s.groups[key]; ok {
		return groups
	}
	if s.groups == nil {
		s.groups = make(map[groupKey]instant.Groups)
	}
	groups := s.Vector.Group(namespaceLabel, nameLabel)
	s.groups[key] = groups
	return groups
}
