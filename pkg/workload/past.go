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
// time. Before the past began there is nothing, and nothing is after its end.
func (p *past) when(value float64) float64 { return lookUp(p.values, p.times, value) }
func (p *past) value(time float64) float64 { return lookUp(p.times, p.values, time) }

// lookUp is y at x, linear between points that rise in both.
func lookUp(xs, ys []float64, x float64) float64 {
	low, high := 0, len(xs)-1
	if x <= xs[low] {
		return ys[low]
	}
	if x >= xs[high] {
		return ys[high]
	}
	for high-low > 1 {
		middle := (low + high) / 2
		if xs[middle] <= x {
			low = middle
		} else {
			high = middle
		}
	}
	return ys[low] + (x-xs[low])/(xs[high]-xs[low])*(ys[high]-ys[low])
}

func (p *past) clone() past {
	c := *p
	c.times = append([]float64(nil), p.times...)
	c.values = append([]float64(nil), p.values...)
	return c
}
