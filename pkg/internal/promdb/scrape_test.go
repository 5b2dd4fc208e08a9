package promdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakePage answers scrapes without a network, so that time can be a test's own.
type fakePage func(*http.Request) (*http.Response, error)

func (f fakePage) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status,
		Status:     fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Header:     http.Header{"Content-Type": {textFormat}},
		Body:       io.NopCloser(strings.NewReader(body)),
	}, nil
}

// observed evaluates an expression at each second after the first scrape, and
// prints the pods' values: "a=1 b=2".
func observed(t *testing.T, db *DB, expr string, at time.Time) string {
	t.Helper()
	v, err := db.Query(t.Context(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range v.Samples {
		lines = append(lines, fmt.Sprintf("%s=%g", s.Labels.Get("path"), s.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

func TestRunScrapesAndEndsSeries(t *testing.T) {
	pages := []string{
		0: "x{path=\"/a\"} 1\nx{path=\"/b\"} 1\n",
		1: "x{path=\"/a\"} 2\n",
		2: "x{path=\"/a\"} 3\nbroken",
		3: "x{path=\"/a\"} 4\nx{path=\"/b\"} 4\n",
		4: "500",
		5: "hangs",
		6: "x{path=\"/a\"} 7\n",
		7: "",
	}
	want := []string{
		"up 1, samples 2, x: /a=1 /b=1",
		"up 1, samples 1, x: /a=2",
		"up 0, samples 1, x: ",
		"up 1, samples 2, x: /a=4 /b=4",
		"up 0, samples 0, x: ",
		"up 0, samples 0, x: ",
		"up 1, samples 1, x: /a=7",
		"up 1, samples 0, x: ",
	}
	synctest.Test(t, func(t *testing.T) {
		const interval = 10 * time.Second
		db := New(Options{})
		n := 0
		client := &http.Client{Transport: fakePage(func(r *http.Request) (*http.Response, error) {
			body := pages[n]
			n++
			switch body {
			case "500":
				return answer(500, "")
			case "hangs":
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(200, body)
		})}
		scrapes := make(chan Scrape, len(pages))
		s, err := NewScraper(db, ScrapeOptions{Interval: interval, Timeout: 2 * time.Second, Client: client, Observe: func(s Scrape) { scrapes <- s }},
			Target{URL: "http://a/metrics", Labels: labels.FromStrings("pod", "a")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()

		var got []string
		var last time.Time
		for i := range pages {
			scrape := <-scrapes
			if i > 0 && scrape.At.Sub(last) != interval {
				t.Errorf("scrape %d came %s after the one before, want %s", i, scrape.At.Sub(last), interval)
			}
			last = scrape.At
			at := scrape.At.Add(interval - time.Millisecond)
			got = append(got, fmt.Sprintf("up %s, samples %s, x: %s",
				strings.TrimPrefix(observed(t, db, `sum(up{pod="a"})`, at), "="),
				strings.TrimPrefix(observed(t, db, `sum(scrape_samples_scraped{pod="a"})`, at), "="),
				observed(t, db, `x{pod="a"}`, at)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("scrapes (-want +got):\n%s", diff)
		}

		cancel()
		<-done
		if got := observed(t, db, `{__name__=~".+"}`, time.Now().Add(time.Millisecond)); got != "" {
			t.Errorf("after the end there is %s, want nothing", got)
		}
		if got := observed(t, db, `up`, time.Now()); got != "=1" {
			t.Errorf("until the end up is %q, want =1", got)
		}
	})
}

func TestSeriesThatThePageDatesComeAndGoWithoutMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := New(Options{})
		body := fmt.Sprintf("x{path=\"/dated\"} 1 %d\nx{path=\"/undated\"} 1\n", time.Now().UnixMilli())
		client := &http.Client{Transport: fakePage(func(*http.Request) (*http.Response, error) { return answer(200, body) })}
		s, err := NewScraper(db, ScrapeOptions{Client: client}, Target{URL: "http://a/"})
		if err != nil {
			t.Fatal(err)
		}
		s.Scrape(t.Context())
		time.Sleep(time.Second)
		body = ""
		s.Scrape(t.Context())
		if got := observed(t, db, "x", time.Now()); got != "/dated=1" {
			t.Errorf("after both left the page there is %s, want /dated=1", got)
		}
	})
}

func TestScrapesKeepTheirPlaceInTheInterval(t *testing.T) {
	const interval = 10 * time.Second
	place := uint64(3 * time.Second)
	for now, want := range map[time.Duration]time.Duration{
		0:                            3 * time.Second,
		3*time.Second - 1:            3 * time.Second,
		3 * time.Second:              13 * time.Second,
		3*time.Second + 1:            13 * time.Second,
		25*time.Hour + 4*time.Second: 25*time.Hour + 13*time.Second,
	} {
		for _, hash := range []uint64{place, place + 7*uint64(interval)} {
			if got := nextScrape(t0.Add(now), interval, hash); !got.Equal(t0.Add(want)) {
				t.Errorf("%s after t0 the next scrape is %s after it, want %s", now, got.Sub(t0), want)
			}
		}
	}
}

func TestScrapesAreDatedAsPlannedIfTheTimerIsNearlyRight(t *testing.T) {
	for late, want := range map[time.Duration]time.Duration{
		0: 0, time.Millisecond: 0, 2 * time.Millisecond: 0, 3 * time.Millisecond: 3 * time.Millisecond,
	} {
		if got := scrapeTime(t0.Add(late), t0, 10*time.Second); !got.Equal(t0.Add(want)) {
			t.Errorf("%s late is dated %s late, want %s", late, got.Sub(t0), want)
		}
	}
	if got := scrapeTime(t0.Add(2*time.Millisecond), t0, 100*time.Millisecond); got.Equal(t0) {
		t.Error("2ms of 100ms were forgiven")
	}
}

func TestRunSkipsScrapesThatASlowPageMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: fakePage(func(*http.Request) (*http.Response, error) {
			time.Sleep(25 * time.Second) // a transport that does not mind its context
			return answer(200, "x 1\n")
		})}
		scrapes := make(chan Scrape)
		s, err := NewScraper(New(Options{}), ScrapeOptions{Interval: 10 * time.Second, Client: client, Observe: func(s Scrape) { scrapes <- s }}, Target{URL: "http://a/"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		first, second := <-scrapes, <-scrapes
		if got := second.At.Sub(first.At); got != 30*time.Second {
			t.Errorf("the second scrape came %s after the first, want 30s", got)
		}
		cancel()
		<-done
	})
}

func TestScrapeOverTheNetwork(t *testing.T) {
	var asked http.Header
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header
		w.Header().Set("Content-Type", openMetrics)
		_, _ = io.WriteString(w, "# TYPE x counter\nx_total{path=\"/\"} 3\n# EOF\n")
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", textFormat)
		for range 100 {
			_, _ = io.WriteString(w, "x 1\n")
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	defer server.Close()
	closed := httptest.NewServer(mux)
	closed.Close()

	db := New(Options{})
	var targets []Target
	for _, u := range []string{server.URL + "/metrics", server.URL + "/large", server.URL + "/slow", server.URL + "/missing", closed.URL} {
		targets = append(targets, Target{URL: u, Labels: labels.FromStrings("pod", fmt.Sprint(len(targets)))})
	}
	client := &http.Client{Transport: &http.Transport{}}
	s, err := NewScraper(db, ScrapeOptions{Timeout: 300 * time.Millisecond, MaxPageBytes: 399, Client: client}, targets...)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := s.Scrape(t.Context())
	client.CloseIdleConnections()

	for i, says := range []string{"", "page is too large: more than 399 bytes", "deadline exceeded", "HTTP status 404", "connection refused"} {
		err := outcomes[i].Err
		if (says == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: error is %v, want %q", targets[i].URL, err, says)
		}
	}
	if !errors.Is(outcomes[1].Err, errPageTooLarge) {
		t.Errorf("%v is not errPageTooLarge", outcomes[1].Err)
	}
	v, err := db.Query(t.Context(), `{__name__=~"up|x.*"}`, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want := `{__name__="up", pod="0"} 1
{__name__="up", pod="1"} 0
{__name__="up", pod="2"} 0
{__name__="up", pod="3"} 0
{__name__="up", pod="4"} 0
{__name__="x_total", path="/", pod="0"} 3`
	if diff := cmp.Diff(want, show(v)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	if got := asked.Get("Accept"); !strings.HasPrefix(got, "application/openmetrics-text;version=1.0.0") {
		t.Errorf("accept is %q", got)
	}
	if got := asked.Get("X-Prometheus-Scrape-Timeout-Seconds"); got != "0.3" {
		t.Errorf("scrape timeout is %q, want 0.3", got)
	}
}

func TestAScrapeThatIsCalledOffSaysNothing(t *testing.T) {
	db := New(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: fakePage(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, context.Canceled
	})}
	s, err := NewScraper(db, ScrapeOptions{Client: client}, Target{URL: "http://a/"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Scrape(ctx)[0].Err; !errors.Is(got, context.Canceled) {
		t.Errorf("error is %v", got)
	}
	if got := observed(t, db, "up", time.Time{}); got != "" {
		t.Errorf("up is %s, want nothing", got)
	}
}

func TestNewScraperRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		target Target
		says   string
	}{
		{"no scheme", Target{URL: "localhost:8000/metrics"}, "not an http or https address"},
		{"no host", Target{URL: "http:///metrics"}, "not an http or https address"},
		{"no address", Target{URL: "http://%"}, "invalid URL"},
		{"a reserved label", Target{URL: "http://a/", Labels: labels.FromStrings("__address__", "a")}, `label "__address__"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewScraper(New(Options{}), ScrapeOptions{}, tc.target)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v, want it to say %q", err, tc.says)
			}
		})
	}
}
