package workload

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Steps that are added again are those that would have been computed.
func TestStepsAreRepeatedAsTheyWouldBeComputed(t *testing.T) {
	for name, server := range map[string]Server{
		"sync":           {Kind: Sync, Workers: 4, Service: Time{Mean: 80 * time.Millisecond, SCV: 1}},
		"sync, timeout":  {Kind: Sync, Workers: 1, Service: Time{Mean: 80 * time.Millisecond, SCV: 4}, Timeout: 500 * time.Millisecond},
		"async":          {Kind: Async, Workers: 2, Service: Time{Mean: 10 * time.Millisecond, SCV: 1}, Delay: Time{Mean: 50 * time.Millisecond, SCV: 1}},
		"least requests": {Kind: Sync, Workers: 4, Service: Time{Mean: 80 * time.Millisecond, SCV: 1}, Balancer: LeastRequests},
		"queue":          {Kind: Queue, Workers: 4, Service: Time{Mean: 80 * time.Millisecond, SCV: 1}, Prefetch: 3},
		"limit":          {Kind: Sync, Workers: 2, Service: Time{Mean: 80 * time.Millisecond, SCV: 1}, Limit: 12},
	} {
		t.Run(name, func(t *testing.T) {
			options := Options{Quantiles: []float64{0.95}, Bounds: []float64{0.1, 0.5, 2}}
			repeating, computing := mustFleet(t, server, options), mustFleet(t, server, options)
			chance := rand.New(rand.NewPCG(1, 1))
			repeated, pods := 0, 4
			both := func(do func(*fleet)) { do(repeating); do(computing) }
			for id := 1; id <= pods; id++ {
				both(func(f *fleet) { f.Join(id) })
			}
			for range 60 {
				switch chance.IntN(6) {
				case 0:
					pods++
					both(func(f *fleet) { f.Join(pods) })
				case 1:
					both(func(f *fleet) { f.Drain(pods - 1) })
				default:
					both(func(f *fleet) { f.Leave(pods - 1) })
				}
				rate := max(0, chance.Float64()*30-3)
				both(func(f *fleet) { f.Lap() })
				for range 60 {
					if repeating.repeats(time.Second, rate) {
						repeated++
					}
					computing.disturb()
					got, want := repeating.Advance(time.Second, rate), computing.Advance(time.Second, rate)
					agree(t, "completed in a step", got.Completed, want.Completed)
					agree(t, "utilization", got.Utilization, want.Utilization)
					agree(t, "latency of a step", got.Latency[0], want.Latency[0])
				}
				got, want := repeating.Whole(), computing.Whole()
				agree(t, "arrived", got.Arrived, want.Arrived)
				agree(t, "completed", got.Completed, want.Completed)
				agree(t, "failed", got.Failed, want.Failed)
				agree(t, "waiting", got.Waiting, want.Waiting)
				agree(t, "p95 of a lap", repeating.Lapped(0.95), computing.Lapped(0.95))
				var one, other Counts
				for id := 1; id <= pods; id++ {
					repeating.Pod(id, &one)
					computing.Pod(id, &other)
					agree(t, "completed by a pod", one.Completed, other.Completed)
					agree(t, "seconds of a pod", one.Seconds, other.Seconds)
					agree(t, "processor time of a pod", one.CPU, other.CPU)
					for i := range one.Buckets {
						agree(t, "a bucket of a pod", one.Buckets[i], other.Buckets[i])
					}
				}
			}
			if server.Limit == 0 && repeated < 500 { // some are always refused
				t.Errorf("only %d of 3600 steps were repeated", repeated)
			}
		})
	}
}

func agree(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) && math.IsNaN(want) || got == want {
		return
	}
	if !(math.Abs(got-want) <= 1e-7*(1+math.Abs(want))) {
		t.Fatalf("%s: %v, computed %v", what, got, want)
	}
}
