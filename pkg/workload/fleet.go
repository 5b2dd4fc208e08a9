package workload

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
)

// NewFleet is a fleet without pods that computes what its pods do, rather than
// following each request. It takes the server as it is: call WithDefaults first.
// The error joins everything that is wrong with the server and the options.
//
// In steady load latencies are those of queueing theory (see model). When load
// changes, the number of requests at a station follows the load as a fluid whose
// outflow is that of the steady state with as many requests (pointwise stationary
// fluid flow approximation, Wang, Tipper and Banerjee 1996). At capacity and above
// it is a Brownian motion that zero reflects (see overload).
//
// # Limitations
//
// What tasks lose that a Queue's workers fetch ahead, and what balancers save at
// several workers, are fits (see holding, workers and loops). A Limit drops requests;
// the latency of those it lets in is that without the limit, up to the most that can
// be inside.
func NewFleet(server Server, o Options) (Fleet, error) {
	if err := errors.Join(server.Validate(), o.validate()); err != nil {
		return nil, err
	}
	return newFleet(server, o), nil
}

func (o Options) validate() error {
	var problems []error
	for i, b := range o.Bounds {
		if math.IsNaN(b) || i > 0 && !(b > o.Bounds[i-1]) {
			problems = append(problems, fmt.Errorf("bounds: %v at index %d: give rising numbers of seconds", b, i))
		}
	}
	for _, q := range o.Quantiles {
		if !(q >= 0 && q <= 1) {
			problems = append(problems, fmt.Errorf("quantiles: %v: give numbers from 0 to 1", q))
		}
	}
	return errors.Join(problems...)
}

type fleet struct {
	server    Server
	law       *law // of the service
	work      shape
	book      *book
	tables    tables
	loops     float64                        // stations of a pod
	variation float64                        // of how many requests a busy server ends, over their mean
	capacity  float64                        // requests per second of a pod
	perWork   float64                        // processor seconds of a worker's second
	outside   float64                        // seconds that a request spends outside of stations, the mean
	stays     struct{ after, share float64 } // what stay found last
	immediate *table                         // the latency of Linear

	elapsed     time.Duration
	before, now float64 // the last step that was computed, in seconds since the fleet began

	pods    roster
	taking  []*pod // in the order they joined
	cohorts []*cohort

	total, reported Totals  // without those that are there now
	lap, earlier    *record // the requests since the last Lap, and those before
	step            mixture
	quantiles       []float64
	levels          []level // of quantiles
	latencies       []float64

	resting moment     // the state that the last step left as it was
	again   repetition // of the last step
}

// A pod is a member of a cohort. What it counted is what its cohort counted, plus
// a difference that stems from its life before.
type pod struct {
	joined     float64
	cohort     *cohort
	difference Counts
}

func newFleet(server Server, o Options) *fleet {
	f := &fleet{
		server:    server,
		law:       newLaw(server.Service),
		book:      &book{bounds: o.Bounds, timeout: math.Inf(1)},
		loops:     1,
		variation: server.Service.SCV,
		capacity:  server.Capacity(),
		perWork:   server.CPU.Seconds() / server.Service.Seconds(),
		quantiles: o.Quantiles,
		latencies: make([]float64, len(o.Quantiles)),
	}
	if server.Timeout > 0 {
		f.book.timeout = server.Timeout.Seconds()
	}
	f.step.limit = f.book.timeout
	f.lap = newRecord(f.book.timeout, func(r *row) *float64 { return &r.lap })
	f.earlier = newRecord(f.book.timeout, func(r *row) *float64 { return &r.earlier })
	f.work = server.Service.shape()
	for _, q := range o.Quantiles {
		f.levels = append(f.levels, levelOf(q))
	}
	f.tables = tables{
		model: f.choose(fourier.NewFFT(latticePoints)), service: server.Service.Seconds(), book: f.book,
		level: server.Balancer == LeastRequests, loops: f.loops,
	}
	return f
}

