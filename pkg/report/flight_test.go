package report

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// A flight tells the messages of a run that never was: a small day with an outage
// of Prometheus. Its decisions are those of package hpa; the rest is simple
// enough to be judged by eye, and no model of anything.
type flight struct {
	name     string
	length   time.Duration
	tick     time.Duration // also the sync period
	peak     float64       // requests per second
	max      int32
	outage   [2]time.Duration
	fixed    bool // no HPA
	openLoop bool
	careless bool // no objective

	rng      *rand.Rand
	state    hpa.State
	replicas int32
	ready    int
	waiting  float64
	summary  sim.Summary
	to       sim.Handler
}

var dawn = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

const (
	perPod  = 50.0 // requests per second that a pod serves
	startup = 3    // ticks
)

func (f *flight) spec() *hpa.Spec {
	if f.fixed {
		return nil
	}
	window := 3 * time.Minute
	return &hpa.Spec{
		MinReplicas: 2, MaxReplicas: f.max,
		Metrics: []hpa.Metric{
			{Type: hpa.Pods, Name: "http_requests_per_second", Target: hpa.Target{Type: hpa.AverageValue, Milli: 35_000}},
			{Type: hpa.Object, Name: "p95_latency_seconds", Kind: "Deployment", Target: hpa.Target{Type: hpa.Value, Milli: 400}},
		},
		Behavior: &hpa.Behavior{
			ScaleUp:   hpa.Rules{SelectPolicy: hpa.MaxChange, Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: 4, Period: time.Minute}}},
			ScaleDown: hpa.Rules{StabilizationWindow: &window, SelectPolicy: hpa.MaxChange, Policies: []hpa.Policy{{Type: hpa.PercentPolicy, Value: 25, Period: time.Minute}}},
		},
		Controller: hpa.DefaultController(),
	}
}

// play tells the run to h.
func (f *flight) play(t testing.TB, h sim.Handler) {
	t.Helper()
	f.to, f.rng = h, rand.New(rand.NewPCG(1, 2))
	f.replicas, f.ready = 3, 3
	f.summary = sim.Summary{Reasons: map[hpa.Reason]int{}, P50: 0.081, P95: 0.312, P99: 0.9, PerfectForesight: math.NaN(), UnderProvisionedHours: math.NaN(), OverProvisionedHours: math.NaN(), MinutesOver: math.NaN()}
	begin := &sim.Begin{
		Run: f.name, Time: dawn, Length: f.length, Step: time.Second, Report: f.tick, Replicas: f.replicas,
		Spec: f.spec(), Objective: &sim.Objective{Quantile: 0.95, Limit: 500 * time.Millisecond}, Seed: 7, OpenLoop: f.openLoop,
	}
	if f.careless {
		begin.Objective = nil
	} else {
		f.summary.MinutesOver, f.summary.PerfectForesight, f.summary.UnderProvisionedHours, f.summary.OverProvisionedHours = 0, 0, 0, 0
	}
	f.tell(t, begin)
	pending := make([]int, startup)
	for at := time.Duration(0); at < f.length; {
		at += f.tick
		demand := f.demand(at)
		f.step(t, at, demand)
		f.happenings(t, at)
		if !f.fixed {
			f.sync(t, at+time.Duration(f.rng.IntN(40))*time.Millisecond, demand)
		}
		pending = append(pending[1:], int(f.replicas))
		f.ready = min(max(f.ready, pending[0]), int(f.replicas))
	}
	f.tell(t, &sim.End{Run: f.name, At: f.length, Summary: f.summary})
}

func (f *flight) tell(t testing.TB, m sim.Message) {
	t.Helper()
	if err := f.to.Handle(m); err != nil {
		t.Fatal(err)
	}
}

func (f *flight) demand(at time.Duration) float64 {
	wave := math.Sin(2*math.Pi*(at.Seconds()/f.length.Seconds()) - math.Pi/2)
	return math.Round(100*(f.peak*(0.55+0.45*wave)+f.peak*0.04*f.rng.NormFloat64())) / 100
}

func (f *flight) out(at time.Duration) bool { return at > f.outage[0] && at <= f.outage[1] }

func (f *flight) happenings(t testing.TB, at time.Duration) {
	for i, edge := range f.outage {
		if edge > 0 && at == edge {
			text := [2]string{"Prometheus goes away", "Prometheus is back"}[i]
			f.tell(t, &sim.Happening{Run: f.name, At: at, Time: dawn.Add(at), Kind: sim.Outage, Over: i == 1, Text: text})
		}
	}
}

