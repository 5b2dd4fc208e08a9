package hpa

import "math"

// Go leaves it to the processor what a floating-point number becomes that does
// not fit into an integer. These functions do on every processor what amd64
// does, where it becomes the smallest integer: absurd input gives the decision
// of a controller on amd64, and not another one on arm64.

// ceil32 is the smallest integer that is not less than x.
func ceil32(x float64) int32 { return truncate32(math.Ceil(x)) }

// truncate32 drops the digits behind the point.
func truncate32(x float64) int32 {
	if t := math.Trunc(x); t >= math.MinInt32 && t <= math.MaxInt32 {
		return int32(t)
	}
	return math.MinInt32
}

// ceil64 is the smallest integer that is not less than x.
func ceil64(x float64) int64 {
	// 2⁶³ is a float64, 2⁶³-1 is not.
	if up := math.Ceil(x); up >= math.MinInt64 && up < math.MaxInt64 {
		return int64(up)
	}
	return math.MinInt64
}

// saturated32 is ceil32 but for what is larger than any count.
func saturated32(x float64) int32 {
	if x > math.MaxInt32 {
		return math.MaxInt32
	}
	return ceil32(x)
}
