package workload

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// The distribution of a Time follows from its SCV alone: constant at 0, gamma
// below 1 (Erlang where 1/SCV is whole), exponential at 1, lognormal above. Gamma
// is the family that leads from the constant to the exponential. What varies more
// than the exponential is lognormal and not hyperexponential, as measured
// latencies of web services are: few near zero, one hump, a long tail.

// Seconds is the mean in seconds.
func (t Time) Seconds() float64 { return t.Mean.Seconds() }

// Quantile is the time in seconds that a share p of all stays within, 0 ≤ p ≤ 1.
// It is +Inf for p = 1 unless the time is constant, and NaN for other p.
func (t Time) Quantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1):
		return math.NaN()
	case t.Mean <= 0 || t.SCV <= 0:
		return t.Seconds()
	case p == 0:
		return 0
	case p == 1:
		return math.Inf(1)
	case t.SCV < 1:
		return distuv.Gamma{Alpha: 1 / t.SCV, Beta: 1 / (t.SCV * t.Seconds())}.Quantile(p)
	case t.SCV == 1:
		return -t.Seconds() * math.Log1p(-p)
	}
	return t.lognormal().Quantile(p)
}

// Within is the share of times that are at most x seconds.
func (t Time) Within(x float64) float64 {
	switch {
	case t.Mean <= 0 || t.SCV <= 0:
		if x < t.Seconds() {
			return 0
		}
		return 1
	case x <= 0:
		return 0
	case t.SCV < 1:
		return distuv.Gamma{Alpha: 1 / t.SCV, Beta: 1 / (t.SCV * t.Seconds())}.CDF(x)
	case t.SCV == 1:
		return -math.Expm1(-x / t.Seconds())
	}
	return t.lognormal().CDF(x)
}

// Draw draws a time in seconds. It is the hot path of simulations that follow each
// request, and so does not go through the library that Quantile uses.
func (t Time) Draw(rng *rand.Rand) float64 {
	switch {
	case t.Mean <= 0 || t.SCV <= 0:
		return t.Seconds()
	case t.SCV < 1:
		return t.Seconds() * t.SCV * drawGamma(rng, 1/t.SCV)
	case t.SCV == 1:
		return t.Seconds() * rng.ExpFloat64()
	}
	variance := math.Log1p(t.SCV)
	return t.Seconds() * math.Exp(math.Sqrt(variance)*rng.NormFloat64()-variance/2)
}

func (t Time) lognormal() distuv.LogNormal {
	variance := math.Log1p(t.SCV)
	return distuv.LogNormal{Mu: math.Log(t.Seconds()) - variance/2, Sigma: math.Sqrt(variance)}
}

// drawGamma draws from the gamma distribution of a shape of at least 1 and scale 1:
// Marsaglia and Tsang, A simple method for generating gamma variables, 2000.
func drawGamma(rng *rand.Rand, shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// maxSCV bounds what a Time may vary: above it, means of a simulated day are luck.
const maxSCV = 100

// validate reports what is wrong with the time of a field.
func (t Time) validate(field string) error {
	var problems []error
	if t.Mean < 0 {
		problems = append(problems, fmt.Errorf("%s: mean is %v: give a duration of 0 or more, such as 80ms", field, t.Mean))
	}
	if !(t.SCV >= 0 && t.SCV <= maxSCV) {
		problems = append(problems, fmt.Errorf("%s: squared coefficient of variation is %v: give a number from 0 (constant) to %d; 1 is exponential", field, t.SCV, maxSCV))
	}
	return errors.Join(problems...)
}
