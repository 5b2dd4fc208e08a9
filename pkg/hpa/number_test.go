package hpa

import (
	"math"
	"testing"
)

// What does not fit becomes the smallest integer, as on amd64, and neither the
// largest nor zero.
func TestNumbersThatDoNotFit(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		x         float64
		ceil      int32
		truncated int32
		saturated int32
		wide      int64
	}{
		{0, 0, 0, 0, 0},
		{2.1, 3, 2, 3, 3},
		{-2.1, -2, -2, -2, -2},
		{math.MaxInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32},
		{math.MaxInt32 + 0.5, math.MinInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32 + 1},
		{math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt32},
		{math.MinInt32 - 1, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt32 - 1},
		{1e18, math.MinInt32, math.MinInt32, math.MaxInt32, 1e18},
		{1 << 63, math.MinInt32, math.MinInt32, math.MaxInt32, math.MinInt64},
		{-1 << 63, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt64},
		{inf, math.MinInt32, math.MinInt32, math.MaxInt32, math.MinInt64},
		{-inf, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt64},
		{nan, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt64},
	} {
		if got := ceil32(c.x); got != c.ceil {
			t.Errorf("ceil32(%g) = %d, want %d", c.x, got, c.ceil)
		}
		if got := truncate32(c.x); got != c.truncated {
			t.Errorf("truncate32(%g) = %d, want %d", c.x, got, c.truncated)
		}
		if got := saturated32(c.x); got != c.saturated {
			t.Errorf("saturated32(%g) = %d, want %d", c.x, got, c.saturated)
		}
		if got := ceil64(c.x); got != c.wide {
			t.Errorf("ceil64(%g) = %d, want %d", c.x, got, c.wide)
		}
	}
}
