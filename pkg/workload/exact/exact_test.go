package exact

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

var everyKind = []struct {
	name   string
	server workload.Server
}{
	{"sync, random", workload.Server{Kind: workload.Sync, Workers: 3, Service: varying(100 * time.Millisecond)}},
	{"sync, round-robin, limit", workload.Server{Kind: workload.Sync, Workers: 3, Service: varying(100 * time.Millisecond), Balancer: workload.RoundRobin, Limit: 7}},
	{"sync, least requests, timeout", workload.Server{Kind: workload.Sync, Workers: 3, Service: varying(100 * time.Millisecond), Balancer: workload.LeastRequests, Timeout: 300 * time.Millisecond}},
	{"sync, warm-up", workload.Server{Kind: workload.Sync, Workers: 3, Service: varying(100 * time.Millisecond), WarmUp: 5 * time.Second, WarmUpSpeed: 0.2}},
	{"async, random, limit", workload.Server{Kind: workload.Async, Workers: 2, Service: varying(50 * time.Millisecond), Delay: varying(time.Second), Limit: 30}},
	{"async, random, timeout", workload.Server{Kind: workload.Async, Workers: 2, Service: varying(50 * time.Millisecond), Delay: varying(time.Second), Timeout: 2 * time.Second}},
	{"async, least requests, timeout, warm-up", workload.Server{Kind: workload.Async, Workers: 2, Service: varying(50 * time.Millisecond), Balancer: workload.LeastRequests, Timeout: 300 * time.Millisecond, WarmUp: time.Second, WarmUpSpeed: 0.5}},
	{"queue", workload.Server{Kind: workload.Queue, Workers: 3, Service: varying(100 * time.Millisecond)}},
	{"queue, prefetch, timeout", workload.Server{Kind: workload.Queue, Workers: 3, Service: varying(100 * time.Millisecond), Prefetch: 3, Timeout: time.Second}},
	{"linear", workload.Server{Kind: workload.Linear, Service: varying(100 * time.Millisecond)}},
	{"linear, timeout", workload.Server{Kind: workload.Linear, Service: varying(100 * time.Millisecond), Timeout: 150 * time.Millisecond}},
}

func varying(mean time.Duration) workload.Time { return workload.Time{Mean: mean, SCV: 2} }

// Whatever pods come and go, no request is lost from the books: neither of the
// fleet, nor of a pod, nor of the steps.
func TestRequestsAreConserved(t *testing.T) {
	for _, kind := range everyKind {
		t.Run(kind.name, func(t *testing.T) {
			run := play(t, kind.server, 1)
			for i, s := range run {
				w := s.Whole
				if w.Arrived != w.Completed+w.Failed+w.Dropped+w.Waiting+w.InService {
					t.Fatalf("step %d: %+v does not add up", i, w)
				}
				pods := 0.0
				for id, c := range s.Pods {
					if c.Arrived != c.Completed+c.Failed+c.InFlight {
						t.Fatalf("step %d: pod %d: %+v does not add up", i, id, c)
					}
					if last := c.Buckets[len(c.Buckets)-1]; last != c.Completed {
						t.Fatalf("step %d: pod %d: +Inf bucket has %v of %v", i, id, last, c.Completed)
					}
					if !slices.IsSorted(c.Buckets) {
						t.Fatalf("step %d: pod %d: buckets %v fall", i, id, c.Buckets)
					}
					pods += c.InFlight
				}
				if pods+w.Ready != w.Waiting+w.InService {
					t.Fatalf("step %d: pods have %v and the queue %v of %+v", i, pods, w.Ready, w)
				}
				if limit := kind.server.Timeout.Seconds(); limit > 0 && s.Slowest > limit*1.01 {
					t.Fatalf("step %d: a request took %vs", i, s.Slowest)
				}
			}
			sum, last := workload.Totals{}, run[len(run)-1].Whole
			for _, s := range run {
				sum.Arrived += s.Step.Arrived
				sum.Completed += s.Step.Completed
				sum.Failed += s.Step.Failed
				sum.Dropped += s.Step.Dropped
			}
			if diff := cmp.Diff(last, sum, cmpopts.IgnoreFields(workload.Totals{}, "Waiting", "InService", "Ready")); diff != "" {
				t.Errorf("the steps do not add up to the whole (-whole +steps):\n%s", diff)
			}
			if last.Completed == 0 || last.Waiting+last.InService != 0 && kind.server.Kind != workload.Queue {
				t.Errorf("nothing was served, or something is held without pods: %+v", last)
			}
		})
	}
}

