package hpa

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkStep is a sync on one Pods metric in the steady state: the load
// wavers within the tolerance, and a window of recommendations is remembered.
func BenchmarkStep(b *testing.B) {
	for _, pods := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) { steady(b, pods, Step) })
	}
}

// BenchmarkExplain is the same with the trail.
func BenchmarkExplain(b *testing.B) {
	b.Run("pods=10", func(b *testing.B) { steady(b, 10, Explain) })
}

func steady(b *testing.B, pods int, decide func(*Spec, State, *Observation, time.Time) (Decision, State, error)) {
	spec, seen := rps(1, 5000), running(pods, 105_000)
	state, now := State{}, t0
	for range 40 { // more than fit into five minutes
		now = now.Add(15 * time.Second)
		_, state, _ = decide(&spec, state, &seen, now)
	}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(15 * time.Second)
		var decision Decision
		decision, state, _ = decide(&spec, state, &seen, now)
		if decision.Outcome != Held {
			b.Fatalf("%+v", decision)
		}
	}
}
