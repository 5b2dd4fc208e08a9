package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = Key{Backend: "main", Query: "up"}

// fakeBackend counts its queries and answers what answer says; the value is
// the count unless answer is set.
type fakeBackend struct {
	mu      sync.Mutex
	asked   int
	latency time.Duration
	answer  func(n int) (instant.Vector, error)
}

func (b *fakeBackend) Query(ctx context.Context, _ string, _ time.Time) (instant.Vector, error) {
	b.mu.Lock()
	b.asked++
	n, latency, answer := b.asked, b.latency, b.answer
	b.mu.Unlock()
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return instant.Vector{}, ctx.Err()
	}
	if answer != nil {
		return answer(n)
	}
	return vectorOf(float64(n)), nil
}

func (b *fakeBackend) queries() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

func (b *fakeBackend) set(latency time.Duration, answer func(int) (instant.Vector, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latency, b.answer = latency, answer
}

func vectorOf(v float64) instant.Vector {
	return instant.Vector{Samples: []instant.Sample{{Labels: labels.FromStrings("namespace", "shop", "pod", "a"), Value: v}}}
}

func fails(err error) func(int) (instant.Vector, error) {
	return func(int) (instant.Vector, error) { return instant.Vector{}, err }
}

// inStore runs f with a store over one backend, "main", on virtual time.
func inStore(t *testing.T, opts Options, f func(t *testing.T, s *Store, b *fakeBackend)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{latency: 100 * time.Millisecond}
		backend := opts.Backends["main"]
		backend.Querier = b
		opts.Backends = map[string]Backend{"main": backend}
		s := NewStore(opts)
		defer s.Close()
		f(t, s, b)
	})
}

func mustRead(t *testing.T, s *Store) float64 {
	t.Helper()
	snap, err := s.Read(t.Context(), key)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return snap.Vector.Samples[0].Value
}

func TestFirstReadWaitsForTheAnswerAndLaterReadsDoNot(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, _ *fakeBackend) {
		start := time.Now()
		mustRead(t, s)
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("first read took %s, want the query's 100ms", waited)
		}
		start = time.Now()
		mustRead(t, s)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("second read took %s, want 0", waited)
		}
	})
}

func TestAHundredReadersCostOneQueryPerInterval(t *testing.T) {
	inStore(t, Options{Interval: 10 * time.Second}, func(t *testing.T, s *Store, b *fakeBackend) {
		for range 10 {
			var readers sync.WaitGroup
			for range 100 {
				readers.Go(func() { mustRead(t, s) })
			}
			readers.Wait()
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		if n := b.queries(); n < 10 || n > 12 {
			t.Errorf("%d queries in 100s, want one per 10s and the first", n)
		}
	})
}

func TestFirstReadOfAHangingBackendEndsAfterFirstWait(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(time.Hour, nil)
		start := time.Now()
		_, err := s.Read(t.Context(), key)
		var pending *PendingError
		if !errors.As(err, &pending) || time.Since(start) != time.Second {
			t.Errorf("got %v after %s, want a PendingError after 1s", err, time.Since(start))
		}
		time.Sleep(10 * time.Second)
		start = time.Now()
		_, err = s.Read(t.Context(), key)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("got %v after %s, want the query's own deadline at once", err, time.Since(start))
		}
	})
}

func TestAHangingBackendCostsReadersOneWaitAndNotOneEach(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(time.Hour, nil)
		begun := time.Now()
		for range 200 { // one after the other, as by a worker of the HPA controller
			var pending *PendingError
			if _, err := s.Read(t.Context(), key); !errors.As(err, &pending) {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("200 reads took %s", took)
		}
	})
}

func TestReadEndsWithItsContext(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(time.Hour, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := s.Read(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the reader's deadline", err)
		}
	})
}

func TestAfterAFailureTheLastGoodAnswerServesUntilMaxAge(t *testing.T) {
	inStore(t, Options{Interval: 15 * time.Second, MaxAge: 30 * time.Second}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		refused := errors.New("connection refused")
		b.set(0, fails(refused))
		time.Sleep(29 * time.Second)
		if v := mustRead(t, s); v != 1 {
			t.Errorf("value at 29s is %v, want the last good one", v)
		}
		time.Sleep(2 * time.Second)
		_, err := s.Read(t.Context(), key)
		var failed *FailedError
		if !errors.As(err, &failed) || !errors.Is(err, refused) {
			t.Fatalf("got %v, want a FailedError with its cause", err)
		}
		want := `backend "main": connection refused (last good answer 31s ago)`
		if err.Error() != want {
			t.Errorf("message\n got %s\nwant %s", err, want)
		}
	})
}