func TestEqualSeedsGiveEqualHistories(t *testing.T) {
	for _, kind := range everyKind {
		t.Run(kind.name, func(t *testing.T) {
			one, same, other := play(t, kind.server, 1), play(t, kind.server, 1), play(t, kind.server, 2)
			if diff := cmp.Diff(one, same, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("two runs of one seed differ:\n%s", diff)
			}
			if cmp.Equal(one, other, cmpopts.EquateNaNs()) {
				t.Error("two seeds give one history")
			}
		})
	}
}

// A scene is what can be seen of a fleet after a step.
type scene struct {
	Step    workload.Step
	Whole   workload.Totals
	Pods    map[int]workload.Counts
	Slowest float64
}

// play has pods join, drain and leave by chance under a changing load, and ends
// without any.
func play(t *testing.T, server workload.Server, seed uint64) []scene {
	t.Helper()
	fleet, err := NewFleet(server.WithDefaults(), workload.Options{Seed: seed, Bounds: []float64{0.05, 0.1, 0.3, 1}, Quantiles: []float64{0.5, 1}})
	if err != nil {
		t.Fatal(err)
	}
	script := rand.New(rand.NewPCG(7, 7))
	var pods, scenes = []int{}, []scene{}
	for i := range 300 {
		switch script.IntN(6) {
		case 0:
			fleet.Join(i)
			pods = append(pods, i)
		case 1:
			if len(pods) > 0 {
				fleet.Drain(pods[script.IntN(len(pods))])
			}
		case 2:
			if len(pods) > 0 {
				n := script.IntN(len(pods))
				fleet.Leave(pods[n])
				pods = slices.Delete(pods, n, n+1)
			}
		}
		if i == 299 {
			for _, id := range pods {
				fleet.Leave(id)
			}
			pods = nil
		}
		step := fleet.Advance(time.Duration(script.IntN(1000))*time.Millisecond, script.Float64()*60)
		step.Latency = slices.Clone(step.Latency)
		s := scene{Step: step, Whole: fleet.Whole(), Pods: map[int]workload.Counts{}, Slowest: fleet.Latency(1)}
		for _, id := range pods {
			var c workload.Counts
			fleet.Pod(id, &c)
			s.Pods[id] = c
		}
		scenes = append(scenes, s)
	}
	return scenes
}

func TestAFleetRefusesAServerThatCannotBe(t *testing.T) {
	_, err := NewFleet(workload.Server{Kind: "threads", Workers: 4, Service: varying(time.Second)}, workload.Options{})
	if err == nil || !strings.Contains(err.Error(), `kind: "threads" is unknown`) {
		t.Errorf("error %v", err)
	}
}

// A fleet to tell stories about: requests come when the test says so, and take
// the work that it says.
type stage struct {
	*fleet
	t *testing.T
}

func newStage(t *testing.T, server workload.Server, pods int) *stage {
	t.Helper()
	server.Service.Mean = time.Second
	s := &stage{steady(t, server, pods, 1), t}
	s.ladder = newLadder([]float64{1, 2, 5})
	for _, p := range s.pods {
		p.buckets = make([]uint64, 4)
	}
	return s
}

// request arrives some seconds after the last Advance.
func (s *stage) request(after, work float64) {
	s.count.arrived++
	s.entrance.arrive(request{arrived: s.now + after, work: work})
}

