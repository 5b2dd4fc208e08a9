package workload

import "math"

// A mixture is requests of several shapes, histograms of more, and some that timed
// out.
type mixture struct {
	parts []part
	rests []*histogram
	late  float64 // requests that took limit
	limit float64 // seconds; what takes longer counts as this
	total float64
}

// A part is so many requests of a shape.
type part struct {
	shape  *shape
	weight float64
}

func (m *mixture) reset() { m.parts, m.rests, m.late, m.total = m.parts[:0], m.rests[:0], 0, 0 }

func (m *mixture) add(s *shape, weight float64) {
	if weight > 0 {
		m.parts = append(m.parts, part{s, weight})
		m.total += weight
	}
}

// alike is how little the quantiles of parts differ, relative to the largest, for
// their mean to be that of the whole to one in a thousand: the error is of second
// order.
const alike = 0.03

// quantile is that of all requests, NaN of none. It lies between those of the parts.
func (m *mixture) quantile(p float64) float64 {
	total := m.total + m.late
	low, high := math.Inf(1), 0.0
	at, sum := levelOf(p), 0.0
	for _, part := range m.parts {
		q := min(part.shape.at(at), m.limit)
		low, high = min(low, q), max(high, q)
		sum += part.weight * q
	}
	if len(m.rests) == 0 && m.late == 0 && high-low <= alike*high && total > 0 {
		return sum / total
	}
	if m.late > 0 {
		low, high = min(low, m.limit), max(high, m.limit)
	}
	for _, rest := range m.rests {
		total += rest.total
		first, last := rest.bounds()
		low, high = min(low, first), max(high, last)
	}
	if !(total > 0) || !(p >= 0 && p <= 1) {
		return math.NaN()
	}
	return m.between(low, high, p*total)
}

// between finds the time within which so many requests ended, to one in a thousand.
func (m *mixture) between(low, high, rank float64) float64 {
	for range 100 {
		if high-low <= 1e-3*high {
			break
		}
		middle := (low + high) / 2
		if high > 16*low {
			middle = math.Sqrt(max(low, high*1e-6) * high)
		}
		if m.within(middle) < rank {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

func (m *mixture) within(x float64) float64 {
	if x >= m.limit {
		return math.Inf(1) // all of them
	}
	sum := 0.0
	for _, rest := range m.rests {
		sum += rest.within(x)
	}
	for _, part := range m.parts {
		sum += part.weight * part.shape.within(x)
	}
	return sum
}

// A record is the latencies of many requests: how many were of each row, and a
// histogram of those of none.
type record struct {
	weight  func(*row) *float64 // the record's own field of a row
	rows    []*row              // that have a weight
	rest    histogram
	mixture mixture
}

func newRecord(limit float64, weight func(*row) *float64) *record {
	r := &record{weight: weight, rest: newHistogram()}
	r.mixture.limit = limit
	return r
}

// add counts requests of a row.
func (r *record) add(of *row, requests float64) {
	weight := r.weight(of)
	if *weight == 0 {
		r.rows = append(r.rows, of)
	}
	*weight += requests
}

// note is add, but for no requests.
func (r *record) note(of *row, requests float64) {
	if requests > 0 {
		r.add(of, requests)
	}
}

// quantileOf is that of all requests of some records.
func quantileOf(p float64, records ...*record) float64 {
	m := &records[0].mixture
	m.reset()
	for _, r := range records {
		for _, row := range r.rows {
			m.add(&row.shape, *r.weight(row))
		}
		if r.rest.total > 0 {
			r.rest.settle()
			m.rests = append(m.rests, &r.rest)
		}
	}
	return m.quantile(p)
}

// merge counts all requests of another record.
func (r *record) merge(o *record) {
	for _, row := range o.rows {
		r.add(row, *o.weight(row))
	}
	if o.rest.total > 0 {
		o.rest.settle()
		r.rest.merge(&o.rest)
	}
}

func (r *record) reset() {
	for _, row := range r.rows {
		*r.weight(row) = 0
	}
	r.rows = r.rows[:0]
	r.rest.reset()
}
