package snapshot

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

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A database is a backend with data: a promdb that notes what it is asked.
type database struct {
	*promdb.DB
	mu    sync.Mutex
	asked []string
	fail  func(query string) error
}

func (d *database) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	if err := d.note(expr, at); err != nil {
		return instant.Vector{}, err
	}
	time.Sleep(time.Millisecond) // so that no two evaluations are at the same time
	return d.DB.Query(ctx, expr, at)
}

func (d *database) note(expr string, at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	when := "now"
	if !at.IsZero() {
		when = "then"
	}
	d.asked = append(d.asked, expr+" "+when)
	if d.fail == nil {
		return nil
	}
	return d.fail(expr)
}

func (d *database) forget() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

// series parses {labels}.
func series(t *testing.T, text string) labels.Labels {
	t.Helper()
	ls, err := parser.NewParser(parser.Options{}).ParseMetric(text)
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

// keyOf is the key of an expression as a rule asks it.
func keyOf(t *testing.T, expr, zeroWhen string) Key {
	t.Helper()
	e, err := promexpr.Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	return Key{Backend: "main", Query: e.String(), Window: e.Window(), SampleTimes: e.SampleTimes(), ZeroWhen: zeroWhen}
}

// inDatabase runs f with a store over a database whose samples are pushed: it
// sees no end of a series but its age.
func inDatabase(t *testing.T, f func(t *testing.T, s *Store, d *database)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &database{DB: promdb.New(promdb.Options{})}
		s := NewStore(Options{Backends: map[string]Backend{"main": {Querier: d}}})
		defer s.Close()
		f(t, s, d)
	})
}

func (d *database) push(t *testing.T, text string, v float64) {
	t.Helper()
	if err := d.Append(time.Now(), series(t, text), v); err != nil {
		t.Fatal(err)
	}
}

