package workload

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestACrushGrowsByTheLawOfWork: the number of requests that share a processor
// which gets too much grows by α a second, where α = λ(1 - E[exp(-αX)]) for work X
// (Jean-Marie and Robert 1994), which is λ-μ for exponential work only. With α·t
// others each gets 1/(α·t) of the processor, so that constant work x that ends at t
// came at t·exp(-α·x).
func TestACrushGrowsByTheLawOfWork(t *testing.T) {
	for _, scv := range []float64{0, 0.25, 1, 4} {
		for _, load := range []float64{1.2, 2} {
			service := Time{100 * time.Millisecond, scv}
			f := mustFleet(t, Server{Kind: Async, Service: service}, options)
			f.Join(1)
			rate := load / service.Seconds()
			for range 3000 {
				f.Advance(time.Second, rate)
			}
			before := f.Whole()
			s := f.Advance(time.Second, rate)
			after := f.Whole()
			growth := growthOf(service, rate)
			what := fmt.Sprintf("of SCV %v at %v", scv, load)
			near(t, "growth "+what, after.Waiting+after.InService-before.Waiting-before.InService, growth, 0.03)
			if scv == 0 {
				near(t, "latency "+what, s.Latency[0], 3000*-math.Expm1(-growth*service.Seconds()), 0.03)
			}
		}
	}
}

// growthOf solves for α.
func growthOf(service Time, rate float64) float64 {
	var works [2000]float64
	for i := range works {
		works[i] = service.Quantile((float64(i) + 0.5) / float64(len(works)))
	}
	low, high := 0.0, rate
	for range 40 {
		alpha := (low + high) / 2
		laplace := 0.0
		for _, work := range works {
			laplace += math.Exp(-alpha*work) / float64(len(works))
		}
		if rate*(1-laplace) > alpha {
			low = alpha
		} else {
			high = alpha
		}
	}
	return low
}
