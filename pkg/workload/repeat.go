package workload

import (
	"math"
	"time"
)

// A repetition is a step that went as the one before it: the same demand on one
// cohort, whose state is at rest. As long as nothing else comes, the next step is
// added without being computed.
type repetition struct {
	length time.Duration // 0: there is none
	rate   float64
	step   Step
	total  Totals
	each   Counts // of each pod, without buckets

	low, high *row
	less      float64 // requests of low, of all pods, and more those of high
	more      float64
	perPod    float64 // the share of a pod in them
}

// atRest is how little a state may change in a step to be the same, in requests
// and for each of them.
const atRest = 1e-12

// A moment is a cohort's state, and what comes to it.
type moment struct {
	length          time.Duration
	rate            float64
	number, outside float64
}

// is reports whether a moment is as good as another.
func (m moment) is(o moment) bool {
	return m.length == o.length && m.rate == o.rate && same(m.number, o.number) && same(m.outside, o.outside)
}

func same(a, b float64) bool { return math.Abs(a-b) <= atRest*(1+b) }

// mayRest reports whether the only cohort serves in a way that can be repeated:
// nobody waits in a backlog, is dropped, or meets a pod that is still warming up.
func (f *fleet) mayRest() bool {
	if len(f.cohorts) != 1 || len(f.taking) == 0 || f.server.Kind == Linear || f.server.WarmUp > 0 {
		return false
	}
	c := f.cohorts[0]
	return c.taking && c.backlog <= 0 && c.queued == 0 && c.lasting == 0 && c.outcome == (outcome{}) && c.done > 0
}

// compute computes a step. Where it begins and ends in the same state as the one
// before it, it is computed apart, so that what it adds is known to the last digit.
func (f *fleet) compute(d time.Duration, rate float64) Step {
	f.step.reset()
	if len(f.cohorts) != 1 || rate <= 0 { // what is left of a demand that ended fades to nothing
		f.flow(d.Seconds(), rate)
		return f.report(rate)
	}
	c := f.cohorts[0]
	begin := moment{d, rate, c.number, c.outside}
	if !f.resting.is(begin) {
		f.resting = moment{}
		f.flow(d.Seconds(), rate)
		if f.mayRest() && same(begin.number, c.number) && same(begin.outside, c.outside) {
			f.resting = begin
		}
		return f.report(rate)
	}
	total, each := f.total, c.each
	f.total, c.each = Totals{}, Counts{Buckets: each.Buckets}
	f.flow(d.Seconds(), rate)
	r := repetition{length: d, rate: rate, total: f.total, each: c.each}
	f.total, c.each = total, each
	f.total.add(&r.total)
	c.each.add(&r.each)
	r.step = f.report(rate)
	if f.mayRest() {
		r.rows(f, c)
		f.again = r
	}
	return r.step
}

// rows notes of which rows the requests of the step are.
func (r *repetition) rows(f *fleet, c *cohort) {
	perPod, stations := f.stationsOf(c)
	low, high, part := c.table.rowsAt(c.place)
	r.low, r.high = low, high
	r.less, r.more = c.done*stations*(1-part), c.done*stations*part
	r.perPod = perPod / stations
}

// repeats reports whether the next step is that of the repetition.
func (f *fleet) repeats(d time.Duration, rate float64) bool {
	return f.again.length == d && f.again.rate == rate && d > 0
}

// repeat adds the step once more.
func (f *fleet) repeat() {
	r, c := &f.again, f.cohorts[0]
	f.total.add(&r.total)
	c.each.add(&r.each)
	c.put(r.low, r.high, r.less*r.perPod, r.more*r.perPod)
	f.lap.note(r.low, r.less)
	f.lap.note(r.high, r.more)
}

// move ends what repeats, all of which was reported.
func (f *fleet) move() {
	if f.again.length > 0 {
		f.reported = f.total
		f.again = repetition{}
	}
}

// disturb ends what repeats: pods come or leave.
func (f *fleet) disturb() {
	f.move()
	f.resting = moment{}
	f.now = f.elapsed.Seconds()
}

func (t *Totals) add(o *Totals) {
	t.Arrived += o.Arrived
	t.Completed += o.Completed
	t.Failed += o.Failed
	t.Dropped += o.Dropped
}

func (c *Counts) add(o *Counts) {
	c.Arrived += o.Arrived
	c.Completed += o.Completed
	c.Failed += o.Failed
	c.Seconds += o.Seconds
	c.CPU += o.CPU
	c.Busy += o.Busy
}
