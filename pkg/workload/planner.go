package workload

import (
	"fmt"
	"math"
	"sort"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
)

// A Planner knows how many pods a rate needs in steady state. It is not safe for
// concurrent use.
type Planner struct {
	server  Server
	seconds float64
	at      level
	fleet   *fleet
	// most is, by pods, the highest rate at which they meet the objective; it grows
	// as larger rates are asked for.
	most []float64
	last int // row of the utilization that most ended with
}

// NewPlanner is a planner for an objective: a quantile of latency is to be at most
// limit. Without a limit (0) pods only have to keep up. The server has its defaults.
// An objective that no number of pods can meet is an error.
func NewPlanner(s Server, quantile float64, limit time.Duration) (*Planner, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if !(quantile > 0 && quantile < 1) {
		return nil, fmt.Errorf("quantile: %v: give a number between 0 and 1, such as 0.95", quantile)
	}
	if limit < 0 {
		return nil, fmt.Errorf("limit: %v: give a positive duration, or 0 for none", limit)
	}
	s.Timeout = 0 // what times out has missed the objective: it must not look quick
	p := &Planner{server: s, seconds: limit.Seconds(), at: levelOf(quantile), fleet: newFleet(s, Options{}), most: []float64{0}}
	if best := p.best(); limit > 0 && (best > p.seconds || best == p.seconds && s.Service.SCV > 0) {
		return nil, fmt.Errorf("p%v of at most %v: no number of replicas meets it, as a request takes %v at this quantile without any waiting: raise the limit, or make requests quicker",
			math.Round(quantile*1e6)/1e4, limit, time.Duration(best*float64(time.Second)).Round(time.Millisecond/10))
	}
	return p, nil
}

// best is the quantile of latency where no request meets another.
func (p *Planner) best() float64 {
	if p.fleet.immediate != nil {
		return p.fleet.immediate.rows[0].shape.at(p.at)
	}
	service := newLaw(p.server.Service)
	if p.server.Delay.Mean <= 0 {
		return p.server.Service.Quantile(p.probability())
	}
	fft := fourier.NewFFT(latticePoints)
	delay := newLaw(p.server.Delay)
	step := (service.reach + delay.reach) / latticePoints
	sum := transformOf(fft, step, p.server.Service.Within)
	for i, d := range transformOf(fft, step, p.server.Delay.Within) {
		sum[i] *= d
	}
	return latticeOf(fft, sum, step, 0).quantile(p.probability())
}

func (p *Planner) probability() float64 {
	return levels[p.at.index] + p.at.part*(levels[p.at.index+1]-levels[p.at.index])
}

// maxNeed is more pods than Kubernetes runs.
const maxNeed = 200_000

// Need is the fewest ready pods that meet the objective at a rate per second, 0 of
// no rate, and never more than 200,000.
func (p *Planner) Need(rate float64) int {
	switch {
	case !(rate > 0):
		return 0
	case p.server.Kind == Linear:
		return 1
	case p.seconds == 0:
		return p.keepUp(rate)
	case p.server.Balancer == Random:
		most := p.mostOf(1)
		return int(min(maxNeed, max(1, math.Ceil(rate/most-1e-9))))
	}
	for rate > p.most[len(p.most)-1] && len(p.most) <= maxNeed {
		n := len(p.most)
		p.most = append(p.most, p.mostOf(n))
	}
	return sort.SearchFloat64s(p.most, rate)
}

// keepUp is the fewest pods whose utilization is below 1.
func (p *Planner) keepUp(rate float64) int {
	return int(min(maxNeed, math.Floor(rate/p.server.Capacity())+1))
}

// mostOf is the highest rate at which so many pods meet the objective. It never
// falls with the number of pods.
func (p *Planner) mostOf(pods int) float64 {
	if p.server.Balancer == Random && len(p.most) > 1 {
		return p.most[1]
	}
	rate := p.utilization(pods) * float64(pods) * p.server.Capacity()
	if p.server.Balancer == Random {
		p.most = append(p.most, rate)
	}
	return max(rate, p.most[min(pods, len(p.most))-1]*(1+1e-12))
}

// utilization is the highest at which so many pods meet the objective. That of many
// pods lies between those of the anchors.
func (p *Planner) utilization(pods int) float64 {
	low, high := anchors(pods)
	u := p.compute(low)
	if high > low {
		u += (p.compute(high) - u) * float64(pods-low) / float64(high-low)
	}
	return u
}

// compute finds the place between two rows at which the latency is the limit.
func (p *Planner) compute(pods int) float64 {
	t := p.fleet.table(pods)
	late := func(row int) bool { return t.row(row).shape.at(p.at) > p.seconds }
	for p.last > 0 && late(p.last) {
		p.last--
	}
	for p.last < rowCount-2 && !late(p.last+1) {
		p.last++
	}
	low, high := t.row(p.last).shape.at(p.at), t.row(p.last+1).shape.at(p.at)
	part := 1.0
	if high > low {
		part = min(1, max(0, (p.seconds-low)/(high-low)))
	}
	from, to := t.number[p.last*rowEvery], t.number[(p.last+1)*rowEvery]
	number := from + part*(to-from)
	return t.working(number, t.at(number, p.last*rowEvery))
}