// choose finds the model of the server, nil of Linear, and what comes with it.
func (f *fleet) choose(fft *fourier.FFT) model {
	switch f.server.Kind {
	case Async:
		f.loops = float64(f.server.Workers)
		f.variation = 1 // the number of those that share does not depend on how work varies
		f.outside = f.server.Delay.Seconds()
		return newLoops(f.server, fft)
	case Queue:
		f.cohorts = []*cohort{f.newCohort(0)}
		return newBroker(f.server, fft)
	case Linear:
		f.outside = f.server.Service.Seconds()
		f.immediate = f.newImmediate()
		return nil
	}
	return newWorkers(f.server, fft)
}

func (f *fleet) newCohort(pods int) *cohort {
	return &cohort{pods: pods, taking: true, joined: f.now, each: f.book.counts()}
}

// table is that of so many pods that take arrivals, nil of none.
func (f *fleet) table(pods int) *table {
	if f.server.Kind == Linear || pods == 0 {
		return nil
	}
	if f.server.Balancer == Random {
		pods = 1 // no pod feels another
	}
	return f.tables.of(pods)
}

// speed is the share of full speed at which a cohort works in a step, the mean of
// its pods.
func (f *fleet) speed(c *cohort) float64 {
	if f.server.WarmUp <= 0 {
		return 1
	}
	middle := (f.before + f.now) / 2
	if f.server.Kind != Queue || !c.taking {
		return f.server.speedAt(middle - c.joined)
	}
	sum := 0.0
	for _, p := range f.taking {
		sum += f.server.speedAt(middle - p.joined)
	}
	return sum / float64(max(1, len(f.taking)))
}

// speedAt is the share of its full speed that a pod has at an age in seconds.
func (s *Server) speedAt(age float64) float64 {
	length := s.WarmUp.Seconds()
	if age >= length {
		return 1
	}
	return s.WarmUpSpeed + (1-s.WarmUpSpeed)*age/length
}

// Join implements Fleet.
func (f *fleet) Join(id int) {
	if f.pods.get(id) != nil {
		return
	}
	f.disturb()
	p := &pod{joined: f.now, difference: f.book.counts()}
	f.pods.add(id, p)
	f.taking = append(f.taking, p)
	if f.server.Kind == Queue {
		p.enter(f.cohorts[0])
		f.cohorts[0].pods++
		return
	}
	for _, c := range f.cohorts {
		if c.isNew(f.now) {
			p.enter(c)
			c.pods++
			return
		}
	}
	c := f.newCohort(1)
	f.cohorts = append(f.cohorts, c)
	p.enter(c)
}

// isNew reports whether a pod that joins now is like those of the cohort.
func (c *cohort) isNew(now float64) bool {
	return c.taking && c.joined == now && c.number == 0 && c.outside == 0
}

// Drain implements Fleet.
func (f *fleet) Drain(id int) {
	p := f.pods.get(id)
	if p == nil || !p.cohort.taking {
		return
	}
	f.disturb()
	f.stop(p)
	from := p.cohort
	to := f.leaving(from)
	if f.server.Kind == Queue {
		held := f.held(from)
		to = &cohort{joined: p.joined, number: held, each: f.book.counts()}
		from.take(held)
		f.cohorts = append(f.cohorts, to)
	}
	to.pods++
	from.pods--
	p.enter(to)
	f.sweep()
}

// stop takes a pod from those that take arrivals.
func (f *fleet) stop(p *pod) {
	i := slices.Index(f.taking, p)
	f.taking = slices.Delete(f.taking, i, i+1)
}

// leaving is a cohort without arrivals in the state of another one.
func (f *fleet) leaving(from *cohort) *cohort {
	for _, c := range f.cohorts {
		if !c.taking && c.joined == from.joined && c.number == from.number && c.outside == from.outside {
			return c
		}
	}
	if f.server.Kind == Queue {
		return nil
	}
	c := *from
	c.taking, c.pods = false, 0
	c.each, c.tally = f.book.counts(), tally{}
	c.past, c.crush = from.past.clone(), from.crush.clone()
	f.cohorts = append(f.cohorts, &c)
	return &c
}

// held is how many tasks a pod of a Queue holds: those it works on and those it
// fetched ahead.
func (f *fleet) held(c *cohort) float64 {
	busy, ahead := f.atPods(c)
	return (busy + ahead) / float64(max(1, c.pods))
}

