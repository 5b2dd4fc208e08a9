package workload

import "math"

// A crush is an overload of processor sharing. What matters there is how much work
// each request that is there has got since it came: attained is the work that one
// got that has been there since the beginning. A request with work x that ends now
// came when attained was x less, and so the requests that are there, those that
// end, and their latencies all follow from the history of arrivals over attained
// (Jean-Marie and Robert 1994; Gromoll, Puha and Williams 2002).
type crush struct {
	times, arrived, attained []float64 // of the past, rising

	// ends tells of the works at the levels what is known of the requests that end with
	// them now.
	ends [levelCount]ending
	// pace is how many requests end, over capacity: 1 in the long run and of
	// exponential work.
	pace float64
}

// An ending is requests with one work that end now.
type ending struct {
	index   int     // of the past
	came    float64 // when they came
	arrived float64 // how many had arrived then
	density float64 // how many arrived then for each second of attained
}

// begin takes a number of requests in steady state: a past in which they came at a
// constant rate, which has no other remaining works than the steady state has.
func (c *crush) begin(f *fleet, number float64) {
	longest := f.work[levelCount-1]
	rate := number / f.work.mean(math.Inf(1))
	share := max(number, 1)
	c.times = append(c.times[:0], f.before-longest*share, f.before)
	c.attained = append(c.attained[:0], -longest, 0)
	c.arrived = append(c.arrived[:0], -longest*rate, 0)
	c.pace = 1
	for i := range c.ends {
		c.ends[i].index = 0
	}
}

// step lets a second of a processor be shared by a number of requests.
func (c *crush) step(f *fleet, coming, number, speed float64) {
	last := len(c.times) - 1
	attained := c.attained[last] + (f.now-f.before)*speed/number
	c.add(f.now, c.arrived[last]+coming, attained)
	c.look(&f.work)
}

// add notes where things stand.
func (c *crush) add(time, arrived, attained float64) {
	if len(c.times) == maxPast {
		c.thin()
	}
	c.times = append(c.times, time)
	c.arrived = append(c.arrived, arrived)
	c.attained = append(c.attained, attained)
}

// thin forgets every other moment.
func (c *crush) thin() {
	for i := range maxPast / 2 {
		c.times[i], c.arrived[i], c.attained[i] = c.times[2*i], c.arrived[2*i], c.attained[2*i]
	}
	c.times, c.arrived, c.attained = c.times[:maxPast/2], c.arrived[:maxPast/2], c.attained[:maxPast/2]
	for i := range c.ends {
		c.ends[i].index /= 2
	}
}

// look finds who ends now, by work, and how many that are.
func (c *crush) look(work *shape) {
	last := len(c.times) - 1
	for i := range c.ends {
		c.find(&c.ends[i], c.attained[last]-work[i])
	}
	ending, number, mean := 0.0, 0.0, 0.0
	for i := 1; i < levelCount; i++ {
		a, b := &c.ends[i-1], &c.ends[i]
		weight := (levels[i] - levels[i-1]) / 2
		ending += weight * (a.density + b.density)
		number += weight * (2*c.arrived[last] - a.arrived - b.arrived)
		mean += weight * (work[i-1] + work[i])
	}
	c.pace = ending * mean / number
}

// find looks for those that came at a value of attained.
func (c *crush) find(e *ending, attained float64) {
	i := min(e.index, len(c.attained)-2)
	for i < len(c.attained)-2 && c.attained[i+1] <= attained {
		i++
	}
	for i > 0 && c.attained[i] > attained {
		i--
	}
	length := c.attained[i+1] - c.attained[i]
	part := (attained - c.attained[i]) / length
	e.index = i
	e.came = c.times[i] + part*(c.times[i+1]-c.times[i])
	e.arrived = c.arrived[i] + part*(c.arrived[i+1]-c.arrived[i])
	e.density = (c.arrived[i+1] - c.arrived[i]) / length
}

func (c *crush) clone() crush {
	o := *c
	o.times = append([]float64(nil), c.times...)
	o.arrived = append([]float64(nil), c.arrived...)
	o.attained = append([]float64(nil), c.attained...)
	return o
}

// share adds the time for which others share the processor with a request. Those
// that end with some work are as many as came when they came.
func (c *cohort) share(f *fleet, speed float64) {
	var weight [levelCount]float64
	total := 0.0
	for i, work := range f.work {
		e := &c.crush.ends[i]
		if i > 0 {
			before := &c.crush.ends[i-1]
			density := e.density
			if work > f.work[i-1] {
				density = (before.arrived - e.arrived) / (work - f.work[i-1])
			}
			total += (levels[i] - levels[i-1]) * density
		}
		weight[i] = total
		c.own[i] += max(0, f.now-e.came-work/speed)
	}
	c.own = reweighted(&c.own, &weight)
	mean := c.own.mean(math.Inf(1))
	for i, x := range c.own {
		c.own[i] = max(c.own[0], mean+addSquares(x-mean, mean*c.crowd.excess(i)))
	}
}

// reweighted is a shape whose parts count differently: upTo[i] is the weight of
// all below s[i].
func reweighted(s *shape, upTo *[levelCount]float64) shape {
	var r shape
	total := upTo[levelCount-1] / levels[levelCount-1]
	k := 1
	for i, p := range levels {
		for k < levelCount-1 && upTo[k] < p*total {
			k++
		}
		part := 0.0
		if upTo[k] > upTo[k-1] {
			part = min(1, max(0, (p*total-upTo[k-1])/(upTo[k]-upTo[k-1])))
		}
		r[i] = s[k-1] + part*(s[k]-s[k-1])
	}
	return r
}
