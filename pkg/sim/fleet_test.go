package sim

import (
	"math"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A tub is a Fleet that can be reckoned with by hand: each pod serves up to
// capacity requests per second, what is more waits at it, and a request takes
// the service time and what those before it take.
type tub struct {
	capacity float64 // of a pod, per second
	service  float64 // seconds
	bounds   []float64
	core     float64 // seconds of processor time for a request

	pods      []tubPod // by id
	draining  int
	totals    workload.Totals
	all, lap  tubTimes
	quantiles [1]float64
}

type tubPod struct {
	id       int
	draining bool
	waiting  float64
	counts   workload.Counts
}

// tubTimes are requests by hundredths of a second, the last one for more.
type tubTimes [1001]float64

func (l *tubTimes) add(seconds, n float64) { l[min(int(math.Round(seconds*100)), 1000)] += n }

func (l *tubTimes) quantile(q float64) float64 {
	var all float64
	for _, n := range l {
		all += n
	}
	if all == 0 {
		return math.NaN()
	}
	var below float64
	for i, n := range l {
		if below += n; below >= q*all {
			return float64(i) / 100
		}
	}
	return 10
}

func newTub(capacity float64) *tub {
	return &tub{capacity: capacity, service: 0.05, core: 0.01}
}

func (f *tub) find(id int) (int, bool) {
	return slices.BinarySearchFunc(f.pods, id, func(p tubPod, id int) int { return p.id - id })
}

func (f *tub) Join(id int) {
	i, known := f.find(id)
	if known {
		panic("a pod comes twice")
	}
	f.pods = slices.Insert(f.pods, i, tubPod{id: id, counts: workload.Counts{Buckets: make([]float64, len(f.bounds)+1)}})
}

func (f *tub) Drain(id int) {
	i, _ := f.find(id)
	f.pods[i].draining = true
	f.draining++
}

func (f *tub) Leave(id int) float64 {
	i, known := f.find(id)
	if !known {
		panic("a pod leaves that never came")
	}
	p := f.pods[i]
	f.totals.Failed += p.waiting
	f.totals.Waiting -= p.waiting
	if p.draining {
		f.draining--
	}
	f.pods = slices.Delete(f.pods, i, i+1)
	return p.waiting
}

func (f *tub) Advance(d time.Duration, rate float64) workload.Step {
	arrived := rate * d.Seconds()
	taking := float64(len(f.pods) - f.draining)
	step := workload.Step{Arrived: arrived, Utilization: rate / (taking * f.capacity)}
	f.totals.Arrived += arrived
	if taking == 0 {
		step.Dropped = arrived
		f.totals.Dropped += arrived
	}
	latency, waiting := math.NaN(), 0.0
	for i := range f.pods {
		p := &f.pods[i]
		wait := p.waiting / f.capacity
		if !p.draining {
			p.waiting += arrived / taking
			p.counts.Arrived += arrived / taking
		}
		done := min(p.waiting, f.capacity*d.Seconds())
		p.waiting -= done
		waiting += p.waiting
		p.counts.InFlight = p.waiting
		step.Completed += done
		if done > 0 {
			latency = max(f.service+wait, 0)
			f.all.add(latency, done)
			f.lap.add(latency, done)
		}
		p.count(f, done, latency)
	}
	f.totals.Completed += step.Completed
	f.totals.Waiting = waiting
	f.quantiles[0] = latency
	step.Latency, step.Waiting = f.quantiles[:], waiting
	return step
}

func (p *tubPod) count(f *tub, done, latency float64) {
	p.counts.Completed += done
	p.counts.CPU += done * f.core
	p.counts.Busy += done * f.service
	if done == 0 {
		return
	}
	p.counts.Seconds += done * latency
	for b := range p.counts.Buckets {
		if b == len(f.bounds) || latency <= f.bounds[b] {
			p.counts.Buckets[b] += done
		}
	}
}

func (f *tub) Pod(id int, into *workload.Counts) {
	i, known := f.find(id)
	if !known {
		panic("nobody knows this pod")
	}
	buckets := append(into.Buckets[:0], f.pods[i].counts.Buckets...)
	*into = f.pods[i].counts
	into.Buckets = buckets
}

func (f *tub) Whole() workload.Totals    { return f.totals }
func (f *tub) Latency(q float64) float64 { return f.all.quantile(q) }
func (f *tub) Lap()                      { f.lap = tubTimes{} }
func (f *tub) Lapped(q float64) float64  { return f.lap.quantile(q) }