func TestABackendThatComesBackIsNoticedWithoutARead(t *testing.T) {
	inStore(t, Options{Interval: time.Minute}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(0, fails(errors.New("down")))
		if _, err := s.Read(t.Context(), key); err == nil {
			t.Fatal("a failed query must be an error")
		}
		b.set(0, nil)
		time.Sleep(retryAfter)
		synctest.Wait()
		mustRead(t, s)
	})
}

func TestAHungRefreshMakesTheAnswerStale(t *testing.T) {
	inStore(t, Options{Backends: map[string]Backend{"main": {Timeout: time.Hour}}}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		b.set(2*time.Hour, nil)
		time.Sleep(31 * time.Second)
		_, err := s.Read(t.Context(), key)
		var stale *StaleError
		if !errors.As(err, &stale) {
			t.Fatalf("got %v, want a StaleError", err)
		}
	})
}

func TestAnAnswerWithWarningsIsAFailure(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(0, func(int) (instant.Vector, error) {
			v := vectorOf(1)
			v.Warnings = []string{"store gateway unavailable"}
			return v, nil
		})
		_, err := s.Read(t.Context(), key)
		if !errors.Is(err, ErrPartial) {
			t.Errorf("got %v, want ErrPartial", err)
		}
	})
}

func TestAKeyThatNobodyReadsIsForgotten(t *testing.T) {
	inStore(t, Options{Interval: 10 * time.Second, Linger: time.Minute}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(s.Keys()) != 0 {
			t.Fatalf("%d keys alive, want none", len(s.Keys()))
		}
		asked := b.queries()
		time.Sleep(time.Hour)
		if n := b.queries(); n != asked {
			t.Errorf("%d more queries of a forgotten key", n-asked)
		}
		mustRead(t, s)
	})
}

func TestKeysAreBounded(t *testing.T) {
	inStore(t, Options{MaxKeys: 2}, func(t *testing.T, s *Store, _ *fakeBackend) {
		for i := range 3 {
			_, err := s.Read(t.Context(), Key{Backend: "main", Query: fmt.Sprint("q", i)})
			if tooMany := errors.Is(err, ErrTooManyKeys); tooMany != (i == 2) {
				t.Errorf("key %d: %v", i, err)
			}
		}
	})
}

func TestQueriesInFlightAreBoundedPerBackend(t *testing.T) {
	inStore(t, Options{Concurrency: 2, FirstWait: time.Minute}, func(t *testing.T, s *Store, _ *fakeBackend) {
		var readers sync.WaitGroup
		start := time.Now()
		for i := range 6 {
			readers.Go(func() {
				if _, err := s.Read(t.Context(), Key{Backend: "main", Query: fmt.Sprint("q", i)}); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("six queries of 100ms, two at a time, took %s", took)
		}
	})
}

// A Prometheus that was away has a gap in its data: a rate over the gap is too
// low, and an HPA would scale down on it.
func TestAfterAnOutageAWindowIsNotServedUntilItIsFull(t *testing.T) {
	windowed := Key{Backend: "main", Query: "rate(x[2m])", Window: 2 * time.Minute}
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		read := func() error {
			_, err := s.Read(t.Context(), windowed)
			return err
		}
		if err := read(); err != nil {
			t.Fatalf("first answer: %v", err)
		}
		b.set(0, fails(errors.New("connection refused")))
		time.Sleep(10 * time.Minute)
		b.set(0, nil)
		began := time.Now()
		for read() != nil {
			if _, err := s.Read(t.Context(), key); time.Since(began) > retryAfter && err != nil {
				t.Fatalf("an instant value needs no window: %v", err)
			}
			var recovering *RecoveringError
			if err := read(); time.Since(began) > retryAfter && !errors.As(err, &recovering) {
				t.Fatalf("got %v, want a RecoveringError", err)
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took < 2*time.Minute+15*time.Second || took > 2*time.Minute+20*time.Second {
			t.Errorf("served %s after the backend was back, want the window and a scrape interval after it answered", took)
		}
	})
}

func TestOneFailedQueryIsNoGap(t *testing.T) {
	windowed := Key{Backend: "main", Query: "rate(x[2m])", Window: 2 * time.Minute}
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		for range 20 {
			if _, err := s.Read(t.Context(), windowed); err != nil {
				t.Fatal(err)
			}
			b.set(0, fails(errors.New("reset")))
			time.Sleep(16 * time.Second)
			b.set(0, nil)
			time.Sleep(retryAfter)
		}
	})
}