// pass lets seconds pass without arrivals of their own.
func (s *stage) pass(seconds float64) workload.Step {
	return s.Advance(time.Duration(seconds*float64(time.Second)), 0)
}

func (s *stage) pod(id int) workload.Counts {
	var c workload.Counts
	s.Pod(id, &c)
	return c
}

func (s *stage) want(what string, got, want any) {
	s.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestWorkersServeInTheOrderOfArrival(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 2, CPU: 500 * time.Millisecond, Background: 0.1}, 1)
	s.request(0, 4) // ends at 4
	s.request(0, 1) // ends at 1
	s.request(0, 3) // waits until 1, ends at 4
	s.request(2, 2) // waits until 4, ends at 6
	s.pass(3)
	s.want("after 3s", s.Whole(), workload.Totals{Arrived: 4, Completed: 1, Waiting: 1, InService: 2})
	s.pass(4)
	s.want("after 7s", s.pod(0), workload.Counts{
		Arrived: 4, Completed: 4, Seconds: 4 + 1 + 4 + 4, Buckets: []float64{1, 1, 4, 4},
		Busy: 10, CPU: 10*0.5 + 7*0.1,
	})
}

func TestRequestsOfALoopShareItsProcessor(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Async, Workers: 1}, 1)
	s.request(0, 2)
	s.request(1, 2) // both share from 1 until 3, when the first is done; the second ends at 4
	s.pass(2)
	s.want("busy after 2s", s.pod(0).Busy, 2.0)
	s.pass(1.5)
	s.want("after 3.5s", s.Whole(), workload.Totals{Arrived: 2, Completed: 1, InService: 1})
	s.pass(6.5)
	s.want("after 10s", s.pod(0), workload.Counts{
		Arrived: 2, Completed: 2, Seconds: 3 + 3, Buckets: []float64{0, 0, 2, 2}, Busy: 4, CPU: 4,
	})
}

func TestADelayCostsNothing(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Async, Workers: 1}, 1)
	s.entrance.arrive(request{delay: 5, work: 1})
	s.entrance.arrive(request{delay: 5, work: 1})
	s.pass(6)
	s.want("after 6s", s.pod(0), workload.Counts{Arrived: 2, InFlight: 2, Buckets: []float64{0, 0, 0, 0}, Busy: 1, CPU: 1})
	s.pass(2)
	s.want("seconds", s.pod(0).Seconds, 14.0)
}

func TestWhoTakesTooLongFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		server workload.Server
		busy   float64
	}{
		{"out of the hands of a worker, and out of the queue", workload.Server{Kind: workload.Sync, Workers: 1}, 3},
		{"in a queue that all share", workload.Server{Kind: workload.Queue, Workers: 1}, 3},
		{"held by a pod", workload.Server{Kind: workload.Queue, Workers: 1, Prefetch: 5}, 3},
		// It has got 1/3 s of its loop by then, and has that for itself afterwards.
		{"off the loop", workload.Server{Kind: workload.Async, Workers: 1}, 2 + 2.0/3},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.server.Timeout = 2 * time.Second
			s := newStage(t, c.server, 1)
			s.request(0, 5) // fails at 2
			s.request(0, 5) // fails at 2
			s.request(1, 1) // completes
			step := s.pass(2.5)
			s.want("failed", step.Failed, 2.0)
			s.want("latency is the timeout", math.Abs(s.Latency(0.5)-2) < 0.01, true)
			s.pass(3)
			s.want("in the end", s.Whole(), workload.Totals{Arrived: 3, Failed: 2, Completed: 1})
			s.want("busy", s.pod(0).Busy, c.busy)
		})
	}
}

