package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

func TestAnAbsenceIsObservedWhenItBeginsAndWhenItIsOver(t *testing.T) {
	var seen []string
	observe := func(a Absence) { seen = append(seen, fmt.Sprint(a.Backend, " ", a.Err, " ", a.Lasted)) }
	options := Options{ObserveAbsence: observe, Jitter: func(_ Key, d time.Duration) time.Duration { return d }}
	inStore(t, options, func(t *testing.T, s *Store, b *fakeBackend) {
		for range 2 {
			mustRead(t, s)
			b.set(0, fails(errors.New("down")))
			time.Sleep(10 * time.Minute)
			b.set(0, nil)
			time.Sleep(time.Minute)
		}
	})
	// It is seen to fail an interval after its last answer, and asked every five seconds.
	want := []string{"main down 0s", "main <nil> 9m50s", "main down 0s", "main <nil> 10m0s"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestARefreshIsObservedWithItsCause(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	observe := func(o Observation) {
		mu.Lock()
		defer mu.Unlock()
		seen[fmt.Sprintf("%s err=%v skipped=%v away=%v", o.Key.Metric, o.Err, o.Skipped, o.Away)]++
	}
	inStore(t, Options{Observe: observe}, func(t *testing.T, s *Store, b *fakeBackend) {
		first, second := key, Key{Backend: "main", Query: "other", Metric: "second"}
		first.Metric = "first"
		b.set(0, fails(errors.New("down")))
		for _, k := range []Key{first, second} {
			if err := s.Want(k); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
	})
	for _, want := range []string{"first err=down skipped=false away=false", "second err=down skipped=false away=true", "first err=down skipped=true away=true"} {
		if seen[want] == 0 {
			t.Errorf("never seen: %s\n%v", want, seen)
		}
	}
}

func TestOneQueryOfTwoRulesIsOneKey(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		for _, metric := range []string{"p50", "p95"} {
			k := key
			k.Metric = metric
			if _, err := s.Read(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		if keys := s.Keys(); len(keys) != 1 || keys[0].Key.Metric != "p50" || b.queries() != 1 {
			t.Errorf("%d queries for %+v", b.queries(), keys)
		}
		time.Sleep(20 * time.Minute)
		if keys := s.Keys(); len(keys) > 0 {
			t.Errorf("not forgotten: %+v", keys)
		}
	})
}

func TestAKeyTellsWhatAReadGets(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		b.set(3*time.Second, nil)
		causeNow := func() Cause { return CauseOf(s.Keys()[0].ReadErr) }
		if err := s.Want(key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := causeNow(); got != Pending {
			t.Errorf("before the first answer: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := causeNow(); got != "" {
			t.Errorf("after it: %q", got)
		}
		b.set(0, fails(errors.New("down")))
		time.Sleep(17 * time.Second)
		if keys := s.Keys(); keys[0].Err == nil || keys[0].ReadErr != nil {
			t.Errorf("a failure that an earlier answer bridges: %+v", keys[0])
		}
		time.Sleep(30 * time.Second)
		if got := causeNow(); got != Failed {
			t.Errorf("after a long failure: %q", got)
		}
	})
}

func TestABackendTellsWhatItIsDoing(t *testing.T) {
	inStore(t, Options{}, func(t *testing.T, s *Store, b *fakeBackend) {
		if got := s.Backends()[0]; got != (BackendStatus{Name: "main"}) {
			t.Errorf("before it was asked: %+v", got)
		}
		b.set(3*time.Second, nil)
		asked := time.Now()
		if err := s.Want(key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := s.Backends()[0]; got.InFlight != 1 || !got.AnsweredAt.IsZero() {
			t.Errorf("while it is asked: %+v", got)
		}
		time.Sleep(3 * time.Second)
		if got := s.Backends()[0]; got.InFlight != 0 || !got.AnsweredAt.Equal(asked) {
			t.Errorf("when it has answered: %+v", got)
		}
	})
}

func TestAKeyTellsWhenItsOldestSampleWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{DB: promdb.New(promdb.Options{})}
		s := NewStore(Options{Backends: map[string]Backend{"main": {Querier: d}}})
		defer s.Close()
		taken := time.Now()
		d.push(t, `depth{queue="old"}`, 1)
		time.Sleep(time.Minute)
		d.push(t, `depth{queue="new"}`, 1)
		time.Sleep(10 * time.Second)
		for _, k := range []Key{keyOf(t, "depth", ""), {Backend: "main", Query: "depth * 2"}} {
			if _, err := s.Read(context.Background(), k); err != nil {
				t.Fatal(err)
			}
		}
		keys := s.Keys()
		if got := keys[0].SampledAt; got.Sub(taken).Abs() > 10*time.Millisecond {
			t.Errorf("the oldest sample was taken at %s, not at %s", got, taken)
		}
		if got := keys[1].SampledAt; !got.IsZero() {
			t.Errorf("nobody asked, and it is %s", got)
		}
	})
}
