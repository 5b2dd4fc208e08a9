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
	hint    int
	working float64 // the utilization of the last step, at most 1

	// What the last step brought, of one station.
	came    float64 // got in
	done    float64 // ended, in time or not
	place   place   // the rows of their latency
	table   *table  // and their table; nil where own has the latency
	own     shape
	outcome outcome
	lasting float64 // share of done that completes in a lasting overload with a timeout; 0 without
}

// An overload is the backlog that load at capacity and above leaves. Its mean and
// variance are followed as those of a Brownian motion that zero reflects, whose
// shape is a crowd. It ends where the steady state has as many requests.
type overload struct {
	backlog float64 // part of number; 0 is no overload
	spread  float64 // its variance
	crowd   place
	// While a backlog ebbs it is normal around middle, of which what is below zero has
	// reached zero: some stations have none left while others still do.
	ebbing bool
	middle float64
	grown  float64 // of past: arrived requests, or seconds of work that each request got
	past   past
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
		c.swell(f, through)
		return
	}
	through = c.refuse(f, t, through)
	work := t.capacity * speed * seconds
	c.table = t
	spread := (through*t.model.arrivals(t.pods) + work*f.variation) / t.together
	if c.backlog > 0 || c.rises(t, through, work, spread) {
		c.grow(f, t, through, work, spread)
		c.expire(f, work/through)
	} else {
		before := c.number
		c.number, c.place = t.after(before, through, work, c.hint)
		c.done = max(0, before+through-c.number)
	}
	c.hint = c.place.knot
	c.working = c.done / work
	c.overflow(f)
	if c.table == nil || speed < 1 {
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

// rises reports whether an overload begins: load is at capacity, or so near to it
// that the steady state, which has far more requests, is long in coming.
func (c *cohort) rises(t *table, coming, work, spread float64) bool {
	load := coming / work
	return load >= 1 || load > t.heavy && slow(coming, work, spread) && c.number < 0.5*t.steady(load)
}

// slow reports whether the steady state takes several steps to come: its backlog,
// spread/2/(work-coming), is more than drains in these.
func slow(coming, work, spread float64) bool {
	spare := work - coming
	return spread > 8*spare*spare
}

// grow lets time pass in an overload. With mean m, variance v, drift d and the
// variance s of arrivals and services, a reflected Brownian motion has
// m' = d + s·f/2 and v' = s·(1-m·f), where f is the density at zero.
func (c *cohort) grow(f *fleet, t *table, coming, work, spread float64) {
	if c.backlog <= 0 {
		at := t.at(c.number, c.hint)
		c.backlog = max(c.number-t.working(c.number, at)*t.servers, 1e-9)
		c.spread = c.backlog * c.backlog
		c.start(f)
	}
	after := c.drift(coming-work, spread)
	after = min(after, c.backlog+coming)
	c.done = min(c.number+coming, c.backlog+coming-after)
	c.number += coming - c.done
	c.note(f, coming, after)
	c.table = nil
	if c.settles(t, coming, work, spread) {
		c.backlog, c.ebbing = 0, false
		c.table, c.place = t, t.at(c.number, c.hint)
	}
}

// drift is the backlog after a change of its mean and variance.
func (c *cohort) drift(change, spread float64) float64 {
	square := c.backlog * c.backlog
	switch {
	case change < 0 && (c.ebbing || c.spread < 0.3*square && c.backlog > spread/-change):
		if !c.ebbing {
			c.ebbing, c.middle = true, c.backlog
		}
		c.middle += change
		c.spread += spread
		deviation := math.Sqrt(c.spread)
		distance := c.middle / deviation
		return math.Exp(-distance*distance/2)*deviation/math.Sqrt(2*math.Pi) + c.middle*0.5*math.Erfc(-distance/math.Sqrt2)
	case c.ebbing:
		c.ebbing, c.spread = false, min(c.spread, square)
	}
	empty := crowdOf(c.spread/square, c.crowd.knot).emptiness()
	drifted := c.backlog + change
	after := (drifted + math.Sqrt(drifted*drifted+2*spread*empty)) / 2
	c.spread = min(c.spread+spread*(1-empty), after*after)
	c.crowd = crowdOf(c.spread/(after*after), c.crowd.knot)
	return after
}

// settles reports whether the overload ends: load is below capacity, and the
// backlog near to what the same motion has in the long run.
func (c *cohort) settles(t *table, coming, work, spread float64) bool {
	if coming >= work {
		return false
	}
	steady := spread / (2 * (work - coming))
	return c.backlog <= 1.2*steady && (c.backlog >= 0.7*steady || coming <= t.heavy*work || !slow(coming, work, spread))
}

// excess is how far the backlog at a level is from its mean.
func (c *cohort) excess(i int) float64 {
	if !c.ebbing {
		return c.backlog * c.crowd.excess(i)
	}
	return max(0, c.middle+math.Sqrt(c.spread)*normals[i]) - c.backlog
}

// end takes requests out of the backlog, up to all.
func (c *cohort) end(n float64) {
	c.middle -= min(n, c.backlog)
	c.backlog -= min(n, c.backlog)
}

// swell lets requests wait where nobody works.
func (c *cohort) swell(f *fleet, coming float64) {
	if c.number <= 0 {
		return
	}
	if c.backlog <= 0 {
		c.start(f)
	}
	c.spread += coming
	c.note(f, coming, c.number)
}

// start begins the past of an overload.
func (c *cohort) start(f *fleet) {
	c.grown = c.backlog
	if f.server.Kind == Async {
		c.grown = 0
	}
	c.past.begin(f.before, c.grown)
}

// note changes the backlog and its past: of first come first served what arrived,
// of processor sharing what each request got.
func (c *cohort) note(f *fleet, coming, after float64) {
	if f.server.Kind != Async {
		c.grown += coming
	} else {
		c.grown += (f.now - f.before) / max((c.backlog+after)/2, 1e-9)
	}
	c.backlog = after
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
		c.end(over)
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
		c.end(over)
		c.spread = min(c.spread, 0.01*c.backlog*c.backlog) // the timeout keeps it where it is
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

// delay computes the latency of what a step ended, where no row has it. In an
// overload that is the service and what the backlog adds.
func (c *cohort) delay(f *fleet, t *table, speed float64) {
	at := place{}
	if c.backlog <= 0 {
		at = t.at(c.number, c.hint)
	}
	t.shape(at, &c.own)
	for i := range c.own {
		c.own[i] /= speed
	}
	switch {
	case c.backlog <= 0:
	case f.server.Kind == Async:
		c.share(f, speed)
	default:
		c.stand(f, t, speed)
	}
}

// stand adds the wait in a line: those who begin service now came when as many
// had come as have begun by now, which is as uncertain as the backlog is. What is
// certain adds up, what is not adds up in squares.
func (c *cohort) stand(f *fleet, t *table, speed float64) {
	capacity := t.capacity * speed
	wait := c.wait(f, c.backlog, capacity)
	mean := c.own.mean(math.Inf(1))
	least := c.own[0]
	for i, x := range c.own {
		other := c.wait(f, c.backlog+c.excess(i), capacity)
		c.own[i] = max(least, wait+mean+addSquares(x-mean, other-wait))
	}
}

// wait is how long ago the first of so many in a line came. Those that came before
// the overload count as if they had come at the rate of service.
func (c *cohort) wait(f *fleet, line, capacity float64) float64 {
	came := c.grown - line
	earlier := max(0, c.past.values[0]-came)
	return f.now - c.past.when(came) + earlier/capacity
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
	for i, work := range f.work {
		wait := f.now - c.past.when(c.grown-work/speed)
		if i > 0 {
			shares := 1.0
			if work > f.work[i-1] {
				shares += (wait - before) * speed / (work - f.work[i-1])
			}
			total += (levels[i] - levels[i-1]) * shares
		}
		weight[i] = total
		before = wait
		c.own[i] += wait
	}
	c.own = reweighted(&c.own, &weight)
	mean := c.own.mean(math.Inf(1))
	for i, x := range c.own {
		c.own[i] = max(c.own[0], mean+addSquares(x-mean, mean*c.excess(i)/c.backlog))
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
