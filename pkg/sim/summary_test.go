package sim

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// figuresMatch compares Summaries but for rounding. NaN is itself.
var figuresMatch = cmp.Options{cmpopts.EquateApprox(1e-9, 1e-9), cmpopts.EquateNaNs()}

func hundredEach(rate float64) int { return int(math.Ceil(rate / 100)) }

// A minute of 100 requests per second and one of 400, on two pods that serve 300.
// In second k of the overload 100k requests wait, 50k at each pod, and a new one
// takes k/3 seconds longer than the 50 ms of its service: all seconds but the
// first are above 100 ms.
func TestFiguresOfAnOverload(t *testing.T) {
	got, err := Run(t.Context(), &Config{
		Demand: demand(100, 400), Replicas: 2, Fleet: newTub(150), Price: 0.5,
		Pods:      Pods{Startup: workload.Time{Mean: 20 * time.Second}},
		Objective: &Objective{Quantile: 0.95, Limit: 100 * time.Millisecond}, Need: hundredEach,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{
		Arrived: 6000 + 24000, Completed: 6000 + 18000, Waiting: 6000,
		ReplicaHours: 240. / 3600, Cost: 0.5 * 240 / 3600, MeanReplicas: 2, MaxReplicas: 2,
		P50: 4.05, P95: 10, P99: 10, // the histogram of the tub ends at 10 s
		WorstLatency: 0.05 + 59./3, WorstBacklog: 6000, MinutesOver: 59. / 60,
		LongestShort:          time.Minute,
		UnderProvisionedHours: 120. / 3600,           // four needed, two there
		OverProvisionedHours:  60. / 3600,            // one needed, two there
		PerfectForesight:      (40*1 + 80*4) / 3600., // the three come up in the last 20 s of the first minute
		Reasons:               map[hpa.Reason]int{},
	}
	if diff := cmp.Diff(want, got.Summary, figuresMatch, cmpopts.IgnoreFields(Summary{}, "P50")); diff != "" {
		t.Error("-want +got\n", diff)
	}
	// 24,000 ended: 6000 at 0.05 s, then 300 for each k. Half of them are 12,000: k = 19.
	if want := 0.05 + 19./3; math.Abs(got.Summary.P50-want) > 0.02 {
		t.Errorf("p50 %v, want %v", got.Summary.P50, want)
	}
}

// A script is a recording that changes at minutes.
type script []float64

func (s script) ValueAt(at time.Time) (float64, Known) {
	i := int(at.Sub(noon) / time.Minute)
	if i >= len(s) || math.IsNaN(s[i]) {
		return 0, Gap
	}
	return s[i], Value
}

// openLoopOf is an HPA from 1 to 8 replicas on a recorded value, with a target of 1 and nothing
// that slows it.
func openLoopOf(t testing.TB, values script) *Config {
	t.Helper()
	pipeline, err := NewOpenLoop(map[string][]Recording{"load": {values}})
	if err != nil {
		t.Fatal(err)
	}
	spec := perPod(1, 8, 1)
	spec.Metrics = []hpa.Metric{{Type: hpa.External, Name: "load", Target: hpa.Target{Type: hpa.Value, Milli: 1000}}}
	spec.Behavior.ScaleDown.StabilizationWindow = new(time.Duration)
	rates := make([]float64, len(values))
	return &Config{Begin: noon, Demand: demand(rates...), Spec: spec, Fleet: newTub(1), Pipeline: pipeline, Replicas: 2}
}

// Syncs are every 15 s and 30 ms on average. Twice the target for a minute takes 2 to
// 4 to 8, which is the most there may be; half of it takes 8 to 4 to 2 to 1 in
// the next; then nothing is recorded for a minute; and in the last minute it doubles
// again.
func TestFiguresOfScaling(t *testing.T) {
	c := openLoopOf(t, script{2, 0.5, math.NaN(), 2})
	var syncs []Sync
	end, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
		if s, ok := m.(*Sync); ok {
			syncs = append(syncs, *s)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	s := end.Summary
	// The first minute has syncs at 0, 15, 30 and 45 s: 4, 8, then at the maximum.
	for i, want := range []struct {
		to     int32
		reason hpa.Reason
	}{
		{4, hpa.ReasonSucceededRescale}, {8, hpa.ReasonSucceededRescale}, {8, hpa.ReasonTooManyReplicas}, {8, hpa.ReasonTooManyReplicas},
		{4, hpa.ReasonSucceededRescale}, {2, hpa.ReasonSucceededRescale}, {1, hpa.ReasonSucceededRescale}, {1, hpa.ReasonDesiredWithinRange},
		{1, hpa.ReasonFailedGetExternalMetric}, {1, hpa.ReasonFailedGetExternalMetric}, {1, hpa.ReasonFailedGetExternalMetric}, {1, hpa.ReasonFailedGetExternalMetric},
		{2, hpa.ReasonSucceededRescale}, {4, hpa.ReasonSucceededRescale}, {8, hpa.ReasonSucceededRescale},
	} {
		if got := syncs[i]; got.Decision.To != want.to || got.Reason != want.reason {
			t.Errorf("sync %d at %v: %d %s, want %d %s", i, got.At, got.Decision.To, got.Reason, want.to, want.reason)
		}
	}
	got := []int{s.Syncs, s.FailedSyncs, s.ScaleUps, s.ScaleDowns, s.Reversals, s.MaxReplicas}
	if want := []int{len(syncs), 4, 5, 3, 2, 8}; !cmp.Equal(want, got) {
		t.Errorf("syncs, failed, ups, downs, reversals, most: %v, want %v", got, want)
	}
	total := 0
	for _, n := range s.Reasons {
		total += n
	}
	if total != s.Syncs || s.Reasons[hpa.ReasonFailedGetExternalMetric] != 4 || s.Reasons[hpa.ReasonTooManyReplicas] != 3 {
		t.Errorf("reasons: %v of %d syncs", s.Reasons, s.Syncs)
	}
	// At the maximum from the step of the second sync (15 s) to that of the fifth (60 s),
	// and from that of the fifteenth to the end.
	var at []time.Duration
	for _, i := range []int{1, 4, 14} {
		at = append(at, syncs[i].At.Truncate(time.Second))
	}
	if want := (at[1] - at[0] + 4*time.Minute - at[2]).Minutes(); !near(s.MinutesAtMax, want) {
		t.Errorf("%v minutes at the maximum, want %v", s.MinutesAtMax, want)
	}
	if s.MinutesOver == s.MinutesOver || s.PerfectForesight == s.PerfectForesight {
		t.Errorf("figures that nobody can know: %v, %v", s.MinutesOver, s.PerfectForesight)
	}
}

type handlerFunc func(Message) error

func (f handlerFunc) Handle(m Message) error { return f(m) }

func TestReversalsAreSoon(t *testing.T) {
	tally := newTally(&Config{Step: time.Second})
	scale := func(at time.Duration, from, to int32) {
		tally.synced(at, &hpa.Decision{Outcome: hpa.Rescaled, From: from, To: to}, "")
	}
	scale(0, 2, 4)
	scale(10*time.Minute, 4, 2)   // in time
	scale(20*time.Minute+1, 2, 4) // too late
	scale(21*time.Minute, 4, 6)   // the same direction
	scale(22*time.Minute, 6, 5)   // in time
	if tally.sum.Reversals != 2 {
		t.Errorf("%d reversals, want 2", tally.sum.Reversals)
	}
}

func TestTheLongestShortageIsOfOneTime(t *testing.T) {
	tally := newTally(&Config{Step: time.Second, Need: hundredEach})
	for _, ready := range []int{2, 2, 3, 2, 1, 0, 3, 4, 2} {
		tally.step(&second{length: time.Second, seconds: 1, need: 3, ready: ready})
	}
	if got := tally.sum.LongestShort; got != 3*time.Second {
		t.Errorf("%v, want 3s", got)
	}
}

// oracle adds up what foresight should, the slow way.
func oracle(needs []int, ahead int, last float64) float64 {
	var sum float64
	for i := range needs {
		most := 0
		for j := i; j <= min(i+ahead, len(needs)-1); j++ {
			most = max(most, needs[j])
		}
		length := 1.0
		if i == len(needs)-1 {
			length = last
		}
		sum += float64(most) * length
	}
	return sum
}

func TestForesightIsTheWindowsMaximum(t *testing.T) {
	for _, needs := range [][]int{{}, {3}, {1, 1, 5, 1, 1, 1}, {5, 4, 3, 2, 1}, {1, 2, 3, 4, 5}, {2, 0, 2, 0, 0, 0, 7, 0, 1}, {0, 0, 0}} {
		for ahead := range 12 {
			f := newForesight(time.Duration(ahead)*time.Second, time.Second)
			for i, n := range needs {
				length := 1.0
				if i == len(needs)-1 {
					length = 0.25
				}
				f.step(n, length)
			}
			if got, want := f.end(), oracle(needs, ahead, 0.25); !near(got, want) {
				t.Errorf("needs %v, %d s ahead: %v, want %v", needs, ahead, got, want)
			}
		}
	}
}

func TestWhatMissesTheObjective(t *testing.T) {
	o := &Objective{Quantile: 0.95, Limit: time.Second}
	for name, c := range map[string]struct {
		step    workload.Step
		latency float64
		want    bool
	}{
		"at the limit":                         {step: workload.Step{Completed: 1}, latency: 1},
		"above it":                             {step: workload.Step{Completed: 1}, latency: 1.001, want: true},
		"nothing at all":                       {latency: math.NaN()},
		"requests wait and none ends":          {step: workload.Step{Waiting: 1}, latency: math.NaN(), want: true},
		"5 % dropped may be":                   {step: workload.Step{Completed: 95, Dropped: 5}, latency: 0.1},
		"6 % dropped may not":                  {step: workload.Step{Completed: 94, Dropped: 6}, latency: 0.1, want: true},
		"failed and dropped count as the same": {step: workload.Step{Completed: 94, Dropped: 3, Failed: 3}, latency: 0.1, want: true},
		"all dropped":                          {step: workload.Step{Dropped: 1}, latency: math.NaN(), want: true},
	} {
		if got := o.missed(&c.step, c.latency); got != c.want {
			t.Errorf("%s: missed is %v", name, got)
		}
	}
}
