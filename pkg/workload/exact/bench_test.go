package exact

import (
	"fmt"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// The referee on one core, ten pods at 80 % load.
func BenchmarkFleet(b *testing.B) {
	exponential := workload.Time{Mean: 10 * time.Millisecond, SCV: 1}
	lognormal := workload.Time{Mean: 10 * time.Millisecond, SCV: 4}
	erlang := workload.Time{Mean: 10 * time.Millisecond, SCV: 0.25}
	buckets := []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	for _, c := range []struct {
		name   string
		server workload.Server
	}{
		{"sync random", workload.Server{Kind: workload.Sync, Workers: 4, Service: exponential}},
		{"sync random lognormal", workload.Server{Kind: workload.Sync, Workers: 4, Service: lognormal}},
		{"sync random erlang", workload.Server{Kind: workload.Sync, Workers: 4, Service: erlang}},
		{"sync random timeout", workload.Server{Kind: workload.Sync, Workers: 4, Service: exponential, Timeout: time.Second}},
		{"sync round-robin", workload.Server{Kind: workload.Sync, Workers: 4, Service: exponential, Balancer: workload.RoundRobin}},
		{"sync least-requests", workload.Server{Kind: workload.Sync, Workers: 4, Service: exponential, Balancer: workload.LeastRequests}},
		{"async random", workload.Server{Kind: workload.Async, Workers: 4, Service: exponential, Delay: lognormal}},
		{"async least-requests", workload.Server{Kind: workload.Async, Workers: 4, Service: exponential, Delay: lognormal, Balancer: workload.LeastRequests}},
		{"async random timeout", workload.Server{Kind: workload.Async, Workers: 4, Service: exponential, Delay: lognormal, Timeout: time.Second}},
		{"queue", workload.Server{Kind: workload.Queue, Workers: 4, Service: exponential}},
		{"queue prefetch", workload.Server{Kind: workload.Queue, Workers: 4, Service: exponential, Prefetch: 3}},
		{"linear", workload.Server{Kind: workload.Linear, Service: exponential}},
	} {
		b.Run(c.name, func(b *testing.B) {
			fleet, err := NewFleet(c.server.WithDefaults(), workload.Options{Bounds: buckets, Quantiles: []float64{0.95}, Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			for id := range 10 {
				fleet.Join(id)
			}
			const rate = 10 * 4 * 100 * 0.8
			requests := 0.0
			for b.Loop() {
				requests += fleet.Advance(time.Second, rate).Arrived
			}
			b.ReportMetric(requests/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// What the balancer with the most work costs as the fleet grows.
func BenchmarkLeastRequestsBySize(b *testing.B) {
	for _, pods := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			fleet, err := NewFleet(workload.Server{
				Kind: workload.Sync, Workers: 4, Balancer: workload.LeastRequests,
				Service: workload.Time{Mean: 100 * time.Millisecond, SCV: 1},
			}, workload.Options{Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			for id := range pods {
				fleet.Join(id)
			}
			requests := 0.0
			for b.Loop() {
				requests += fleet.Advance(time.Second, float64(pods)*40*0.8).Arrived
			}
			b.ReportMetric(requests/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