// atPods is how many of a cohort's tasks are worked on, and fetched ahead.
func (f *fleet) atPods(c *cohort) (busy, ahead float64) {
	workers := float64(c.pods * f.server.Workers)
	busy = min(c.number, c.working*workers)
	ahead = min(c.number-busy, workers*float64(f.server.Prefetch))
	return busy, ahead
}

// take takes requests out of a station.
func (c *cohort) take(n float64) {
	c.number -= n
	if c.backlog > c.number {
		c.end(c.backlog - c.number)
	}
}

// give puts requests back into a queue.
func (c *cohort) give(n float64) {
	c.number += n
	if c.backlog > 0 {
		c.backlog += n
		c.middle += n
		c.grown += n
	}
}

// Leave implements Fleet.
func (f *fleet) Leave(id int) float64 {
	p := f.pods.get(id)
	if p == nil {
		return 0
	}
	f.disturb()
	f.pods.remove(id)
	c := p.cohort
	if c.taking {
		f.stop(p)
	}
	left := (c.number + c.outside) * f.loops
	switch {
	case f.server.Kind != Queue:
		f.total.Failed += left
	case c.taking: // it never left the queue
		left = f.held(c)
	default:
		f.cohorts[0].give(left)
	}
	c.pods--
	f.sweep()
	return left
}

// sweep forgets cohorts without pods. The first of a Queue is the queue.
func (f *fleet) sweep() {
	f.cohorts = slices.DeleteFunc(f.cohorts, func(c *cohort) bool {
		return c.pods == 0 && (!c.taking || f.server.Kind != Queue)
	})
}

// Advance implements Fleet.
func (f *fleet) Advance(d time.Duration, rate float64) Step {
	f.elapsed += d
	if f.repeats(d, rate) {
		f.repeat()
		return f.again.step
	}
	f.move()
	f.before, f.now = (f.elapsed - d).Seconds(), f.elapsed.Seconds()
	if d <= 0 {
		f.step.reset()
		return f.report(rate)
	}
	return f.compute(d, rate)
}

// flow brings the arrivals of a step to the cohorts and lets them work.
func (f *fleet) flow(seconds, rate float64) {
	arriving := rate * seconds
	f.total.Arrived += arriving
	if len(f.taking) == 0 && f.server.Kind != Queue {
		f.total.Dropped += arriving
	}
	t := f.table(len(f.taking))
	fair := f.fair(t, seconds, arriving)
	for _, c := range f.cohorts {
		switch {
		case !c.taking:
			c.advance(f, f.table(1), seconds, 0)
		case f.server.Kind == Queue:
			c.advance(f, t, seconds, arriving)
		default:
			c.advance(f, t, seconds, fair.of(f, c, t, seconds))
		}
		f.count(c, seconds)
	}
	if len(f.cohorts) > 1 {
		f.merge()
	}
}

// A fairness is how arrivals are split: each station gets the same, or what brings
// it to the same number of requests.
type fairness struct {
	each, number float64
	level        bool
}

// fair splits arrivals over the stations of the pods that take them.
func (f *fleet) fair(t *table, seconds, arriving float64) fairness {
	stations := float64(len(f.taking)) * f.loops
	if f.server.Balancer != LeastRequests || t == nil || len(f.cohorts) < 2 {
		return fairness{each: arriving / stations}
	}
	s := fairness{level: true}
	low, high := 0.0, 0.0
	for _, c := range f.cohorts {
		high = max(high, c.number+arriving)
	}
	for range 50 {
		s.number = (low + high) / 2
		sum := 0.0
		for _, c := range f.cohorts {
			if c.taking {
				sum += float64(c.pods) * f.loops * s.of(f, c, t, seconds)
			}
		}
		if sum < arriving {
			low = s.number
		} else {
			high = s.number
		}
	}
	// What the search left over is shared, so that nothing is lost.
	s.number = low
	sum := 0.0
	for _, c := range f.cohorts {
		if c.taking {
			sum += float64(c.pods) * f.loops * s.of(f, c, t, seconds)
		}
	}
	s.each = max(0, arriving-sum) / stations
	return s
}

