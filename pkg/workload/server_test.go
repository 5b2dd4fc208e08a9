package workload

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestServersThatCannotBe(t *testing.T) {
	service := Time{Mean: 80 * time.Millisecond, SCV: 1}
	for _, c := range []struct {
		name   string
		server Server
		want   []string
	}{
		{"an empty one", Server{}, []string{`kind: missing: give "sync"`, `balancer: ""`, "workers: 0: give a number", "service: no mean"}},
		{"a kind that is none", Server{Kind: "fast", Service: service}, []string{`kind: "fast" is unknown`}},
		{"a queue with a balancer", Server{Kind: Queue, Service: service, Balancer: Random}, []string{`balancer: "random": the pods of a queue fetch`}},
		{"a linear one with workers", Server{Kind: Linear, Service: service, Workers: 2}, []string{"workers: 2: a linear server has none"}},
		{"a sync one with a delay", Server{Kind: Sync, Service: service, Delay: service}, []string{"delay: 80ms: only an async server"}},
		{"negative times", Server{Kind: Sync, Service: Time{-1, -1}, Timeout: -1, WarmUp: -1, CPU: -1},
			[]string{"service: mean is -1ns", "service: squared coefficient of variation is -1", "timeout: -1ns", "warmUp: -1ns", "cpu: -1ns"}},
		{"a variation that is luck", Server{Kind: Sync, Service: Time{1, math.NaN()}}, []string{"service: squared coefficient of variation is NaN"}},
		{"limits", Server{Kind: Sync, Workers: 4, Service: service, Limit: 3, Prefetch: 2}, []string{"limit: 3: it counts requests in service too: give at least the workers (4)", "prefetch: 2: only a queue"}},
		{"a queue that refuses", Server{Kind: Queue, Service: service, Limit: 3}, []string{"limit: 3: a queue server takes everything"}},
		{"a cold pod that stands", Server{Kind: Sync, Service: service, WarmUp: 1}, []string{"warmUpSpeed: 0: give the share"}},
		{"background", Server{Kind: Sync, Service: service, Background: math.Inf(1)}, []string{"background: +Inf: give cores"}},
	} {
		server := c.server
		if c.name != "an empty one" {
			server = server.WithDefaults()
		}
		err := server.Validate()
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %s", c.name, err, want)
			}
		}
	}
	for name, server := range servers() {
		if err := server.WithDefaults().Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	_, err := NewFleet(servers()["linear"].WithDefaults(), Options{Bounds: []float64{1, 1}, Quantiles: []float64{95}})
	for _, want := range []string{"bounds: 1 at index 1: give rising numbers", "quantiles: 95: give numbers from 0 to 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestCapacity(t *testing.T) {
	if c := servers()["sync random"].Capacity(); c != 40 {
		t.Errorf("four workers of 100 ms serve %v per second, want 40", c)
	}
	if c := servers()["linear"].Capacity(); !math.IsInf(c, 1) {
		t.Errorf("a linear server serves %v per second, want +Inf", c)
	}
}
