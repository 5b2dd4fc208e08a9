package sim

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// told is a run as bytes: equal ones for equal messages.
func told(t testing.TB, c *Config) string {
	t.Helper()
	var text bytes.Buffer
	messages := gob.NewEncoder(&text)
	if _, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
		if end, ok := m.(*End); ok { // gob has no order for its reasons
			_, err := fmt.Fprintf(&text, "%+v", *end)
			return err
		}
		return messages.Encode(m)
	})); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// restless is a run in which everything happens.
func restless(t testing.TB, seed uint64) *Config {
	c := aRun(t, demand(200, 600, 1400, 100, 300, 800, 0, 0, 0, 900, 100, 100))
	c.Seed, c.Trails, c.Need = seed, true, hundredEach
	c.Pods.Startup.SCV = 0.5
	c.Spec.Behavior.ScaleDown.StabilizationWindow = new(time.Duration)
	pipeline, err := NewSignals(map[string]Signal{"rps": {Kind: Rate, Window: time.Minute}}, SignalOptions{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	c.Pipeline = pipeline
	c.Objective = &Objective{Quantile: 0.95, Limit: time.Second}
	c.Events = []Event{
		{At: 8 * time.Minute, For: time.Minute, Kind: Outage},
		{At: 2 * time.Minute, For: time.Minute, Kind: StuckPods},
		{At: 5 * time.Minute, Kind: Restart},
		{At: 6 * time.Minute, Kind: ManualScale, Replicas: 9},
		{At: 7 * time.Minute, Kind: Edit, Spec: perPod(1, 12, 50)},
	}
	return c
}

func TestOneSeedTellsTheSame(t *testing.T) {
	first := told(t, restless(t, 1))
	if again := told(t, restless(t, 1)); again != first {
		t.Error(cmp.Diff(first, again))
	}
	if other := told(t, restless(t, 2)); other == first {
		t.Error("another seed tells the same")
	}
}

func TestRequestsAreConserved(t *testing.T) {
	for seed := range uint64(20) {
		var ticks, begun Tick
		end, err := Run(t.Context(), restless(t, seed), handlerFunc(func(m Message) error {
			if m, ok := m.(*Tick); ok {
				ticks.Completed += m.Completed
				ticks.Failed += m.Failed
				ticks.Dropped += m.Dropped
				ticks.Demand += m.Demand * (m.At - begun.At).Seconds()
				ticks.Over += m.Over
				begun.At = m.At
			}
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		s := end.Summary
		if got := s.Completed + s.Failed + s.Dropped + s.Waiting; !near(got, s.Arrived) || s.Arrived != 60*4500 {
			t.Errorf("seed %d: %v of %v arrived requests, want %v", seed, got, s.Arrived, 60*4500)
		}
		if !near(ticks.Demand, s.Arrived) || !near(ticks.Completed, s.Completed) || !near(ticks.Failed, s.Failed) || !near(ticks.Dropped, s.Dropped) {
			t.Errorf("seed %d: the ticks add up to %+v, the summary is %+v", seed, ticks, s)
		}
		if !near(ticks.Over/60, s.MinutesOver) {
			t.Errorf("seed %d: %v minutes over in ticks, %v in the summary", seed, ticks.Over/60, s.MinutesOver)
		}
	}
}

func TestBoundsHold(t *testing.T) {
	spec := perPod(2, 10, 100)
	for seed := range uint64(20) {
		last := time.Duration(-1)
		_, err := Run(t.Context(), restless(t, seed), handlerFunc(func(m Message) error {
			at := last
			switch m := m.(type) {
			case *Happening:
				at = m.At
				if m.Kind == Edit {
					spec = perPod(1, 12, 50)
				}
			case *Begin:
				spec = m.Spec
			case *Sync:
				at = m.At
				if d := m.Decision; d.To < spec.MinReplicas || d.To > spec.MaxReplicas {
					return fmt.Errorf("%v: %d replicas", m.At, d.To)
				}
			case *Tick:
				at = m.At
				if m.Ready > m.Pods || m.Waiting < 0 || m.Demand < 0 {
					return fmt.Errorf("%+v", m)
				}
			}
			if at < last {
				return fmt.Errorf("%T at %v after %v", m, at, last)
			}
			last = at
			return nil
		}))
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func TestWhatNoRunCanBe(t *testing.T) {
	memory := perPod(1, 5, 10)
	memory.Metrics[0].Name = "queue"
	c := &Config{
		Demand: workload.Demand{Every: time.Minute, Rates: []float64{1, math.NaN()}},
		Spec:   memory, Step: time.Minute, Replicas: -1, Price: -1, LeadIn: -1, Pipeline: rps(t),
		Pods:      Pods{Pending: time.Second, Shutdown: -1, Startup: workload.Time{SCV: -1}},
		Cluster:   Cluster{SyncPeriod: -1},
		Objective: &Objective{Quantile: 95},
		Events: []Event{
			{At: time.Hour, Kind: Outage, For: time.Minute}, {Kind: Outage}, {Kind: Edit}, {Kind: "flood"},
			{Kind: ManualScale, Replicas: -1}, {Kind: Edit, Spec: memory},
		},
	}
	_, err := Run(t.Context(), c, nil)
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.TrimSpace(`
no fleet serves the demand
step 1m0s: use up to 1s
report -1ns: use the step of 1m0s or more
a lead-in of -1ns is negative
-1 replicas: use 0 to 100000
a price of -1
the demand at 1m0s is NaN requests per second
a startup of 0s with a squared coefficient of variation of -1
pending for 1s: it is the first part of the startup of 0s
a shutdown of -1ns is negative
a sync period of -1ns: use 100ms or more
an objective for the quantile 95: use one between 0 and 1
an objective of 0s: use more than 0
the HPA: no signal for the pods metric queue: there are signals for rps
event 1 (prometheusOutage at 1h0m0s): it is not within the run of 2m0s
event 2 (prometheusOutage at 0s): it lasts 0s
event 3 (edit at 0s): no HPA after it
event 4 (flood at 0s): unknown kind: use prometheusOutage, podsFailToStart, controllerRestart, scale or edit
event 5 (scale at 0s): -1 replicas: use 0 to 100000
event 6 (edit at 0s): no signal for the pods metric queue: there are signals for rps
`)
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestARunWithoutAQuantileSaysSo(t *testing.T) {
	fleet, err := workload.NewFleet(workload.Server{Kind: workload.Linear, Service: workload.Time{Mean: time.Second}, Balancer: workload.Random}, workload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &Config{Demand: demand(1), Fleet: fleet, Objective: &Objective{Quantile: 0.5, Limit: time.Second}}
	if _, err := Run(t.Context(), c, nil); !errors.Is(err, errNoQuantile) {
		t.Errorf("error %v", err)
	}
}

func TestARunEndsWithItsContextAndItsHandler(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, aRun(t, demand(1)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	enough := errors.New("enough")
	n := 0
	_, err := Run(t.Context(), aRun(t, demand(1)), handlerFunc(func(Message) error {
		if n++; n == 4 {
			return enough
		}
		return nil
	}))
	if !errors.Is(err, enough) || n != 4 {
		t.Errorf("error %v after %d messages", err, n)
	}
}

// What a run allocates grows with its syncs, what it keeps does not.
func TestMemoryIsFlat(t *testing.T) {
	kept := func(days int) int64 {
		c := aRun(t, wave(days))
		c.Spec = perPod(2, 30, 60)
		var before, after runtime.MemStats
		var most int64
		runtime.GC()
		runtime.ReadMemStats(&before)
		ticks := 0
		if _, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
			if _, ok := m.(*Tick); ok {
				if ticks++; ticks%5000 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&after)
					most = max(most, int64(after.HeapAlloc)-int64(before.HeapAlloc))
				}
			}
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		return most
	}
	day, fortnight := kept(1), kept(14)
	if fortnight > day+200_000 {
		t.Errorf("a day keeps %d bytes, a fortnight %d", day, fortnight)
	}
}

// FuzzRun plays whatever passes for a Config: it may be refused, and never panics,
// loses requests or leaves the bounds of its HPA.
func FuzzRun(f *testing.F) {
	f.Add([]byte{10, 60, 200, 0}, uint8(3), uint8(15), uint8(20), uint8(30), uint8(5), int64(5), uint64(1))
	f.Add([]byte{0, 0, 255}, uint8(0), uint8(1), uint8(0), uint8(0), uint8(0), int64(1), uint64(9))
	f.Add([]byte{255, 0, 255, 0}, uint8(8), uint8(200), uint8(90), uint8(200), uint8(250), int64(30), uint64(7))
	f.Fuzz(func(t *testing.T, rates []byte, replicas, period, startup, shutdown, event uint8, target int64, seed uint64) {
		if len(rates) > 20 {
			return
		}
		var d []float64
		for _, r := range rates {
			d = append(d, float64(r)*4)
		}
		c := aRun(t, demand(d...))
		c.Seed, c.Replicas = seed, int32(replicas%20)
		c.Cluster.SyncPeriod = time.Duration(period) * time.Second / 2
		c.Pods.Startup = workload.Time{Mean: time.Duration(startup) * time.Second, SCV: float64(shutdown) / 64}
		c.Pods.Pending = time.Duration(startup/2) * time.Second
		c.Pods.Shutdown = time.Duration(shutdown) * time.Second
		c.Spec.Metrics[0].Target.Milli = target
		c.Need = hundredEach
		at := time.Duration(event) * time.Second
		c.Events = []Event{
			{At: at, For: at, Kind: Outage}, {At: at / 2, For: at, Kind: StuckPods}, {At: at, Kind: Restart},
			{At: at / 3, Kind: ManualScale, Replicas: int32(event)},
		}
		end, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
			if m, ok := m.(*Sync); ok && (m.Decision.To > 10 || m.Decision.To < 2 && m.Decision.From != 0) {
				t.Errorf("%d replicas", m.Decision.To)
			}
			return nil
		}))
		if err != nil {
			return
		}
		s := end.Summary
		if there := s.Completed + s.Failed + s.Dropped + s.Waiting; math.Abs(there-s.Arrived) > 1e-6*max(1, s.Arrived) {
			t.Errorf("%v of %v requests", there, s.Arrived)
		}
	})
}

// Two pods that can serve 300 requests per second meet 600 of them from the
// beginning on, and not two minutes before it.
func TestNoRunBeginsWithABacklogThatNobodyAskedFor(t *testing.T) {
	c := aRun(t, demand(600))
	c.Report = time.Second
	seen := false
	_, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
		if m, ok := m.(*Tick); ok && !seen {
			seen = true
			if m.Waiting < 300 || m.Waiting > 310 {
				return fmt.Errorf("%v wait after a second", m.Waiting)
			}
		}
		return nil
	}))
	if err != nil || !seen {
		t.Error(err)
	}
}

func TestARestartedControllerRemembersNothing(t *testing.T) {
	for name, atOnce := range map[string]bool{"waits for a period": false, "syncs at once": true} {
		c := aRun(t, demand(200, 200))
		c.Spec.Controller.Profile.SyncsAtOnce = atOnce
		r := newRunOf(t, c)
		for r.at < time.Minute {
			if err := r.advance(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.hpa.state.Recommendations) == 0 || len(r.hpa.state.Conditions) == 0 {
			t.Fatal("nothing to forget")
		}
		if err := r.happen(moment{Event: Event{Kind: Restart}}); err != nil {
			t.Fatal(err)
		}
		want := r.at
		if !atOnce {
			want += 15 * time.Second
		}
		if s := r.hpa.state; s.Recommendations != nil || len(s.Conditions) == 0 || r.hpa.next != want {
			t.Errorf("%s: at %v it remembers %+v and syncs at %v", name, r.at, s, r.hpa.next)
		}
	}
}

// laps counts how often its times were set back.
type laps struct {
	*tub
	n int
}

func (l *laps) Lap() { l.n++; l.tub.Lap() }

func TestTheFirstTickLeavesOutTheLeadIn(t *testing.T) {
	c := aRun(t, demand(200))
	fleet := &laps{tub: newTub(150)}
	c.Fleet = fleet
	first := true
	if _, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
		if _, ok := m.(*Tick); ok && first {
			first = false
			if fleet.n != 2 { // at the beginning, and now
				return fmt.Errorf("%d laps", fleet.n)
			}
		}
		return nil
	})); err != nil {
		t.Error(err)
	}
}