// of is what comes to a station of a cohort.
func (s fairness) of(f *fleet, c *cohort, t *table, seconds float64) float64 {
	if !s.level {
		return s.each
	}
	p := t.at(s.number, c.hint)
	work := t.capacity * f.speed(c) * seconds * t.working(s.number, p)
	return max(0, s.number+work-c.number) + s.each
}

// count notes what a cohort did in a step.
func (f *fleet) count(c *cohort, seconds float64) {
	perPod, stations := f.stationsOf(c)
	f.refusals(c, stations)
	if own := c.done * c.queued; own > 0 {
		f.countOwn(c, own, perPod, stations)
	}
	if rest := c.done * (1 - c.queued); rest > 0 {
		f.countRows(c, rest, perPod, stations)
	}
	busy := c.working * f.serversOf(c) * seconds * perPod
	c.each.Busy += busy
	c.each.CPU += busy*f.perWork + f.server.Background*seconds
	if f.server.Kind == Linear {
		c.each.CPU += c.done * f.server.CPU.Seconds()
	}
	c.each.Arrived += (c.came - c.outcome.dropped) * perPod
}

// stationsOf is how many stations a pod of a cohort has, and all of its pods.
func (f *fleet) stationsOf(c *cohort) (perPod, all float64) {
	if f.server.Kind == Queue && c.taking {
		return 1 / float64(max(1, c.pods)), 1
	}
	return f.loops, f.loops * float64(c.pods)
}

// serversOf is how many servers stand at a station of a cohort.
func (f *fleet) serversOf(c *cohort) float64 {
	switch {
	case f.server.Kind == Async:
		return 1
	case f.server.Kind == Queue && c.taking:
		return float64(c.pods * f.server.Workers)
	}
	return float64(f.server.Workers)
}

// refusals counts those that never got to a worker.
func (f *fleet) refusals(c *cohort, stations float64) {
	if c.outcome.dropped > 0 {
		f.total.Dropped += c.outcome.dropped * stations
	}
	if late := c.outcome.gaveUp * stations; late > 0 {
		f.fail(c, c.outcome.gaveUp, late, stations)
	}
}

// fail counts requests of a station that timed out, beside those of a latency.
func (f *fleet) fail(c *cohort, ofStation, all, stations float64) {
	c.each.Failed += ofStation * stations / float64(max(1, c.pods))
	f.total.Failed += all
	f.step.late += all
	f.lap.rest.put(f.book.timeout, all)
}

// countRows notes requests whose latency is between two rows.
func (f *fleet) countRows(c *cohort, done, perPod, stations float64) {
	a, b, part := c.table.rowsAt(c.place)
	first, second := 1-part, part
	completed := done * (first*a.inTime + second*b.inTime)
	each := done * perPod
	c.each.Completed += completed * perPod
	c.each.Failed += (done - completed) * perPod
	c.each.Seconds += each * (first*a.mean + second*b.mean)
	c.put(a, b, each*first, each*second)
	f.total.Completed += completed * stations
	f.total.Failed += (done - completed) * stations
	f.note(a, done*stations*(1-part))
	f.note(b, done*stations*part)
}

// note counts requests of a row.
func (f *fleet) note(r *row, requests float64) {
	if requests <= 0 {
		return
	}
	f.lap.add(r, requests)
	f.step.add(&r.shape, requests)
}

// countOwn notes requests whose latency no row has.
func (f *fleet) countOwn(c *cohort, done, perPod, stations float64) {
	shaped := done
	if c.lasting > 0 {
		shaped *= c.lasting
		late := done - shaped
		f.fail(c, late, late*stations, stations)
	}
	limit := f.book.timeout
	completed := shaped * c.own.within(limit)
	c.each.Completed += completed * perPod
	c.each.Failed += (shaped - completed) * perPod
	c.each.Seconds += shaped * perPod * c.own.mean(limit)
	c.addUp()
	last := len(c.each.Buckets) - 1
	for i, bound := range f.book.bounds {
		c.each.Buckets[i] += shaped * perPod * c.own.within(min(bound, limit))
	}
	c.each.Buckets[last] += completed * perPod
	f.total.Completed += completed * stations
	f.total.Failed += (shaped - completed) * stations
	outline := outlineOf(&c.own, limit)
	f.lap.rest.add(&outline, shaped*stations)
	f.step.add(&c.own, shaped*stations)
}

