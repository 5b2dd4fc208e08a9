package exact

import (
	"math"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// What queueing theory knows exactly, the referee must find, within the
// confidence interval of its own batches.
func TestTheRefereeFindsWhatTheoryKnows(t *testing.T) {
	skipLong(t)
	constant := workload.Time{Mean: time.Second, SCV: 0}
	exponential := workload.Time{Mean: time.Second, SCV: 1}
	erlang := workload.Time{Mean: time.Second, SCV: 0.25}
	lognormal := workload.Time{Mean: time.Second, SCV: 4}
	sync := func(service workload.Time, c int) workload.Server {
		return workload.Server{Kind: workload.Sync, Workers: c, Service: service}
	}
	sharing := func(service workload.Time) workload.Server {
		return workload.Server{Kind: workload.Async, Workers: 1, Service: service}
	}
	const rho = 0.8
	exp95 := -math.Log(0.05)

	for _, c := range []struct {
		name   string
		server workload.Server
		pods   int
		rho    float64
		mean   float64 // of the latency, in seconds
		p95    float64 // 0 is unknown
	}{
		{"M/M/1", sync(exponential, 1), 1, rho, 1 / (1 - rho), exp95 / (1 - rho)},
		{"M/M/1 at four random pods", sync(exponential, 1), 4, rho, 1 / (1 - rho), exp95 / (1 - rho)},
		{"M/M/1 with little load", sync(exponential, 1), 1, 0.1, 1 / 0.9, exp95 / 0.9},
		{"M/M/4", sync(exponential, 4), 1, rho, 1 + erlangC(4, 4*rho)/(4*(1-rho)), 0},
		{"M/M/32", sync(exponential, 32), 1, 0.95, 1 + erlangC(32, 32*0.95)/(32*0.05), 0},
		{"M/D/1", sync(constant, 1), 1, rho, 1 + rho/(2*(1-rho)), 0},
		{"M/G/1, Erlang", sync(erlang, 1), 1, rho, 1 + rho*1.25/(2*(1-rho)), 0},
		{"M/G/1, lognormal", sync(lognormal, 1), 1, 0.6, 1 + 0.6*5/(2*0.4), 0},
		{"M/M/1-PS", sharing(exponential), 1, rho, 1 / (1 - rho), 0},
		{"M/D/1-PS", sharing(constant), 1, rho, 1 / (1 - rho), 0},
		{"M/G/1-PS, lognormal", sharing(lognormal), 1, rho, 1 / (1 - rho), 0},
		{
			"M/M/1-PS after a delay",
			workload.Server{Kind: workload.Async, Workers: 1, Service: exponential, Delay: workload.Time{Mean: 10 * time.Second, SCV: 4}},
			1, rho, 10 + 1/(1-rho), 0,
		},
		{
			"M/M/4 as a queue of two pods",
			workload.Server{Kind: workload.Queue, Workers: 2, Service: exponential},
			2, rho, 1 + erlangC(4, 4*rho)/(4*(1-rho)), 0,
		},
		{
			"M/M/4 as least requests among pods with one worker, which is nearly it",
			workload.Server{Kind: workload.Sync, Workers: 1, Service: exponential, Balancer: workload.LeastRequests},
			4, 0.1, 1 + erlangC(4, 4*0.1)/(4*0.9), 0,
		},
		{"M/G/∞", workload.Server{Kind: workload.Linear, Service: exponential}, 1, rho, 1, exp95},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := steady(t, c.server, c.pods, 1)
			rate := c.rho * float64(c.pods*max(1, c.server.Workers))
			var means, p95s sample
			advance(f, 10_000, rate) // until it is steady
			for range 25 {
				before := seconds(f)
				f.Lap()
				completed := advance(f, 75_000/rate, rate)
				means.add((seconds(f) - before) / completed)
				p95s.add(f.Lapped(0.95))
			}
			means.mustHold(t, "mean", c.mean)
			if c.p95 > 0 {
				p95s.mustHold(t, "p95", c.p95)
			}
		})
	}
}

// erlangC is the probability to wait of M/M/c with a load of a Erlang.
func erlangC(c int, a float64) float64 {
	inverse := 1.0
	for k := 1; k <= c; k++ {
		inverse = 1 + inverse*float64(k)/a
	}
	b := 1 / inverse
	return b / (1 - a/float64(c)*(1-b))
}

func steady(t testing.TB, server workload.Server, pods int, seed uint64) *fleet {
	t.Helper()
	made, err := NewFleet(server.WithDefaults(), workload.Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	for id := range pods {
		made.Join(id)
	}
	return made.(*fleet)
}

// advance lets seconds pass, and returns how many requests completed.
func advance(f workload.Fleet, seconds, rate float64) (completed float64) {
	for step := range stepsOf(seconds) {
		completed += f.Advance(step, rate).Completed
	}
	return completed
}

// stepsOf divides seconds into steps of at most 100 seconds.
func stepsOf(seconds float64) func(func(time.Duration) bool) {
	return func(yield func(time.Duration) bool) {
		for rest := time.Duration(seconds * float64(time.Second)); rest > 0; rest -= 100 * time.Second {
			if !yield(min(rest, 100*time.Second)) {
				return
			}
		}
	}
}

// seconds is the sum of all latencies of pods that are there.
func seconds(f *fleet) float64 {
	sum := 0.0
	for _, p := range f.pods {
		sum += p.seconds
	}
	return sum
}

// A sample is the results of batches that are long enough to be independent.
type sample struct{ values []float64 }

func (s *sample) add(v float64) { s.values = append(s.values, v) }

func (s *sample) mean() float64 {
	sum := 0.0
	for _, v := range s.values {
		sum += v
	}
	return sum / float64(len(s.values))
}

// standardError is that of the mean.
func (s *sample) standardError() float64 {
	mean, n := s.mean(), float64(len(s.values))
	sum := 0.0
	for _, v := range s.values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / (n - 1) / n)
}

// mustHold checks that a true value is within four standard errors, and that
// these are small enough to mean something. To the width of a cell of the
// histogram, 0.2 % are allowed.
func (s *sample) mustHold(t *testing.T, name string, want float64) {
	t.Helper()
	got, e := s.mean(), s.standardError()
	t.Logf("%s: %.4f ± %.4f, theory %.4f", name, got, e, want)
	if math.Abs(got-want) > 4*e+0.002*want {
		t.Errorf("%s: %.4f is %.1f standard errors from the true %.4f", name, got, (got-want)/e, want)
	}
	if e > 0.02*want {
		t.Errorf("%s: standard error %.4f is too coarse to tell", name, e)
	}
}
