package promdb

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// A sample is a point with the series that it belongs to. t is in milliseconds
// since 1970.
type sample struct {
	labels labels.Labels
	t      int64
	v      float64
}

// A store holds series in memory. It has no lock and no clock: its present is
// its newest sample.
type store struct {
	retention int64 // milliseconds
	newest    int64
	nextSweep int64

	byKey  map[string]*series // key: the labels' bytes
	byName map[string][]*series
	key    []byte // scratch

	described map[string]Family
}

// A series is a label set and its points in the order of time.
type series struct {
	labels labels.Labels
	points points
}

func newStore(retention time.Duration) *store {
	return &store{
		retention: retention.Milliseconds(),
		newest:    math.MinInt64,
		byKey:     map[string]*series{},
		byName:    map[string][]*series{},
		described: map[string]Family{},
	}
}

// append adds a sample, or says why it cannot be one.
func (st *store) append(s sample) error {
	st.key = s.labels.Bytes(st.key)
	sr, known := st.byKey[string(st.key)]
	if !known {
		if err := checkLabels(s.labels); err != nil {
			return err
		}
		sr = &series{labels: s.labels}
		st.byKey[string(st.key)] = sr
		name := s.labels.Get(model.MetricNameLabel)
		st.byName[name] = append(st.byName[name], sr)
	}
	if n := len(sr.points); n > 0 && sr.points[n-1].t >= s.t {
		return fmt.Errorf("%s at %s, last at %s: %w", s.labels,
			timestamp.Time(s.t).UTC().Format(time.RFC3339Nano), timestamp.Time(sr.points[n-1].t).UTC().Format(time.RFC3339Nano), ErrOutOfOrder)
	}
	if s.t > st.newest {
		st.advance(s.t)
	}
	sr.append(point{t: s.t, v: s.v}, st.oldest())
	return nil
}

func checkLabels(ls labels.Labels) error {
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return fmt.Errorf("%s: label %q is given twice", ls, name)
	}
	if !ls.Has(model.MetricNameLabel) {
		return fmt.Errorf("%s: no metric name", ls)
	}
	if !ls.IsValid(model.UTF8Validation) {
		return fmt.Errorf("%s: metric name or labels are not valid", ls)
	}
	return nil
}

// oldest is the first millisecond that retention keeps.
func (st *store) oldest() int64 {
	if st.newest < math.MinInt64+st.retention {
		return math.MinInt64
	}
	return st.newest - st.retention
}

// advance moves the present. Twice per retention it forgets the series that
// have nothing left to show.
func (st *store) advance(t int64) {
	first := st.newest == math.MinInt64
	st.newest = t
	if first {
		st.nextSweep = t + st.retention/2
	}
	if t < st.nextSweep {
		return
	}
	st.nextSweep = t + st.retention/2
	oldest := st.oldest()
	for key, sr := range st.byKey {
		if sr.endsBefore(oldest) {
			delete(st.byKey, key)
		}
	}
	for name, list := range st.byName {
		list = slices.DeleteFunc(list, func(sr *series) bool { return sr.endsBefore(oldest) })
		if len(list) == 0 {
			delete(st.byName, name)
			continue
		}
		st.byName[name] = list
	}
}

// A series without points is being appended to.
func (sr *series) endsBefore(t int64) bool {
	n := len(sr.points)
	return n > 0 && sr.points[n-1].t < t
}

// append adds a point. Before the slice grows, points that retention no longer
// keeps make room; a quarter is the least worth moving the others for.
func (sr *series) append(p point, oldest int64) {
	if n := len(sr.points); n == cap(sr.points) {
		if gone := sr.points.before(oldest); gone > n/4 {
			sr.points = sr.points[:copy(sr.points, sr.points[gone:])]
		}
	}
	sr.points = append(sr.points, p)
}

// find returns the series that match, those of one metric in the order of
// their first sample, metrics in the order of their names: aggregates of floats
// depend on the order, and equal stores are to give equal answers.
func (st *store) find(matchers []*labels.Matcher) []*series {
	names, others := splitMatchers(matchers)
	var found []*series
	for _, name := range st.names(names) {
		for _, sr := range st.byName[name] {
			if matches(sr.labels, others) {
				found = append(found, sr)
			}
		}
	}
	return found
}

func splitMatchers(matchers []*labels.Matcher) (names, others []*labels.Matcher) {
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel {
			names = append(names, m)
		} else {
			others = append(others, m)
		}
	}
	return names, others
}

// names returns the metric names that all matchers accept, sorted.
func (st *store) names(matchers []*labels.Matcher) []string {
	accepts := func(name string) bool {
		return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(name) })
	}
	for _, m := range matchers {
		if m.Type != labels.MatchEqual {
			continue
		}
		if accepts(m.Value) {
			return []string{m.Value}
		}
		return nil
	}
	var names []string
	for name := range st.byName {
		if accepts(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

func matches(ls labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// points are sorted by time. They are storage.Samples for the engine.
type points []point

func (ps points) Get(i int) chunks.Sample { return &ps[i] }
func (ps points) Len() int                { return len(ps) }

// before counts the points before t.
func (ps points) before(t int64) int {
	return sort.Search(len(ps), func(i int) bool { return ps[i].t >= t })
}

// between returns the points from first to last, both inclusive.
func (ps points) between(first, last int64) points {
	if last == math.MaxInt64 {
		return ps[ps.before(first):]
	}
	from, to := ps.before(first), ps.before(last+1)
	if from >= to {
		return nil
	}
	return ps[from:to]
}

// A point is a float at a time: a chunks.Sample without histograms.
type point struct {
	t int64 // milliseconds since 1970
	v float64
}

var _ chunks.Sample = (*point)(nil)

func (p *point) T() int64                      { return p.t }
func (p *point) F() float64                    { return p.v }
func (p *point) ST() int64                     { return 0 }
func (p *point) H() *histogram.Histogram       { return nil }
func (p *point) FH() *histogram.FloatHistogram { return nil }
func (p *point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p *point) Copy() chunks.Sample           { c := *p; return &c }
