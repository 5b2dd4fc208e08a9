package exact

import "github.com/pitot-autoscaling/pitot/pkg/workload"

// A station is a place in a pod where requests are served: all workers of a pod
// with their queue, or one event loop.
type station interface {
	// take lets a request in, or reports that it is full. Everything before this time
	// has happened here.
	take(r request, at float64) bool
	// next is when something happens here by itself, +Inf if nothing will.
	next() float64
	// advance lets everything happen that is due until a time.
	advance(to float64)
	// load is how many requests are here.
	load() (waiting, serving int)
	// giveUp returns the requests that are here, and forgets them.
	giveUp() []request
	// busy is the seconds that workers have worked until a time.
	busy(at float64) float64
}

// A pod is a member of the fleet.
type pod struct {
	fleet    *fleet
	id       int
	joined   float64
	draining bool
	speed    warmUp
	stations []station

	inside                     int // requests that are here
	arrived, completed, failed uint64
	seconds                    float64
	buckets                    []uint64 // completed requests above the bound before, and at or below this
}

func newPod(f *fleet, id int) *pod {
	s := f.server
	p := &pod{fleet: f, id: id, joined: f.now, buckets: make([]uint64, len(f.ladder.bounds)+1)}
	p.speed = warmUp{since: f.now, length: s.WarmUp.Seconds(), speed: s.WarmUpSpeed}
	switch s.Kind {
	case workload.Async:
		for range s.Workers {
			p.stations = append(p.stations, &loop{pod: p, limit: s.Limit, timeout: s.Timeout.Seconds()})
		}
	case workload.Linear:
		p.stations = []station{&linear{pod: p, timeout: s.Timeout.Seconds()}}
	default:
		p.stations = []station{newWorkers(p, s)}
	}
	return p
}

// choose is the station that a request goes to. The loops of a pod share its
// port, and the kernel gives a connection to any of them.
func (p *pod) choose() int {
	if len(p.stations) == 1 {
		return 0
	}
	return p.fleet.rng.IntN(len(p.stations))
}

// take brings a request to a station. It is dropped where that is full.
func (p *pod) take(s station, r request, at float64) {
	if !s.take(r, at) {
		p.fleet.drop()
		return
	}
	p.arrived++
	p.inside++
}

// end is the end of a request at this pod.
func (p *pod) end(r request, at float64, failed bool) {
	latency := at - r.arrived
	cell := p.fleet.end(latency, failed)
	p.inside--
	if failed {
		p.failed++
		return
	}
	p.completed++
	p.seconds += latency
	p.buckets[p.fleet.ladder.rung(cell, latency)]++
}

func (p *pod) advance(to float64) {
	for _, s := range p.stations {
		s.advance(to)
	}
}

func (p *pod) counts(into *workload.Counts) {
	now, server := p.fleet.now, p.fleet.server
	busy := 0.0
	for _, s := range p.stations {
		busy += s.busy(now)
	}
	*into = workload.Counts{
		Arrived:   float64(p.arrived),
		Completed: float64(p.completed),
		Failed:    float64(p.failed),
		Seconds:   p.seconds,
		Buckets:   into.Buckets[:0],
		InFlight:  float64(p.inside),
		CPU:       busy*server.CPU.Seconds()/server.Service.Seconds() + (now-p.joined)*server.Background,
		Busy:      busy,
	}
	if len(p.fleet.ladder.bounds) == 0 {
		return
	}
	below := uint64(0)
	for _, n := range p.buckets {
		below += n
		into.Buckets = append(into.Buckets, float64(below))
	}
}

// A meter adds up the seconds of workers.
type meter struct {
	seconds float64
	workers int
	since   float64
}

// work changes the number of workers that work.
func (m *meter) work(at float64, change int) {
	m.seconds = m.busy(at)
	m.since = at
	m.workers += change
}

func (m *meter) busy(at float64) float64 { return m.seconds + float64(m.workers)*(at-m.since) }
