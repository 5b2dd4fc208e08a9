package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// servers are one of each way to serve.
func servers() map[string]Server {
	tenth := Time{100 * time.Millisecond, 1}
	return map[string]Server{
		"sync random":         {Kind: Sync, Workers: 4, Service: tenth, CPU: 50 * time.Millisecond},
		"sync round-robin":    {Kind: Sync, Workers: 2, Service: Time{tenth.Mean, 0.25}, Balancer: RoundRobin},
		"sync least-requests": {Kind: Sync, Workers: 2, Service: Time{tenth.Mean, 4}, Balancer: LeastRequests},
		"sync with timeout":   {Kind: Sync, Workers: 2, Service: tenth, Timeout: 2 * time.Second},
		"sync with limit":     {Kind: Sync, Workers: 2, Service: tenth, Limit: 20},
		"sync that warms up":  {Kind: Sync, Workers: 2, Service: tenth, WarmUp: 30 * time.Second, WarmUpSpeed: 0.3},
		"async":               {Kind: Async, Workers: 2, Service: Time{10 * time.Millisecond, 1}, Delay: tenth},
		"async of long work":  {Kind: Async, Workers: 1, Service: Time{tenth.Mean, 4}},
		"async with timeout":  {Kind: Async, Workers: 2, Service: Time{10 * time.Millisecond, 1}, Delay: tenth, Timeout: time.Second},
		"async with limit":    {Kind: Async, Workers: 1, Service: Time{10 * time.Millisecond, 4}, Limit: 50},
		"queue":               {Kind: Queue, Workers: 4, Service: tenth, Prefetch: 3},
		"queue with timeout":  {Kind: Queue, Workers: 4, Service: Time{tenth.Mean, 0}, Timeout: 5 * time.Second},
		"linear":              {Kind: Linear, Service: tenth, CPU: time.Millisecond},
	}
}