// answer writes a snapshot's samples as "{labels} value age", one a line.
func answer(snap *Snapshot) string {
	var lines []string
	for _, s := range snap.Vector.Samples {
		lines = append(lines, fmt.Sprintf("%s %g %s", s.Labels, s.Value, s.Age.Round(time.Second)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func mustAnswer(t *testing.T, s *Store, key Key) string {
	t.Helper()
	snap, err := s.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return answer(snap)
}

func TestSamplesCarryTheAgeOfTheNewestSampleBehindThem(t *testing.T) {
	inDatabase(t, func(t *testing.T, s *Store, d *database) {
		d.push(t, `depth{namespace="shop",queue="old"}`, 1)
		d.push(t, `depth{namespace="shop",queue="mixed",instance="a"}`, 2)
		time.Sleep(3 * time.Minute)
		d.push(t, `depth{namespace="shop",queue="mixed",instance="b"}`, 3)
		time.Sleep(10 * time.Second)
		got := mustAnswer(t, s, keyOf(t, `sum by (namespace, queue) (depth)`, ""))
		want := `{namespace="shop", queue="mixed"} 5 10s` + "\n" + `{namespace="shop", queue="old"} 1 3m10s`
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		want = "sum by (namespace, queue) (depth) now\nmax by (namespace, queue) (timestamp(depth)) then"
		if asked := strings.Join(d.forget(), "\n"); asked != want {
			t.Errorf("asked\n%s", asked)
		}
	})
}

func TestOfSeveralInputsTheOldestCounts(t *testing.T) {
	for expr, want := range map[string]string{
		`used / on (node) group_left () capacity`:         `{node="n", pod="a"} 0.25 2m0s`,
		`capacity * on (node) group_right () used`:        `{node="n", pod="a"} 4 2m0s`,
		`sum by (node) (used) / sum by (node) (capacity)`: `{node="n"} 0.25 2m0s`,
		`sum by (node) (capacity) * sum by (node) (used)`: `{node="n"} 4 2m0s`,
	} {
		t.Run(expr, func(t *testing.T) {
			inDatabase(t, func(t *testing.T, s *Store, d *database) {
				d.push(t, `capacity{node="n"}`, 4)
				time.Sleep(2 * time.Minute)
				d.push(t, `used{node="n",pod="a"}`, 1)
				if got := mustAnswer(t, s, keyOf(t, expr, "")); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		})
	}
}

func TestAGaugeThatEndedIsGoneAndACounterFades(t *testing.T) {
	inDatabase(t, func(t *testing.T, s *Store, d *database) {
		for i := range 5 {
			d.push(t, `depth{queue="a"}`, 1)
			d.push(t, `done_total{queue="a"}`, float64(i))
			time.Sleep(15 * time.Second)
		}
		d.push(t, `depth{queue="a"}`, promdb.StaleMarker())
		d.push(t, `done_total{queue="a"}`, promdb.StaleMarker())
		if got := mustAnswer(t, s, keyOf(t, `max_over_time(depth[2m])`, "")); got != "" {
			t.Errorf("the gauge is still there: %s", got)
		}
		if got := mustAnswer(t, s, keyOf(t, `rate(done_total[2m])`, "")); got == "" {
			t.Error("what was counted within the window is not there any more")
		}
	})
}

func TestTheProofIsEvaluatedAtTheTimeOfTheValues(t *testing.T) {
	inDatabase(t, func(t *testing.T, s *Store, d *database) {
		d.push(t, `redis_up`, 1)
		d.push(t, `depth`, 7)
		snap, err := s.Read(t.Context(), keyOf(t, `sum(depth)`, `max(redis_up) == 1`))
		if err != nil {
			t.Fatal(err)
		}
		if len(snap.Proof.Vector.Samples) != 1 || !snap.Proof.Vector.At.Equal(snap.Vector.At) {
			t.Errorf("the proof is of %s, the values are of %s", snap.Proof.Vector.At, snap.Vector.At)
		}
		want := []string{"max(redis_up) == 1 now", "sum(depth) then", "max(timestamp(depth)) then"}
		if asked := d.forget(); !slices.Equal(asked, want) {
			t.Errorf("asked %q", asked)
		}
	})
}

func TestWithoutASampleNobodyAsksForItsAge(t *testing.T) {
	inDatabase(t, func(t *testing.T, s *Store, d *database) {
		snap, err := s.Read(t.Context(), keyOf(t, `sum(depth)`, `max(redis_up) == 1`))
		if err != nil || len(snap.Proof.Vector.Samples) != 0 {
			t.Errorf("error %v, proof %v", err, snap.Proof)
		}
		want := []string{"max(redis_up) == 1 now", "sum(depth) now"}
		if asked := d.forget(); !slices.Equal(asked, want) {
			t.Errorf("asked %q", asked)
		}
	})
}

func TestAProofThatFailsIsNoFailureOfTheValues(t *testing.T) {
	inDatabase(t, func(t *testing.T, s *Store, d *database) {
		d.push(t, `depth`, 7)
		d.fail = func(query string) error {
			if strings.Contains(query, "redis_up") {
				return errors.New("no such function")
			}
			return nil
		}
		snap, err := s.Read(t.Context(), keyOf(t, `sum(depth)`, `max(redis_up) == 1`))
		if err != nil || snap.Proof.Err == nil {
			t.Errorf("error %v, proof %v", err, snap)
		}
	})
}

func TestAnAgeThatCannotBeAskedIsAFailure(t *testing.T) {
	inDatabase(t, func(t *testing.T, s *Store, d *database) {
		d.push(t, `depth`, 7)
		d.fail = func(query string) error {
			if strings.Contains(query, "timestamp") {
				return errors.New("no such function")
			}
			return nil
		}
		var failed *FailedError
		if _, err := s.Read(t.Context(), keyOf(t, `sum(depth)`, "")); !errors.As(err, &failed) || !strings.Contains(err.Error(), "when it was sampled: no such function") {
			t.Errorf("error %v", err)
		}
	})
}

func TestTimesThatCannotBeRightAreAFailure(t *testing.T) {
	for what, times := range map[string]string{
		"not a number":       `label_replace(vector(NaN), "queue", "a", "", "")`,
		"infinite":           `label_replace(vector(Inf), "queue", "a", "", "")`,
		"beyond all times":   `label_replace(vector(1e300), "queue", "a", "", "")`,
		"of another series":  `label_replace(vector(0), "queue", "b", "", "")`,
		"of no series":       `vector(0) > 1`,
		"of a series beside": `label_replace(vector(0), "other", "a", "", "")`,
	} {
		t.Run(what, func(t *testing.T) {
			inDatabase(t, func(t *testing.T, s *Store, d *database) {
				d.push(t, `depth{queue="a"}`, 7)
				key := keyOf(t, `depth`, "")
				key.SampleTimes.Query = times
				var wrong *TimesError
				if _, err := s.Read(t.Context(), key); !errors.As(err, &wrong) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