func TestWhoIsTooManyIsDropped(t *testing.T) {
	for _, c := range []struct {
		name   string
		server workload.Server
	}{
		{"by the pod, which counts those in service", workload.Server{Kind: workload.Sync, Workers: 2, Limit: 3}},
		{"by the loop", workload.Server{Kind: workload.Async, Workers: 1, Limit: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.server, 1)
			for range 5 {
				s.request(0, 1)
			}
			s.want("dropped", s.pass(10).Dropped, 2.0)
			s.request(0, 1)
			s.want("in the end", s.pass(10).Completed, 1.0)
			s.want("arrived at the pod", s.pod(0).Arrived, 4.0)
		})
	}
}

func TestAPodThatDrainsFinishesWhatItHas(t *testing.T) {
	for _, balancer := range []workload.Balancer{workload.Random, workload.RoundRobin, workload.LeastRequests} {
		t.Run(string(balancer), func(t *testing.T) {
			s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 1, Balancer: balancer}, 1)
			s.request(0, 1)
			s.request(0, 1)
			s.Drain(0)
			s.request(0, 1)
			step := s.pass(1.5)
			s.want("dropped, as nobody takes it", step.Dropped, 1.0)
			s.want("utilization without a taking pod", step.Utilization, math.Inf(1))
			s.want("one is still there when the pod leaves", s.Leave(0), 1.0)
			s.want("in the end", s.Whole(), workload.Totals{Arrived: 3, Completed: 1, Failed: 1, Dropped: 1})
			s.want("the next step tells of it", s.pass(1).Failed, 1.0)
			s.want("a pod that left", s.pod(0), workload.Counts{})
		})
	}
}

func TestTasksOfAPodThatLeavesGoBackToTheirPlace(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Queue, Workers: 1, Prefetch: 1}, 1)
	s.request(0, 5)
	s.request(1, 1) // held
	s.request(2, 1) // in the queue
	s.pass(3)
	s.want("before", s.Whole(), workload.Totals{Arrived: 3, Waiting: 2, InService: 1, Ready: 1})
	s.want("left", s.Leave(0), 2.0)
	s.want("without pods", s.Whole(), workload.Totals{Arrived: 3, Waiting: 3, Ready: 3})
	s.Join(1)
	s.want("a pod takes the oldest", s.Whole(), workload.Totals{Arrived: 3, Waiting: 2, InService: 1, Ready: 1})
	s.pass(5.5) // the first, anew, from 3 until 8
	s.want("after 8.5s", s.Whole(), workload.Totals{Arrived: 3, Completed: 1, Waiting: 1, InService: 1})
	s.pass(2)
	s.want("seconds", s.pod(1).Seconds, 8.0+(9-1)+(10-2))
}

func TestTasksThatWentBackAreServedByAge(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Queue, Workers: 2, Prefetch: 1}, 2)
	for i, work := range []float64{5, 10, 10, 10, 10, 10, 10, 1} { // the even ones to pod 0, the odd ones to pod 1
		s.request(float64(i)/100, work)
	}
	s.pass(1)
	s.want("held", s.held(), []float64{4, 4})
	s.Leave(0)
	s.want("pod 1 is full", s.Whole(), workload.Totals{Arrived: 8, Waiting: 6, InService: 2, Ready: 4})
	s.pass(15)
	s.want("after 16s", s.Whole(), workload.Totals{Arrived: 8, Completed: 3, Waiting: 3, InService: 2, Ready: 1})
	s.pass(30)
	// 1 and 3 are done at 10.01 and 10.03. Then come 5, which is the oldest there and
	// makes room for 0, and 0, 2, 4, 6 and 7.
	s.want("seconds", s.pod(1).Seconds, 10+10+(20.01-0.05)+15.03+(25.03-0.02)+(30.01-0.04)+(35.03-0.06)+(31.01-0.07))
}

