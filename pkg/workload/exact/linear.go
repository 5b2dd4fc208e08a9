package exact

import "math"

// linear is a pod that serves everything at once.
type linear struct {
	meter
	pod     *pod
	timeout float64 // seconds, 0 is none
	serving heap    // by their end
}

func (l *linear) take(r request, at float64) bool {
	l.work(at, +1)
	l.serving.push(item{key: min(l.pod.speed.after(at, r.work), l.deadline(r)), request: r})
	return true
}

func (l *linear) deadline(r request) float64 {
	if l.timeout <= 0 {
		return math.Inf(1)
	}
	return r.arrived + l.timeout
}

func (l *linear) next() float64 {
	if len(l.serving) == 0 {
		return math.Inf(1)
	}
	return l.serving[0].key
}

func (l *linear) advance(to float64) {
	for l.next() <= to {
		done := l.serving.pop()
		l.work(done.key, -1)
		l.pod.end(done.request, done.key, done.key == l.deadline(done.request))
	}
}

func (l *linear) load() (waiting, serving int) { return 0, len(l.serving) }

func (l *linear) giveUp() []request {
	var all []request
	for _, i := range l.serving {
		all = append(all, i.request)
	}
	return all
}
