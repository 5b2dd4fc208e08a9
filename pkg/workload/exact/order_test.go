package exact

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// The fast structures against the obvious ones.

func TestATournamentIsALeastOfAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range 40 {
		tree, plain := newTournament(n, math.MaxInt), make([]int, n)
		for i := range plain {
			plain[i] = math.MaxInt
		}
		for range 300 {
			if n == 0 {
				break
			}
			i, v := rng.IntN(n), rng.IntN(5)
			tree.set(i, v)
			plain[i] = v
			least := slices.Min(plain)
			if tree.least() != least || tree.at(i) != v || tree.where() != slices.Index(plain, least) {
				t.Fatalf("%v: least %v at %v", plain, tree.least(), tree.where())
			}
			start := rng.IntN(n + 1)
			want := slices.Index(plain[start:], least) + start
			if want < start {
				want = slices.Index(plain, least)
			}
			if got := tree.from(start); got != want {
				t.Fatalf("%v: from %d: %d, not %d", plain, start, got, want)
			}
		}
	}
}

func TestAFifoIsAQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var fast fifo[int]
	var plain []int
	for i := range 10_000 {
		if rng.IntN(2) == 0 || len(plain) == 0 {
			fast.push(i)
			plain = append(plain, i)
		} else {
			if got := fast.pop(); got != plain[0] {
				t.Fatalf("popped %d, not %d", got, plain[0])
			}
			plain = plain[1:]
		}
		if fast.len() != len(plain) {
			t.Fatalf("length %d, not %d", fast.len(), len(plain))
		}
		if n := len(plain); n > 0 && (*fast.first() != plain[0] || *fast.at(n - 1) != plain[n-1]) {
			t.Fatalf("first %d and last %d of %v", *fast.first(), *fast.at(n - 1), plain)
		}
	}
	if cap(fast.items) > 1000 {
		t.Errorf("a queue that had %d at most has grown to %d", 300, cap(fast.items))
	}
}

func TestAHeapGivesTheLeastFirst(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var fast heap
	var plain []float64
	for range 10_000 {
		if rng.IntN(2) == 0 || len(plain) == 0 {
			key := float64(rng.IntN(50))
			fast.push(item{key: key})
			plain = append(plain, key)
			continue
		}
		i := slices.Index(plain, slices.Min(plain))
		if got := fast.pop().key; got != plain[i] {
			t.Fatalf("popped %v, not %v", got, plain[i])
		}
		plain = slices.Delete(plain, i, i+1)
	}
}

func TestCellsAreNarrowAndWithoutGaps(t *testing.T) {
	for cell := 1; cell < cells; cell++ {
		low, high := floor(cell), floor(cell+1)
		if cellOf(low) != cell || cellOf(math.Nextafter(high, 0)) != cell {
			t.Fatalf("cell %d is from %v to %v, which are in %d and %d", cell, low, high, cellOf(low), cellOf(math.Nextafter(high, 0)))
		}
		if high/low > 1.004 {
			t.Fatalf("cell %d from %v to %v is too wide", cell, low, high)
		}
	}
	if cellOf(0) != 0 || cellOf(1e-12) != 0 || cellOf(1e12) != cells-1 {
		t.Error("what is outside is not in the first or last cell")
	}
}

func TestTheQuantileOfAHistogram(t *testing.T) {
	var h histogram
	var all []float64
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		v := rng.ExpFloat64()
		h.add(v)
		all = append(all, v)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.95, 0.99} {
		if got, want := h.quantile(q), all[int(math.Round(q*1000))-1]; math.Abs(got/want-1) > 0.004 {
			t.Errorf("quantile %v: %v, not %v", q, got, want)
		}
	}
	if h.quantile(0) > all[0] || h.quantile(1) < all[999] || h.quantile(1) > all[999]*1.004 {
		t.Errorf("from %v to %v, not from %v to %v", h.quantile(0), h.quantile(1), all[0], all[999])
	}
}

// A loop against one that goes through all of its requests at each event.
func TestALoopSharesAsTheObviousOneDoes(t *testing.T) {
	for _, timeout := range []float64{0, 3} {
		rng := rand.New(rand.NewPCG(1, 1))
		var requests []request
		at := 0.0
		for range 2000 {
			at += rng.ExpFloat64()
			requests = append(requests, request{arrived: at, delay: float64(rng.IntN(3)), work: 0.9 * rng.ExpFloat64()})
		}
		want := shareSlowly(requests, timeout)

		s := newStage(t, asyncWithTimeout(timeout), 1)
		for _, r := range requests {
			s.entrance.arrive(r)
		}
		s.pass(at + 1000)
		s.want("seconds of the completed", s.pod(0).Seconds, want.seconds)
		s.want("completed", s.pod(0).Completed, want.completed)
		s.want("failed", s.pod(0).Failed, want.failed)
		s.want("busy", s.pod(0).Busy, want.busy)
		if timeout > 0 && (want.failed < 100 || want.completed < 100) {
			t.Errorf("%v failed and %v completed: not much of a test", want.failed, want.completed)
		}
	}
}

type shared struct{ seconds, completed, failed, busy float64 }

// shareSlowly lets requests share a processor, from event to event.
func shareSlowly(requests []request, timeout float64) (result shared) {
	if timeout == 0 {
		timeout = math.Inf(1)
	}
	left := make([]float64, len(requests))
	for i, r := range requests {
		left[i] = r.work
	}
	over := make([]bool, len(requests))
	now := 0.0
	for {
		active, next := 0, math.Inf(1)
		for i, r := range requests {
			if !over[i] && r.arrived+r.delay <= now {
				active++
			}
		}
		for i, r := range requests {
			if over[i] {
				continue
			}
			if next = min(next, r.arrived+timeout); r.arrived+r.delay > now {
				next = min(next, r.arrived+r.delay)
			} else {
				next = min(next, now+left[i]*float64(active))
			}
		}
		if math.IsInf(next, 1) {
			return result
		}
		if active > 0 {
			result.busy += next - now
		}
		for i, r := range requests {
			if over[i] {
				continue
			}
			if r.arrived+r.delay <= now {
				left[i] -= (next - now) / float64(active)
			}
			switch {
			case r.arrived+timeout <= next:
				over[i] = true
				result.failed++
			case left[i] < 1e-12:
				over[i] = true
				result.completed++
				result.seconds += next - r.arrived
			}
		}
		now = next
	}
}

func asyncWithTimeout(seconds float64) workload.Server {
	return workload.Server{Kind: workload.Async, Workers: 1, Timeout: time.Duration(seconds * float64(time.Second))}
}

// Workers against the recursion of Kiefer and Wolfowitz: a request starts when the
// first of the workers is free.
func TestWorkersServeAsTheObviousOnesDo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := newStage(t, workload.Server{Kind: workload.Sync, Workers: 5}, 1)
	free, at, seconds := make([]float64, 5), 0.0, 0.0
	for range 5000 {
		at += rng.ExpFloat64()
		r := request{arrived: at, work: 4.5 * rng.ExpFloat64()}
		s.entrance.arrive(r)
		slices.Sort(free)
		free[0] = max(free[0], at) + r.work
		seconds += free[0] - at
	}
	s.pass(at + 1000)
	s.want("seconds", s.pod(0).Seconds, seconds)
}
