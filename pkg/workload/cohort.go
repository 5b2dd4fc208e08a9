package workload

import "math"

// A cohort is pods whose stations are in the same state: they joined together, or
// what they went through no longer shows.
type cohort struct {
	pods   int
	taking bool
	joined float64 // seconds since the fleet began
	each   Counts  // what each pod has counted since the cohort began

	// The state is of one station, in requests.
	outside float64 // that wait for others (Async) or are being served (Linear)
	number  float64 // at the station
	overload
	hint, restHint int
	working        float64 // the utilization of the last step, at most 1

	// What the last step brought, of one station.
	came    float64 // got in
	done    float64 // ended, in time or not
	place   place   // the rows of their latency
	table   *table  // and their table; nil where own has the latency
	own     shape
	outcome outcome
	lasting float64 // share of done that completes in a lasting overload with a timeout; 0 without
}

// An overload is the backlog that load above capacity has left: a fluid that
// spreads like the sums of arrivals and services do.
type overload struct {
	backlog float64 // part of number
	spread  float64 // its variance
	grown   float64 // of past: arrived requests, or seconds of work that each request got
	past    past
	age     float64 // seconds that the oldest of the backlog has waited (first come first served)
}

// An outcome is what became of those that a step ended or refused.
type outcome struct {
	gaveUp  float64 // waited until their timeout
	dropped float64
}

// advance lets time pass at a station to which so many requests come.
func (c *cohort) advance(f *fleet, t *table, seconds, coming float64) {
	c.outcome, c.lasting = outcome{}, 0
	speed := f.speed(c)
	c.came = coming
	through := c.pass(f, seconds, coming)
	switch {
	case f.server.Kind == Linear:
		c.done, c.table, c.place = through, f.immediate, place{}
		return
	case t == nil:
		c.number += through
		c.done, c.working = 0, 0
		c.swell(f, through, through, through)
		return
	}
	through = c.refuse(f, t, through)
	work := t.capacity * speed * seconds
	before := c.number
	var at place
	c.number, at = t.after(before, through, work, c.hint)
	c.hint = at.knot
	c.done = max(0, before+through-c.number)
	c.working = c.done / work
	c.table, c.place = t, at
	if c.backlog > 0 || through > work {
		c.swell(f, through, through-work, through*t.model.arrivals(t.pods)+work*f.server.Service.SCV)
		c.expire(f, work/through)
	}
	c.overflow(f)
	if c.backlog > 0 || speed < 1 {
		c.table = nil
		if c.lasting == 0 {
			c.delay(f, t, speed)
		}
	}
}

// pass is what comes through the time outside: as much as enters, later.
func (c *cohort) pass(f *fleet, seconds, coming float64) float64 {
	if f.outside <= 0 {
		return coming
	}
	was := c.outside
	steady := coming / seconds * f.outside
	c.outside = steady + (was-steady)*math.Exp(-seconds/f.outside)
	return max(0, was+coming-c.outside)
}

// refuse drops what finds the station full.
func (c *cohort) refuse(f *fleet, t *table, coming float64) float64 {
	if f.server.Limit == 0 {
		return coming
	}
	c.outcome.dropped = coming * t.refused(f.server.Limit, c.outside, c.place)
	return coming - c.outcome.dropped
}

// swell changes the backlog. The past of first come first served is what arrived,
// that of processor sharing what each request got.
func (c *cohort) swell(f *fleet, coming, growth, spread float64) {
	if c.backlog <= 0 {
		c.spread, c.grown, c.age = 0, 0, 0
		c.past.begin(f.before, 0)
	}
	before := c.backlog
	c.backlog = max(0, min(before+growth, c.number))
	c.spread += spread
	if f.server.Kind != Async {
		c.grown += coming
	} else if b := (before + c.backlog) / 2; b > 0 {
		c.grown += (f.now - f.before) / b
	}
	c.past.add(f.now, c.grown)
}

