package workload_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

func TestDrawnTimesFollowTheirQuantiles(t *testing.T) {
	for _, scv := range []float64{0, 0.25, 0.4, 1, 1.5, 4} {
		t.Run(fmt.Sprint("scv=", scv), func(t *testing.T) {
			x := workload.Time{Mean: 80 * time.Millisecond, SCV: scv}
			rng := rand.New(rand.NewPCG(1, 2))
			const n = 400_000
			var sum, squares float64
			below := map[float64]int{0.05: 0, 0.5: 0, 0.95: 0, 0.99: 0}
			limit := map[float64]float64{}
			for p := range below {
				limit[p] = x.Quantile(p)
			}
			for range n {
				v := x.Draw(rng)
				sum += v
				squares += v * v
				for p, l := range limit {
					if v <= l {
						below[p]++
					}
				}
			}
			mean := sum / n
			if math.Abs(mean/0.08-1) > 0.02 {
				t.Errorf("mean %v, want 0.08", mean)
			}
			got := (squares/n - mean*mean) / mean / mean
			if math.Abs(got-scv) > 0.1*scv+1e-9 {
				t.Errorf("squared coefficient of variation %v, want %v", got, scv)
			}
			if scv == 0 {
				return
			}
			for p, k := range below {
				if share := float64(k) / n; math.Abs(share-p) > 0.003 {
					t.Errorf("%v of draws are within the quantile %v", share, p)
				}
				if w := x.Within(limit[p]); math.Abs(w-p) > 1e-6 {
					t.Errorf("Within(Quantile(%v)) = %v", p, w)
				}
			}
		})
	}
}

func TestQuantilesAtTheEdges(t *testing.T) {
	constant := workload.Time{Mean: time.Second}
	varied := workload.Time{Mean: time.Second, SCV: 2}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"a constant time has one quantile", constant.Quantile(1), 1},
		{"a constant time, below", constant.Within(0.999), 0},
		{"a constant time, at", constant.Within(1), 1},
		{"nothing is quicker than nothing", varied.Quantile(0), 0},
		{"a tail has no end", varied.Quantile(1), math.Inf(1)},
		{"no time takes none", workload.Time{SCV: 1}.Quantile(0.5), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if !math.IsNaN(varied.Quantile(1.1)) || !math.IsNaN(varied.Quantile(math.NaN())) {
		t.Error("a quantile outside of 0 and 1 is not NaN")
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, scv := range []float64{0, 0.25, 1, 4} {
		b.Run(fmt.Sprint("scv=", scv), func(b *testing.B) {
			x := workload.Time{Mean: time.Second, SCV: scv}
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				x.Draw(rng)
			}
		})
	}
}
