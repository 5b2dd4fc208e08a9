package workload

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Shape is a rate per second at any time since a beginning.
type Shape func(at time.Duration) float64

// Resolution is how finely a Shape is looked at: nothing in a simulation is finer.
const Resolution = time.Second

// Over is the demand of the shape for a length, which is rounded up to whole
// seconds. The rate of a second is that in its middle, and never below 0.
func (s Shape) Over(length time.Duration) Demand {
	n := (length + Resolution - 1) / Resolution
	d := Demand{Every: Resolution, Rates: make([]float64, max(0, n))}
	for i := range d.Rates {
		d.Rates[i] = max(0, s(time.Duration(i)*Resolution+Resolution/2))
	}
	return d
}

// Constant is always the same rate.
func Constant(rate float64) Shape {
	return func(time.Duration) float64 { return rate }
}

// Ramp goes from one rate to another in a time, and stays there.
func Ramp(from, to float64, over time.Duration) Shape {
	return func(at time.Duration) float64 {
		if at >= over {
			return to
		}
		return from + (to-from)*at.Seconds()/over.Seconds()
	}
}

// Sine swings around a mean, and begins there, upwards.
func Sine(mean, amplitude float64, every time.Duration) Shape {
	return func(at time.Duration) float64 {
		return mean + amplitude*math.Sin(2*math.Pi*math.Mod(at.Seconds()/every.Seconds(), 1))
	}
}

// Burst is a base rate that rises to a peak for a while at the end of every period.
func Burst(base, peak float64, lasting, every time.Duration) Shape {
	return func(at time.Duration) float64 {
		if at%every >= every-lasting {
			return peak
		}
		return base
	}
}

// Scale is a demand with all rates times a factor.
func (d Demand) Scale(factor float64) Demand {
	scaled := Demand{Every: d.Every, Rates: make([]float64, len(d.Rates))}
	for i, r := range d.Rates {
		scaled.Rates[i] = r * factor
	}
	return scaled
}

// Poisson is what a demand may really have been: the rates become counts of
// random arrivals in each Every, divided by it. Equal seeds give equal counts.
func (d Demand) Poisson(seed uint64) Demand {
	seconds := d.Every.Seconds()
	counts := distuv.Poisson{Src: rand.NewPCG(seed, 0)}
	noisy := Demand{Every: d.Every, Rates: make([]float64, len(d.Rates))}
	for i, r := range d.Rates {
		if r > 0 {
			counts.Lambda = r * seconds
			noisy.Rates[i] = counts.Rand() / seconds
		}
	}
	return noisy
}

// Concat is demands one after the other. They have the same Every; it panics where
// they have not.
func Concat(demands ...Demand) Demand {
	var all Demand
	for _, d := range demands {
		if all.Every != 0 && d.Every != all.Every {
			panic("workload: demands of different resolution do not join")
		}
		all.Every = d.Every
		all.Rates = append(slices.Clip(all.Rates), d.Rates...)
	}
	return all
}