func TestABackendThatIsAwayAtTheStartRecoversToo(t *testing.T) {
	windowed := Key{Backend: "main", Query: "rate(x[2m])", Window: 2 * time.Minute}
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(0, fails(errors.New("connection refused")))
		_, _ = s.Read(t.Context(), windowed)
		b.set(0, nil)
		time.Sleep(10 * time.Second)
		var recovering *RecoveringError
		if _, err := s.Read(t.Context(), windowed); !errors.As(err, &recovering) {
			t.Errorf("got %v, want a RecoveringError: nobody knows for how long it was away", err)
		}
	})
}

func TestTheGapOfABackendIsKnownToEveryKey(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		b.set(0, fails(errors.New("connection refused")))
		time.Sleep(time.Minute)
		b.set(0, nil)
		time.Sleep(10 * time.Second)
		var recovering *RecoveringError
		if _, err := s.Read(t.Context(), Key{Backend: "main", Query: "new", Window: time.Minute}); !errors.As(err, &recovering) {
			t.Errorf("got %v from a key that was first read after the outage, want a RecoveringError", err)
		}
	})
}

func TestUnknownBackendAndClosedStoreAreErrors(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, _ *fakeBackend) {
		var unknown *UnknownBackendError
		if _, err := s.Read(t.Context(), Key{Backend: "other"}); !errors.As(err, &unknown) {
			t.Errorf("got %v, want an UnknownBackendError", err)
		}
		s.Close()
		if _, err := s.Read(t.Context(), key); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

func TestGroupsAreComputedOncePerSnapshot(t *testing.T) {
	snap := &Snapshot{Vector: vectorOf(1)}
	first := snap.Group("namespace", "pod")
	first[instant.Object{Name: "mark"}] = nil
	if second := snap.Group("namespace", "pod"); len(second) != 2 {
		t.Errorf("a second Group was computed anew: %v", second)
	}
}

func BenchmarkReadFromMemory(b *testing.B) {
	s := NewStore(Options{Backends: map[string]Backend{"main": {Querier: &fakeBackend{}}}})
	defer s.Close()
	if _, err := s.Read(b.Context(), key); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Read(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestTheIntervalIsShortenedByJitter(t *testing.T) {
	half := func(_ Key, d time.Duration) time.Duration { return d / 2 }
	inStore(t, Options{Interval: 10 * time.Second, Jitter: half}, func(t *testing.T, s *Store, b *fakeBackend) {
		mustRead(t, s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := b.queries(); n != 13 {
			t.Errorf("%d queries in a minute, want one at once and one every 5s", n)
		}
	})
}

func TestAgesCountFromTheQuestion(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(5*time.Second, nil)
		if _, err := s.Read(t.Context(), key); err == nil {
			t.Error("read before the answer")
		}
		b.set(0, fails(errors.New("down")))
		time.Sleep(29 * time.Second) // asked 30s ago, answered 25s ago
		mustRead(t, s)
		time.Sleep(time.Second)
		if snap, err := s.Read(t.Context(), key); err == nil {
			t.Errorf("read an answer to a question of %s ago", time.Since(snap.AskedAt))
		}
	})
}

func TestARepeatedAnswerGetsNoYounger(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		evaluatedAt := func(at time.Time) func(int) (instant.Vector, error) {
			return func(n int) (instant.Vector, error) {
				vector := vectorOf(float64(n))
				vector.At = at
				return vector, nil
			}
		}
		cached := time.Now().Add(-time.Hour) // by the backend's clock
		b.set(0, evaluatedAt(cached))
		mustRead(t, s)
		time.Sleep(30 * time.Second)
		if got := mustRead(t, s); got != 1 {
			t.Errorf("read %g, want the first answer", got)
		}
		time.Sleep(time.Second)
		_, err := s.Read(t.Context(), key)
		if want := `backend "main": it repeats its last answer, evaluated at the same time, as a cache does (last good answer 31s ago)`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		b.set(0, evaluatedAt(cached.Add(time.Millisecond)))
		time.Sleep(retryAfter)
		mustRead(t, s)
	})
}