func mustFleet(t testing.TB, s Server, o Options) *fleet {
	t.Helper()
	f, err := NewFleet(s.WithDefaults(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*fleet)
}

var options = Options{Bounds: []float64{0.05, 0.1, 0.25, 0.5, 1, 5}, Quantiles: []float64{0.5, 0.95, 0.99}}

// TestRequestsAreConserved lets pods come and go at random under random load.
func TestRequestsAreConserved(t *testing.T) {
	for name, server := range servers() {
		t.Run(name, func(t *testing.T) {
			f := mustFleet(t, server, options)
			rng := rand.New(rand.NewPCG(1, 2))
			last := map[int]Counts{}
			next, rate := 0, 0.0
			for step := range 4000 {
				if rng.IntN(30) == 0 {
					rate = 400 * rng.Float64() * rng.Float64()
				}
				switch id := rng.IntN(max(1, next)); rng.IntN(40) {
				case 0, 1:
					f.Join(next)
					next++
				case 2:
					f.Drain(id)
				case 3:
					f.Leave(id)
					delete(last, id)
				}
				s := f.Advance(time.Second, rate)
				checkStep(t, s)
				checkTotals(t, step, f.Whole())
				for _, id := range slices.Clone(f.pods.ids) {
					var c Counts
					f.Pod(id, &c)
					checkCounters(t, id, last[id], c)
					last[id] = c
				}
				if len(f.cohorts) > 40 {
					t.Fatalf("step %d: %d cohorts", step, len(f.cohorts))
				}
				if t.Failed() {
					t.Fatalf("step %d, rate %v, pods %d, %+v, %+v", step, rate, len(f.pods.ids), s, f.Whole())
				}
			}
		})
	}
}

func checkStep(t *testing.T, s Step) {
	t.Helper()
	for what, n := range map[string]float64{"arrived": s.Arrived, "completed": s.Completed, "failed": s.Failed, "dropped": s.Dropped, "utilization": s.Utilization} {
		if !(n >= 0) {
			t.Errorf("%s: %v", what, n)
		}
	}
	before := 0.0
	for _, l := range s.Latency {
		if math.IsNaN(l) && s.Completed == 0 {
			continue
		}
		if !(l >= before*(1-2e-3)) || math.IsInf(l, 0) {
			t.Errorf("latencies %v do not rise", s.Latency)
		}
		before = l
	}
}

func checkTotals(t *testing.T, step int, w Totals) {
	t.Helper()
	sum := w.Completed + w.Failed + w.Dropped + w.Waiting + w.InService
	if !(math.Abs(sum-w.Arrived) <= 1e-9*w.Arrived+1e-9) {
		t.Errorf("step %d: %v arrived, but %v are accounted for: %+v", step, w.Arrived, sum, w)
	}
	for what, n := range map[string]float64{"waiting": w.Waiting, "in service": w.InService, "ready": w.Ready} {
		if !(n >= -1e-9) {
			t.Errorf("step %d: %s: %v", step, what, n)
		}
	}
}

func checkCounters(t *testing.T, id int, before, c Counts) {
	t.Helper()
	if c.Arrived < before.Arrived || c.Completed < before.Completed || c.Failed < before.Failed ||
		c.Seconds < before.Seconds || c.CPU < before.CPU || c.Busy < before.Busy {
		t.Errorf("pod %d: a counter fell: %+v, then %+v", id, before, c)
	}
	for i, n := range c.Buckets {
		if i < len(before.Buckets) && n < before.Buckets[i] {
			t.Errorf("pod %d: bucket %d fell from %v to %v", id, i, before.Buckets[i], n)
		}
		if i > 0 && n < c.Buckets[i-1]-1e-9*n {
			t.Errorf("pod %d: bucket %d has %v, less than the one before: %v", id, i, n, c.Buckets)
		}
	}
	if last := c.Buckets[len(c.Buckets)-1]; math.Abs(last-c.Completed) > 1e-6*(1+last) {
		t.Errorf("pod %d: the last bucket has %v of %v completed", id, last, c.Completed)
	}
}

func TestEqualCallsGiveEqualAnswers(t *testing.T) {
	for name, server := range servers() {
		run := func() string {
			f := mustFleet(t, server, options)
			text := ""
			for i := range 300 {
				if i%20 == 0 {
					f.Join(i)
				}
				if i%70 == 0 {
					f.Drain(i / 70 * 20)
				}
				text += fmt.Sprintln(f.Advance(time.Second, float64(i%100)))
			}
			return text + fmt.Sprintln(f.Whole(), f.Latency(0.95), f.Lapped(0.5))
		}
		if a, b := run(), run(); a != b {
			t.Errorf("%s: two runs differ", name)
		}
	}
}

// settled is a step after a long time at a rate.
func settled(t testing.TB, s Server, pods int, rate float64) Step {
	f := mustFleet(t, s, options)
	for id := range pods {
		f.Join(id)
	}
	var step Step
	for range 3000 {
		step = f.Advance(time.Second, rate)
	}
	return step
}

func TestMoreLoadIsNeverQuickerAndMorePodsNeverSlower(t *testing.T) {
	for name, server := range servers() {
		if server.Kind == Linear || server.Limit > 0 || server.Timeout > 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			before := 0.0
			for i := 1; i < 20; i++ {
				p95 := settled(t, server, 4, 4*server.WithDefaults().Capacity()*float64(i)/20).Latency[1]
				if p95 < before*(1-2e-3) {
					t.Errorf("p95 falls from %v to %v at %d/20 of capacity", before, p95, i)
				}
				before = p95
			}
			rate := 3.7 * server.WithDefaults().Capacity()
			before = math.Inf(1)
			for pods := 4; pods < 12; pods++ {
				p95 := settled(t, server, pods, rate).Latency[1]
				if p95 > before*(1+5e-3) {
					t.Errorf("p95 rises from %v to %v with pod %d", before, p95, pods)
				}
				before = p95
			}
		})
	}
}

// TestTheLongRunForgetsHowItBegan: what stands still for long is the same, whether
// load came at once, rose slowly, or fell from far too much.
func TestTheLongRunForgetsHowItBegan(t *testing.T) {
	for name, server := range servers() {
		if server.Kind == Linear || server.Limit > 0 || server.Timeout > 0 || server.WarmUp > 0 {
			continue
		}
		for _, load := range []float64{0.5, 0.8, 0.85, 0.9, 0.95} {
			rate := load * 2 * server.WithDefaults().Capacity()
			after := func(before func(second float64) float64) float64 {
				f := mustFleet(t, server, options)
				f.Join(1)
				f.Join(2)
				for i := range 600 {
					f.Advance(time.Second, rate*before(float64(i)/600))
				}
				for range 10_000 {
					f.Advance(time.Second, rate)
				}
				return f.Advance(time.Second, rate).Latency[1]
			}
			at := after(func(float64) float64 { return 1 })
			what := fmt.Sprintf("%s at %v: p95 ", name, load)
			near(t, what+"after a slow rise", after(func(x float64) float64 { return x }), at, 0.01)
			near(t, what+"after an overload", after(func(x float64) float64 { return 1.5 - x/2 }), at, 0.01)
		}
	}
}

