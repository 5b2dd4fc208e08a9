package workload

import "math"

// A tally is how many requests of two rows a pod has counted. Their buckets are
// added up when others come or somebody asks: steps are many, and rows few.
type tally struct {
	low, high  *row
	less, more float64
}

// put counts requests of two rows.
func (c *cohort) put(low, high *row, less, more float64) {
	t := &c.tally
	if t.low != low || t.high != high {
		c.addUp()
		t.low, t.high = low, high
	}
	t.less += less
	t.more += more
}

// addUp brings the tally into the buckets.
func (c *cohort) addUp() {
	if c.tally.low == nil {
		return
	}
	for i := range c.each.Buckets {
		c.each.Buckets[i] = c.bucket(i)
	}
	c.tally = tally{}
}

// bucket is what a pod has counted in one, with the tally.
func (c *cohort) bucket(i int) float64 {
	n, t := c.each.Buckets[i], &c.tally
	if t.low == nil {
		return n
	}
	return n + (t.less*t.low.buckets[i] + t.more*t.high.buckets[i])
}

// counts is nothing counted yet.
func (b *book) counts() Counts { return Counts{Buckets: make([]float64, len(b.bounds)+1)} }

// enter moves a pod to a cohort.
func (p *pod) enter(c *cohort) {
	was := &Counts{}
	if p.cohort != nil {
		was = &p.cohort.each
	}
	d := &p.difference
	c.addUp()
	if p.cohort != nil {
		p.cohort.addUp()
	}
	move(&d.Arrived, was.Arrived, c.each.Arrived)
	move(&d.Completed, was.Completed, c.each.Completed)
	move(&d.Failed, was.Failed, c.each.Failed)
	move(&d.Seconds, was.Seconds, c.each.Seconds)
	move(&d.CPU, was.CPU, c.each.CPU)
	move(&d.Busy, was.Busy, c.each.Busy)
	for i := range d.Buckets {
		before := 0.0
		if p.cohort != nil {
			before = was.Buckets[i]
		}
		move(&d.Buckets[i], before, c.each.Buckets[i])
	}
	p.cohort = c
}

// move changes the difference of a pod to its cohort so that their sum stays. It
// never becomes less, not even by rounding: these are counters, and a counter that
// fell would be taken for one that began again.
func move(difference *float64, from, to float64) {
	sum := *difference + from
	d := sum - to
	for d+to < sum {
		d = math.Nextafter(d, math.Inf(1))
	}
	*difference = d
}

// Pod implements Fleet.
func (f *fleet) Pod(id int, into *Counts) {
	buckets := into.Buckets[:0]
	p := f.pods.get(id)
	if p == nil {
		*into = Counts{Buckets: buckets}
		return
	}
	d, c := &p.difference, &p.cohort.each
	if len(f.book.bounds) > 0 {
		for i, n := range d.Buckets {
			buckets = append(buckets, n+p.cohort.bucket(i))
		}
	}
	into.Buckets = buckets
	into.Arrived = d.Arrived + c.Arrived
	into.Completed = d.Completed + c.Completed
	into.Failed = d.Failed + c.Failed
	into.Seconds = d.Seconds + c.Seconds
	into.InFlight = f.inFlight(p.cohort)
	into.CPU = d.CPU + c.CPU
	into.Busy = d.Busy + c.Busy
}

// inFlight is how many requests a pod of a cohort has.
func (f *fleet) inFlight(c *cohort) float64 {
	if f.server.Kind == Queue && c.taking {
		return f.held(c)
	}
	return (c.number + c.outside) * f.loops
}

// Whole implements Fleet.
func (f *fleet) Whole() Totals {
	t := f.total
	for _, c := range f.cohorts {
		if f.server.Kind == Queue && c.taking {
			busy, ahead := f.atPods(c)
			t.InService += busy
			t.Waiting += c.number - busy
			t.Ready += c.number - busy - ahead
			continue
		}
		all := (c.number + c.outside) * f.loops * float64(c.pods)
		serving := all
		if f.server.Kind == Sync || f.server.Kind == Queue {
			serving = min(c.number, c.working*float64(f.server.Workers)) * float64(c.pods)
		}
		t.InService += serving
		t.Waiting += all - serving
	}
	return t
}

// Latency implements Fleet.
func (f *fleet) Latency(quantile float64) float64 { return quantileOf(quantile, f.earlier, f.lap) }

// Lap implements Fleet.
func (f *fleet) Lap() {
	f.earlier.merge(f.lap)
	f.lap.reset()
}

// Lapped implements Fleet.
func (f *fleet) Lapped(quantile float64) float64 { return quantileOf(quantile, f.lap) }
