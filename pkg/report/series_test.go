package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

const season = 87 * 24 * time.Hour

// long tells 87 days by cheap messages: half a million ticks, each with a sync.
func long(t testing.TB, name string, h sim.Handler) {
	t.Helper()
	tell := func(m sim.Message) {
		if err := h.Handle(m); err != nil {
			t.Fatal(err)
		}
	}
	spec := day("").spec()
	decision := explained(t, spec)
	reasons := []hpa.Reason{hpa.ReasonDesiredWithinRange, hpa.ReasonScaleDownStabilized, hpa.ReasonSucceededRescale, hpa.ReasonTooManyReplicas}
	tell(&sim.Begin{Run: name, Time: dawn, Length: season, Report: 15 * time.Second, Spec: spec, Objective: &sim.Objective{Quantile: 0.95, Limit: time.Second / 2}})
	tick := &sim.Tick{Run: name, True: make([]float64, 2)}
	sync := &sim.Sync{Run: name, Decision: decision, Observed: make([]sim.Observed, 2)}
	for i := range int(season / (15 * time.Second)) {
		at := time.Duration(i+1) * 15 * time.Second
		demand := 1000 + 300*math.Sin(float64(i)/5) + 500*math.Sin(float64(i)/917)
		tick.At, tick.Time, tick.Demand, tick.Capacity, tick.Ready, tick.Pods = at, dawn.Add(at), demand, 1.4*demand, 20+i%7, 21+i%7
		tick.Desired, tick.Need, tick.P95, tick.Objective = int32(21+i%5), 15+i%9, demand/3000, demand/3000
		tick.True[0], tick.True[1] = demand/20, demand/3000
		if i == 123_456 {
			tick.Waiting = 777
		} else {
			tick.Waiting = 0
		}
		tell(tick)
		sync.At, sync.Time, sync.Reason = at, dawn.Add(at), reasons[(i/300)%len(reasons)]
		sync.Observed[0] = sim.Observed{Metric: "http_requests_per_second", Value: demand / 21, Target: 35}
		sync.Observed[1] = sim.Observed{Metric: "p95_latency_seconds", Value: demand / 3100, Target: 0.4}
		tell(sync)
	}
	tell(&sim.End{Run: name, At: season, Summary: sim.Summary{Syncs: 501_120}})
}

// explained is a decision with a trail of the usual length.
func explained(t testing.TB, spec *hpa.Spec) hpa.Decision {
	seen := &hpa.Observation{Replicas: 4, StatusReplicas: 4, Readings: []hpa.Reading{{}, {Values: []int64{900}}}}
	for i := range 4 {
		seen.Pods = append(seen.Pods, hpa.Pod{Name: fmt.Sprint(i), Phase: hpa.PodRunning, Ready: hpa.True})
		seen.Readings[0].Pods = append(seen.Readings[0].Pods, hpa.Sample{Present: true, Milli: 90_000})
	}
	d, _, err := hpa.Explain(spec, hpa.State{}, seen, dawn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestALongRunGivesASmallPage(t *testing.T) {
	for _, runs := range []int{1, 2, 5, 12} {
		t.Run(fmt.Sprint(runs), func(t *testing.T) {
			if testing.Short() && runs > 1 {
				t.Skip("the short tests look at one run")
			}
			var b bytes.Buffer
			h := NewHTML(&b, HTMLOptions{})
			for i := range runs {
				long(t, fmt.Sprint("run ", i), h)
			}
			closed(t, h)
			t.Logf("%d runs of 87 days: %.2f MB", runs, float64(b.Len())/1e6)
			if b.Len() > 3_000_000 {
				t.Errorf("the page has %d bytes", b.Len())
			}
			if !strings.Contains(b.String(), "777") {
				t.Error("the peak of a single tick is lost")
			}
		})
	}
}

// A page in the making holds its intervals and nothing of the ticks.
func TestMemoryDoesNotGrowWithTheRun(t *testing.T) {
	var before, after runtime.MemStats
	h := NewHTML(&bytes.Buffer{}, HTMLOptions{})
	runtime.GC()
	runtime.ReadMemStats(&before)
	long(t, "web", h)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("87 days are held in %.1f MB", float64(grown)/(1<<20))
	}
	runtime.KeepAlive(h)
}

func TestThinnedIntervalsKeepTheExtremes(t *testing.T) {
	begin := &sim.Begin{Length: 100 * time.Second, Report: time.Second}
	s := newSeries(begin, 10)
	for i := 1; i <= 100; i++ {
		s.tick(&sim.Tick{At: time.Duration(i) * time.Second, Demand: float64(i), P95: math.NaN(), Objective: math.NaN()}, true)
	}
	var got []extent
	for i := range s.at {
		got = append(got, s.at[i].values[demandRate])
	}
	want := []extent{{1, 10}, {11, 20}, {21, 30}, {31, 40}, {41, 50}, {51, 60}, {61, 70}, {71, 80}, {81, 90}, {91, 100}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(extent{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if s.at[0].values[latency].known() {
		t.Error("nothing has become something")
	}
	s.thin(3)
	if len(s.at) != 3 || s.at[2].values[demandRate] != (extent{81, 100}) || s.width != 40*time.Second {
		t.Errorf("thinned to %d intervals of %v, the last %v", len(s.at), s.width, s.at[2].values[demandRate])
	}
}

// A run that goes on beyond what it announced still fits.
func TestASeriesWithoutAnEndStaysBounded(t *testing.T) {
	s := newSeries(&sim.Begin{Report: time.Second}, 10)
	for i := 1; i <= 10_000; i++ {
		s.tick(&sim.Tick{At: time.Duration(i) * time.Second, Demand: float64(i)}, false)
	}
	if len(s.at) > 20 {
		t.Errorf("%d intervals", len(s.at))
	}
	if first, last := s.at[0].values[demandRate].low, s.at[len(s.at)-1].values[demandRate].high; first != 1 || last != 10_000 {
		t.Errorf("from %v to %v", first, last)
	}
}

func TestOfSeveralDecisionsTheMostTellingShows(t *testing.T) {
	s := newSeries(&sim.Begin{Length: time.Hour, Report: time.Hour}, 10)
	for i, r := range []hpa.Reason{hpa.ReasonReadyForNewScale, hpa.ReasonScaleUpLimit, hpa.ReasonFailedGetPodsMetric, hpa.ReasonFailedGetPodsMetric, hpa.ReasonSucceededRescale} {
		s.sync(&sim.Sync{At: time.Duration(i) * time.Minute, Time: dawn.Add(time.Duration(i) * time.Minute), Reason: r})
	}
	if d := s.at[0].sync; d.reason != hpa.ReasonFailedGetPodsMetric || d.at != dawn.Add(2*time.Minute) || s.at[0].syncs != 5 {
		t.Errorf("%d syncs, %s at %v", s.at[0].syncs, d.reason, d.at)
	}
}

func BenchmarkHTMLOf87Days(b *testing.B) {
	for b.Loop() {
		h := NewHTML(&bytes.Buffer{}, HTMLOptions{})
		long(b, "web", h)
		closed(b, h)
	}
}

func BenchmarkJSONLOf87Days(b *testing.B) {
	for b.Loop() {
		j := NewJSONL(io.Discard)
		long(b, "web", j)
		closed(b, j)
	}
}

func BenchmarkTextOf87Days(b *testing.B) {
	for b.Loop() {
		text := NewText(io.Discard, TextOptions{})
		long(b, "web", text)
		closed(b, text)
	}
}
