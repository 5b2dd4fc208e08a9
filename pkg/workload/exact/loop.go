package exact

import "math"

// A loop is one event loop of an Async pod. Its requests are delayed first, which
// costs nothing, and then share one processor equally.
//
// Sharing is followed in virtual time: attained is the work that a request has
// got that has been sharing since the loop last was empty. It grows at the speed
// of the processor over the number that share it, and a request is done when it
// has grown by the request's work. So an arrival changes no other request's place
// in the order, and each event costs O(log n).
type loop struct {
	meter
	pod     *pod
	limit   int
	timeout float64 // seconds, 0 is none

	delayed  heap // by the end of their delay
	sharing  heap // by what attained will be when they are done
	active   int  // of sharing, without those that are gone
	attained float64
	since    float64 // attained is of this time

	inside int
	open   fifo[opened] // all requests since the oldest that is here; only with a timeout
	popped uint64       // requests that open no longer has
	taken  uint64
}

// An opened request is here, or gone: completed or timed out.
type opened struct {
	request
	state state
}

type state int

const (
	delayed state = iota
	sharing
	gone
)

func (l *loop) take(r request, at float64) bool {
	if l.limit > 0 && l.inside >= l.limit {
		return false
	}
	l.inside++
	id := l.taken
	l.taken++
	if l.timeout > 0 {
		l.open.push(opened{r, delayed})
	}
	if r.delay > 0 {
		l.delayed.push(item{at + r.delay, id, r})
		return true
	}
	l.share(item{at, id, r})
	return true
}

// share begins the processor's work on a request at the time of its item.
func (l *loop) share(i item) {
	l.flow(i.key)
	if l.active == 0 {
		l.attained = 0
		l.sharing = l.sharing[:0] // none, or such that are gone
		l.work(i.key, +1)
	}
	l.mark(i.id, sharing)
	l.active++
	i.key = l.attained + i.work
	l.sharing.push(i)
}

// flow lets the processor work until a time before the next event.
func (l *loop) flow(to float64) {
	if l.active > 0 {
		l.attained += l.pod.speed.done(l.since, to) / float64(l.active)
	}
	l.since = to
}

// unshare takes one request off the processor.
func (l *loop) unshare() {
	l.active--
	l.inside--
	if l.active == 0 {
		l.work(l.since, -1)
	}
}

func (l *loop) next() float64 { return min(l.delayEnds(), l.workEnds(), l.deadline()) }

func (l *loop) advance(to float64) {
	for {
		delay, work, deadline := l.delayEnds(), l.workEnds(), l.deadline()
		switch at := min(delay, work, deadline); {
		case at > to:
			return
		case at == deadline:
			l.expire(at)
		case at == work:
			l.complete(at)
		default:
			l.share(l.delayed.pop())
		}
	}
}

// delayEnds is when the next request gets to the processor.
func (l *loop) delayEnds() float64 {
	for len(l.delayed) > 0 && l.isGone(l.delayed[0].id) {
		l.delayed.pop()
	}
	if len(l.delayed) == 0 {
		return math.Inf(1)
	}
	return l.delayed[0].key
}

// workEnds is when the next request is done, if none comes before.
func (l *loop) workEnds() float64 {
	for len(l.sharing) > 0 && l.isGone(l.sharing[0].id) {
		l.sharing.pop()
	}
	if len(l.sharing) == 0 {
		return math.Inf(1)
	}
	missing := max(0, l.sharing[0].key-l.attained)
	return l.pod.speed.after(l.since, missing*float64(l.active))
}

// complete ends the request that is done first.
func (l *loop) complete(at float64) {
	done := l.sharing.pop()
	l.since, l.attained = at, done.key
	l.mark(done.id, gone)
	l.unshare()
	l.pod.end(done.request, at, false)
}

// deadline is when the oldest request times out.
func (l *loop) deadline() float64 {
	for l.open.len() > 0 && l.open.first().state == gone {
		l.open.pop()
		l.popped++
	}
	if l.open.len() == 0 {
		return math.Inf(1)
	}
	return l.open.first().arrived + l.timeout
}

// expire ends the oldest request, wherever it is.
func (l *loop) expire(at float64) {
	oldest := l.open.pop()
	l.popped++
	if oldest.state == sharing {
		l.flow(at)
		l.unshare()
	} else {
		l.inside--
	}
	l.pod.end(oldest.request, at, true)
}

func (l *loop) mark(id uint64, s state) {
	if l.timeout > 0 {
		l.open.at(int(id - l.popped)).state = s
	}
}

// isGone reports whether a request in a heap has ended before its turn came.
func (l *loop) isGone(id uint64) bool {
	return l.timeout > 0 && (id < l.popped || l.open.at(int(id-l.popped)).state == gone)
}

func (l *loop) load() (waiting, serving int) { return 0, l.inside }

func (l *loop) giveUp() []request {
	var all []request
	for _, h := range []heap{l.delayed, l.sharing} {
		for _, i := range h {
			if !l.isGone(i.id) {
				all = append(all, i.request)
			}
		}
	}
	return all
}