// step serves a tick and tells it.
func (f *flight) step(t testing.TB, at time.Duration, demand float64) {
	s, length := &f.summary, f.tick.Seconds()
	capacity := float64(f.ready) * perPod
	served := min(capacity*length, demand*length+f.waiting)
	f.waiting += demand*length - served
	busy := min(demand/capacity, 0.96)
	p95 := math.Round(1000*(0.06/(1-busy)+f.waiting/capacity)) / 1000
	m := &sim.Tick{
		Run: f.name, At: at, Time: dawn.Add(at),
		Demand: demand, Capacity: capacity, Completed: served, Waiting: f.waiting,
		Desired: f.replicas, Pods: int(f.replicas), Ready: f.ready, Need: max(1, int(math.Ceil(demand/perPod/0.85))),
		P50: p95 / 3, P95: p95, P99: 2 * p95, Objective: p95,
		True: []float64{math.Round(100*demand/float64(f.ready)) / 100, p95},
	}
	if p95 > 0.5 {
		m.Over = length
	}
	if f.fixed {
		m.True = nil
	}
	if f.careless {
		m.Objective, m.Need, m.Over = math.NaN(), 0, 0
	}
	s.Arrived += demand * length
	s.Completed += served
	s.Waiting = f.waiting
	s.ReplicaHours += float64(m.Pods) * length / 3600
	s.MeanReplicas += float64(f.ready) * length / f.length.Seconds()
	s.MaxReplicas = max(s.MaxReplicas, f.ready)
	s.WorstLatency, s.WorstBacklog = max(s.WorstLatency, p95), max(s.WorstBacklog, f.waiting)
	if !f.careless {
		s.MinutesOver += m.Over / 60
		s.PerfectForesight += float64(m.Need) * length / 3600
		s.UnderProvisionedHours += float64(max(0, m.Need-f.ready)) * length / 3600
		s.OverProvisionedHours += float64(max(0, f.ready-m.Need)) * length / 3600
	}
	f.tell(t, m)
}

// sync decides and tells it.
func (f *flight) sync(t testing.TB, at time.Duration, demand float64) {
	spec, now := f.spec(), dawn.Add(at)
	rate := hpa.Reading{}
	p95 := hpa.Reading{Values: []int64{int64(60 / (1 - min(demand/float64(f.ready)/perPod, 0.96)))}}
	seen := &hpa.Observation{Replicas: f.replicas, StatusReplicas: f.replicas}
	for i := range f.replicas {
		pod := hpa.Pod{Name: "web-" + strconv.Itoa(int(i)), Phase: hpa.PodRunning, Ready: hpa.True, ReadySince: dawn, Started: dawn}
		sample := hpa.Sample{Present: true, Milli: int64(demand * 1000 / float64(f.ready)), At: now}
		if int(i) >= f.ready {
			pod.Ready, sample = hpa.False, hpa.Sample{}
		}
		seen.Pods, rate.Pods = append(seen.Pods, pod), append(rate.Pods, sample)
	}
	observed := []sim.Observed{
		{Metric: spec.Metrics[0].Name, Value: float64(rate.Pods[0].Milli) / 1000, Target: 35, Pods: f.ready},
		{Metric: spec.Metrics[1].Name, Value: float64(p95.Values[0]) / 1000, Target: 0.4},
	}
	if f.out(at) {
		err := errors.New("prometheus: connection refused")
		rate, p95 = hpa.Reading{Err: err}, hpa.Reading{Err: err}
		for i := range observed {
			observed[i].Value, observed[i].Pods, observed[i].Err = math.NaN(), 0, err.Error()
		}
	}
	seen.Readings = []hpa.Reading{rate, p95}
	decision, state, err := hpa.Explain(spec, f.state, seen, now)
	if err != nil {
		t.Fatal(err)
	}
	f.state = state
	m := &sim.Sync{Run: f.name, At: at, Time: now, Decision: decision, Reason: reasonOf(state), Conditions: state.Conditions, Observed: observed}
	f.count(decision, m.Reason)
	f.tell(t, m)
	if decision.Outcome == hpa.Rescaled {
		f.replicas = decision.To
		f.ready = min(f.ready, int(f.replicas))
	}
}

func (f *flight) count(d hpa.Decision, r hpa.Reason) {
	s := &f.summary
	s.Syncs++
	s.Reasons[r]++
	if d.Failed {
		s.FailedSyncs++
	}
	if d.Outcome != hpa.Rescaled {
		return
	}
	if d.To > d.From {
		s.ScaleUps++
	} else {
		s.ScaleDowns++
	}
}

// reasonOf is the condition that says most.
func reasonOf(state hpa.State) hpa.Reason {
	best := hpa.ReasonDesiredWithinRange
	for _, c := range state.Conditions {
		if rank(c.Reason) < rank(best) {
			best = c.Reason
		}
	}
	return best
}

// short is fifteen minutes with a wave, an overload and an outage.
func short(name string) *flight {
	return &flight{name: name, length: 15 * time.Minute, tick: 15 * time.Second, peak: 600, max: 12, outage: [2]time.Duration{2 * time.Minute, 4 * time.Minute}}
}

// day is a day with an outage in the morning.
func day(name string) *flight {
	return &flight{name: name, length: 24 * time.Hour, tick: 15 * time.Second, peak: 700, max: 18, outage: [2]time.Duration{6 * time.Hour, 7 * time.Hour}}
}
