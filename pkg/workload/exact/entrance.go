package exact

import (
	"math"
	"slices"
)

// blind brings requests to pods without looking at them: Random and RoundRobin.
// What happens at one pod then concerns no other, and so a pod is brought up to
// date when a request comes to it; there is no order of events over all pods to
// keep.
type blind struct {
	fleet *fleet
	pick  func(n int) int // one of n pods
}

// rotation picks one after the other.
func rotation() func(n int) int {
	next := 0
	return func(n int) int {
		i := next % n
		next = i + 1
		return i
	}
}

func (b *blind) arrive(r request) {
	taking := b.fleet.taking
	if len(taking) == 0 {
		b.fleet.drop()
		return
	}
	p := taking[b.pick(len(taking))]
	s := p.stations[p.choose()]
	s.advance(r.arrived)
	p.take(s, r, r.arrived)
}

func (b *blind) advance(to float64) {
	for _, p := range b.fleet.pods {
		p.advance(to)
	}
}

func (b *blind) changed()               {}
func (b *blind) requeue([]request) bool { return false }
func (b *blind) queued() int            { return 0 }

// A calendar knows which station of the taking pods has the next event.
type calendar struct {
	stations []station
	pods     []int // by station: the index of its pod
	times    tournament[float64]
}

func newCalendar(taking []*pod) calendar {
	c := calendar{}
	for i, p := range taking {
		for _, s := range p.stations {
			c.stations = append(c.stations, s)
			c.pods = append(c.pods, i)
		}
	}
	c.times = newTournament(len(c.stations), math.Inf(1))
	for i := range c.stations {
		c.update(i)
	}
	return c
}

// update looks at a station again, at which something happened.
func (c *calendar) update(i int) { c.times.set(i, c.stations[i].next()) }

// leastRequests brings a request to the pod with the fewest.
type leastRequests struct {
	fleet    *fleet
	calendar calendar
	counts   tournament[int] // by pod: how many requests it has
	next     int             // the pod after the last that got one: it is the first choice among equals
}

func (l *leastRequests) changed() {
	l.calendar = newCalendar(l.fleet.taking)
	l.counts = newTournament(len(l.fleet.taking), math.MaxInt)
	for i, p := range l.fleet.taking {
		l.counts.set(i, p.inside)
	}
}

func (l *leastRequests) arrive(r request) {
	taking := l.fleet.taking
	if len(taking) == 0 {
		l.fleet.drop()
		return
	}
	l.settle(r.arrived)
	i := l.counts.from(l.next)
	l.next = i + 1
	p := taking[i]
	chosen := p.choose()
	p.take(p.stations[chosen], r, r.arrived)
	l.counts.set(i, p.inside)
	l.calendar.update(i*len(p.stations) + chosen)
}

// settle lets everything happen at the taking pods that is due until a time.
func (l *leastRequests) settle(to float64) {
	for l.calendar.times.least() <= to {
		s := l.calendar.times.where()
		l.calendar.stations[s].advance(to)
		l.calendar.update(s)
		i := l.calendar.pods[s]
		l.counts.set(i, l.fleet.taking[i].inside)
	}
}

func (l *leastRequests) advance(to float64) {
	l.settle(to)
	for _, p := range l.fleet.pods {
		if p.draining {
			p.advance(to)
		}
	}
}

func (l *leastRequests) requeue([]request) bool { return false }
func (l *leastRequests) queued() int            { return 0 }

// A broker keeps the tasks of a Queue until a pod has room, and gives them to the
// pods with room in rotation.
type broker struct {
	fleet    *fleet
	waiting  fifo[request] // by age
	calendar calendar
	full     tournament[int] // by pod: 0 with room, 1 without
	next     int             // the pod after the last that got a task
}

func (b *broker) changed() {
	b.calendar = newCalendar(b.fleet.taking)
	b.full = newTournament(len(b.fleet.taking), 1)
	for i := range b.fleet.taking {
		b.look(i)
	}
	b.deliver(b.fleet.now)
}

// look sees what room a pod has.
func (b *broker) look(i int) {
	full := 0
	if b.fleet.taking[i].inside >= b.fleet.server.Workers*(1+b.fleet.server.Prefetch) {
		full = 1
	}
	b.full.set(i, full)
	b.calendar.update(i)
}

// deliver gives waiting tasks to pods until there are none, or no room.
func (b *broker) deliver(at float64) {
	for b.waiting.len() > 0 && b.full.least() == 0 {
		i := b.full.from(b.next)
		b.next = i + 1
		p := b.fleet.taking[i]
		p.take(p.stations[0], b.waiting.pop(), at)
		b.look(i)
	}
}

func (b *broker) arrive(r request) {
	b.settle(r.arrived)
	b.waiting.push(r)
	b.deliver(r.arrived)
}

// settle lets everything happen in its order that is due until a time: pods end
// tasks and get others, and tasks that nobody took time out.
func (b *broker) settle(to float64) {
	for {
		at, deadline := b.calendar.times.least(), b.deadline()
		switch {
		case min(at, deadline) > to:
			return
		case deadline <= at:
			b.waiting.pop()
			b.fleet.end(b.fleet.server.Timeout.Seconds(), true)
		default:
			i := b.calendar.times.where()
			b.calendar.stations[i].advance(at)
			b.look(i)
			b.deliver(at)
		}
	}
}

// deadline is when the oldest waiting task times out.
func (b *broker) deadline() float64 {
	if b.fleet.server.Timeout <= 0 || b.waiting.len() == 0 {
		return math.Inf(1)
	}
	return b.waiting.first().arrived + b.fleet.server.Timeout.Seconds()
}

func (b *broker) advance(to float64) {
	b.settle(to)
	for _, p := range b.fleet.pods {
		if p.draining {
			p.advance(to)
		}
	}
}

// requeue puts tasks back into their place by age, so that the oldest always is
// the first.
func (b *broker) requeue(given []request) bool {
	for b.waiting.len() > 0 {
		given = append(given, b.waiting.pop())
	}
	slices.SortStableFunc(given, byAge)
	for _, r := range given {
		b.waiting.push(r)
	}
	b.deliver(b.fleet.now)
	return true
}

func byAge(a, b request) int {
	switch {
	case a.arrived < b.arrived:
		return -1
	case a.arrived > b.arrived:
		return 1
	}
	return 0
}

func (b *broker) queued() int { return b.waiting.len() }
