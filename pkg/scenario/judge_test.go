package scenario

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// aRun is twenty minutes in which the demand doubles after five. Ticks come each
// second, syncs each quarter of a minute. Two replicas become four and eight, then
// three, and five again; new ones are ready half a minute later. From 5m to 7m the
// p95 is two seconds, in the last minute nothing arrives, and in the 12th the
// metric fails.
func aRun(t testing.TB, h sim.Handler) {
	t.Helper()
	tell := func(m sim.Message) {
		if err := h.Handle(m); err != nil {
			t.Fatal(err)
		}
	}
	tell(&sim.Begin{Length: 20 * time.Minute, Replicas: 2, Spec: &hpa.Spec{Metrics: []hpa.Metric{{Type: hpa.Pods, Name: "rps"}}}})
	moves := map[time.Duration]int32{5*time.Minute + 15*time.Second: 4, 5*time.Minute + 30*time.Second: 8, 11 * time.Minute: 3, 14 * time.Minute: 5}
	replicas, ready := int32(2), int32(2)
	readyAt := map[time.Duration]int32{}
	for at := time.Second; at <= 20*time.Minute; at += time.Second {
		if n, ok := readyAt[at]; ok {
			ready = n
		}
		tick := &sim.Tick{At: at, Demand: 100, Desired: replicas, Pods: int(replicas), Ready: int(ready), Need: 2, P50: 0.05, P95: 0.1, P99: 0.2}
		if at > 5*time.Minute {
			tick.Demand, tick.Need = 200, 4
		}
		if at > 5*time.Minute && at <= 7*time.Minute {
			tick.P95, tick.Over, tick.Waiting, tick.Dropped = 2, 1, 300, 0.5
		}
		if at > 19*time.Minute {
			tick.Demand, tick.P50, tick.P95, tick.P99 = 0, math.NaN(), math.NaN(), math.NaN()
		}
		tell(tick)
		if at%(15*time.Second) != 0 {
			continue
		}
		sync := &sim.Sync{At: at, Decision: hpa.Decision{Outcome: hpa.Held, From: replicas, To: replicas}, Reason: hpa.ReasonDesiredWithinRange,
			Conditions: []hpa.Condition{{Type: hpa.ScalingActive, Reason: hpa.ReasonValidMetricFound}}, Observed: []sim.Observed{{Metric: "rps", Value: 25, Target: 20}}}
		if at > 11*time.Minute && at <= 12*time.Minute {
			sync.Reason, sync.Decision.Outcome, sync.Decision.Failed = hpa.ReasonFailedGetPodsMetric, hpa.NoProposal, true
			sync.Observed[0] = sim.Observed{Metric: "rps", Value: math.NaN(), Err: "unable to fetch"}
			sync.Conditions[0].Reason = hpa.ReasonFailedGetPodsMetric
		}
		if to, ok := moves[at]; ok {
			sync.Decision.Outcome, sync.Decision.To, sync.Reason = hpa.Rescaled, to, hpa.ReasonSucceededRescale
			if to == 4 {
				sync.Reason = hpa.ReasonScaleUpLimit
			}
			replicas = to
			readyAt[at+30*time.Second] = to
		}
		tell(sync)
	}
	tell(&sim.Happening{At: 20 * time.Minute, Kind: sim.Restart, Text: "the HPA controller restarts"})
	tell(&sim.End{At: 20 * time.Minute, Summary: sim.Summary{
		Arrived: 120_000, Dropped: 60, ReplicaHours: 1.4, P50: 0.05, P95: 0.6, P99: 2, MinutesOver: 2,
		ScaleUps: 3, ScaleDowns: 1, Reversals: 2, LongestShort: 60 * time.Second, Syncs: 80, FailedSyncs: 4,
	}})
}

// TestJudge judges one run by the expectations of testdata/judge.txt and compares
// the results, which follow each expectation there.
func TestJudge(t *testing.T) {
	const path = "testdata/judge.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []Expectation
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "    ") {
			continue
		}
		e, err := ParseExpectation(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	judge := NewExpectations(all)
	aRun(t, judge)
	var b strings.Builder
	results := judge.Results()
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
			b.WriteString(line)
		case !strings.HasPrefix(line, "    "):
			r := results[0]
			results = results[1:]
			fmt.Fprintf(&b, "%s\n    %s %s\n", r.Expectation, verdict(r), r.Text)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), b.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func verdict(r Result) string {
	if r.Passed {
		return "passed."
	}
	return "FAILED."
}