// TestLatencyDoesNotJump: through an overload that comes and goes slowly, nothing
// comes at once.
func TestLatencyDoesNotJump(t *testing.T) {
	for name, server := range servers() {
		if server.Kind == Linear || server.Limit > 0 || server.Timeout > 0 || server.WarmUp > 0 {
			continue
		}
		f := mustFleet(t, server, options)
		f.Join(1)
		f.Join(2)
		before := 0.0
		for i := range 900 {
			x := float64(i) / 300
			load := max(0.6, min(0.55+0.7*x, 1.9-0.65*x))
			p95 := f.Advance(time.Second, load*2*server.WithDefaults().Capacity()).Latency[1]
			if i > 0 && p95 > before*1.25+0.1 {
				t.Errorf("%s at second %d, load %.2f: p95 rises from %.3v to %.3v", name, i, load, before, p95)
			}
			before = p95
		}
	}
}

// TestADrainEndsInTheSteadyState: stations that have lost their backlog are as busy
// as others, while some still have one.
func TestADrainEndsInTheSteadyState(t *testing.T) {
	f := mustFleet(t, Server{Kind: Sync, Service: Time{100 * time.Millisecond, 1}}, options)
	f.Join(1)
	for range 300 {
		f.Advance(time.Second, 12)
	}
	const steady = 0.6 / (1 - 0.6)
	for i := range 600 {
		f.Advance(time.Second, 6)
		if w := f.Whole(); w.Waiting+w.InService < 0.9*steady {
			t.Fatalf("%v requests after %d seconds, fewer than in the long run: %v", w.Waiting+w.InService, i, steady)
		}
	}
	w := f.Whole()
	near(t, "requests in the end", w.Waiting+w.InService, steady, 0.01)
}

func TestOverloadGrowsByWhatIsTooMuch(t *testing.T) {
	for _, name := range []string{"sync random", "sync round-robin", "sync least-requests", "async", "queue"} {
		server := servers()[name]
		f := mustFleet(t, server, options)
		f.Join(1)
		f.Join(2)
		capacity := 2 * server.WithDefaults().Capacity()
		for range 100 {
			f.Advance(time.Second, 1.5*capacity)
		}
		before := f.Whole()
		s := f.Advance(time.Second, 1.5*capacity)
		after := f.Whole()
		near(t, name+": growth of the backlog", after.Waiting+after.InService-before.Waiting-before.InService, 0.5*capacity, 5e-3)
		near(t, name+": throughput", s.Completed, capacity, 5e-3)
		near(t, name+": utilization", s.Utilization, 1.5, 1e-9)
	}
}

// TestAnOldBacklogStaysWhereItIs: new pods relieve old ones of arrivals only.
func TestAnOldBacklogStaysWhereItIs(t *testing.T) {
	f := mustFleet(t, servers()["sync random"], options)
	f.Join(1)
	for range 60 {
		f.Advance(time.Second, 80) // of 40
	}
	f.Join(2)
	var old, young Counts
	f.Pod(1, &old)
	held := old.InFlight
	for range 10 {
		f.Advance(time.Second, 40)
	}
	f.Pod(1, &old)
	f.Pod(2, &young)
	near(t, "the old pod drains by what it no longer gets", held-old.InFlight, 200, 0.02)
	if young.InFlight > 5 {
		t.Errorf("the young pod holds %v", young.InFlight)
	}
	for range 300 {
		f.Advance(time.Second, 40)
	}
	if len(f.cohorts) != 1 {
		t.Errorf("%d cohorts after a long time, want one", len(f.cohorts))
	}
}

func TestAPodThatDrainsFinishesWhatItHas(t *testing.T) {
	f := mustFleet(t, servers()["sync random"], options)
	f.Join(1)
	f.Join(2)
	for range 30 {
		f.Advance(time.Second, 70)
	}
	f.Drain(1)
	for range 10 {
		f.Advance(time.Second, 20)
	}
	if left := f.Leave(1); left > 1e-6 {
		t.Errorf("%v left", left)
	}
	if failed := f.Whole().Failed; failed > 1e-6 {
		t.Errorf("%v failed", failed)
	}
}

func TestAPodThatLeavesLosesWhatItHas(t *testing.T) {
	f := mustFleet(t, servers()["sync random"], options)
	f.Join(1)
	for range 30 {
		f.Advance(time.Second, 80)
	}
	left := f.Leave(1)
	near(t, "left", left, 30*40, 0.02)
	if s := f.Advance(time.Second, 10); s.Failed != left || s.Dropped != 10 || !math.IsInf(s.Utilization, 1) {
		t.Errorf("%+v: want %v failed, 10 dropped", s, left)
	}
}

