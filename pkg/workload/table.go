package workload

import "math"

// tables are those of a model, by the number of pods.
type tables struct {
	model   model
	service float64 // seconds
	book    *book
	level   bool    // a balancer keeps pods equal
	loops   float64 // stations of a pod
	made    []*table
}

// of is the table of so many pods.
func (t *tables) of(pods int) *table {
	for len(t.made) <= pods {
		t.made = append(t.made, nil)
	}
	if t.made[pods] == nil {
		t.made[pods] = t.make(pods)
	}
	return t.made[pods]
}

// A table is a model at a number of pods, tabulated over utilization. Knots are
// even in -log(1-utilization), so that each has the same share of what is left.
// Latencies are computed when they are first asked for, as a run visits few, and
// for few knots and numbers of pods, as they are nearly linear in the number of
// requests, and so alike with a pod more.
type table struct {
	all      *tables
	model    model
	pods     int
	servers  float64
	capacity float64 // requests per second of a station
	together float64 // stations over which a balancer spreads what varies at one
	heavy    float64 // the utilization from which on nearly all servers are busy nearly always

	utilization, number []float64 // by knot
	rows                []*row    // of every rowEvery-th knot
}

const (
	knotWidth = 0.1
	knots     = 121 // up to a utilization of 1-6e-6
	rowEvery  = 2
	rowCount  = (knots-1)/rowEvery + 1
	lastRow   = 30 // whose latency is computed; later ones are scaled
)

func (all *tables) make(pods int) *table {
	m := all.model
	servers := float64(m.servers(pods))
	t := &table{
		all: all, model: m, pods: pods, together: 1, servers: servers, capacity: servers / all.service,
		utilization: make([]float64, knots), number: make([]float64, knots), rows: make([]*row, rowCount),
	}
	if all.level {
		t.together = 1 / (1 - 1/all.loops + 1/(all.loops*float64(pods)))
	}
	for i := 1; i < knots; i++ {
		t.utilization[i] = -math.Expm1(-float64(i) * knotWidth)
		if t.heavy == 0 && erlangC(int(servers), t.utilization[i]) > 0.8 {
			t.heavy = t.utilization[i]
		}
		t.number[i] = max(t.number[i-1]*(1+1e-9), m.number(pods, t.utilization[i]))
	}
	return t
}

// steady is the number of requests in the long run at a utilization below 1.
func (t *table) steady(utilization float64) float64 {
	at := -math.Log1p(-utilization) / knotWidth
	i := min(int(at), knots-2)
	return t.number[i] + min(1, at-float64(i))*(t.number[i+1]-t.number[i])
}

// A place is between the knots i and i+1, part of the way.
type place struct {
	knot int
	part float64
}

// at is where a station has so many requests in the long run. It begins to look
// at a hint, as loads change slowly.
func (t *table) at(number float64, hint int) place {
	for hint > 0 && t.number[hint] > number {
		hint--
	}
	for hint < knots-2 && t.number[hint+1] < number {
		hint++
	}
	low, high := t.number[hint], t.number[hint+1]
	return place{hint, min(1, (number-low)/(high-low))}
}

// working is the utilization at which a station has so many requests.
func (t *table) working(number float64, p place) float64 {
	if number >= t.number[knots-1] {
		return 1 - (1-t.utilization[knots-1])*t.number[knots-1]/number
	}
	low, high := t.utilization[p.knot], t.utilization[p.knot+1]
	return low + p.part*(high-low)
}

// after is the number of requests after a time in which a station completes at the
// rate that belongs to the number at its end: number = before + arrived - work·utilization(number).
// It is the backward Euler method, which neither overshoots nor loses a request,
// solved exactly, as utilization is linear between knots.
func (t *table) after(before, arrived, work float64, hint int) (float64, place) {
	all := before + arrived
	for hint > 0 && t.number[hint]+work*t.utilization[hint] > all {
		hint--
	}
	for hint < knots-2 && t.number[hint+1]+work*t.utilization[hint+1] < all {
		hint++
	}
	low, high := t.number[hint], t.number[hint+1]
	from, to := t.utilization[hint], t.utilization[hint+1]
	part := (all - low - work*from) / (high - low + work*(to-from))
	if part <= 1 {
		return low + part*(high-low), place{hint, part}
	}
	// Beyond the last knot: number + work·(1 - rest/number) = all.
	rest := (1 - to) * high
	half := (all - work) / 2
	return half + math.Sqrt(half*half+work*rest), place{hint, 1}
}

// row is the latency at a knot that has one.
func (t *table) row(i int) *row {
	r := t.rows[i]
	if r == nil {
		r = t.newRow(i)
		t.rows[i] = r
	}
	return r
}

func (t *table) newRow(i int) *row {
	low, high := anchors(t.pods)
	utilization, found := t.model.alone(t.pods, t.utilization[i*rowEvery])
	switch {
	case found && t.pods > 1:
		one := t.all.of(1)
		return between(one.rowsAt(one.at(one.steady(utilization), 0)))
	case high > low:
		part := (1/float64(low) - 1/float64(t.pods)) / (1/float64(low) - 1/float64(high))
		return between(t.all.of(low).row(i), t.all.of(high).row(i), part)
	case i > lastRow:
		return t.all.book.stretched(t.row(lastRow), t.number[i*rowEvery]/t.number[lastRow*rowEvery])
	}
	return t.all.book.newRow(t.model.latency(t.pods, t.utilization[i*rowEvery]))
}

// anchors are the numbers of pods next to one for which latencies are computed: all
// up to 8, then four for each doubling.
func anchors(pods int) (low, high int) {
	step := 1
	for pods/step >= 8 {
		step *= 2
	}
	low = pods / step * step
	if low == pods {
		return low, low
	}
	return low, low + step
}

// rowsAt are the rows next to a place, and what part of the way is between them.
func (t *table) rowsAt(p place) (low, high *row, part float64) {
	i := p.knot / rowEvery
	from, to := t.number[i*rowEvery], t.number[(i+1)*rowEvery]
	number := t.number[p.knot] + p.part*(t.number[p.knot+1]-t.number[p.knot])
	return t.row(i), t.row(i + 1), (number - from) / (to - from)
}

// shape is the latency at a place.
func (t *table) shape(p place, into *shape) {
	a, b, part := t.rowsAt(p)
	for i := range into {
		into[i] = a.shape[i] + part*(b.shape[i]-a.shape[i])
	}
}

// refused is the share of requests that find limit others, of which so many are
// outside the station: of M/M/c/K, where the queue of M/M/c is cut off; it is exact
// for processor sharing.
func (t *table) refused(limit int, outside float64, p place) float64 {
	rho := t.working(t.number[p.knot]+p.part*(t.number[p.knot+1]-t.number[p.knot]), p)
	if rho <= 0 {
		return 0
	}
	busy := erlangC(int(t.servers), rho)
	queue := (t.number[p.knot] + p.part*(t.number[p.knot+1]-t.number[p.knot]) - rho*t.servers) / max(busy, 1e-300)
	full := busy * math.Pow(queue/(1+queue), max(0, float64(limit)-outside-t.servers))
	return (1 - rho) * full / (1 - rho*full)
}
