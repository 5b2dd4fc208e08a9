package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// A scripted backend answers with the second that it is asked in, unless it is
// away.
type scripted struct{ away []bool }

func (s scripted) Query(context.Context, string, time.Time) (instant.Vector, error) {
	at := time.Now()
	second := int(at.Sub(bubbleBegin) / time.Second)
	if s.away[second] {
		return instant.Vector{}, errors.New("connection refused")
	}
	return instant.Vector{At: at, Samples: []instant.Sample{{Value: float64(second)}}}, nil
}

// bubbleBegin is when time begins in a synctest bubble.
var bubbleBegin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestAManualStoreServesWhatAStoreServes(t *testing.T) {
	const length = 600
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			away := make([]bool, length+1)
			for i := 1; i <= length; i++ {
				away[i] = away[i-1] != (rng.Float64() < 0.03)
			}
			opts := Options{
				Backends: map[string]Backend{"main": {Querier: scripted{away}}},
				Jitter:   func(_ Key, d time.Duration) time.Duration { return d },
			}
			store, manual := NewStore(opts), NewManual(opts, nil)
			defer store.Close()
			// One key at a time: of two, a Store lets only one ask what does not answer.
			key := Key{Backend: "main", Query: "gauge"}
			if seed%2 == 1 {
				key.Window = time.Minute
			}
			for second := range length {
				manual.Advance(t.Context(), time.Now())
				synctest.Wait()
				want, got := told(store.Read(t.Context(), key)), told(manual.Read(t.Context(), key))
				if got != want {
					t.Fatalf("seed %d, second %d, window %s: %s, a Store serves %s", seed, second, key.Window, got, want)
				}
				time.Sleep(time.Second)
			}
		})
	}
}

func told(snap *Snapshot, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(snap.Vector.Samples[0].Value)
}

func TestAManualStoreForgetsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewManual(Options{Backends: map[string]Backend{"main": {Querier: scripted{make([]bool, 5000)}}}, MaxKeys: 1}, nil)
		m.Advance(t.Context(), time.Now())
		if _, err := m.Read(t.Context(), Key{Backend: "main", Query: "a"}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Read(t.Context(), Key{Backend: "main", Query: "b"}); !errors.Is(err, ErrTooManyKeys) {
			t.Errorf("a second key: %v", err)
		}
		if _, ok := errors.AsType[*UnknownBackendError](second(m.Read(t.Context(), Key{Backend: "other"}))); !ok {
			t.Error("an unknown backend is no error")
		}
		time.Sleep(16 * time.Minute)
		m.Advance(t.Context(), time.Now())
		if _, err := m.Read(t.Context(), Key{Backend: "main", Query: "b"}); err != nil {
			t.Errorf("after the first was forgotten: %v", err)
		}
	})
}

func TestAManualStoreAsksAtItsPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := Key{Backend: "main", Query: "a"}
		m := NewManual(Options{Backends: map[string]Backend{"main": {Querier: scripted{make([]bool, 100)}}}},
			func(Key) time.Duration { return 4 * time.Second })
		m.Want(key, time.Now())
		var asked []string
		for range 50 {
			m.Advance(t.Context(), time.Now())
			if at := told(m.Read(t.Context(), key)); len(asked) == 0 || asked[len(asked)-1] != at {
				asked = append(asked, at)
			}
			time.Sleep(time.Second)
		}
		if got := fmt.Sprint(asked); got != "[0 4 19 34 49]" {
			t.Errorf("asked at the seconds %s", got)
		}
	})
}

func second(_ *Snapshot, err error) error { return err }