func TestAQueueTakesTasksBack(t *testing.T) {
	f := mustFleet(t, servers()["queue"], options)
	f.Join(1)
	f.Join(2)
	for range 60 {
		f.Advance(time.Second, 100) // of 80
	}
	before := f.Whole()
	near(t, "both pods hold all they can", before.Waiting-before.Ready, 2*4*3, 1e-6)
	near(t, "left", f.Leave(1), 4+12, 0.01)
	f.Drain(2)
	near(t, "draining hides nothing", f.Whole().Waiting+f.Whole().InService, before.Waiting+before.InService, 1e-9)
	if left := f.Leave(2); math.Abs(left-16) > 0.2 {
		t.Errorf("%v left of 16", left)
	}
	after := f.Whole()
	near(t, "all are ready again", after.Ready, before.Waiting+before.InService, 1e-9)
	if after.Failed != 0 || after.InService != 0 {
		t.Errorf("%+v: want none failed or in service", after)
	}
	f.Advance(time.Second, 10)
	near(t, "a queue keeps what nobody takes", f.Whole().Ready, after.Ready+10, 1e-9)
}

// TestWhatWorkersFetchAheadWaits: tasks that pods hold wait longer than in one queue,
// but not longer than if pods held all; and constant ones, dealt in turn, lose
// nothing. More ahead is never quicker.
func TestWhatWorkersFetchAheadWaits(t *testing.T) {
	for _, scv := range []float64{0, 0.25, 1, 4} {
		server := Server{Kind: Queue, Workers: 2, Service: Time{100 * time.Millisecond, scv}}
		dealt := server
		dealt.Kind, dealt.Balancer = Sync, RoundRobin
		for _, load := range []float64{0.6, 0.9} {
			rate := load * 5 * server.WithDefaults().Capacity()
			before := settled(t, server, 5, rate).Latency[1]
			most := settled(t, dealt, 5, rate).Latency[1]
			for _, ahead := range []int{1, 3, 9} {
				server.Prefetch = ahead
				p95 := settled(t, server, 5, rate).Latency[1]
				if p95 < before || p95 > most*1.005 {
					t.Errorf("SCV %v at %v, %d ahead: p95 is %v, want between %v and %v", scv, load, ahead, p95, before, most)
				}
				before = p95
			}
			server.Prefetch = 0
			if pooled := settled(t, server, 5, rate).Latency[1]; scv > 0 && load > 0.8 && before < 1.2*pooled {
				t.Errorf("SCV %v at %v: p95 of %v ahead is %v, hardly more than %v of one queue", scv, load, 9, before, pooled)
			}
		}
	}
}

func TestNothingEndsWithoutPods(t *testing.T) {
	for name, server := range servers() {
		f := mustFleet(t, server, options)
		s := f.Advance(time.Second, 10)
		if !math.IsNaN(s.Latency[0]) || s.Completed != 0 || !math.IsNaN(f.Latency(0.5)) {
			t.Errorf("%s: %+v, latency %v: want none", name, s, f.Latency(0.5))
		}
		dropped := 10.0
		if server.Kind == Queue {
			dropped = 0
		}
		if s.Dropped != dropped {
			t.Errorf("%s: %v dropped, want %v", name, s.Dropped, dropped)
		}
	}
}

// TestOverloadWithATimeout: of exponential requests, as many complete as there is
// capacity for, and their workers never know that others timed out.
func TestOverloadWithATimeout(t *testing.T) {
	s := settled(t, servers()["sync with timeout"], 1, 30) // of 20
	near(t, "completed", s.Completed, 20, 0.01)
	near(t, "failed", s.Failed, 10, 0.02)
	near(t, "p99", s.Latency[2], 2, 1e-3)
	server := servers()["sync with timeout"]
	server.Service.SCV = 0
	if s := settled(t, server, 1, 30); s.Completed > 0.01 {
		t.Errorf("of constant requests %v complete, want none: every one begins too late", s.Completed)
	}
}

func TestALimitDropsWhatIsTooMuch(t *testing.T) {
	for _, name := range []string{"sync with limit", "async with limit"} {
		server := servers()[name]
		capacity := server.WithDefaults().Capacity()
		f := mustFleet(t, server, options)
		f.Join(1)
		var s Step
		for range 300 {
			s = f.Advance(time.Second, 2*capacity)
		}
		near(t, name+": dropped", s.Dropped, capacity, 0.05)
		var c Counts
		if f.Pod(1, &c); c.InFlight > float64(server.Limit)+1e-9 {
			t.Errorf("%s: %v in flight", name, c.InFlight)
		}
	}
}