func TestATaskThatWentBackMayTimeOutBehindAYoungerOne(t *testing.T) {
	for _, c := range []struct {
		name string
		work float64 // of the younger one
		then func(*stage)
		want workload.Totals
	}{
		{"that is slow", 100, func(*stage) {}, workload.Totals{Arrived: 3, Failed: 1, Waiting: 1, InService: 1}},
		// From 2 until 5 and 10.
		{"but not one that ends in time", 3, func(*stage) {}, workload.Totals{Arrived: 3, Completed: 2, InService: 1}},
		{"even while it drains", 3, func(s *stage) { s.Drain(1) }, workload.Totals{Arrived: 3, Completed: 2, Waiting: 1, Ready: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, workload.Server{Kind: workload.Queue, Workers: 1, Prefetch: 1, Timeout: 10 * time.Second}, 2)
			s.request(0, 1)
			s.request(0, 1) // both are done at 1
			s.pass(1)
			s.request(0, 5)      // to pod 0, and has time until 11
			s.pass(1)            // until 2
			s.request(0, c.work) // to pod 1
			s.Leave(0)           // the older one goes to pod 1 too, and begins anew
			s.want("held", s.held(), []float64{2})
			s.request(1, 100) // waits for room
			s.want("before", s.Whole().Ready, 1.0)
			c.then(s)
			s.pass(9.5) // until 11.5
			got := s.Whole()
			got.Arrived -= 2
			got.Completed -= 2
			s.want("after", got, c.want)
		})
	}
}

func TestWhatIsLinearTimesOutToo(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Linear, Timeout: 2 * time.Second}, 1)
	s.request(0, 1)
	s.request(0, 3)
	s.pass(5)
	s.want("in the end", s.pod(0), workload.Counts{
		Arrived: 2, Completed: 1, Failed: 1, Seconds: 1, Buckets: []float64{1, 1, 1, 1}, Busy: 3,
	})
}

func TestPodsWithRoomGetTasksInRotation(t *testing.T) {
	s := newStage(t, workload.Server{Kind: workload.Queue, Workers: 1, Prefetch: 1}, 3)
	for range 4 {
		s.request(0, 10)
	}
	s.want("held", s.held(), []float64{2, 1, 1})
	s.Drain(1)
	for range 3 {
		s.request(0, 10)
	}
	s.want("held", s.held(), []float64{2, 1, 2})
	s.want("queued", s.Whole().Ready, 2.0)
}

// held is how many requests each pod has.
func (s *stage) held() []float64 {
	var held []float64
	for _, p := range s.pods {
		held = append(held, s.pod(p.id).InFlight)
	}
	return held
}

func TestBalancersSpreadRequests(t *testing.T) {
	t.Run("round-robin: one pod after the other", func(t *testing.T) {
		s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 1, Balancer: workload.RoundRobin}, 3)
		s.request(0, 1)
		s.request(0, 9)
		s.request(0, 9)
		s.request(0, 9)
		s.request(2, 9)
		s.pass(3)
		s.want("held", s.held(), []float64{1, 2, 1})
	})
	t.Run("least requests: those with the fewest take turns", func(t *testing.T) {
		s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 1, Balancer: workload.LeastRequests}, 3)
		s.request(0, 1) // pod 0
		s.request(0, 9) // pod 1
		s.request(0, 1) // pod 2
		s.request(0, 9) // pod 0, the turn after pod 2
		s.want("held", s.held(), []float64{2, 1, 1})
		s.request(2, 9) // pods 0 and 1 have one, pod 2 none
		s.request(2, 9) // all have one: the turn after pod 2
		s.request(2, 9)
		s.pass(3)
		s.want("held", s.held(), []float64{2, 2, 1})
	})
	t.Run("least requests: those without any take turns too", func(t *testing.T) {
		s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 1, Balancer: workload.LeastRequests}, 3)
		for range 7 {
			s.request(0, 0.1)
			s.pass(1)
		}
		s.want("arrived", []float64{s.pod(0).Arrived, s.pod(1).Arrived, s.pod(2).Arrived}, []float64{3, 2, 2})
	})
	t.Run("random: all alike", func(t *testing.T) {
		s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 1, Balancer: workload.Random}, 3)
		for range 3000 {
			s.request(0, 1000)
		}
		for _, n := range s.held() {
			if math.Abs(n-1000) > 4*math.Sqrt(3000.0/3*2/3) {
				t.Errorf("%v of 3000 requests went to one of three pods", n)
			}
		}
	})
}

