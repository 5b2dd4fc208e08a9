package workload

// A past is something that grows with time, as it was while there was a backlog.
// It answers when it had a value. Of first come first served that is what has
// arrived: who begins service now arrived when as many had arrived as have begun
// now.
//
// It keeps at most maxPast moments: a longer past is kept at half the resolution.
type past struct {
	times, values []float64
	stride, skip  int

	hints [levelCount]int // of those that look for the levels
	mean  int             // of those that look for the mean
}

const maxPast = 4096

// begin forgets everything and notes where things stand.
func (p *past) begin(time, value float64) {
	p.times = append(p.times[:0], time)
	p.values = append(p.values[:0], value)
	p.stride, p.skip = 1, 0
}

// add notes a value that is not below the last one.
func (p *past) add(time, value float64) {
	p.skip++
	if p.skip < p.stride {
		return
	}
	p.skip = 0
	if len(p.times) == maxPast {
		p.thin()
	}
	p.times = append(p.times, time)
	p.values = append(p.values, value)
}

func (p *past) thin() {
	p.stride *= 2
	for i := range maxPast / 2 {
		p.times[i], p.values[i] = p.times[2*i], p.values[2*i]
	}
	p.times, p.values = p.times[:maxPast/2], p.values[:maxPast/2]
}

// when is the time at which a value was reached, and value what was reached at a
// time. Before the past began there is nothing, and nothing is after its end. They
// begin to look at a hint, as both grow from step to step.
func (p *past) when(value float64, hint *int) float64 { return lookUp(p.values, p.times, value, hint) }
func (p *past) value(time float64, hint *int) float64 { return lookUp(p.times, p.values, time, hint) }

// lookUp is y at x, linear between points that rise in both.
func lookUp(xs, ys []float64, x float64, hint *int) float64 {
	last := len(xs) - 1
	if x <= xs[0] {
		return ys[0]
	}
	if x >= xs[last] {
		return ys[last]
	}
	i := min(*hint, last-1)
	for xs[i] > x {
		i--
	}
	for xs[i+1] <= x {
		i++
	}
	*hint = i
	return ys[i] + (x-xs[i])/(xs[i+1]-xs[i])*(ys[i+1]-ys[i])
}

func (p *past) clone() past {
	c := *p
	c.times = append([]float64(nil), p.times...)
	c.values = append([]float64(nil), p.values...)
	return c
}
