package sim

import "time"

// A foresight adds up the replica-seconds of an autoscaler that knows the future:
// at any time it has the most that is needed from now until a replica started now
// would be ready. Before the beginning it costs nothing.
//
// It remembers the needs of one startup's time at most, and of those only the
// ones that no later one outdoes.
type foresight struct {
	ahead   int // steps of a startup
	n       int // steps so far
	full    float64
	last    float64  // seconds of the last step; those before it are full
	pending []needed // rising in time, falling in need
	total   float64
}

// needed is the need in a step.
type needed struct{ step, need int }

func newForesight(startup, step time.Duration) foresight {
	return foresight{ahead: int((startup + step - 1) / step), full: step.Seconds()}
}

// step adds the need of the next step, and pays for the one a startup earlier.
func (f *foresight) step(need int, seconds float64) {
	keep := len(f.pending)
	for keep > 0 && f.pending[keep-1].need <= need {
		keep--
	}
	f.pending = append(f.pending[:keep], needed{f.n, need})
	f.last = seconds
	f.n++
	if f.ahead > 0 {
		seconds = f.full
	}
	f.pay(f.n-1-f.ahead, seconds)
}

// pay adds the most that is needed from a step on, as far as that is known.
func (f *foresight) pay(step int, seconds float64) {
	if step < 0 {
		return
	}
	if f.pending[0].step < step {
		f.pending = f.pending[:copy(f.pending, f.pending[1:])]
	}
	f.total += float64(f.pending[0].need) * seconds
}

// end pays for what is left and returns the sum.
func (f *foresight) end() float64 {
	for step := max(0, f.n-f.ahead); step < f.n-1; step++ {
		f.pay(step, f.full)
	}
	if f.n > 0 && f.ahead > 0 {
		f.pay(f.n-1, f.last)
	}
	return f.total
}
