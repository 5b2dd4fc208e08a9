package snapshot

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A Proof is the answer to what proves zero: it holds where it has a sample. The
// zero value proves nothing.
type Proof struct {
	Vector instant.Vector
	// Err says why there is no answer.
	Err error
}

// A reply is what a backend answered to a key: all of it at one evaluation time.
type reply struct {
	vector instant.Vector
	proof  Proof
	fullAt time.Time // when its data will fill the window; zero if they do
}

// ask sends a key's queries: the proof, the values, and when these were sampled.
// The first that has a sample tells the time, by the backend's own clock, at
// which the others are evaluated: what is empty is so while the proof holds.
func (b *backend) ask(ctx context.Context, key Key) (reply, error) {
	if err := b.await(ctx); err != nil {
		return reply{}, err
	}
	defer b.gate.Release(1)
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	if err := b.breaker.admit(time.Now()); err != nil {
		return reply{}, &deniedError{err}
	}
	b.inFlight.Add(1)
	defer b.inFlight.Add(-1)
	answer, err := b.all(ctx, key)
	b.breaker.note(time.Now(), err, func(a Absence) {
		a.Backend = key.Backend
		b.observe(a)
	})
	return answer, err
}

// await returns when it is the turn of one more query. The time that it waits is
// not the backend's fault.
func (b *backend) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	if b.gate.Acquire(ctx, 1) != nil {
		return errBusy
	}
	return nil
}

func (b *backend) all(ctx context.Context, key Key) (reply, error) {
	var answer reply
	var at time.Time
	if key.ZeroWhen != "" {
		answer.proof.Vector, answer.proof.Err = b.query(ctx, key.ZeroWhen, at)
		if len(answer.proof.Vector.Samples) > 0 {
			at = answer.proof.Vector.At
		}
	}
	var err error
	if answer.vector, err = b.query(ctx, key.Query, at); err != nil {
		return reply{}, err
	}
	if answer.fullAt, err = b.full(ctx, key.Window); err != nil {
		return reply{}, err
	}
	if key.SampleTimes.Query == "" || len(answer.vector.Samples) == 0 {
		return answer, nil
	}
	times, err := b.query(ctx, key.SampleTimes.Query, answer.vector.At)
	if err != nil {
		return reply{}, fmt.Errorf("when it was sampled: %w", err)
	}
	answer.vector.Samples, err = dated(answer.vector, times.Samples, key)
	if err != nil {
		return reply{}, err
	}
	return answer, nil
}

func (b *backend) query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	vector, err := b.Querier.Query(ctx, expr, at)
	if err == nil && len(vector.Warnings) > 0 {
		err = partial(vector.Warnings)
	}
	if err != nil {
		return instant.Vector{}, err
	}
	return vector, nil
}

// A deniedError is the failure of a query that was not sent, for the reason that
// those before it failed.
type deniedError struct{ error }

func (e *deniedError) Unwrap() error { return e.error }

// A TimesError says that an answer about the times of samples cannot be right.
type TimesError struct{ Reason string }

func (e *TimesError) Error() string { return "when it was sampled: " + e.Reason }

// Answered reports that the backend is there.
func (e *TimesError) Answered() bool { return true }

// Pause is 0.
func (e *TimesError) Pause() time.Duration { return 0 }

// dated returns the samples of a key's vector with their ages. To a sample belong
// the times that agree with it on all of their labels; of several, from several
// inputs, the oldest counts. A sample to which none belongs has ended, where the
// key looks back over a window: it is left out unless times are optional. Without
// a window it would have been in neither of two answers for one time.
func dated(vector instant.Vector, times []instant.Sample, key Key) ([]instant.Sample, error) {
	oldest, err := index(times)
	if err != nil {
		return nil, err
	}
	samples := make([]instant.Sample, 0, len(vector.Samples))
	var named []byte
	for _, s := range vector.Samples {
		known := false
		for i := range oldest {
			named = s.Labels.BytesWithLabels(named, oldest[i].names...)
			if taken, ok := oldest[i].taken[string(named)]; ok {
				known = true
				s.Age = max(s.Age, vector.At.Sub(taken))
			}
		}
		switch {
		case known || key.SampleTimes.Optional:
			samples = append(samples, s)
		case key.Window == 0:
			return nil, &TimesError{Reason: fmt.Sprintf("there is no time for the series %s", s.Labels)}
		}
	}
	return samples, nil
}

// A column holds the sample times of series that have the same label names, by
// these labels.
type column struct {
	names []string
	taken map[string]time.Time
}

// year2200 is later than any sample.
const year2200 = 7.26e9

func index(times []instant.Sample) ([]column, error) {
	var columns []column
	var named []byte
	for _, s := range times {
		if !(math.Abs(s.Value) < year2200) { // NaN is not
			return nil, &TimesError{Reason: fmt.Sprintf("%g is no time", s.Value)}
		}
		names := s.Labels.DropReserved(isInput)
		at := slices.IndexFunc(columns, func(c column) bool { return sameNames(c.names, names) })
		if at < 0 {
			at = len(columns)
			columns = append(columns, column{names: namesOf(names), taken: map[string]time.Time{}})
		}
		named = s.Labels.BytesWithLabels(named, columns[at].names...)
		taken := time.UnixMilli(int64(math.Floor(s.Value * 1000)))
		if earlier, ok := columns[at].taken[string(named)]; !ok || taken.Before(earlier) {
			columns[at].taken[string(named)] = taken
		}
	}
	return columns, nil
}

func isInput(name string) bool { return name == promexpr.InputLabel }

func namesOf(ls labels.Labels) []string {
	names := make([]string, 0, ls.Len())
	ls.Range(func(l labels.Label) { names = append(names, l.Name) })
	return names
}

// sameNames reports whether names are those of the labels; both are sorted.
func sameNames(names []string, ls labels.Labels) bool {
	if len(names) != ls.Len() {
		return false
	}
	i, same := 0, true
	ls.Range(func(l labels.Label) { same, i = same && names[i] == l.Name, i+1 })
	return same
}