func TestWarmUpRaisesCapacity(t *testing.T) {
	f := mustFleet(t, servers()["sync that warms up"], options)
	f.Join(1)
	first := f.Advance(time.Second, 10)
	cold := first.Latency[1]
	near(t, "utilization of a cold pod", first.Utilization, 0.5/(0.3+0.7*0.5/30), 1e-9)
	for range 60 {
		f.Advance(time.Second, 10)
	}
	last := f.Advance(time.Second, 10)
	near(t, "utilization of a warm pod", last.Utilization, 0.5, 1e-9)
	if !(cold > 2*last.Latency[1]) {
		t.Errorf("p95 cold %v, warm %v", cold, last.Latency[1])
	}
}

func TestWhatAPodCounts(t *testing.T) {
	f := mustFleet(t, servers()["sync random"], Options{Bounds: []float64{0.1, 1}})
	f.Join(1)
	for range 1000 {
		f.Advance(time.Second, 4) // a tenth of capacity: nobody waits
	}
	var c Counts
	f.Pod(1, &c)
	near(t, "completed", c.Completed, 4000, 1e-3)
	near(t, "mean latency", c.Seconds/c.Completed, 0.1, 0.01)
	near(t, "busy", c.Busy, 400, 1e-3)
	near(t, "CPU", c.CPU, 200, 1e-3)
	near(t, "in flight", c.InFlight, 0.4, 0.01)
	near(t, "within the mean", c.Buckets[0]/c.Completed, 1-math.Exp(-1), 0.01)
	near(t, "within ten times the mean", c.Buckets[1]/c.Completed, 1-math.Exp(-10), 0.01)
	var none Counts
	if f.Pod(7, &none); none.Completed != 0 || len(none.Buckets) != 0 {
		t.Errorf("a pod that is not there has counted %+v", none)
	}
}

func TestLapsForget(t *testing.T) {
	f := mustFleet(t, servers()["sync random"], options)
	f.Join(1)
	for range 50 {
		f.Advance(time.Second, 60)
	}
	f.Leave(1)
	f.Join(2)
	f.Lap()
	if l := f.Lapped(0.5); !math.IsNaN(l) {
		t.Errorf("an empty lap has latency %v", l)
	}
	for range 50 {
		f.Advance(time.Second, 4)
	}
	near(t, "p95 of the lap", f.Lapped(0.95), 0.3, 0.02)
	if whole := f.Latency(0.95); whole < 5 {
		t.Errorf("p95 of all is %v: it forgot the overload", whole)
	}
}

func BenchmarkAdvance(b *testing.B) {
	for _, c := range []struct {
		name, server string
		load         float64
	}{
		{"steady sync", "sync random", 0.7},
		{"steady async", "async", 0.7},
		{"steady queue", "queue", 0.7},
		{"overloaded sync", "sync random", 1.2},
		{"overloaded async", "async", 1.2},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := servers()[c.server]
			f := mustFleet(b, server, options)
			for id := range 4 {
				f.Join(id)
			}
			rate := c.load * 4 * server.WithDefaults().Capacity()
			for range 100 {
				f.Advance(time.Second, rate)
			}
			b.ReportAllocs()
			for b.Loop() {
				f.Advance(time.Second, rate)
			}
		})
	}
}

func BenchmarkPod(b *testing.B) {
	f := mustFleet(b, servers()["sync random"], options)
	f.Join(1)
	f.Advance(time.Second, 20)
	var c Counts
	b.ReportAllocs()
	for b.Loop() {
		f.Pod(1, &c)
	}
}

// BenchmarkDay is a day of a sine with as many pods as it needs, from nothing.
func BenchmarkDay(b *testing.B) {
	for _, name := range []string{"sync random", "sync round-robin", "sync least-requests", "async", "queue"} {
		b.Run(name, func(b *testing.B) {
			server := servers()[name].WithDefaults()
			demand := Sine(10*server.Capacity(), 6*server.Capacity(), 24*time.Hour).Over(24 * time.Hour)
			for b.Loop() {
				f := mustFleet(b, server, options)
				pods := 0
				for i, rate := range demand.Rates {
					if i%15 == 0 {
						for want := int(rate/server.Capacity()/0.7) + 1; pods != want; {
							if pods < want {
								f.Join(pods)
								pods++
							} else {
								pods--
								f.Leave(pods)
							}
						}
						f.Lapped(0.95)
						f.Lap()
					}
					f.Advance(time.Second, rate)
				}
			}
		})
	}
}
