package snapshot

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A fault is an error with a Verdict.
type fault struct {
	answered bool
	pause    time.Duration
}

func (f fault) Error() string        { return "fault" }
func (f fault) Answered() bool       { return f.answered }
func (f fault) Pause() time.Duration { return f.pause }

func TestABreaker(t *testing.T) {
	down, bad := errors.New("down"), fault{answered: true}
	var b breaker
	now := time.Now()
	for _, step := range []struct {
		what   string
		note   error // noted before
		noted  bool
		after  time.Duration
		passes bool
	}{
		{what: "is closed at first", passes: true},
		{what: "bears a failure", note: down, noted: true, passes: true},
		{what: "and another", note: down, noted: true, passes: true},
		{what: "opens at the third", note: down, noted: true, passes: false},
		{what: "stays open", after: probeEvery - time.Millisecond, passes: false},
		{what: "lets a probe through", after: time.Millisecond, passes: true},
		{what: "and only one", passes: false},
		{what: "stays open when the probe fails", note: down, noted: true, passes: false},
		{what: "lets another through", after: probeEvery, passes: true},
		{what: "closes on an answer", noted: true, passes: true},
		{what: "begins to count anew", note: down, noted: true, passes: true},
		{what: "bears two", note: down, noted: true, passes: true},
		{what: "takes a bad query for an answer", note: bad, noted: true, passes: true},
		{what: "so bears two more", note: down, noted: true, passes: true},
		{what: "which are these", note: down, noted: true, passes: true},
		{what: "does not count what was not sent", note: errBusy, noted: true, passes: true},
		{what: "opens at once where the backend asks for it", note: fault{pause: 20 * time.Second}, noted: true, passes: false},
		{what: "for as long as it asks", after: 19 * time.Second, passes: false},
		{what: "and no longer", after: time.Second, passes: true},
		{what: "but not for an hour", note: fault{pause: time.Hour}, noted: true, after: maxPause, passes: true},
	} {
		if step.noted {
			b.note(now, step.note, func(Absence) {})
		}
		now = now.Add(step.after)
		if err := b.admit(now); (err == nil) != step.passes {
			t.Fatalf("it %s: %v", step.what, err)
		}
	}
}

func TestADeadBackendIsAskedByOneKeyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{latency: time.Hour} // it hangs
		s := NewStore(Options{Backends: map[string]Backend{"main": {Querier: b, Timeout: 2 * time.Second}}})
		defer s.Close()
		keys := make([]Key, 200)
		for i := range keys {
			keys[i] = Key{Backend: "main", Query: fmt.Sprint("up", i)}
			if err := s.Want(keys[i]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		if s.Backends()[0].Away == nil {
			t.Error("the backend is not known to be away")
		}
		before := b.queries()
		if before > 8+30/5 {
			t.Errorf("%d queries in 30s, want those of the first round and a probe every 5s", before)
		}
		for _, key := range keys {
			start := time.Now()
			if _, err := s.Read(context.Background(), key); err == nil || time.Since(start) != 0 {
				t.Fatalf("error %v after %s", err, time.Since(start))
			}
		}
		b.set(0, nil)
		began := time.Now()
		for _, key := range keys {
			for {
				if _, err := s.Read(context.Background(), key); err == nil {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("all keys are back after %s", took)
		}
		if away := s.Backends()[0].Away; away != nil {
			t.Errorf("still away: %v", away)
		}
	})
}

func TestABadQueryIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{answer: fails(fault{answered: true})}
		s := NewStore(Options{Backends: map[string]Backend{"main": {Querier: b}}})
		defer s.Close()
		windowed := Key{Backend: "main", Query: "rate", Window: time.Minute}
		_, _ = s.Read(context.Background(), windowed)
		time.Sleep(10 * time.Minute)
		b.set(0, nil)
		time.Sleep(20 * time.Second)
		if _, err := s.Read(context.Background(), windowed); err != nil {
			t.Errorf("error %v, want a value: the backend was there all the time", err)
		}
	})
}
