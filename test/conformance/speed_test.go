package conformance

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// TestSpeed prints what a sync costs on either side, on one Pods metric over 10
// pods in the steady state. It asserts nothing: machines differ, and their ratio
// is what can be said of them.
func TestSpeed(t *testing.T) {
	profile := linked(t)
	theirs, ours := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for range 10 {
		theirs = min(theirs, upstreamSync(t))
		ours = min(ours, pitotSync(t, profile))
	}
	t.Logf("a sync, best of 10: the controller %v, pkg/hpa %v, a ratio of %.0f", theirs, ours, float64(theirs)/float64(ours))
}

func upstreamSync(t *testing.T) time.Duration {
	t.Helper()
	const syncs = 1000
	start := time.Now() // outside of the bubble, where time passes
	synctest.Test(t, func(*testing.T) {
		l := steadyLoop()
		u := newUpstream(l.world)
		defer func() { u.stop() }()
		u.see()
		for range syncs {
			time.Sleep(syncPeriod)
			if _, err := reconcileKey(u.controller, u.ctx, key); err != nil {
				panic(err)
			}
		}
	})
	return time.Since(start) / syncs
}

func pitotSync(t *testing.T, profile hpa.Profile) time.Duration {
	t.Helper()
	const steps = 30_000
	l := steadyLoop()
	spec, seen := l.world.spec(profile), l.world.observation()
	var state hpa.State
	start := time.Now()
	for now := range steps {
		_, after, err := hpa.Step(&spec, state, &seen, l.start.Add(time.Duration(now)*syncPeriod))
		if err != nil {
			t.Fatal(err)
		}
		state = after
	}
	return time.Since(start) / steps
}

// steadyLoop is 10 ready pods at their target.
func steadyLoop() *loop {
	spec := loopHPA(1, 60, defaultBehavior())
	spec.Metrics = spec.Metrics[:1]
	l := newLoop(spec)
	l.scale(10)
	for i := range l.since {
		l.since[i] = l.start.Add(-time.Hour)
	}
	l.observe(l.start)
	reading := l.world.readings["qps"]
	for name, sample := range reading.pods {
		sample.Value = 100_000
		reading.pods[name] = sample
	}
	return l
}
