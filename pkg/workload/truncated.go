package workload

import (
	"math"
	"sync"
)

// A crowd is the shape of a backlog: normal, cut off at zero. The family has the
// three shapes that a queue goes through: exponential in steady state, half normal
// where load reaches capacity, normal in overload. A mean and a variance choose one.
type crowd struct {
	variation float64             // variance over squared mean
	empty     float64             // density at zero times the mean
	excess    [levelCount]float64 // quantile over mean, less 1
}

// crowds are tabulated over the distance of the untruncated mean from zero in
// standard deviations, with falling variation.
var crowds = sync.OnceValue(func() *[crowdCount]crowd {
	var all [crowdCount]crowd
	for i := range all {
		all[i] = crowdAt(crowdFirst + float64(i)*crowdWidth)
	}
	return &all
})

const (
	crowdFirst = -7.0
	crowdWidth = 0.25
	crowdCount = 109 // up to 20: a variation of 0.0025
)

// crowdAt is a normal distribution of variance 1 around t, cut off below zero.
func crowdAt(t float64) crowd {
	remaining := 0.5 * math.Erfc(-t/math.Sqrt2)
	density := math.Exp(-t*t/2) / math.Sqrt(2*math.Pi) / remaining
	mean := t + density
	c := crowd{variation: (1 - density*mean) / (mean * mean), empty: density * mean}
	for i, p := range levels {
		x := t + math.Sqrt2*math.Erfcinv(2*(1-p)*remaining)
		c.excess[i] = max(0, x)/mean - 1
	}
	return c
}

// crowdOf finds the two crowds between which a variation lies. It begins to look
// at a hint.
func crowdOf(variation float64, hint int) place {
	all := crowds()
	for hint > 0 && all[hint].variation < variation {
		hint--
	}
	for hint < crowdCount-2 && all[hint+1].variation > variation {
		hint++
	}
	high, low := all[hint].variation, all[hint+1].variation
	return place{hint, min(1, max(0, (high-variation)/(high-low)))}
}

// crowdFrom is the crowd around a distance from zero, in standard deviations.
func crowdFrom(distance float64) place {
	at := min(max(0, (distance-crowdFirst)/crowdWidth), crowdCount-1.001)
	return place{int(at), at - math.Floor(at)}
}

// emptiness is the density at zero times the mean.
func (p place) emptiness() float64 {
	all := crowds()
	a, b := all[p.knot].empty, all[p.knot+1].empty
	return a + p.part*(b-a)
}

// excess is how far the quantile at a level is from the mean, over the mean.
func (p place) excess(level int) float64 {
	all := crowds()
	a, b := all[p.knot].excess[level], all[p.knot+1].excess[level]
	return a + p.part*(b-a)
}

// variation is the variance over the squared mean.
func (p place) variation() float64 {
	all := crowds()
	a, b := all[p.knot].variation, all[p.knot+1].variation
	return a + p.part*(b-a)
}
