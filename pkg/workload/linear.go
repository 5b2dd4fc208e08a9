package workload

import "math"

// newImmediate is the latency of a Linear server, which does not depend on load:
// a table in which all places are the same.
func (f *fleet) newImmediate() *table {
	r := &row{shape: f.server.Service.shape()}
	r.count(f.book, f.server.Service.Within)
	r.mean = f.server.Service.Seconds()
	if !math.IsInf(f.book.timeout, 1) {
		r.mean = r.shape.mean(f.book.timeout)
	}
	return &table{number: []float64{0, 1, 2, 3}, rows: []*row{r, r}} // from knot to knot, of one row to the next
}
