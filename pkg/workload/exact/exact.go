// Package exact is the referee of package workload: a fleet that follows each
// request by itself, from its arrival through its queue and its service to its
// end.
//
//	fleet, err := exact.NewFleet(server, workload.Options{Quantiles: []float64{0.95}, Seed: 1})
//	fleet.Join(1)
//	step := fleet.Advance(time.Second, 40)
//
// It is a discrete-event simulation of exactly what a workload.Server says, with
// no formula and no fluid in it. What it reports is one history that could have
// happened; another seed is another history. The fleet of package workload
// computes what such histories have in common, and does not get slower with their
// requests; docs/accuracy.md says how well.
//
// # Who serves
//
// Arrivals are a Poisson process within each Advance. Service times and delays
// are drawn when a request arrives.
//
// Sync: a pod has one queue, first come first served, and its workers take from
// it. Async: a request goes to one of the loops of its pod, any of them with equal
// chance, waits its Delay and then shares the loop's processor equally with all
// others that are past theirs. Queue: tasks go in rotation to the pods that have
// room, which is Workers × (1 + Prefetch) at a pod; the others wait in the shared
// queue. This is what RabbitMQ does: a task can be held by a busy pod while
// another pod idles. Linear: everything is served at once.
//
// Of LeastRequests, the balancer knows exactly how many requests each pod has,
// and takes turns among those with the fewest.
//
// # What ends early
//
// A request with a Timeout ends when it is over, wherever it is, and frees the
// worker or the share of the processor that it has. Its latency is the Timeout.
// Requests of a pod that leaves have failed and have no latency; tasks of a Queue
// go back to their place in it, by age, and their service begins anew. A pod that
// drains finishes what it holds.
//
// # Warm-up
//
// The speed of service of a new pod rises linearly from WarmUpSpeed to 1.
// Delays take as long as ever.
package exact

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// NewFleet is a fleet without pods that follows each request. Equal options and
// equal calls give equal answers. It takes the server as it is: call WithDefaults
// first. The error joins everything that is wrong with the server.
func NewFleet(server workload.Server, o workload.Options) (workload.Fleet, error) {
	if err := server.Validate(); err != nil {
		return nil, err
	}
	return newFleet(server, o), nil
}

// stream is the second half of the generator's seed: any number, always the same.
const stream = 0x9e3779b97f4a7c15

func newFleet(server workload.Server, o workload.Options) *fleet {
	rng := rand.New(rand.NewPCG(o.Seed, stream))
	f := &fleet{
		server:    server,
		quantiles: o.Quantiles,
		ladder:    newLadder(o.Bounds),
		rng:       rng,
		service:   sampler(server.Service, rng),
		delay:     sampler(server.Delay, rng),
		byID:      map[int]*pod{},
		latencies: make([]float64, len(o.Quantiles)),
	}
	switch {
	case server.Kind == workload.Queue:
		f.entrance = &broker{fleet: f}
	case server.Balancer == workload.LeastRequests:
		f.entrance = &leastRequests{fleet: f}
	case server.Balancer == workload.RoundRobin:
		f.entrance = &blind{fleet: f, pick: rotation()}
	default:
		f.entrance = &blind{fleet: f, pick: rng.IntN}
	}
	f.entrance.changed()
	return f
}

// A fleet is pods, and an entrance that brings requests to them.
type fleet struct {
	server    workload.Server
	quantiles []float64
	ladder    ladder

	rng            *rand.Rand
	service, delay func() float64

	elapsed  time.Duration
	now      float64 // elapsed, in seconds: all that was due until now has happened
	entrance entrance

	pods   []*pod // in the order they joined
	taking []*pod // those that are not draining
	byID   map[int]*pod

	count, reported tally
	step            histogram // of the current Advance
	lap, whole      histogram
	latencies       []float64
}

// A tally counts requests by what became of them.
type tally struct {
	arrived, completed, failed, dropped uint64
}

// An entrance brings requests to pods.
type entrance interface {
	// arrive brings a request that arrives now. Requests come in the order of time.
	arrive(r request)
	// advance lets everything happen at all pods that is due until a time.
	advance(to float64)
	// changed says that other pods take requests than before.
	changed()
	// requeue takes requests that a pod gave up, or reports that they are lost.
	requeue(given []request) bool
	// queued is the number of requests that are at no pod yet.
	queued() int
}

// A request is one request or task.
type request struct {
	arrived float64 // seconds since the fleet began
	delay   float64 // seconds
	work    float64 // seconds of service at full speed
}

