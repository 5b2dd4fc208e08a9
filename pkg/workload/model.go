package workload

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/mathext"
)

// A model is a way to serve, as one of its stations sees it: what stands behind
// one queue. That is a pod (Sync), an event loop (Async), or all pods together
// (Queue). It tells what holds after a long time at a utilization below 1, while
// so many pods take arrivals.
type model interface {
	// servers is how many a station has.
	servers(pods int) int
	// number is the mean number of requests at a station.
	number(pods int, utilization float64) float64
	// latency is the time a request takes at its station and, of Async, outside.
	latency(pods int, utilization float64) *lattice
	// alone is the utilization at which one pod has the same latency as so many at
	// another; false where there is none.
	alone(pods int, utilization float64) (float64, bool)
	// arrivals is the squared coefficient of variation of the times between the
	// arrivals at a station.
	arrivals(pods int) float64
}

// A law is the distribution of a service time with what queues need to know of it.
type law struct {
	Time
	seconds  float64
	within   func(x float64) float64 // the share of times that are at most x
	residual func(x float64) float64 // the share of what a look at a random time finds still to do
	reach    float64                 // nearly no time is longer

	transforms map[float64]transform // by step
	shortests  map[float64]float64   // by n
}

// unlikely is the share of times that a lattice cuts off.
const unlikely = 1e-5

func newLaw(t Time) *law {
	l := &law{Time: t, seconds: t.Seconds(), reach: t.Quantile(1 - unlikely), transforms: map[float64]transform{}, shortests: map[float64]float64{}}
	l.within, l.residual = t.Within, t.residual
	if t.SCV > 0 {
		low, high := l.seconds*1e-4, l.reach*4
		l.within = curveOf(low, high, t.Within).at
		l.residual = curveOf(low, high, t.residual).at
	}
	return l
}

// residual is the distribution of the rest of a service that is met at a random
// moment: the integral of 1-Within over the mean.
func (t Time) residual(x float64) float64 {
	m := t.Seconds()
	switch {
	case x <= 0:
		return 0
	case t.SCV <= 0:
		return min(1, x/m)
	case t.SCV < 1:
		shape, y := 1/t.SCV, x/(t.SCV*m)
		return x/m*mathext.GammaIncRegComp(shape, y) + mathext.GammaIncReg(shape+1, y)
	case t.SCV == 1:
		return t.Within(x)
	}
	variance := math.Log1p(t.SCV)
	above := (math.Log(x/m) - variance/2) / math.Sqrt(variance)
	return x/m*(1-t.Within(x)) + 0.5*math.Erfc(-above/math.Sqrt2)
}

// on is the law on a lattice. A constant time is its offset.
func (l *law) on(step float64, fft *fourier.FFT) transform {
	t := l.transforms[step]
	if t == nil {
		within := l.within
		if l.SCV <= 0 {
			within = func(float64) float64 { return 1 }
		}
		t = transformOf(fft, step, within)
		l.transforms[step] = t
	}
	return t
}

// until is the time y for which the mean of min(service, y) is a share of the mean.
func (l *law) until(share float64) float64 {
	low, high := 0.0, l.reach*4
	for range 40 {
		middle := (low + high) / 2
		if l.residual(middle) < share {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// shortest is the mean of the shortest of n residual services.
func (l *law) shortest(n float64) float64 {
	if l.SCV <= 0 {
		return l.seconds / (n + 1)
	}
	if sum, found := l.shortests[n]; found {
		return sum
	}
	// The substitution x = e^y makes one grid serve all scales.
	const cells = 500
	low, high := math.Log(l.seconds*1e-5/n), math.Log(l.reach*4)
	width := (high - low) / cells
	sum := l.seconds * 1e-5 / n
	for i := range cells {
		x := math.Exp(low + (float64(i)+0.5)*width)
		sum += math.Pow(1-l.residual(x), n) * x * width
	}
	l.shortests[n] = sum
	return sum
}

// A fifo is a queue before servers of which each takes the next request when it
// is free: the waiting time of a request that finds all of them busy is the time
// until the first is free plus a geometric number of residual services that are
// shared by all (Tijms, van Hoorn and Federgruen 1981, for M/G/c; exact for one
// server and for exponential service).
type fifo struct {
	*law
	fft *fourier.FFT
	// near is how many servers a request chooses from once it waits, all how many
	// share the load.
	near     float64
	all      int
	first    float64 // mean time until one of near is free
	lattices map[float64]*ingredients
}

// ingredients are the parts of latency on a lattice of one step.
type ingredients struct {
	service, first, next transform
}

func newFIFO(l *law, fft *fourier.FFT, near float64, all int) *fifo {
	return &fifo{law: l, fft: fft, near: near, all: all, first: l.shortest(near), lattices: map[float64]*ingredients{}}
}

// wait is the mean waiting time of those that wait, where the number of shared
// residual services has the parameter ratio.
func (f *fifo) wait(ratio float64) float64 {
	return f.first + ratio/(1-ratio)*f.seconds*(1+f.SCV)/2/float64(f.all)
}

// latency is the distribution of waiting and service, where delayed is the share
// that waits.
func (f *fifo) latency(delayed, ratio float64) *lattice {
	step := f.step(f.reach + 14*f.wait(ratio))
	parts := f.parts(step)
	sum := make(transform, len(parts.next))
	for i, next := range parts.next {
		waiting := complex(delayed*(1-ratio), 0) * parts.first[i] / (1 - complex(ratio, 0)*next)
		sum[i] = parts.service[i] * (complex(1-delayed, 0) + waiting)
	}
	return latticeOf(f.fft, sum, step, f.offset())
}

// waiting is the distribution of waiting alone, on a lattice with room for a time.
func (f *fifo) waiting(delayed, ratio, room float64) *lattice {
	step := f.step(room)
	parts := f.parts(step)
	sum := make(transform, len(parts.next))
	for i, next := range parts.next {
		sum[i] = complex(1-delayed, 0) + complex(delayed*(1-ratio), 0)*parts.first[i]/(1-complex(ratio, 0)*next)
	}
	return latticeOf(f.fft, sum, step, 0)
}

// offset is the part of latency that every request has.
func (f *fifo) offset() float64 {
	if f.SCV <= 0 {
		return f.seconds
	}
	return 0
}

// step is that of a lattice with room for a time. Steps are powers of two of each
// other, so that few ingredients are made.
func (l *law) step(room float64) float64 {
	exact := room / latticePoints / l.seconds
	return l.seconds * math.Exp2(math.Ceil(2*math.Log2(exact))/2)
}

func (f *fifo) parts(step float64) *ingredients {
	parts := f.lattices[step]
	if parts != nil {
		return parts
	}
	all, near := float64(f.all), f.near
	parts = &ingredients{
		service: f.on(step, f.fft),
		first: transformOf(f.fft, step, func(x float64) float64 {
			return 1 - math.Pow(1-f.residual(x), near)
		}),
		next: transformOf(f.fft, step, func(x float64) float64 { return f.residual(x * all) }),
	}
	f.lattices[step] = parts
	return parts
}
