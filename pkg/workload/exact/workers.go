package exact

import (
	"math"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// workers are a pod of kind Sync or Queue: one queue, first come first served.
type workers struct {
	meter
	pod     *pod
	limit   int
	timeout float64 // seconds, 0 is none

	ends    tournament[float64] // by worker: when its request ends, +Inf while it idles
	serving []service           // by worker
	idle    []int
	waiting fifo[request] // by age
}

// A service is a request in the hands of a worker.
type service struct {
	request
	cut bool // it will time out before it is done
}

func newWorkers(p *pod, s workload.Server) *workers {
	w := &workers{
		pod:     p,
		limit:   s.Limit,
		timeout: s.Timeout.Seconds(),
		ends:    newTournament(s.Workers, math.Inf(1)),
		serving: make([]service, s.Workers),
	}
	for i := range s.Workers {
		w.idle = append(w.idle, i)
	}
	return w
}

func (w *workers) take(r request, at float64) bool {
	if n := len(w.idle); n > 0 {
		i := w.idle[n-1]
		w.idle = w.idle[:n-1]
		w.work(at, +1)
		w.start(i, r, at)
		return true
	}
	if w.limit > 0 && len(w.serving)+w.waiting.len() >= w.limit {
		return false
	}
	w.wait(r)
	return true
}

// wait puts a request into the queue: at its end, except for a task that went
// back to the broker and now comes after younger ones.
func (w *workers) wait(r request) {
	w.waiting.push(r)
	for i := w.waiting.len() - 1; i > 0 && w.waiting.at(i-1).arrived > r.arrived; i-- {
		*w.waiting.at(i), *w.waiting.at(i - 1) = *w.waiting.at(i - 1), r
	}
}

// start gives a request to a worker.
func (w *workers) start(i int, r request, at float64) {
	end := w.pod.speed.after(at, r.work)
	cut := false
	if deadline := r.arrived + w.timeout; w.timeout > 0 && end > deadline {
		end, cut = deadline, true
	}
	w.serving[i] = service{r, cut}
	w.ends.set(i, end)
}

func (w *workers) next() float64 {
	at := w.ends.least()
	if w.timeout > 0 && w.waiting.len() > 0 {
		at = min(at, w.waiting.first().arrived+w.timeout)
	}
	return at
}

func (w *workers) advance(to float64) {
	for {
		end := w.ends.least()
		if w.timeout > 0 {
			w.expire(min(end, to))
		}
		if end > to {
			return
		}
		i := w.ends.where()
		done := w.serving[i]
		w.pod.end(done.request, end, done.cut)
		if w.waiting.len() > 0 {
			w.start(i, w.waiting.pop(), end)
			continue
		}
		w.work(end, -1)
		w.ends.set(i, math.Inf(1))
		w.idle = append(w.idle, i)
	}
}

// expire ends the requests that wait too long. The oldest is always the first.
func (w *workers) expire(to float64) {
	for w.waiting.len() > 0 && w.waiting.first().arrived+w.timeout <= to {
		r := w.waiting.pop()
		w.pod.end(r, r.arrived+w.timeout, true)
	}
}

func (w *workers) load() (waiting, serving int) {
	return w.waiting.len(), len(w.serving) - len(w.idle)
}

func (w *workers) giveUp() []request {
	var all []request
	for i, s := range w.serving {
		if !math.IsInf(w.ends.at(i), 1) {
			all = append(all, s.request)
		}
	}
	for w.waiting.len() > 0 {
		all = append(all, w.waiting.pop())
	}
	return all
}