// report closes a step: what was counted since the last one.
func (f *fleet) report(rate float64) Step {
	for i := range f.quantiles {
		f.latencies[i] = f.stepQuantile(i)
	}
	was := f.reported
	f.reported = f.total
	return Step{
		Arrived:     f.total.Arrived - was.Arrived,
		Completed:   f.total.Completed - was.Completed,
		Failed:      f.total.Failed - was.Failed,
		Dropped:     f.total.Dropped - was.Dropped,
		Waiting:     f.Whole().Waiting,
		Latency:     f.latencies,
		Utilization: f.utilization(rate),
	}
}

// stepQuantile is between the quantiles of two rows where only one cohort ended
// requests: they are neighbours, and the latency between them has no row.
func (f *fleet) stepQuantile(i int) float64 {
	if f.step.late > 0 || len(f.step.parts) == 0 || len(f.cohorts) > 1 || f.cohorts[0].mixed() {
		return f.step.quantile(f.quantiles[i])
	}
	at := f.levels[i]
	sum := 0.0
	for _, p := range f.step.parts {
		sum += p.weight * p.shape.at(at)
	}
	return min(sum/f.step.total, f.step.limit)
}

// mixed reports whether some of a cohort's requests met a backlog, others none.
func (c *cohort) mixed() bool { return c.queued > 0 && c.queued < 1 }

// utilization is the load that arrives over what the taking pods can serve.
func (f *fleet) utilization(rate float64) float64 {
	switch {
	case f.server.Kind == Linear || rate == 0 && len(f.taking) == 0:
		return 0
	case len(f.cohorts) == 1 && f.cohorts[0].taking:
		return rate / (float64(len(f.taking)) * f.capacity * f.speed(f.cohorts[0]))
	}
	capacity := 0.0
	for _, c := range f.cohorts {
		if c.taking {
			capacity += float64(c.pods) * f.capacity * f.speed(c)
		}
	}
	return rate / capacity
}

// merge joins cohorts that no longer differ.
func (f *fleet) merge() {
	for i := 0; i < len(f.cohorts); i++ {
		for j := len(f.cohorts) - 1; j > i; j-- {
			a, b := f.cohorts[i], f.cohorts[j]
			if f.alike(a, b) {
				f.unite(a, b)
				f.cohorts = slices.Delete(f.cohorts, j, j+1)
			}
		}
	}
}

// alike reports whether two cohorts differ by less than a part in a thousand, or
// in a hundred of a backlog.
func (f *fleet) alike(a, b *cohort) bool {
	if a.taking != b.taking || f.server.Kind == Queue && a.taking {
		return false
	}
	if a.joined != b.joined && (f.speed(a) < 1 || f.speed(b) < 1) {
		return false
	}
	tolerance := 1e-3
	if a.backlog > 0 && b.backlog > 0 && a.ebbing == b.ebbing {
		tolerance = 1e-2
	} else if a.backlog > 0 || b.backlog > 0 {
		return false
	}
	return math.Abs(a.number-b.number) <= tolerance*(1+a.number) &&
		math.Abs(a.outside-b.outside) <= tolerance*(1+a.outside)
}

// unite moves the pods of b to a. The numbers become the mean, so that no request
// is lost.
func (f *fleet) unite(a, b *cohort) {
	n, m := float64(a.pods), float64(b.pods)
	mean := func(x, y float64) float64 { return (n*x + m*y) / (n + m) }
	a.number = mean(a.number, b.number)
	a.outside = mean(a.outside, b.outside)
	a.backlog = mean(a.backlog, b.backlog)
	a.middle = mean(a.middle, b.middle)
	a.spread = mean(a.spread, b.spread)
	a.behind = mean(a.behind, b.behind)
	a.joined = max(a.joined, b.joined)
	for _, p := range f.pods.all {
		if p.cohort == b {
			p.enter(a)
		}
	}
	a.pods += b.pods
}
