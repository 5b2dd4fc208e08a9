package promtest_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
)

// twoPods is a Truth that never changes.
type twoPods struct{}

func (twoPods) Query(_ context.Context, _ string, at time.Time) (instant.Vector, error) {
	return instant.Vector{At: at, Samples: []instant.Sample{
		{Labels: promlabels.FromStrings("namespace", "shop", "pod", `we"b-1`), Value: 10},
		{Labels: promlabels.FromStrings("namespace", "shop", "pod", "web-2"), Value: 20.25},
	}}, nil
}

// always is a Script of one fault.
func always(f promtest.Fault) promtest.Script {
	return func(promtest.Request) promtest.Fault { return f }
}

func newClient(t *testing.T, c promapi.Config) *promapi.Client {
	t.Helper()
	c.MaxResponseBytes = 128 << 10
	client, err := promapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// wantOutcome checks what a strict client makes of an answer of a kind.
func wantOutcome(t *testing.T, kind promtest.Kind, v instant.Vector, err error) {
	t.Helper()
	if refused := err != nil || len(v.Warnings) > 0; kind.WellFormed() == refused {
		t.Fatalf("%v, %v", v.Samples, err)
	} else if refused {
		return
	}
	trueOnes := 0
	for _, s := range v.Samples {
		want := map[string]float64{`we"b-1`: 10, "web-2": 20.25}[s.Labels.Get("pod")]
		usable := s.Value >= 0 && s.Value <= 1e9
		switch {
		case s.Value == want:
			trueOnes++
		case kind.True(), kind == promtest.Repeated, kind == promtest.Outdated:
			t.Errorf("%s: %g, want %g", s.Labels, s.Value, want)
		case usable && !math.IsNaN(s.Value) && kind != promtest.Ambiguous && kind != promtest.Absent:
			t.Errorf("%s: %g looks like a number", s.Labels, s.Value)
		}
	}
	if kind.True() && trueOnes != 2 {
		t.Errorf("%d true samples, want 2", trueOnes)
	}
}

func TestEveryKindIsToAClientWhatItSays(t *testing.T) {
	for _, kind := range promtest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := promtest.New(promtest.Options{Truth: twoPods{}, Script: always(promtest.Fault{Kind: kind, Delay: time.Second}), Seed: 1})
				defer server.Close()
				client := newClient(t, promapi.Config{URL: promtest.URL, Dial: server.Dial})
				tries := 300
				if kind == promtest.Huge || kind == promtest.Bomb {
					tries = 10
				}
				for range tries {
					v, err := client.Query(t.Context(), "load", time.Time{})
					wantOutcome(t, kind, v, err)
				}
				if n := server.Strays(); n != 0 {
					t.Errorf("%d requests followed a redirect", n)
				}
			})
		})
	}
}

func TestEveryKindOverTCP(t *testing.T) {
	for _, kind := range promtest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := promtest.New(promtest.Options{Truth: twoPods{}, Script: always(promtest.Fault{Kind: kind})})
			defer server.Close()
			tcp := httptest.NewServer(server)
			defer tcp.Close()
			timeout := 30 * time.Second // a starved machine is slow, and none of these is
			if kind == promtest.Hang {
				timeout = 200 * time.Millisecond
			}
			client := newClient(t, promapi.Config{URL: tcp.URL, Timeout: timeout})
			for range 5 {
				v, err := client.Query(t.Context(), "load", time.Time{})
				wantOutcome(t, kind, v, err)
			}
		})
	}
}

// TestHarmedAnswersWouldBeBelieved: a client that is not strict takes wrong
// numbers for true ones. Otherwise the faults would prove nothing.
func TestHarmedAnswersWouldBeBelieved(t *testing.T) {
	for kind, wrong := range map[promtest.Kind]string{
		promtest.Warned:    `"21"`,
		promtest.Duplicate: `"21"`,
		promtest.Status:    `"21"`,
		promtest.Mistyped:  `"41.5"`,
		promtest.Garbage:   `"21"`,
		promtest.Cut:       `"21"`,
		promtest.Reset:     `"21"`,
		promtest.Redirect:  `"21"`,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := promtest.New(promtest.Options{Truth: twoPods{}, Script: always(promtest.Fault{Kind: kind})})
				defer server.Close()
				believed := 0
				for range 100 {
					if strings.Contains(get(t, server, "load"), wrong) {
						believed++
					}
				}
				if believed < 5 {
					t.Errorf("%d of 100 answers hold a wrong number", believed)
				}
				if followed := server.Strays() > 0; followed != (kind == promtest.Redirect) {
					t.Errorf("a redirect was followed: %v", followed)
				}
			})
		})
	}
}

// get reads what it can of an answer, as a careless client does.
func get(t *testing.T, server *promtest.Server, query string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: server.Dial, DisableKeepAlives: true}}
	response, err := client.Get(promtest.URL + "/api/v1/query?" + url.Values{"query": {query}}.Encode())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	return fmt.Sprintf("%s %q %s", response.Status, response.Header.Get("Content-Encoding"), body)
}

func TestEqualSeedsGiveEqualAnswers(t *testing.T) {
	course := func(t *testing.T, seed uint64) (answers []string) {
		synctest.Test(t, func(t *testing.T) {
			script := func(r promtest.Request) promtest.Fault {
				return promtest.Fault{Kind: promtest.Kind(r.N % 2 * int(promtest.Cut))}
			}
			server := promtest.New(promtest.Options{Truth: twoPods{}, Script: script, Seed: seed})
			defer server.Close()
			for range 50 {
				answers = append(answers, get(t, server, "load"))
			}
		})
		return answers
	}
	one, again, other := course(t, 1), course(t, 1), course(t, 2)
	if fmt.Sprint(one) != fmt.Sprint(again) {
		t.Error("one seed gave two courses")
	}
	if fmt.Sprint(one) == fmt.Sprint(other) {
		t.Error("two seeds gave one course")
	}
}

func TestAnswersAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		faults := []promtest.Fault{{Delay: time.Second}, {Kind: promtest.Hang}, {Kind: promtest.Cut}, {Skew: time.Hour}}
		server := promtest.New(promtest.Options{Truth: twoPods{}, Script: func(r promtest.Request) promtest.Fault { return faults[r.N] }})
		defer server.Close()
		client := newClient(t, promapi.Config{URL: promtest.URL, Dial: server.Dial})
		for range faults {
			_, _ = client.Query(t.Context(), "load", time.Time{})
		}
		synctest.Wait()
		var got []string
		for _, a := range server.Answers("load") {
			done := "never"
			if !a.Done.IsZero() {
				done = a.Done.Sub(begin).String()
			}
			got = append(got, fmt.Sprintf("%d %s: arrived %s, says %s, done %s", a.N, a.Fault.Kind, a.Arrived.Sub(begin), a.At.Sub(begin), done))
		}
		want := []string{
			"0 healthy: arrived 0s, says 0s, done 1s",
			"1 hang: arrived 1s, says 1s, done never",
			"2 cut: arrived 11s, says 11s, done never",
			"3 healthy: arrived 11s, says 1h0m11s, done 11s",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestAClosedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		server := promtest.New(promtest.Options{Truth: twoPods{}, Down: func(at time.Time) bool { return at.Sub(begin) >= time.Minute }})
		defer server.Close()
		client := newClient(t, promapi.Config{URL: promtest.URL, Dial: server.Dial})
		if _, err := client.Query(t.Context(), "load", time.Time{}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if _, err := client.Query(t.Context(), "load", time.Time{}); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("a closed port answered, or %v", err)
		}
	})
}
