package snapshot

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestKeysOfAnUnchangedBackendNoticeNothing(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		for range 100 {
			s.SetBackends(map[string]Backend{"main": {Querier: b}, "other": {Querier: &fakeBackend{}}})
			start := time.Now()
			if got := mustRead(t, s); got != 1 || time.Since(start) != 0 {
				t.Fatalf("read %g after %s, want the answer in memory", got, time.Since(start))
			}
		}
		if got := b.queries(); got != 1 {
			t.Errorf("%d queries, want 1", got)
		}
	})
}

func TestAChangedBackendAnswersFromTheNextIntervalOn(t *testing.T) {
	inStore(t, Options{Interval: 10 * time.Second}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		other := &fakeBackend{answer: fails(errors.New("other"))}
		s.SetBackends(map[string]Backend{"main": {Querier: other}})
		if got := mustRead(t, s); got != 1 {
			t.Errorf("read %g, want the last answer", got)
		}
		time.Sleep(11 * time.Second)
		mustRead(t, s)
		if b.queries() != 1 || other.queries() == 0 {
			t.Errorf("%d and %d queries, want all from the change on at the new one", b.queries(), other.queries())
		}
		time.Sleep(30 * time.Second)
		if _, err := s.Read(t.Context(), key); err == nil {
			t.Error("an answer of the former backend outlives its age")
		}
	})
}

func TestAChangedBackendKeepsTheGapInItsData(t *testing.T) {
	inStore(t, Options{Interval: 10 * time.Second}, func(t *testing.T, s *Store, b *fakeBackend) {
		windowed := Key{Backend: "main", Query: "rate", Window: 2 * time.Minute}
		_, _ = s.Read(t.Context(), windowed)
		b.set(0, fails(errors.New("away")))
		time.Sleep(5 * time.Minute)
		s.SetBackends(map[string]Backend{"main": {Querier: &fakeBackend{}}})
		time.Sleep(time.Minute)
		var recovering *RecoveringError
		if _, err := s.Read(t.Context(), windowed); !errors.As(err, &recovering) {
			t.Errorf("error %v, want that the window is not full", err)
		}
	})
}

func TestABackendThatIsGoneIsNotAsked(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		s.SetBackends(nil)
		var unknown *UnknownBackendError
		if _, err := s.Read(t.Context(), key); !errors.As(err, &unknown) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Hour)
		if got := b.queries(); got != 1 {
			t.Errorf("%d queries, want none after it was gone", got)
		}
	})
}

func TestABackendThatComesBackIsAskedOncePerInterval(t *testing.T) {
	inStore(t, Options{Interval: 10 * time.Second}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		s.SetBackends(nil)
		s.SetBackends(map[string]Backend{"main": {Querier: b}})
		mustRead(t, s)
		before := b.queries()
		time.Sleep(100 * time.Second)
		if got := b.queries() - before; got > 11 {
			t.Errorf("%d queries in 10 intervals: the key is refreshed twice", got)
		}
	})
}

func TestKeysSaysWhatIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := &fakeBackend{}, &fakeBackend{answer: fails(errors.New("down"))}
		s := NewStore(Options{Backends: map[string]Backend{"good": {Querier: good}, "bad": {Querier: bad}}})
		defer s.Close()
		now := time.Now()
		for _, k := range []Key{{Backend: "good", Query: "b"}, {Backend: "good", Query: "a"}, {Backend: "bad", Query: "c"}} {
			_, _ = s.Read(context.Background(), k)
		}
		want := []KeyStatus{
			{Key: Key{Backend: "bad", Query: "c"}, ReadAt: now, Err: errors.New("down"), ReadErr: &FailedError{Backend: "bad", Err: errors.New("down")}},
			{Key: Key{Backend: "good", Query: "a"}, ReadAt: now, AnsweredAt: now},
			{Key: Key{Backend: "good", Query: "b"}, ReadAt: now, AnsweredAt: now},
		}
		sameText := cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) })
		if diff := cmp.Diff(want, s.Keys(), sameText, cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// One backend's keys and queries in flight can be bounded more narrowly than those
// of the others.
func TestABackendHasBoundsOfItsOwn(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		s.SetBackends(map[string]Backend{"main": {Querier: b}, "main/shop": {Querier: b, MaxKeys: 2, Concurrency: 1}})
		for i, query := range []string{"a", "b", "c"} {
			err := s.Want(Key{Backend: "main/shop", Query: query})
			if tooMany := errors.Is(err, ErrTooManyKeys); tooMany != (i == 2) {
				t.Errorf("key %d: %v", i, err)
			}
			if err := s.Want(Key{Backend: "main", Query: query}); err != nil {
				t.Errorf("key %d of the other: %v", i, err)
			}
		}
		gate := s.backends["main/shop"].gate
		if !gate.TryAcquire(1) || gate.TryAcquire(1) {
			t.Error("it is not asked by one query at a time")
		}
	})
}
