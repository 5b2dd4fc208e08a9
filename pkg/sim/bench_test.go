package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// wave is a demand with a hill each day, minute by minute.
func wave(days int) workload.Demand {
	d := workload.Demand{Every: time.Minute}
	for minute := range days * 24 * 60 {
		hour := minute / 60 % 24
		d.Rates = append(d.Rates, 200+60*float64(min(hour, 24-hour))+float64(minute*7%13))
	}
	return d
}

// gunicorn is a fleet that computes, with the signals of its kind.
func gunicorn(t testing.TB, signal Signal) (workload.Fleet, Pipeline) {
	t.Helper()
	bounds := []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	server := workload.Server{Kind: workload.Sync, Workers: 8, Service: workload.Time{Mean: 80 * time.Millisecond, SCV: 1}, CPU: 20 * time.Millisecond, Balancer: workload.Random}
	options := workload.Options{Quantiles: []float64{0.95}}
	if signal.Kind == Latency {
		options.Bounds = bounds
	}
	fleet, err := workload.NewFleet(server, options)
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := NewSignals(map[string]Signal{"rps": signal}, SignalOptions{Bounds: options.Bounds, Workers: 8})
	if err != nil {
		t.Fatal(err)
	}
	return fleet, pipeline
}

// BenchmarkRun is everything: requests, scrapes, syncs and reports to a handler
// that does nothing with them.
func BenchmarkRun(b *testing.B) {
	for name, signal := range map[string]Signal{
		"rate":    {Kind: Rate, Window: 2 * time.Minute},
		"latency": {Kind: Latency, Window: 2 * time.Minute, Quantile: 0.95},
	} {
		for _, days := range []int{1, 30} {
			b.Run(fmt.Sprintf("%s/days=%d", name, days), func(b *testing.B) {
				demand := wave(days)
				b.ReportAllocs()
				for b.Loop() {
					c := aRun(b, demand)
					c.Spec = perPod(2, 30, 60)
					c.Fleet, c.Pipeline = gunicorn(b, signal)
					if signal.Kind == Latency {
						c.Spec.Metrics[0].Target.Milli = 300
					}
					end, err := Run(b.Context(), c, quiet{})
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(end.Summary.MeanReplicas, "replicas")
				}
				perRun := b.Elapsed() / time.Duration(b.N)
				b.ReportMetric(float64(demand.Length()/perRun), "×real-time")
			})
		}
	}
}

// BenchmarkEngine is a run of 30 days without what its fleet takes: ten pods that
// count nothing.
func BenchmarkEngine(b *testing.B) {
	demand := wave(30)
	for b.Loop() {
		c := aRun(b, demand)
		c.Replicas, c.Fleet = 10, &still{newTub(150)}
		if _, err := Run(b.Context(), c, quiet{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(demand.Length()/(b.Elapsed()/time.Duration(b.N))), "×real-time")
}

// A still fleet serves nothing at no cost.
type still struct{ *tub }

func (s *still) Advance(_ time.Duration, rate float64) workload.Step {
	return workload.Step{Arrived: rate, Utilization: 0.5, Latency: s.quantiles[:]}
}
func (s *still) Lap()                   {}
func (s *still) Lapped(float64) float64 { return 0 }

// quiet hears everything and says nothing.
type quiet struct{}

func (quiet) Handle(Message) error { return nil }
