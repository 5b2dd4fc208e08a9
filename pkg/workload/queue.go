package workload

import "gonum.org/v1/gonum/dsp/fourier"

// broker is the one queue that all pods of a Queue server fetch from: one station
// with the workers of all.
type broker struct {
	*law
	fft    *fourier.FFT
	count  int // workers per pod
	queues map[int]*fifo
	held   *holding // nil where pods only hold what they work on
}

func newBroker(s Server, fft *fourier.FFT) *broker {
	b := &broker{law: newLaw(s.Service), fft: fft, count: s.Workers, queues: map[int]*fifo{}}
	if s.Prefetch > 0 {
		s.Balancer = RoundRobin
		b.held = newHolding(s, newWorkers(s, fft))
	}
	return b
}

func (b *broker) servers(pods int) int { return pods * b.count }

func (b *broker) alone(int, float64) (float64, bool) { return 0, false }

func (b *broker) arrivals(int) float64 { return 1 }

func (b *broker) queue(pods int) *fifo {
	q := b.queues[pods]
	if q == nil {
		all := b.servers(pods)
		q = newFIFO(b.law, b.fft, float64(all), all)
		b.queues[pods] = q
	}
	return q
}

func (b *broker) number(pods int, utilization float64) float64 {
	busy := utilization * float64(b.servers(pods))
	waiting := erlangC(b.servers(pods), utilization) * b.queue(pods).wait(utilization)
	if b.held != nil {
		waiting += b.held.loss(waiting, b.held.dealt.waiting(pods, utilization)-waiting)
	}
	return busy + busy/b.seconds*waiting
}

func (b *broker) latency(pods int, utilization float64) *lattice {
	pooled := b.queue(pods).latency(erlangC(b.servers(pods), utilization), utilization)
	if b.held == nil {
		return pooled
	}
	return b.held.add(pooled, pods, utilization)
}
