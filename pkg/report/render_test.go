package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// tiny is five ticks with everything that a format has to write.
func tiny() *flight {
	return &flight{name: "web <a> | é", length: 75 * time.Second, tick: 15 * time.Second, peak: 200, max: 4, outage: [2]time.Duration{30 * time.Second, 60 * time.Second}}
}

func TestGolden(t *testing.T) {
	var b bytes.Buffer
	for _, c := range []struct {
		file    string
		render  renderer
		flights []*flight
	}{
		{"tiny.jsonl", NewJSONL(&b), []*flight{tiny()}},
		{"tiny.json", NewJSON(&b), []*flight{tiny()}},
		{"tiny.csv", NewCSV(&b), []*flight{tiny()}},
		{"day.txt", NewText(&b, TextOptions{Width: 100, Assumptions: assumptions}), []*flight{day("web")}},
		{"side-by-side.txt", NewText(&b, TextOptions{Width: 70}), []*flight{
			{name: "web", length: time.Hour, tick: 30 * time.Second, peak: 300, max: 12},
			{name: "careless", careless: true, length: time.Hour, tick: 30 * time.Second, peak: 300, max: 12},
			{name: "fixed-3", fixed: true, length: time.Hour, tick: 30 * time.Second, peak: 120},
			{name: "as-recorded", openLoop: true, length: time.Hour, tick: 30 * time.Second, peak: 300, max: 12},
		}},
		{"color.txt", NewText(&b, TextOptions{Width: 60, Color: true}), []*flight{short("web")}},
		{"nothing.txt", NewText(&b, TextOptions{}), nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			b.Reset()
			for _, f := range c.flights {
				f.play(t, c.render)
			}
			closed(t, c.render)
			golden(t, c.file, b.String())
		})
	}
}

func runsOf(t *testing.T, flights ...*flight) []Run {
	var runs Runs
	for _, f := range flights {
		f.play(t, &runs)
	}
	return runs.All()
}

func TestComparisons(t *testing.T) {
	wide := short("more_replicas")
	wide.max = 20
	runs := runsOf(t, short("web"), wide, short("same|name"))
	var b bytes.Buffer
	for _, c := range []struct {
		file  string
		write func() error
	}{
		{"compare.txt", func() error { return Compare(&b, Plain, runs[0], runs[1]) }},
		{"compare.md", func() error { return Compare(&b, Markdown, runs[0], runs[1]) }},
		{"compare-equal.md", func() error { return Compare(&b, Markdown, runs[0], runs[2]) }},
		{"band.txt", func() error { return Band(&b, Plain, runs) }},
		{"table.md", func() error { return Table(&b, Markdown, 0, runs) }},
	} {
		t.Run(c.file, func(t *testing.T) {
			b.Reset()
			if err := c.write(); err != nil {
				t.Fatal(err)
			}
			golden(t, c.file, b.String())
		})
	}
}

