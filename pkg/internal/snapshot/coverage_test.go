package snapshot

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

// A backend that was away before this process began is not found by failures.
func TestTheFirstWindowMustBeFull(t *testing.T) {
	const window = 2 * time.Minute
	for _, c := range []struct {
		name   string
		scrape func(age time.Duration) bool // whether there was a scrape so long ago
		full   bool
	}{
		{"scraped throughout", func(time.Duration) bool { return true }, true},
		{"began a moment ago", func(age time.Duration) bool { return age < 20*time.Second }, false},
		{"began at half", func(age time.Duration) bool { return age < time.Minute }, false},
		{"has a gap in the first half", func(age time.Duration) bool { return age < time.Minute || age > 100*time.Second }, false},
		{"has a gap in the last half", func(age time.Duration) bool { return age < 15*time.Second || age > 50*time.Second }, false},
		{"was away long ago", func(age time.Duration) bool { return age < 3*time.Minute || age > 8*time.Minute }, true},
		{"missed one scrape", func(age time.Duration) bool { return age < 60*time.Second || age >= 75*time.Second }, true},
		{"has no metric up", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &database{DB: promdb.New(promdb.Options{})}
				now := time.Now().Add(10 * time.Minute)
				for age := 10 * time.Minute; age > 0 && c.scrape != nil; age -= 15 * time.Second {
					if c.scrape(age) {
						if err := d.Append(now.Add(-age), series(t, `up{job="a"}`), 1); err != nil {
							t.Fatal(err)
						}
					}
				}
				time.Sleep(10 * time.Minute)
				s := NewStore(Options{Backends: map[string]Backend{"main": {Querier: d, Coverage: true}}})
				defer s.Close()
				var recovering *RecoveringError
				_, err := s.Read(t.Context(), Key{Backend: "main", Query: "vector(1)", Window: window})
				if errors.As(err, &recovering) == c.full {
					t.Errorf("error %v", err)
				}
				if _, err := s.Read(t.Context(), Key{Backend: "main", Query: "vector(1)"}); err != nil {
					t.Errorf("an instant value needs no window: %v", err)
				}
				time.Sleep(window + 31*time.Second)
				if _, err := s.Read(t.Context(), Key{Backend: "main", Query: "vector(1)", Window: window}); err != nil {
					t.Errorf("after the window has passed: %v", err)
				}
			})
		})
	}
}

func TestAQuestionAboutTheWindowThatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		served bool
	}{
		{"is refused", fault{answered: true}, true},
		{"is not answered", errors.New("connection refused"), false},
		{"is answered in part", ErrPartial, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inDatabase(t, func(t *testing.T, s *Store, d *database) {
				d.fail = func(query string) error {
					if strings.Contains(query, "up[") {
						return c.err
					}
					return nil
				}
				s.SetBackends(map[string]Backend{"main": {Querier: d, Coverage: true}})
				if _, err := s.Read(t.Context(), Key{Backend: "main", Query: "vector(1)", Window: time.Minute}); (err == nil) != c.served {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
