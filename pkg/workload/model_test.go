package workload

import (
	"fmt"
	"math"
	"testing"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
)

func TestOneExponentialServerIsMM1(t *testing.T) {
	w := newWorkers(Server{Workers: 1, Service: Time{time.Second, 1}, Balancer: Random}, fourier.NewFFT(latticePoints))
	for _, rho := range []float64{0.1, 0.5, 0.8, 0.95} {
		near(t, fmt.Sprint("number at ", rho), w.number(1, rho), rho/(1-rho), 1e-3)
		l := w.latency(1, rho)
		for _, p := range []float64{0.1, 0.5, 0.95, 0.99, 0.999} {
			near(t, fmt.Sprintf("quantile %v at %v", p, rho), l.quantile(p), -math.Log(1-p)/(1-rho), 0.003)
		}
	}
}

func TestManyExponentialServersAreMMc(t *testing.T) {
	for _, c := range []int{2, 8, 32} {
		w := newWorkers(Server{Workers: c, Service: Time{time.Second, 1}, Balancer: Random}, fourier.NewFFT(latticePoints))
		for _, rho := range []float64{0.5, 0.8, 0.95} {
			wait := erlangC(c, rho)
			rate := float64(c) * (1 - rho)
			near(t, fmt.Sprintf("number of %d at %v", c, rho), w.number(1, rho), float64(c)*rho+wait*rho/(1-rho), 1e-3)
			if math.Abs(rate-1) < 1e-3 {
				continue
			}
			// The sum of two exponential times, the first of which is often zero.
			exceeds := func(x float64) float64 {
				return (1-wait)*math.Exp(-x) + wait*(rate*math.Exp(-x)-math.Exp(-rate*x))/(rate-1)
			}
			l := w.latency(1, rho)
			for _, p := range []float64{0.5, 0.95, 0.99} {
				near(t, fmt.Sprintf("quantile %v of %d at %v", p, c, rho), 1-exceeds(l.quantile(p)), p, 0.002)
			}
		}
	}
}

func TestOneConstantServerIsMD1(t *testing.T) {
	w := newWorkers(Server{Workers: 1, Service: Time{time.Second, 0}, Balancer: Random}, fourier.NewFFT(latticePoints))
	for _, rho := range []float64{0.3, 0.5, 0.8, 0.95} {
		near(t, fmt.Sprint("number at ", rho), w.number(1, rho), rho+rho*rho/2/(1-rho), 1e-3)
		l := w.latency(1, rho)
		for _, x := range []float64{0.5, 1, 2.5, 6} {
			near(t, fmt.Sprintf("waits at most %v at %v", x, rho), l.within(1+x), waitMD1(rho, x), 0.004)
		}
	}
}

// waitMD1 is Erlang's formula of 1909 for the wait before one constant server.
func waitMD1(rho, x float64) float64 {
	sum := 0.0
	factorial := 1.0
	for k := 0; k <= int(x); k++ {
		if k > 0 {
			factorial *= float64(k)
		}
		y := rho * (float64(k) - x)
		sum += math.Pow(y, float64(k)) / factorial * math.Exp(-y)
	}
	return (1 - rho) * sum
}

func TestPollaczekAndKhinchine(t *testing.T) {
	for _, scv := range []float64{0.25, 1.5, 4} {
		w := newWorkers(Server{Workers: 1, Service: Time{time.Second, scv}, Balancer: Random}, fourier.NewFFT(latticePoints))
		for _, rho := range []float64{0.5, 0.8, 0.95} {
			near(t, fmt.Sprintf("number of scv %v at %v", scv, rho), w.number(1, rho), rho+rho*rho*(1+scv)/2/(1-rho), 2e-3)
		}
	}
}

// TestOneSharedProcessorIsMG1PS: the mean does not depend on how work varies, and
// the variance of exponential work is that of Coffman, Muntz and Trotter 1970.
func TestOneSharedProcessorIsMG1PS(t *testing.T) {
	for _, scv := range []float64{0, 0.25, 1, 4} {
		l := newLoops(Server{Workers: 1, Service: Time{time.Second, scv}, Balancer: Random}, fourier.NewFFT(latticePoints))
		for _, rho := range []float64{0.3, 0.5, 0.8, 0.9} {
			near(t, fmt.Sprintf("number of scv %v at %v", scv, rho), l.number(1, rho), rho/(1-rho), 1e-9)
			mean, variance := moments(l.latency(1, rho))
			near(t, fmt.Sprintf("mean of scv %v at %v", scv, rho), mean, 1/(1-rho), 0.02)
			if scv == 1 {
				near(t, fmt.Sprintf("variance at %v", rho), variance, (2+rho)/(2-rho)/((1-rho)*(1-rho)), 0.05)
			}
		}
	}
}

func moments(l *lattice) (mean, variance float64) {
	square, before := 0.0, 0.0
	for i, upTo := range l.upTo {
		x := l.offset + float64(i)*l.step
		mean += (upTo - before) * x
		square += (upTo - before) * x * x
		before = upTo
	}
	return mean, square - mean*mean
}

func near(t *testing.T, what string, got, want, relative float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s: %v, want %v within %v %%", what, got, want, 100*relative)
	}
}

func BenchmarkLatency(b *testing.B) {
	w := newWorkers(Server{Workers: 4, Service: Time{time.Second, 4}, Balancer: Random}, fourier.NewFFT(latticePoints))
	rho := 0.5
	for b.Loop() {
		w.latency(1, rho)
	}
}

func BenchmarkLaw(b *testing.B) {
	for b.Loop() {
		newLaw(Time{time.Second, 4})
	}
}

// TestADelayBlursWhatABalancerArranged: after a long delay requests come to loops as
// if at random.
func TestADelayBlursWhatABalancerArranged(t *testing.T) {
	number := func(b Balancer, delay time.Duration) float64 {
		s := Server{Workers: 1, Service: Time{100 * time.Millisecond, 0.25}, Balancer: b, Delay: Time{delay, 1}}
		return newLoops(s, fourier.NewFFT(latticePoints)).number(10, 0.8)
	}
	random := number(Random, 0)
	for _, b := range []Balancer{RoundRobin, LeastRequests} {
		before := number(b, 0)
		if before > 0.7*random {
			t.Errorf("%s: %v requests at a loop, hardly fewer than %v at random", b, before, random)
		}
		for _, delay := range []time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second} {
			n := number(b, delay)
			if !(n > before && n < random) {
				t.Errorf("%s after %v: %v requests, want between %v and %v", b, delay, n, before, random)
			}
			before = n
		}
		near(t, string(b)+" after an hour", number(b, time.Hour), random, 0.01)
	}
}
