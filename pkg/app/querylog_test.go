package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// A script is a backend that does as it is told.
type script struct {
	mu  sync.Mutex
	err func(query string) error
}

func (s *script) Query(_ context.Context, query string, _ time.Time) (instant.Vector, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return instant.Vector{At: time.Now()}, s.err(query)
}

func (s *script) becomes(err func(query string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func well(string) error { return nil }

func down(string) error { return errors.New("connection refused") }

// A refused query is the fault of the query.
type refused struct{ error }

func (refused) Answered() bool       { return true }
func (refused) Pause() time.Duration { return 0 }

// logOf runs act beside a store of many keys of two metrics, on virtual time, and
// returns what is logged: when, what, and about what.
func logOf(t *testing.T, act func(s *script)) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		log := sampled(zap.New(core), func() { t.Error("an entry was dropped") })
		backend := &script{err: well}
		queries := newQueryLog(log.Named("query"))
		store := snapshot.NewStore(snapshot.Options{
			Backends: map[string]snapshot.Backend{"main": {Querier: backend}}, Linger: 100 * time.Hour,
			Jitter:  func(_ snapshot.Key, d time.Duration) time.Duration { return d },
			Observe: queries.refreshed, ObserveAbsence: logAbsences(log.Named("backend")),
		})
		defer store.Close()
		for i := range 30 {
			for _, metric := range []string{"load", "depth"} {
				if err := store.Want(snapshot.Key{Backend: "main", Query: fmt.Sprint(metric, i), Metric: metric}); err != nil {
					t.Fatal(err)
				}
			}
		}
		began := time.Now()
		time.Sleep(time.Minute + time.Second) // between two refreshes
		act(backend)
		for _, entry := range logs.All() {
			line := fmt.Sprintf("%s %s %s:", entry.Time.Sub(began).Round(time.Second), entry.Level, entry.Message)
			fields := entry.ContextMap()
			for _, name := range []string{"backend", "metric", "error", "away_for", "failed_for", "failures"} {
				if value, ok := fields[name]; ok {
					line += fmt.Sprintf(" %s=%v", name, value)
				}
			}
			lines = append(lines, line)
		}
	})
	return lines
}

func wantLog(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAnOutageIsAFewLinesHoweverManyQueriesFail(t *testing.T) {
	got := logOf(t, func(s *script) {
		s.becomes(down)
		time.Sleep(2 * time.Hour)
		s.becomes(well)
		time.Sleep(10 * time.Minute)
	})
	// Which metric fails first, before the backend is known to be away, is chance.
	got = slices.DeleteFunc(got, func(line string) bool { return strings.Contains(line, " query ") })
	wantLog(t, got,
		"1m15s warn backend does not answer: backend=main error=connection refused",
		"2h1m5s info backend answers again: backend=main away_for=1h59m50s",
	)
}

func TestQueriesOfAMetricFailOnce(t *testing.T) {
	got := logOf(t, func(s *script) {
		s.becomes(func(query string) error {
			if strings.HasPrefix(query, "depth") {
				return refused{errors.New("many-to-many matching")}
			}
			return nil
		})
		time.Sleep(2 * time.Hour)
		s.becomes(well)
		time.Sleep(10 * time.Minute)
	})
	wantLog(t, got,
		"1m15s warn query fails: backend=main metric=depth error=many-to-many matching",
		"2h2m5s info query works again: backend=main metric=depth failed_for=1h59m45s failures=43140",
	)
}

func TestAFlappingQueryIsOneTrouble(t *testing.T) {
	got := logOf(t, func(s *script) {
		n := 0
		s.becomes(func(query string) error {
			if n++; query == "depth7" && time.Now().Second()%2 == 0 {
				return refused{errors.New("bad")}
			}
			return nil
		})
		time.Sleep(2 * time.Hour)
	})
	if len(got) > 2 {
		t.Errorf("%d lines in two hours, the first of them %q", len(got), got[:min(len(got), 5)])
	}
}

func TestAnotherCauseIsNewsOnceAMinute(t *testing.T) {
	log := newQueryLog(zap.NewNop())
	key := snapshot.Key{Backend: "main", Metric: "load"}
	failed, partial := errors.New("bad"), snapshot.ErrPartial
	for _, step := range []struct {
		after int // seconds
		o     snapshot.Observation
		want  news
	}{
		{0, snapshot.Observation{}, none},
		{0, snapshot.Observation{Err: failed, Away: true}, none}, // the backend is the news
		{0, snapshot.Observation{Err: failed}, begins},
		{5, snapshot.Observation{Err: failed}, none},
		{10, snapshot.Observation{Err: partial}, none},
		{70, snapshot.Observation{Err: partial}, begins},
		{75, snapshot.Observation{Err: failed}, none},
		{100, snapshot.Observation{}, none}, // quiet for less than a minute
		{136, snapshot.Observation{}, ends},
		{140, snapshot.Observation{}, none},
		{141, snapshot.Observation{Err: failed}, begins},
	} {
		step.o.Key = key
		if got, _ := log.note(step.o, time.Unix(int64(step.after), 0)); got != step.want {
			t.Errorf("after %ds, %v: %v, want %v", step.after, step.o.Err, got, step.want)
		}
	}
}

func TestWhatRepeatsWithoutEndIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.InfoLevel)
		dropped := 0
		log := sampled(zap.New(core), func() { dropped++ })
		for range 3600 {
			log.Error("the same from a library")
			log.Error(fmt.Sprint("another at ", time.Now().Unix()/600))
			time.Sleep(time.Second / 2)
		}
		if kept := logs.Len(); kept > 2*31*mostPerMinute || kept+dropped != 7200 {
			t.Errorf("%d entries kept and %d dropped in half an hour", kept, dropped)
		}
		log.Error("news")
		if got := logs.All()[logs.Len()-1].Message; got != "news" {
			t.Errorf("the last entry is %q", got)
		}
	})
}

func TestPodsThatCannotBeWatchedAreToldOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	var err error
	look := logPods(zap.New(core), func() error { return err })
	for _, err = range []error{nil, nil, errors.New("forbidden"), errors.New("forbidden, attempt 2"), nil, nil} {
		look()
	}
	var got []string
	for _, entry := range logs.All() {
		got = append(got, entry.Message)
	}
	wantLog(t, got, "pods are not watched: values are of the pods that were known", "pods are watched again")
}
