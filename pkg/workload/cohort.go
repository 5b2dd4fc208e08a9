package workload

import "math"

// A cohort is pods whose stations are in the same state: they joined together, or
// what they went through no longer shows.
type cohort struct {
	pods   int
	taking bool
	joined float64 // seconds since the fleet began
	each   Counts  // what each pod has counted since the cohort began
	tally  tally   // of it, what is not in the buckets yet

	// The state is of one station, in requests.
	outside float64 // that wait for others (Async) or are being served (Linear)
	number  float64 // at the station
	overload
	hint    int
	working float64 // the utilization of the last step, at most 1

	// What the last step brought, of one station.
	came    float64 // got in
	done    float64 // ended, in time or not
	place   place   // the rows of the latency of those that met no backlog
	table   *table  // and their table
	queued  float64 // the share of done whose latency is own
	own     shape
	outcome outcome
	lasting float64 // share of done that completes in a lasting overload with a timeout; 0 without
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
		c.done, c.table, c.place, c.queued = through, f.immediate, place{}, 0
		return
	case t == nil:
		c.number += through
		c.done, c.working = 0, 0
		c.swell(f, through)
		return
	}
	through = c.refuse(f, t, through)
	work := t.capacity * speed * seconds
	c.table, c.queued = t, 0
	if spread, over := c.overloaded(f, t, through, work); over {
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
	if speed < 1 && c.backlog <= 0 {
		c.queued = 1
	}
	if c.queued > 0 && c.lasting == 0 {
		c.delay(f, t, speed)
	}
}

// pass is what comes through the time outside: as much as enters, later.
func (c *cohort) pass(f *fleet, seconds, coming float64) float64 {
	if f.outside <= 0 {
		return coming
	}
	was := c.outside
	steady := coming / seconds * f.outside
	c.outside = steady + (was-steady)*f.stay(seconds)
	return max(0, was+coming-c.outside)
}

// stay is the share of those outside that are there after a time.
func (f *fleet) stay(seconds float64) float64 {
	if f.stays.after != seconds {
		f.stays.after, f.stays.share = seconds, math.Exp(-seconds/f.outside)
	}
	return f.stays.share
}

// refuse drops what finds the station full.
func (c *cohort) refuse(f *fleet, t *table, coming float64) float64 {
	if f.server.Limit == 0 {
		return coming
	}
	c.outcome.dropped = coming * t.refused(f.server.Limit, c.outside, c.place)
	return coming - c.outcome.dropped
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
