package workload

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// workers are the pods of a Sync server: each pod is a FIFO queue before its
// workers.
type workers struct {
	*law
	fft      *fourier.FFT
	count    int // per pod
	balancer Balancer
	queues   map[int]*fifo // by the servers that share the load
}

func newWorkers(s Server, fft *fourier.FFT) *workers {
	return &workers{law: newLaw(s.Service), fft: fft, count: s.Workers, balancer: s.Balancer, queues: map[int]*fifo{}}
}

func (w *workers) servers(int) int { return w.count }

func (w *workers) alone(int, float64) (float64, bool) { return 0, false }

func (w *workers) arrivals(pods int) float64 {
	if w.balancer == RoundRobin {
		return 1 / float64(pods)
	}
	return 1
}

// cyclic reports whether pods take constant requests in turn. Then the next pod is
// the first to be free, and all workers are as good as one queue's.
func (w *workers) cyclic() bool { return w.SCV == 0 && w.balancer != Random }

// pooled is how many servers share the load. A balancer that knows the fewest
// requests keeps all pods equally busy.
func (w *workers) pooled(pods int) int {
	if w.balancer == LeastRequests || w.cyclic() {
		return pods * w.count
	}
	return w.count
}

// near is how many workers a request that waits can hope for. It waits for one of
// its own pod, which the fewest requests make a pod that is quicker than others: by
// how much is fitted to package exact.
func (w *workers) near(pods int) float64 {
	switch {
	case w.cyclic():
		return float64(w.pooled(pods))
	case w.balancer != LeastRequests || pods == 1:
		return float64(w.count)
	case w.SCV > 1:
		return float64(w.count) + 0.6
	}
	return float64(w.count) + 0.2
}

func (w *workers) queue(pods int) *fifo {
	all := w.pooled(pods)
	q := w.queues[all]
	if q == nil {
		q = newFIFO(w.law, w.fft, w.near(pods), all)
		w.queues[all] = q
	}
	return q
}

// delayed is the share of requests that wait, and the parameter of how long.
func (w *workers) delayed(pods int, utilization float64) (share, ratio float64) {
	if utilization <= 0 {
		return 0, 0
	}
	ratio = utilization
	if !w.cyclic() {
		ratio = calmed(utilization, w.arrivals(pods), w.SCV)
	}
	return erlangC(w.pooled(pods), utilization) * ratio / utilization, ratio
}

// calmed is the utilization at which random arrivals would wait as long at one
// server as those of another variation do at the given one: Krämer and
// Langenbach-Belz 1976. It is exact for exponential service at both ends.
func calmed(utilization, arrivals, service float64) float64 {
	if arrivals >= 1 {
		return utilization
	}
	both := arrivals + service
	if both <= 0 {
		return 0
	}
	odds := utilization / (1 - utilization) * both / (1 + service)
	odds *= math.Exp(-2 * (1 - utilization) * (1 - arrivals) * (1 - arrivals) / (3 * utilization * both))
	return odds / (1 + odds)
}

func (w *workers) number(pods int, utilization float64) float64 {
	busy := utilization * float64(w.count)
	return busy + busy/w.seconds*w.waiting(pods, utilization)
}

// waiting is the mean time that requests wait.
func (w *workers) waiting(pods int, utilization float64) float64 {
	share, ratio := w.delayed(pods, utilization)
	return share * w.queue(pods).wait(ratio)
}

func (w *workers) latency(pods int, utilization float64) *lattice {
	share, ratio := w.delayed(pods, utilization)
	return w.queue(pods).latency(share, ratio)
}