// sampler draws seconds from a distribution. The common ones, constant and
// exponential, do without the choice among distributions.
func sampler(t workload.Time, rng *rand.Rand) func() float64 {
	mean := t.Seconds()
	switch t.SCV {
	case 0:
		return func() float64 { return mean }
	case 1:
		return func() float64 { return mean * rng.ExpFloat64() }
	}
	return func() float64 { return t.Draw(rng) }
}

func (f *fleet) Join(id int) {
	if f.byID[id] != nil {
		return
	}
	p := newPod(f, id)
	f.byID[id] = p
	f.pods = append(f.pods, p)
	f.taking = append(f.taking, p)
	f.entrance.changed()
}

func (f *fleet) Drain(id int) {
	if p := f.byID[id]; p != nil {
		f.stopTaking(p)
	}
}

func (f *fleet) stopTaking(p *pod) {
	if i := slices.Index(f.taking, p); i >= 0 {
		f.taking = slices.Delete(f.taking, i, i+1)
		p.draining = true
		f.entrance.changed()
	}
}

func (f *fleet) Leave(id int) float64 {
	p := f.byID[id]
	if p == nil {
		return 0
	}
	f.stopTaking(p)
	delete(f.byID, id)
	f.pods = slices.DeleteFunc(f.pods, func(other *pod) bool { return other == p })
	var left []request
	for _, s := range p.stations {
		left = append(left, s.giveUp()...)
	}
	if !f.entrance.requeue(left) {
		f.count.failed += uint64(len(left))
	}
	return float64(len(left))
}

func (f *fleet) Advance(d time.Duration, rate float64) workload.Step {
	begin := f.now
	f.elapsed += d
	end := f.elapsed.Seconds()
	if rate > 0 {
		gap := 1 / rate
		for at := begin + gap*f.rng.ExpFloat64(); at < end; at += gap * f.rng.ExpFloat64() {
			f.count.arrived++
			f.entrance.arrive(request{arrived: at, delay: f.delay(), work: f.service()})
		}
	}
	f.entrance.advance(end)
	f.now = end
	return f.report(begin, rate)
}

// report closes a step: what was counted since the last one.
func (f *fleet) report(begin, rate float64) workload.Step {
	for i, q := range f.quantiles {
		f.latencies[i] = f.step.quantile(q)
	}
	f.lap.merge(&f.step)
	f.whole.merge(&f.step)
	f.step.reset()

	before := f.reported
	f.reported = f.count
	return workload.Step{
		Arrived:     float64(f.count.arrived - before.arrived),
		Completed:   float64(f.count.completed - before.completed),
		Failed:      float64(f.count.failed - before.failed),
		Dropped:     float64(f.count.dropped - before.dropped),
		Waiting:     f.Whole().Waiting,
		Latency:     f.latencies,
		Utilization: f.utilization(begin, rate),
	}
}

// utilization is the work that arrives over the work that the taking pods can do,
// from begin until now.
func (f *fleet) utilization(begin, rate float64) float64 {
	if f.server.Kind == workload.Linear {
		return 0
	}
	capacity := 0.0
	for _, p := range f.taking {
		capacity += p.speed.done(begin, f.now) * float64(f.server.Workers)
	}
	if capacity == 0 {
		return math.Inf(1)
	}
	return rate * f.server.Service.Seconds() * (f.now - begin) / capacity
}

// drop refuses a request.
func (f *fleet) drop() { f.count.dropped++ }

// end notes the latency of a request that completed or timed out.
func (f *fleet) end(latency float64, failed bool) (cell int) {
	if failed {
		f.count.failed++
	} else {
		f.count.completed++
	}
	return f.step.add(latency)
}

func (f *fleet) Whole() workload.Totals {
	queued := f.entrance.queued()
	waiting, serving := queued, 0
	for _, p := range f.pods {
		for _, s := range p.stations {
			w, n := s.load()
			waiting += w
			serving += n
		}
	}
	return workload.Totals{
		Arrived:   float64(f.count.arrived),
		Completed: float64(f.count.completed),
		Failed:    float64(f.count.failed),
		Dropped:   float64(f.count.dropped),
		Waiting:   float64(waiting),
		InService: float64(serving),
		Ready:     float64(queued),
	}
}

func (f *fleet) Pod(id int, into *workload.Counts) {
	p := f.byID[id]
	if p == nil {
		*into = workload.Counts{Buckets: into.Buckets[:0]}
		return
	}
	p.counts(into)
}

func (f *fleet) Latency(quantile float64) float64 { return f.whole.quantile(quantile) }

func (f *fleet) Lap() { f.lap.reset() }

func (f *fleet) Lapped(quantile float64) float64 { return f.lap.quantile(quantile) }
