package app

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/scenario"
)

// BenchmarkSimulate is half an hour with two metrics, one of them a quantile:
// computed, over PromQL (real-time is the baseline that matters to who waits), and
// request by request.
func BenchmarkSimulate(b *testing.B) {
	for name, prepare := range map[string]func(*flight){
		"signals": func(f *flight) { f.pipeline = scenario.Signals },
		"promql":  func(f *flight) { f.pipeline = scenario.PromQL },
		"exact":   func(f *flight) { f.exact = true },
	} {
		b.Run(name, func(b *testing.B) {
			f := shopFlight(b, scenario.Signals)
			prepare(f)
			for b.Loop() {
				if _, err := f.fly(b.Context(), nil); err != nil {
					b.Fatal(err)
				}
			}
			perRun := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric((f.demand.Length()+f.leadIn).Seconds()/perRun, "×real-time")
		})
	}
}

// BenchmarkMonth is the example's web shop, its day thirty times over: one HPA on
// requests per second, steps of a second, syncs every fifteen.
func BenchmarkMonth(b *testing.B) {
	demand := scenario.Demand{Trace: "../../examples/traces/shop-day.csv", Unit: "rate"}
	for _, days := range []int{1, 30} {
		b.Run(fmt.Sprintf("days=%d", days), func(b *testing.B) {
			f := exampleFlight(b, "web", demand)
			f.autoscaler.Spec.Metrics = f.autoscaler.Spec.Metrics[:1]
			f.objective = nil
			f.demand.Rates = slices.Repeat(f.demand.Rates, days)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.fly(b.Context(), nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(f.demand.Length().Seconds()/(b.Elapsed().Seconds()/float64(b.N)), "×real-time")
		})
	}
}
