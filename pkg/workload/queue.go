package workload

import "gonum.org/v1/gonum/dsp/fourier"

// broker is the one queue that all pods of a Queue server fetch from: one station
// with the workers of all.
type broker struct {
	*law
	fft    *fourier.FFT
	count  int // workers per pod
	queues map[int]*fifo
}

func newBroker(s Server, fft *fourier.FFT) *broker {
	return &broker{law: newLaw(s.Service), fft: fft, count: s.Workers, queues: map[int]*fifo{}}
}

func (b *broker) servers(pods int) int { return pods * b.count }

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
	return busy + busy/b.seconds*erlangC(b.servers(pods), utilization)*b.queue(pods).wait(utilization)
}

func (b *broker) latency(pods int, utilization float64) *lattice {
	return b.queue(pods).latency(erlangC(b.servers(pods), utilization), utilization)
}