// A balancer that knows more makes fewer wait.
func TestBetterBalancersMakeLatencyShorter(t *testing.T) {
	for _, server := range []workload.Server{
		{Kind: workload.Sync, Workers: 2, Service: varying(time.Second)},
		{Kind: workload.Async, Workers: 1, Service: varying(time.Second)},
	} {
		p95 := func(b workload.Balancer) float64 {
			server.Balancer = b
			f := steady(t, server, 5, 1)
			advance(f, 100_000, 5*0.9*float64(server.Workers))
			return f.Latency(0.95)
		}
		random, roundRobin, least := p95(workload.Random), p95(workload.RoundRobin), p95(workload.LeastRequests)
		if !(least < 0.9*roundRobin && roundRobin < 0.9*random) {
			t.Errorf("%s: p95 is %.1f with least requests, %.1f with round-robin, %.1f with random", server.Kind, least, roundRobin, random)
		}
	}
}

func TestANewPodWarmsUp(t *testing.T) {
	// Half speed rising to full in 10 s: 7.5 s of work in the first 10, and 0.5+0.025
	// in the first.
	for _, kind := range []workload.Kind{workload.Sync, workload.Async} {
		t.Run(string(kind), func(t *testing.T) {
			server := workload.Server{Kind: kind, Workers: 1, WarmUp: 10 * time.Second, WarmUpSpeed: 0.5}
			s := newStage(t, server, 1)
			s.request(0, 0.525) // ends at 1
			s.pass(0.99)
			s.want("before", s.Whole().Completed, 0.0)
			s.pass(0.02)
			s.want("after", s.Whole().Completed, 1.0)

			s = newStage(t, server, 1)
			s.request(0, 8.5) // ends at 11
			step := s.Advance(10*time.Second, 0)
			s.pass(10)
			s.want("seconds", s.pod(0).Seconds, 11.0)
			s.want("utilization of nothing", step.Utilization, 0.0)
		})
	}
	s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 4, WarmUp: 10 * time.Second, WarmUpSpeed: 0.5}, 2)
	s.want("utilization while it warms up", s.Advance(10*time.Second, 3).Utilization, 3/(8*0.75))
	s.want("utilization when it is warm", s.Advance(10*time.Second, 16).Utilization, 2.0)
}

func TestQuantilesOfAStepAndOfALap(t *testing.T) {
	f, err := NewFleet(workload.Server{Kind: workload.Linear, Service: workload.Time{Mean: time.Second, SCV: 1}}.WithDefaults(),
		workload.Options{Quantiles: []float64{0.5, 0.99}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]float64{"whole": f.Latency(0.5), "lap": f.Lapped(0.5), "step": f.Advance(time.Second, 10).Latency[0]} {
		if !math.IsNaN(v) {
			t.Errorf("%s: %v of no requests", name, v)
		}
	}
	f.Join(0)
	step := f.Advance(10_000*time.Second, 100)
	for i, q := range []float64{0.5, 0.99} {
		want := -math.Log(1 - q)
		for name, v := range map[string]float64{"whole": f.Latency(q), "lap": f.Lapped(q), "step": step.Latency[i]} {
			if math.Abs(v-want) > 0.01*want {
				t.Errorf("%s: quantile %v is %v, not %v", name, q, v, want)
			}
		}
	}
	f.Lap()
	f.Advance(time.Second, 0)
	if f.Lapped(1) > 100 || f.Lapped(1) == f.Latency(1) || math.IsNaN(f.Lapped(1)) {
		t.Errorf("the new lap has %v of %v", f.Lapped(1), f.Latency(1))
	}
}
