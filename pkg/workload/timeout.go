package workload

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
		most = c.grown - c.past.value(f.now-(f.book.timeout-left), &c.past.mean)
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
