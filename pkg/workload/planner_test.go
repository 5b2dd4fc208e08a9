package workload

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestAPlanIsAsTheFleetServes asks the fleet itself whether so many pods meet the
// objective, and one fewer does not.
func TestAPlanIsAsTheFleetServes(t *testing.T) {
	for name, server := range servers() {
		if server.Limit > 0 || server.Timeout > 0 || server.Kind == Linear {
			continue
		}
		t.Run(name, func(t *testing.T) {
			limit := 5 * server.Service.Mean
			limit += 4 * server.Delay.Mean
			p, err := NewPlanner(server.WithDefaults(), 0.95, limit)
			if err != nil {
				t.Fatal(err)
			}
			server.WarmUp = 0
			last := 0
			for _, rate := range []float64{1, 20, 55, 140, 400} {
				n := p.Need(rate)
				if n < last {
					t.Errorf("%d pods for %v, but %d for less", n, rate, last)
				}
				last = n
				if l := settled(t, server, n, rate).Latency[1]; l > limit.Seconds()*1.003 {
					t.Errorf("%d pods at %v: p95 %v is above %v", n, rate, l, limit)
				}
				if n == 1 {
					continue
				}
				if s := settled(t, server, n-1, rate); s.Utilization < 1 && s.Latency[1] < limit.Seconds()*0.997 {
					t.Errorf("%d pods are enough for %v (p95 %v of %v), planned are %d", n-1, rate, s.Latency[1], limit, n)
				}
			}
		})
	}
}

func TestAPlanWithoutALimitKeepsUp(t *testing.T) {
	p, err := NewPlanner(Server{Kind: Sync, Workers: 4, Service: Time{Mean: 100 * time.Millisecond}}.WithDefaults(), 0.95, 0)
	if err != nil {
		t.Fatal(err)
	}
	for rate, want := range map[float64]int{0: 0, 1: 1, 39.9: 1, 40: 2, 79: 2, 1000: 26, math.NaN(): 0, math.Inf(1): maxNeed} {
		if got := p.Need(rate); got != want {
			t.Errorf("%d pods for %v, want %d", got, rate, want)
		}
	}
}

func TestPlansThatNobodyCanMeet(t *testing.T) {
	service := Time{100 * time.Millisecond, 1}
	for _, c := range []struct {
		name     string
		server   Server
		quantile float64
		limit    time.Duration
		want     string
	}{
		{"the service alone takes longer", Server{Kind: Sync, Service: service}, 0.95, 200 * time.Millisecond,
			"p95 of at most 200ms: no number of replicas meets it, as a request takes 299.6ms at this quantile without any waiting"},
		{"the delay does", Server{Kind: Async, Service: Time{time.Millisecond, 0}, Delay: service}, 0.99, 200 * time.Millisecond,
			"p99 of at most 200ms: no number of replicas meets it, as a request takes 461"},
		{"a linear server does", Server{Kind: Linear, Service: service}, 0.5, 50 * time.Millisecond, "as a request takes 69.3ms"},
		{"no quantile", Server{Kind: Sync, Service: service}, 95, time.Second, "quantile: 95: give a number between 0 and 1, such as 0.95"},
		{"no limit", Server{Kind: Sync, Service: service}, 0.95, -1, "limit: -1ns: give a positive duration, or 0 for none"},
		{"no server", Server{}, 0.95, 0, "kind: missing"},
	} {
		_, err := NewPlanner(c.server.WithDefaults(), c.quantile, c.limit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func BenchmarkNeed(b *testing.B) {
	p, err := NewPlanner(servers()["sync round-robin"].WithDefaults(), 0.95, 300*time.Millisecond)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Need(500)
	}
}
