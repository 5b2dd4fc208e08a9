package workload

import "time"

// A Demand is how many requests arrive, as a rate that is constant for Every.
type Demand struct {
	Every time.Duration
	// Rates are per second: Rates[i] holds from i·Every until (i+1)·Every.
	Rates []float64
}

// Length is the time that the demand tells of.
func (d Demand) Length() time.Duration { return time.Duration(len(d.Rates)) * d.Every }

// At is the rate per second at a time since the beginning. It is zero before and
// after the demand.
func (d Demand) At(t time.Duration) float64 {
	if t < 0 || d.Every <= 0 {
		return 0
	}
	i := int(t / d.Every)
	if i >= len(d.Rates) {
		return 0
	}
	return d.Rates[i]
}
