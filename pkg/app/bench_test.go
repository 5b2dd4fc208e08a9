package app

import (
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