// overflow drops what exceeds the limit.
func (c *cohort) overflow(f *fleet) {
	if f.server.Limit == 0 {
		return
	}
	over := min(c.number, c.outside+c.number-float64(f.server.Limit))
	if over > 0 {
		c.outcome.dropped += over
		c.number -= over
		c.backlog = min(c.backlog, c.number)
	}
}

// expire ends what exceeds the timeout. spare is the capacity for each request
// that comes, in mean service times.
//
// Under a lasting overload with a timeout all requests get to a server, where
// their time runs out: they wait until the time y is left for which the mean of
// min(service, y) is what there is capacity for. Then the share within y completes.
func (c *cohort) expire(f *fleet, spare float64) {
	if f.server.Timeout <= 0 || spare >= 1 {
		return
	}
	left := min(f.law.until(spare), f.book.timeout)
	most := f.book.timeout / max(left, 1e-9)
	if f.server.Kind != Async {
		most = c.grown - c.past.value(f.now-(f.book.timeout-left))
	}
	if over := c.backlog - most; over > 0 {
		c.outcome.gaveUp = over
		c.number -= over
		c.backlog -= over
		c.last(f, left, spare)
	}
}

// last is the latency in a lasting overload with a timeout, of those that complete.
func (c *cohort) last(f *fleet, left, spare float64) {
	inTime := f.law.within(left)
	c.lasting = min(1, max(inTime/spare, 1e-12))
	for i, p := range levels {
		work := f.work.at(levelOf(p * inTime))
		if f.server.Kind == Async {
			c.own[i] = min(1, work/left) * f.book.timeout
		} else {
			c.own[i] = f.book.timeout - left + min(work, left)
		}
	}
}

// delay computes the latency of what a step ended, where no row has it: that of
// the station as it would be without the backlog, and what the backlog adds.
func (c *cohort) delay(f *fleet, t *table, speed float64) {
	at := t.at(c.number-c.backlog, c.restHint)
	c.restHint = at.knot
	t.shape(at, &c.own)
	for i := range c.own {
		c.own[i] /= speed
	}
	switch {
	case c.backlog <= 0:
	case f.server.Kind == Async:
		c.share(f, speed)
	default:
		c.stand(f, t.capacity*speed)
	}
}

// stand adds the wait in a line: the age of the backlog, which is as uncertain as
// the backlog is. What is certain adds up, what is not adds up in squares.
func (c *cohort) stand(f *fleet, capacity float64) {
	was := c.age
	c.age = f.now - c.past.when(c.grown-c.backlog)
	wait := (was + c.age) / 2
	deviation := math.Sqrt(c.spread) / capacity
	mean := c.own.mean(math.Inf(1))
	for i, x := range c.own {
		c.own[i] = max(x, wait+mean+addSquares(x-mean, deviation*normals[i]))
	}
}

// addSquares is the root of the sum of squares that keep their signs.
func addSquares(a, b float64) float64 {
	sum := a*math.Abs(a) + b*math.Abs(b)
	return math.Copysign(math.Sqrt(math.Abs(sum)), sum)
}

// share adds the time for which the backlog takes its share of the processor. A
// request with work x that ends now came when x less work had been given to each.
// Those with little work are more among those that end while the backlog grows:
// as many as there were shares when they came.
func (c *cohort) share(f *fleet, speed float64) {
	var weight [levelCount]float64
	total, before := 0.0, 0.0
	few := max(1, c.number-c.backlog)
	for i, work := range f.work {
		wait := f.now - c.past.when(c.grown-work/speed)
		if i > 0 {
			shares := few
			if work > f.work[i-1] {
				shares += (wait - before) * speed / (work - f.work[i-1])
			}
			total += (levels[i] - levels[i-1]) * shares
		}
		weight[i] = total
		before = wait
		c.own[i] += wait
	}
	if total <= 0 {
		return
	}
	c.own = reweighted(&c.own, &weight)
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
