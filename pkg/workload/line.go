package workload

import "math"

// stand adds the wait in a line: those who begin service now came when as many
// had come as have begun by now, which is as uncertain as the backlog is. What is
// certain adds up, what is not adds up in squares.
func (c *cohort) stand(f *fleet, t *table, speed float64) {
	capacity := t.capacity * speed
	line := c.line()
	wait := c.wait(f, line, capacity, &c.past.mean)
	mean := c.own.mean(math.Inf(1))
	least := c.own[0]
	for i, x := range c.own {
		other := c.wait(f, line*(1+c.crowd.excess(i)), capacity, &c.past.hints[i])
		c.own[i] = max(least, wait+mean+addSquares(x-mean, other-wait))
	}
}

// wait is how long ago the first of so many in a line came. Those that came before
// the overload count as if they had come at the rate of service.
func (c *cohort) wait(f *fleet, line, capacity float64, hint *int) float64 {
	came := c.grown - line
	earlier := max(0, c.past.values[0]-came)
	return f.now - c.past.when(came, hint) + earlier/capacity
}

// addSquares is the root of the sum of squares that keep their signs.
func addSquares(a, b float64) float64 {
	sum := a*math.Abs(a) + b*math.Abs(b)
	if sum < 0 {
		return -math.Sqrt(-sum)
	}
	return math.Sqrt(sum)
}