func TestVerdicts(t *testing.T) {
	objective := &sim.Objective{Quantile: 0.95, Limit: 500 * time.Millisecond}
	nan := math.NaN()
	for _, c := range []struct {
		name, want string
		run        Run
	}{
		{
			"the objective is met most of the time",
			"web would have met p95 ≤ 500 ms in 99.2 % of the seconds with 61.3 replica-hours, 1.40 times what perfect foresight needs; 12 scale events.",
			Run{Name: "web", Length: 1000 * time.Minute, Objective: objective, Summary: sim.Summary{MinutesOver: 8, ReplicaHours: 61.3, PerfectForesight: 43.786, ScaleUps: 6, ScaleDowns: 6}},
		},
		{
			"a single second short of always is not always",
			"web would have met p99.9 ≤ 1.5 s in 99.998 % of the seconds with 1.0 replica-hours; 1 scale event.",
			Run{Name: "web", Length: 24 * time.Hour, Objective: &sim.Objective{Quantile: 0.999, Limit: 1500 * time.Millisecond}, Summary: sim.Summary{MinutesOver: 1. / 60, ReplicaHours: 1, PerfectForesight: nan, ScaleUps: 1}},
		},
		{
			"always",
			"web would have met p95 ≤ 500 ms in every second with 1,234.5 replica-hours; 0 scale events.",
			Run{Name: "web", Length: time.Hour, Objective: objective, Summary: sim.Summary{ReplicaHours: 1234.5}},
		},
		{
			"no objective, lost requests and failed syncs",
			"web would have served 900 requests at a p95 of 1.24 s with 3.0 replica-hours; 0 scale events; 10.0 % of the requests failed or were dropped; 3 syncs of 1,440 failed.",
			Run{Name: "web", Length: time.Hour, Summary: sim.Summary{P95: 1.24, Arrived: 1000, Completed: 900, Failed: 60, Dropped: 40, ReplicaHours: 3, Syncs: 1440, FailedSyncs: 3}},
		},
		{
			"nothing ended",
			"Open loop (the metrics are as recorded, whatever the replicas): web would have served 0 requests with 3.0 replica-hours; 2 scale events.",
			Run{Name: "web", Length: time.Hour, OpenLoop: true, Summary: sim.Summary{P95: nan, ReplicaHours: 3, ScaleUps: 2, PerfectForesight: nan}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.run.Verdict(); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, []Case{
		{Suite: "night.yaml", Name: "replicas at 5m == 8", Duration: time.Hour},
		{Suite: "day.yaml", Name: `p95 < 500ms for "99%" of time`, Duration: 90 * time.Second, Failures: []string{"p95 was 612 ms <late>", "and \x1b[31mred\x1b[0m"}},
		{Suite: "day.yaml", Name: "one", Failures: []string{"just one"}},
		{Suite: "night.yaml", Name: "golden", Duration: time.Hour, Skipped: "no decisions are written down"},
	}); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.xml", b.String())
	if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
		t.Errorf("not XML: %v", err)
	}
}

func TestJSONIsADocument(t *testing.T) {
	for name, flights := range map[string][]*flight{"no run": nil, "two runs": {tiny(), {name: "fixed", fixed: true, length: time.Minute, tick: time.Minute, peak: 10}}} {
		var b bytes.Buffer
		j := NewJSON(&b)
		for _, f := range flights {
			f.play(t, j)
		}
		closed(t, j)
		var document struct {
			Version int
			Runs    []struct{ Begin, Ticks, Syncs, Happenings, Summary any }
		}
		if err := json.Unmarshal(b.Bytes(), &document); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b.Bytes())
		}
		if document.Version != version || len(document.Runs) != len(flights) {
			t.Errorf("%s: got %d runs of version %d", name, len(document.Runs), document.Version)
		}
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	begin := func(run string) *sim.Begin { return &sim.Begin{Run: run} }
	for _, c := range []struct {
		name     string
		to       renderer
		messages []sim.Message
		want     string
	}{
		{"overlapping runs in one document", NewJSON(&bytes.Buffer{}), []sim.Message{begin("a"), begin("b")}, `run "b" begins before run "a" has ended: JSON has one run after the other`},
		{"a tick before its run in JSON", NewJSON(&bytes.Buffer{}), []sim.Message{&sim.Tick{Run: "a"}}, `a message of run "a", which is not under way`},
		{"a tick before its run in CSV", NewCSV(&bytes.Buffer{}), []sim.Message{&sim.Tick{Run: "a"}}, `a message of run "a", which has not begun`},
		{"a metric without a column", NewCSV(&bytes.Buffer{}), []sim.Message{begin("a"), &sim.Tick{Run: "a"}, &sim.Begin{Run: "b", Spec: day("").spec()}}, `run "b" has the metric "http_requests_per_second", for which the table has no column`},
		{"a metric since an edit", NewCSV(&bytes.Buffer{}), []sim.Message{begin("a"), &sim.Sync{Run: "a", Observed: []sim.Observed{{Metric: "queue"}}}}, `run "a" has the metric "queue" since an edit, for which the table has no column`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			for _, m := range c.messages {
				if err = c.to.Handle(m); err != nil {
					break
				}
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// pageOf renders flights.
func pageOf(t testing.TB, flights ...*flight) []byte {
	var b bytes.Buffer
	h := NewHTML(&b, HTMLOptions{Title: "web <&> \"shop\"", Assumptions: assumptions})
	for _, f := range flights {
		f.play(t, h)
	}
	closed(t, h)
	return b.Bytes()
}

// TestPagesToLookAt writes pages to the folder of PITOT_TEST_SCREENSHOTS.
func TestPagesToLookAt(t *testing.T) {
	dir := os.Getenv("PITOT_TEST_SCREENSHOTS")
	if dir == "" {
		t.Skip("PITOT_TEST_SCREENSHOTS names no folder")
	}
	web := func(*sim.Config) {}
	generous := func(c *sim.Config) { c.Spec.MaxReplicas = 30 }
	fixed := func(c *sim.Config) { c.Spec, c.Replicas, c.Events = nil, 12, nil }
	for name, html := range map[string][]byte{
		"day":   simulatedPage(t, map[string]func(*sim.Config){"web": web}),
		"two":   simulatedPage(t, map[string]func(*sim.Config){"web": web, "generous": generous}),
		"three": simulatedPage(t, map[string]func(*sim.Config){"web": web, "generous": generous, "fixed-12": fixed}),
		"short": pageOf(t, short("web")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), html, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func simulatedPage(t *testing.T, runs map[string]func(*sim.Config)) []byte {
	var b bytes.Buffer
	h := NewHTML(&b, HTMLOptions{Title: "shop", Assumptions: assumptions[:3]})
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		if _, err := sim.Run(t.Context(), simulated(t, name, runs[name]), h); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, h)
	return b.Bytes()
}

func TestThePageEscapesWhatItShows(t *testing.T) {
	html := string(pageOf(t, &flight{name: "</script><img src=x onerror=alert(1)>", length: time.Minute, tick: 15 * time.Second, peak: 100, max: 4}))
	for _, bad := range []string{"<img", "</script><i", "<script>alert", "\x1b[31m\"&"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// The numbers that stand for colours while drawing are all gone, and each of their
// variables is in the style sheet.
func TestColoursAreThoseOfTheStyleSheet(t *testing.T) {
	html := pageOf(t, short("web"))
	if i := bytes.Index(html, []byte("FE01")); i >= 0 {
		t.Errorf("a number stands for a colour: %s", html[i-80:i+10])
	}
	for _, name := range inks {
		if !strings.Contains(pageStyle, "--"+name+": light-dark(") {
			t.Errorf("page.css has no --%s", name)
		}
	}
}

func TestGoldenDrawing(t *testing.T) {
	h := NewHTML(&bytes.Buffer{}, HTMLOptions{})
	tiny().play(t, h)
	r := h.runs[0]
	replicas := r.sheets()[1]
	figure, err := replicas.draw(r, axis{top: 5})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "replicas.svg", string(figure.Drawings[len(sizes)-1])+"\n")
	text, err := json.MarshalIndent(r.data(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "page-data.json", string(text)+"\n")
}

// A row without a decision says so, whatever the row before had.
func TestARowTellsOfItsOwnTimeOnly(t *testing.T) {
	var b bytes.Buffer
	c := NewCSV(&b)
	for _, m := range []sim.Message{
		&sim.Begin{Run: "web", OpenLoop: true, Spec: &hpa.Spec{Metrics: []hpa.Metric{{Name: "cpu", Container: "app"}, {Name: "cpu"}, {Name: "cpu"}}}},
		&sim.Sync{Run: "web", Reason: hpa.ReasonTooManyReplicas, Observed: []sim.Observed{{Metric: "cpu/app", Value: 1}, {Metric: "cpu", Value: 2}, {Metric: "cpu", Value: 3}}},
		&sim.Tick{Run: "web", Time: dawn, Capacity: math.Inf(1), True: []float64{4, math.NaN(), 6}},
		&sim.Tick{Run: "web", Time: dawn, Ready: 1},
	} {
		if err := c.Handle(m); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, c)
	want := `run,time,at_seconds,demand_per_second,capacity_per_second,completed,failed,dropped,waiting,desired,pods,ready,need,p50_seconds,p95_seconds,p99_seconds,objective_seconds,over_seconds,syncs,reason,open_loop,metric_cpu/app,true_cpu/app,metric_cpu,true_cpu,metric_cpu_2,true_cpu_2
web,2026-03-14T00:00:00Z,0.0,0.0,inf,0.0,0.0,0.0,0.0,0,0,0,,0.0,0.0,0.0,0.0,0.0,1,TooManyReplicas,true,1.0,4.0,2.0,,3.0,6.0
web,2026-03-14T00:00:00Z,0.0,0.0,,0.0,0.0,0.0,0.0,0,0,1,,0.0,0.0,0.0,0.0,0.0,0,,true,,,,,,
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Nothing on the page may fetch anything, and no handler stands in an attribute.
func TestThePageNeedsNothing(t *testing.T) {
	html := string(pageOf(t, short("web")))
	for _, bad := range []string{" src=", " href=", "url(", "@import", " onclick", " onload", "http:", "https:"} {
		if i := strings.Index(html, bad); i >= 0 {
			t.Errorf("the page has %q: %s", bad, html[max(0, i-60):i+60])
		}
	}
	if !strings.Contains(html, `default-src &#39;none&#39;`) {
		t.Error("the page has no policy")
	}
}