func TestWhatIsObservedIsWhatCounts(t *testing.T) {
	request := &hpa.Template{Containers: []hpa.Container{{Name: "app", Requests: hpa.Requests{hpa.CPU: 500}}}}
	seen := &hpa.Observation{
		StatusReplicas: 4,
		Pods:           []hpa.Pod{{Template: request}, {Template: request, Terminating: true}, {Template: request}},
		Readings: []hpa.Reading{
			{Pods: []hpa.Sample{{Present: true, Milli: 100}, {Present: true, Milli: 900}, {Present: true, Milli: 300}}},
			{Pods: []hpa.Sample{{Present: true, Milli: 100}, {Present: true, Milli: 900}, {}}},
			{Values: []int64{2000, 6000}}, {Values: []int64{2000}}, {Err: errors.New("refused")}, {Pods: make([]hpa.Sample, 3)},
		},
	}
	average, percent := hpa.Target{Type: hpa.AverageValue, Milli: 1500}, hpa.Target{Type: hpa.Utilization, Percent: 50}
	got := observe(nil, []hpa.Metric{
		{Type: hpa.Pods, Name: "rps", Target: average}, {Type: hpa.ContainerResource, Name: hpa.CPU, Container: "app", Target: percent},
		{Type: hpa.External, Name: "queue", Target: average}, {Type: hpa.Object, Name: "p95", Target: hpa.Target{Type: hpa.Value, Milli: 500}},
		{Type: hpa.External, Name: "queue", Target: average}, {Type: hpa.Pods, Name: "rps", Target: average},
	}, seen)
	want := []Observed{
		{Metric: "rps", Value: 0.2, Target: 1.5, Pods: 2}, {Metric: "cpu/app", Value: 20, Target: 50, Pods: 1},
		{Metric: "queue", Value: 2, Target: 1.5}, {Metric: "p95", Value: 2, Target: 0.5},
		{Metric: "queue", Value: math.NaN(), Target: 1.5, Err: "refused"}, {Metric: "rps", Value: math.NaN(), Target: 1.5, Err: "no pod has a sample"},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestReasonIsTheFirstThatApplies(t *testing.T) {
	spec := perPod(2, 10, 100)
	conditions := func(able, active, limited hpa.Reason, isLimited hpa.Status) hpa.State {
		return hpa.State{Conditions: []hpa.Condition{
			{Type: hpa.AbleToScale, Status: hpa.True, Reason: able}, {Type: hpa.ScalingActive, Status: hpa.True, Reason: active},
			{Type: hpa.ScalingLimited, Status: isLimited, Reason: limited},
		}}
	}
	for name, c := range map[string]struct {
		decision hpa.Decision
		state    hpa.State
		want     hpa.Reason
	}{
		"a metric fails, whatever was limited before": {
			hpa.Decision{Outcome: hpa.NoProposal, From: 4, To: 4},
			conditions(hpa.ReasonSucceededGetScale, hpa.ReasonFailedGetPodsMetric, hpa.ReasonScaleUpLimit, hpa.True), hpa.ReasonFailedGetPodsMetric,
		},
		"forced into the bounds, whatever was limited before": {
			hpa.Decision{Outcome: hpa.Rescaled, From: 14, To: 10},
			conditions(hpa.ReasonSucceededRescale, hpa.ReasonValidMetricFound, hpa.ReasonScaleUpLimit, hpa.True), hpa.ReasonTooManyReplicas,
		},
		"forced up to the minimum": {
			hpa.Decision{Outcome: hpa.Rescaled, From: 1, To: 2},
			conditions(hpa.ReasonSucceededRescale, hpa.ReasonValidMetricFound, hpa.ReasonDesiredWithinRange, hpa.False), hpa.ReasonTooFewReplicas,
		},
		"limited, and rescaled": {
			hpa.Decision{Outcome: hpa.Rescaled, From: 4, To: 8},
			conditions(hpa.ReasonSucceededRescale, hpa.ReasonValidMetricFound, hpa.ReasonScaleUpLimit, hpa.True), hpa.ReasonScaleUpLimit,
		},
		"rescaled": {
			hpa.Decision{Outcome: hpa.Rescaled, From: 4, To: 8},
			conditions(hpa.ReasonSucceededRescale, hpa.ReasonValidMetricFound, hpa.ReasonDesiredWithinRange, hpa.False), hpa.ReasonSucceededRescale,
		},
		"held by a window": {
			hpa.Decision{Outcome: hpa.Held, From: 4, To: 4},
			conditions(hpa.ReasonScaleDownStabilized, hpa.ReasonValidMetricFound, hpa.ReasonDesiredWithinRange, hpa.False), hpa.ReasonScaleDownStabilized,
		},
		"as it should be": {
			hpa.Decision{Outcome: hpa.Held, From: 4, To: 4},
			conditions(hpa.ReasonReadyForNewScale, hpa.ReasonValidMetricFound, hpa.ReasonDesiredWithinRange, hpa.False), hpa.ReasonDesiredWithinRange,
		},
	} {
		if got := Reason(spec, &c.decision, &c.state); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
