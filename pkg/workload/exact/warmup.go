package exact

import "math"

// A warmUp is the speed of a pod that begins at speed and rises linearly to 1
// within length.
type warmUp struct {
	since, length, speed float64
}

// worked is the work done since the pod joined, in seconds at full speed.
func (w warmUp) worked(age float64) float64 {
	if age >= w.length {
		return age - w.length*(1-w.speed)/2
	}
	return age * (w.speed + (1-w.speed)*age/(2*w.length))
}

// done is the work that one worker does from one time to another.
func (w warmUp) done(from, to float64) float64 {
	if from-w.since >= w.length {
		return to - from
	}
	return w.worked(to-w.since) - w.worked(from-w.since)
}

// after is when work is done that begins at a time.
func (w warmUp) after(at, work float64) float64 {
	if at-w.since >= w.length {
		return at + work
	}
	worked := w.worked(at-w.since) + work
	if rest := worked - w.worked(w.length); rest >= 0 {
		return w.since + w.length + rest
	}
	// The root of age·(speed + slope·age) = worked, in the form that holds for slope 0.
	slope := (1 - w.speed) / (2 * w.length)
	return w.since + 2*worked/(w.speed+math.Sqrt(w.speed*w.speed+4*slope*worked))
}
