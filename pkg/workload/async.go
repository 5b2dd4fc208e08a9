package workload

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat/distuv"
)

// loops are the event loops of an Async server, each a processor that its requests
// share. Package fleet keeps the requests that are outside; here their delay only
// adds to the latency.
type loops struct {
	*law
	fft      *fourier.FFT
	delay    *law
	count    int // per pod
	balancer Balancer
	line     *fifo     // the same work, first come first served
	works    []float64 // of the sizes
}

func newLoops(s Server, fft *fourier.FFT) *loops {
	l := &loops{law: newLaw(s.Service), fft: fft, count: s.Workers, balancer: s.Balancer}
	l.line = newFIFO(l.law, fft, 1, 1)
	for _, s := range sizes {
		l.works = append(l.works, l.Quantile(s.middle))
	}
	if s.Delay.Mean > 0 {
		l.delay = newLaw(s.Delay)
	}
	return l
}

func (l *loops) servers(int) int { return 1 }

// arrivals are as regular as those of the pod where it has one loop; the kernel
// picks one of several at random.
func (l *loops) arrivals(pods int) float64 {
	if l.balancer == RoundRobin {
		return 1 - (1-1/float64(pods))/float64(l.count)
	}
	return 1
}

// crowding is the utilization at which a loop with random arrivals has as many
// requests: what a good balancer saves is that others are there less often. A delay
// before the loop blurs what it arranged: by how much is fitted to package exact.
func (l *loops) crowding(pods int, utilization float64) float64 {
	if pods == 1 || l.balancer == Random || utilization <= 0 {
		return utilization
	}
	others := l.others(pods, utilization)
	if l.delay != nil {
		sojourn := l.seconds / (1 - utilization)
		random := utilization / (1 - utilization)
		others += (random - others) * l.delay.seconds / (l.delay.seconds + 2*sojourn)
	}
	return others / (1 + others)
}

// others is how many others a request meets at its loop.
func (l *loops) others(pods int, utilization float64) float64 {
	if l.balancer == LeastRequests {
		return l.fewest(pods, utilization)
	}
	rho := calmed(utilization, l.arrivals(pods), l.SCV)
	return rho / (1 - rho)
}

// fewest is the number of others that LeastRequests leaves. Its constants are fitted
// to package exact, with 4 pods of 1 and 4 loops and exponential work: the fewest
// are joined when their request is partly done, and a pod with few requests may
// still have a loop with many.
func (l *loops) fewest(pods int, utilization float64) float64 {
	random := utilization / (1 - utilization)
	others := erlangC(pods, utilization) * (1 - 0.65*utilization*utilization + random/float64(pods))
	others = min(others, random)
	return others + (random-others)*0.8*(1-1/float64(l.count))
}

func (l *loops) alone(pods int, utilization float64) (float64, bool) {
	return l.crowding(pods, utilization), true
}

func (l *loops) number(pods int, utilization float64) float64 {
	return utilization / (1 - l.crowding(pods, utilization))
}

// latency of a request with work x has the mean x/(1-ρ) and the variance of
// Yashkov (1983): 2/(1-ρ)² ∫₀ˣ (x-u)(1-W(u)) du, with W the waiting time of the
// same work served first come first served. Between these moments and x, which is
// the least, lies a gamma distribution; the mixture over x is the answer.
func (l *loops) latency(pods int, utilization float64) *lattice {
	rho := l.crowding(pods, utilization)
	spread := l.sharing(rho)
	room := l.reach/(1-rho)*2 + 8*l.seconds/(1-rho)
	if l.delay != nil {
		room += l.delay.reach
	}
	step := l.step(room)
	mass := make([]float64, latticePoints)
	for i, s := range sizes {
		l.spread(mass, step, s.weight, l.works[i], rho, spread.at(l.works[i]))
	}
	sum := l.fft.Coefficients(nil, mass)
	offset := 0.0
	if l.delay != nil {
		outside := l.delay.on(step, l.fft)
		for i := range sum {
			sum[i] *= outside[i]
		}
		if l.delay.SCV <= 0 {
			offset = l.delay.seconds
		}
	}
	return latticeOf(l.fft, sum, step, offset)
}

// A stratum is a part of a distribution, for which its middle stands.
type stratum struct{ middle, weight float64 }

// strataOf divides what is between levels into parts.
func strataOf(parts int) []stratum {
	var s []stratum
	for i, p := range levels {
		width := 1 - p
		if i+1 < levelCount {
			width = levels[i+1] - p
		}
		for part := range parts {
			s = append(s, stratum{p + width*(float64(part)+0.5)/float64(parts), width / float64(parts)})
		}
	}
	return s
}

// sizes of work stand for all, chances for what others add to a latency.
var sizes, chances = strataOf(2), strataOf(1)

// gammas are quantiles of gamma distributions with mean 1, by their shape: they
// take long to compute, and the shapes of loops are few.
var gammas = sync.OnceValue(func() *[gammaShapes][levelCount]float64 {
	var q [gammaShapes][levelCount]float64
	for i := range q {
		shape := math.Exp(gammaFirst + float64(i)*gammaWidth)
		for j, s := range chances {
			q[i][j] = distuv.Gamma{Alpha: shape, Beta: shape}.Quantile(s.middle)
		}
	}
	return &q
})

const (
	gammaShapes = 29
	gammaFirst  = -3.0 // log of the lowest shape, 0.05
	gammaWidth  = 0.25 // up to a shape of 55
)

// spread puts the latencies of one size of work on a lattice.
func (l *loops) spread(mass []float64, step, share, work, rho, variance float64) {
	add := func(x, weight float64) {
		weight *= share
		at := min(x/step, float64(len(mass)-2))
		i := int(at)
		mass[i+1] += weight * (at - float64(i))
		mass[i] += weight * (1 - at + float64(i))
	}
	mean := work * rho / (1 - rho)
	if mean <= 0 || variance <= 0 {
		add(work/(1-rho), 1)
		return
	}
	shape := (math.Log(mean*mean/variance) - gammaFirst) / gammaWidth
	shape = max(0, min(gammaShapes-1.001, shape))
	low, part := int(shape), shape-math.Floor(shape)
	q := gammas()
	for i, s := range chances {
		add(work+mean*(q[low][i]+part*(q[low+1][i]-q[low][i])), s.weight)
	}
}

// A sharing tells the variance of the latency by the size of the work.
type sharing struct {
	step     float64
	variance []float64
}

func (l *loops) sharing(rho float64) sharing {
	wait := l.line.waiting(rho, rho, l.reach+14*l.line.wait(rho))
	s := sharing{step: wait.step, variance: make([]float64, len(wait.upTo))}
	once, twice := 0.0, 0.0
	for i := range s.variance {
		s.variance[i] = 2 * twice / (1 - rho) / (1 - rho)
		delayed := 1 - wait.upTo[i]
		twice += s.step * (once + delayed*s.step/2)
		once += delayed * s.step
	}
	return s
}

func (s sharing) at(work float64) float64 {
	at := min(work/s.step, float64(len(s.variance)-2))
	i := int(at)
	return s.variance[i] + (at-float64(i))*(s.variance[i+1]-s.variance[i])
}