func TestARunWithoutAnEndPassesNothing(t *testing.T) {
	e, err := ParseExpectation("dropped == 0")
	if err != nil {
		t.Fatal(err)
	}
	judge := NewExpectations([]Expectation{e})
	if err := judge.Handle(&sim.Begin{Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	if r := judge.Results()[0]; r.Passed || r.Text != "The run did not end." {
		t.Errorf("%+v", r)
	}
}

func TestAFiguresUnknownNeedIsNoPass(t *testing.T) {
	for _, text := range []string{"longest_short <= 90s", "minutes_over <= 5", "minutes_over >= 0", "p95 < 1s"} {
		e, err := ParseExpectation(text)
		if err != nil {
			t.Fatal(err)
		}
		judge := NewExpectations([]Expectation{e})
		nan := math.NaN()
		for _, m := range []sim.Message{&sim.Begin{Replicas: 1}, &sim.End{Summary: sim.Summary{MinutesOver: nan, UnderProvisionedHours: nan, P95: nan}}} {
			if err := judge.Handle(m); err != nil {
				t.Fatal(err)
			}
		}
		if r := judge.Results()[0]; r.Passed || !strings.Contains(r.Text, "no value") {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

// Ticks without news must cost nothing: a month has two and a half million.
func TestTicksDoNotAllocate(t *testing.T) {
	var all []Expectation
	for _, text := range []string{"replicas at 5m == 2", "max(replicas) <= 20", "p95 < 500ms for 99% of time", "scale_events <= 12/h", "dropped == 0", "never: FailedGetPodsMetric"} {
		e, err := ParseExpectation(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	judge := NewExpectations(all)
	if err := judge.Handle(&sim.Begin{Replicas: 2}); err != nil {
		t.Fatal(err)
	}
	tick := &sim.Tick{Desired: 2, Ready: 2, Pods: 2, P95: 0.1}
	allocated := testing.AllocsPerRun(1000, func() {
		tick.At += time.Second
		if err := judge.Handle(tick); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 0 {
		t.Errorf("%v allocations each tick", allocated)
	}
}

func BenchmarkTick(b *testing.B) {
	e, err := ParseExpectation("p95 < 500ms for 99% of time")
	if err != nil {
		b.Fatal(err)
	}
	judge := NewExpectations([]Expectation{e})
	if err := judge.Handle(&sim.Begin{Replicas: 2}); err != nil {
		b.Fatal(err)
	}
	tick := &sim.Tick{Desired: 2, Ready: 2, Pods: 2, P95: 0.1}
	for b.Loop() {
		tick.At += time.Second
		if err := judge.Handle(tick); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecisions(t *testing.T) {
	var d Decisions
	aRun(t, &d)
	want := `15s 2 → 2 DesiredWithinRange rps=25/20
5m15s 2 → 4 ScaleUpLimit rps=25/20
5m30s 4 → 8 SucceededRescale rps=25/20
5m45s 8 → 8 DesiredWithinRange rps=25/20
11m 8 → 3 SucceededRescale rps=25/20
11m15s 3 → 3 FailedGetPodsMetric rps: unable to fetch;
12m15s 3 → 3 DesiredWithinRange rps=25/20
14m 3 → 5 SucceededRescale rps=25/20
14m15s 5 → 5 DesiredWithinRange rps=25/20
20m the HPA controller restarts
`
	if diff := cmp.Diff(want, string(d.Text())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, tc := range []struct{ name, expected, want string }{
		{"the same", want, ""},
		{"with the line ends of Windows", strings.ReplaceAll(want, "\n", "\r\n"), ""},
		{"another line", strings.Replace(want, "2 → 4", "2 → 3", 1), `line 2: expected "5m15s 2 → 3 ScaleUpLimit rps=25/20", decided "5m15s 2 → 4 ScaleUpLimit rps=25/20"`},
		{"a line more", want + "x\n", `line 11: expected "x", and nothing more was decided`},
		{"a line less", strings.TrimSuffix(want, "20m the HPA controller restarts\n"), `line 10: nothing more was expected, and this was decided: "20m the HPA controller restarts"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := d.Differ([]byte(tc.expected)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// judged is what becomes of an expectation after some messages and an end.
func judged(t *testing.T, text string, summary sim.Summary, messages ...sim.Message) Result {
	t.Helper()
	e, err := ParseExpectation(text)
	if err != nil {
		t.Fatal(err)
	}
	judge := NewExpectations([]Expectation{e})
	begin := &sim.Begin{Replicas: 2, Spec: &hpa.Spec{Metrics: []hpa.Metric{{Type: hpa.Pods, Name: "rps"}, {Type: hpa.External, Name: "queue"}}}}
	for _, m := range append(append([]sim.Message{begin}, messages...), &sim.End{At: time.Hour, Summary: summary}) {
		if err := judge.Handle(m); err != nil {
			t.Fatal(err)
		}
	}
	return judge.Results()[0]
}

func moved(at time.Duration, from, to int32) sim.Message {
	return &sim.Sync{At: at, Reason: hpa.ReasonSucceededRescale, Decision: hpa.Decision{Outcome: hpa.Rescaled, From: from, To: to}}
}

func TestARateCountsTheEventsOfAnyStretch(t *testing.T) {
	apart := []sim.Message{moved(15*time.Second, 2, 3), moved(75*time.Second, 3, 4)}
	if r := judged(t, "scale_events <= 1/m", sim.Summary{}, apart...); !r.Passed {
		t.Errorf("a whole minute apart: %s", r.Text)
	}
	near := []sim.Message{moved(16*time.Second, 2, 3), moved(75*time.Second, 3, 4)}
	if r := judged(t, "scale_events <= 1/m", sim.Summary{}, near...); r.Passed {
		t.Errorf("less than a minute apart: %s", r.Text)
	}
}

func TestAReversalIsWithinTenMinutes(t *testing.T) {
	soon := []sim.Message{moved(time.Minute, 2, 3), moved(11*time.Minute, 3, 2)}
	if r := judged(t, "reversals < 1/h", sim.Summary{}, soon...); r.Passed {
		t.Errorf("after ten minutes: %s", r.Text)
	}
	late := []sim.Message{moved(time.Minute, 2, 3), moved(11*time.Minute+time.Second, 3, 2)}
	if r := judged(t, "reversals < 1/h", sim.Summary{}, late...); !r.Passed {
		t.Errorf("later: %s", r.Text)
	}
}

func TestWaitingWithoutAnEndIsInfinitelySlow(t *testing.T) {
	nan := math.NaN()
	stuck := &sim.Tick{At: time.Second, Waiting: 5, P50: nan, P95: nan, P99: nan}
	r := judged(t, "max(p95) < 168h", sim.Summary{}, stuck)
	if r.Passed || !strings.Contains(r.Text, "no end in sight") {
		t.Errorf("%+v", r)
	}
	idle := &sim.Tick{At: time.Second, P50: nan, P95: nan, P99: nan}
	if r := judged(t, "p95 < 1s for 1% of time", sim.Summary{}, idle); r.Passed || r.Got != "no time with a value to judge" {
		t.Errorf("%+v", r)
	}
}

func TestLessThanHalfARequestIsNone(t *testing.T) {
	tick := &sim.Tick{At: time.Second, Dropped: 0.4, Waiting: 0.4}
	for _, text := range []string{"dropped == 0", "max(backlog) <= 0"} {
		if r := judged(t, text, sim.Summary{Arrived: 100, Dropped: 0.4}, tick); !r.Passed || r.When != nil {
			t.Errorf("%s: %+v", text, r)
		}
	}
	if r := judged(t, "dropped < 0.1%", sim.Summary{Arrived: 100, Dropped: 0.4}, tick); r.Passed {
		t.Errorf("%+v", r)
	}
}

func TestNothingIsAlwaysSoWithoutASync(t *testing.T) {
	if r := judged(t, "always: ValidMetricFound", sim.Summary{}); r.Passed {
		t.Errorf("%+v", r)
	}
}

// With one of two metrics the HPA goes on, and its conditions are fine. The event
// of the other metric is there all the same.
func TestAMetricThatFailsBesideOthersCounts(t *testing.T) {
	sync := &sim.Sync{At: time.Second, Reason: hpa.ReasonDesiredWithinRange, Observed: []sim.Observed{{Metric: "rps"}, {Metric: "queue", Err: "none"}}}
	if r := judged(t, "never: FailedGetExternalMetric", sim.Summary{}, sync); r.Passed {
		t.Errorf("%+v", r)
	}
	if r := judged(t, "never: FailedGetPodsMetric", sim.Summary{}, sync); !r.Passed {
		t.Errorf("%+v", r)
	}
}
