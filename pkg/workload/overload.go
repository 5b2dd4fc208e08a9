package workload

import "math"

// An overload is the backlog that load at capacity and above leaves. Its mean and
// variance are followed as those of a Brownian motion that zero reflects, whose
// shape is a crowd. It ends where the steady state has as many requests, or no
// station has a backlog any more.
type overload struct {
	backlog float64 // part of number; 0 is no overload
	spread  float64 // its variance
	crowd   place
	// While a backlog ebbs it is normal around middle, of which what is below zero has
	// reached zero: some stations have none left while others still do, whose share is
	// behind. It is 1 while the backlog does not ebb.
	ebbing bool
	middle float64
	behind float64
	crush  crush   // of Async
	grown  float64 // requests that arrived, of past
	past   past
}

// overloaded reports whether a station is in an overload, and the variance of its
// arrivals and services in this step.
func (c *cohort) overloaded(f *fleet, t *table, coming, work float64) (spread float64, over bool) {
	if c.backlog <= 0 && coming <= t.heavy*work {
		return 0, false
	}
	spread = (coming*t.model.arrivals(t.pods) + work*f.variation) / t.together
	return spread, c.backlog > 0 || c.rises(t, coming, work, spread)
}

// rises reports whether an overload begins: load is at capacity, or so near to it
// that the steady state, which has far more requests, is long in coming to a
// station that is heavily used already.
func (c *cohort) rises(t *table, coming, work, spread float64) bool {
	load := coming / work
	if load >= 1 {
		return true
	}
	return load > t.heavy && slow(coming, work, spread) &&
		c.number > t.steady(t.heavy) && c.number < 0.7*t.steady(load)
}

// slow reports whether the steady state takes several steps to come: its backlog,
// spread/2/(work-coming), is more than drains in these.
func slow(coming, work, spread float64) bool {
	spare := work - coming
	return spread > 8*spare*spare
}

// grow lets time pass in an overload.
func (c *cohort) grow(f *fleet, t *table, coming, work, spread float64) {
	if c.backlog <= 0 {
		at := t.at(c.number, c.hint)
		c.backlog = max(c.number-t.working(c.number, at)*t.servers, 1e-9)
		c.spread = c.backlog * c.backlog
		c.start(f)
	}
	if f.server.Kind == Async {
		work *= c.crush.pace
	}
	after := min(c.drift(coming-work, spread), c.backlog+coming)
	c.done = min(c.number+coming, c.backlog+coming-after)
	c.number += coming - c.done
	c.backlog = after
	if c.ebbing && coming < work {
		c.relax(t, coming, work)
	}
	c.note(f, coming)
	c.table, c.queued = nil, 1
	switch {
	case c.settles(t, coming, work, spread):
		c.backlog, c.ebbing = 0, false
		c.table, c.place, c.queued = t, t.at(c.number, c.hint), 0
	case c.ebbing && coming < work:
		c.table, c.place = t, t.at(t.steady(coming/work), c.hint)
		c.queued = c.behind * work / (c.behind*work + (1-c.behind)*coming)
	}
}

// relax lets stations that have lost their backlog come to their steady state.
func (c *cohort) relax(t *table, coming, work float64) {
	steady := min(t.steady(coming/work), c.line()+t.servers)
	change := min((1-c.behind)*(steady-(c.number-c.backlog)), c.done)
	c.number += change
	c.done -= change
}

// drift changes the mean and the variance of the backlog, and returns the mean.
func (o *overload) drift(change, spread float64) float64 {
	square := o.backlog * o.backlog
	switch {
	case change < 0 && (o.ebbing || o.spread < 0.3*square && o.backlog > spread/-change):
		if !o.ebbing {
			o.ebbing, o.middle = true, o.backlog
		}
		return o.ebb(change, spread)
	case o.ebbing:
		o.ebbing, o.spread = false, min(o.spread, square)
	}
	return o.reflect(change, spread)
}

// ebb lets a backlog shrink without reflection: what a station has lost of it does
// not come back.
func (o *overload) ebb(change, spread float64) float64 {
	o.middle += change
	o.spread += spread
	deviation := math.Sqrt(o.spread)
	distance := o.middle / deviation
	o.behind = 0.5 * math.Erfc(-distance/math.Sqrt2)
	o.crowd = crowdFrom(distance)
	return math.Exp(-distance*distance/2)*deviation/math.Sqrt(2*math.Pi) + o.middle*o.behind
}

// reflect is a Brownian motion above zero. With mean m, variance v, drift d and the
// variance s of arrivals and services, it has m' = d + s·f/2 and v' = s·(1-m·f),
// where f is the density at zero.
func (o *overload) reflect(change, spread float64) float64 {
	o.behind = 1
	empty := crowdOf(o.spread/(o.backlog*o.backlog), o.crowd.knot).emptiness()
	drifted := o.backlog + change
	after := (drifted + math.Sqrt(drifted*drifted+2*spread*empty)) / 2
	o.spread = min(o.spread+spread*(1-empty), after*after)
	o.crowd = crowdOf(o.spread/(after*after), o.crowd.knot)
	return after
}

// extinct is the share of stations with a backlog that no quantile shows.
const extinct = 1e-3

// settles reports whether the overload ends: load is below capacity, and the
// backlog is gone, or is as that of the same motion in the long run.
func (c *cohort) settles(t *table, coming, work, spread float64) bool {
	if coming >= work {
		return false
	}
	if c.behind < extinct {
		return true
	}
	steady := spread / (2 * (work - coming))
	if c.ebbing {
		return slow(coming, work, spread) && c.backlog <= steady
	}
	if c.backlog > 1.2*steady || c.spread < 0.5*c.backlog*c.backlog {
		return false
	}
	return c.backlog >= 0.7*steady || coming <= t.heavy*work || !slow(coming, work, spread)
}

// line is the mean backlog of those stations that have one.
func (o *overload) line() float64 { return o.backlog / max(o.behind, extinct) }

// company is the mean backlog that those who are in it meet. While it ebbs, more of
// them are in long lines than in short ones.
func (o *overload) company() float64 {
	if o.ebbing {
		return o.line() * (1 + o.crowd.variation())
	}
	return o.line()
}

// end takes requests out of the backlog, up to all.
func (o *overload) end(n float64) {
	o.middle -= min(n, o.backlog)
	o.backlog -= min(n, o.backlog)
}

// swell lets requests wait where nobody works.
func (c *cohort) swell(f *fleet, coming float64) {
	if c.number <= 0 {
		return
	}
	if c.backlog <= 0 {
		c.start(f)
	}
	c.backlog, c.behind, c.ebbing = c.number, 1, false
	c.spread += coming
	c.note(f, coming)
}

// start begins the past of an overload.
func (c *cohort) start(f *fleet) {
	c.behind, c.ebbing, c.grown = 1, false, c.backlog
	if f.server.Kind == Async {
		c.crush.begin(f, c.number)
		return
	}
	c.past.begin(f.before, c.grown)
}

// note adds what arrived to the past.
func (c *cohort) note(f *fleet, coming float64) {
	if f.server.Kind == Async {
		c.crush.step(f, coming, 1+c.company(), f.speed(c))
		return
	}
	c.grown += coming
	c.past.add(f.now, c.grown)
}
