package report

import (
	"math"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// A series keeps a run for drawing: intervals of equal width with the lowest and
// the highest of everything, so that no peak is lost. It holds so many intervals
// however long the run is.
type series struct {
	width   time.Duration // of an interval
	most    int           // intervals; it doubles the width rather than hold twice as many
	metrics []metricName
	at      []interval // without holes
}

// A metricName is a metric of the HPA, and what it is steered to at the beginning.
type metricName struct {
	Name string
	Unit string // "%" where the HPA compares with the requests of the pods
}

// An interval is what happened in (from, to].
type interval struct {
	ticks    int
	last     time.Duration // the end of the newest tick
	values   [quantities]extent
	observed []extent // by metric, as are:
	target   []extent
	truth    []extent
	syncs    int
	sync     *decision // of the most telling kind, the first of those
	events   []string
}

// The quantities of a tick.
const (
	demandRate = iota
	capacityRate
	desiredCount
	podCount
	readyCount
	needCount
	latency // of the objective's quantile, or p95
	waitingCount
	lostCount // failed and dropped
	overSeconds
	quantities
)

// An extent is the lowest and the highest value; NaN where there was none.
type extent struct{ low, high float64 }

var nothing = extent{math.NaN(), math.NaN()}

func (e *extent) add(v float64) { *e = e.with(extent{v, v}) }

func (e extent) with(o extent) extent {
	switch {
	case math.IsNaN(e.low):
		return o
	case math.IsNaN(o.low):
		return e
	default:
		return extent{min(e.low, o.low), max(e.high, o.high)}
	}
}

func (e extent) known() bool { return !math.IsNaN(e.low) }

// A decision is a sync to show.
type decision struct {
	at       time.Time
	reason   hpa.Reason
	from, to int32
	text     string
}

// newSeries returns a series for a run, of at most so many intervals.
func newSeries(m *sim.Begin, most int) *series {
	width := max(m.Report, time.Second)
	if ticks := int64(m.Length / width); ticks > int64(most) {
		width *= time.Duration((ticks + int64(most) - 1) / int64(most))
	}
	s := &series{width: width, most: most}
	if m.Spec != nil {
		for i := range m.Spec.Metrics {
			s.metrics = append(s.metrics, nameOf(&m.Spec.Metrics[i]))
		}
	}
	return s
}

// nameOf names a metric as the simulator does in what the HPA observed.
func nameOf(m *hpa.Metric) metricName {
	name := metricName{Name: m.Name}
	if m.Container != "" {
		name.Name += "/" + m.Container
	}
	if m.Target.Type == hpa.Utilization {
		name.Unit = "%"
	}
	return name
}

// interval returns the one that a time belongs to.
func (s *series) interval(at time.Duration) *interval {
	i := int(max(at-1, 0) / s.width)
	for i >= 2*s.most {
		s.width *= 2
		s.at = merged(s.at, 2)
		i /= 2
	}
	for len(s.at) <= i {
		s.at = append(s.at, newInterval(len(s.metrics)))
	}
	return &s.at[i]
}

func newInterval(metrics int) interval {
	all := make([]extent, quantities+3*metrics)
	for i := range all {
		all[i] = nothing
	}
	one := interval{}
	copy(one.values[:], all[:quantities])
	all = all[quantities:]
	one.observed, one.target, one.truth = all[:metrics:metrics], all[metrics:2*metrics:2*metrics], all[2*metrics:]
	return one
}

func (s *series) tick(m *sim.Tick, objective bool) {
	one := s.interval(m.At)
	one.ticks++
	one.last = m.At
	slow := m.P95
	if objective {
		slow = m.Objective
	}
	for i, v := range [quantities]float64{
		demandRate: m.Demand, capacityRate: capacity(m),
		desiredCount: float64(m.Desired), podCount: float64(m.Pods), readyCount: float64(m.Ready), needCount: need(m),
		latency: slow, waitingCount: m.Waiting, lostCount: m.Failed + m.Dropped, overSeconds: m.Over,
	} {
		one.values[i].add(v)
	}
	for i := range min(len(m.True), len(one.truth)) {
		one.truth[i].add(m.True[i])
	}
}

func (s *series) sync(m *sim.Sync) {
	one := s.interval(m.At)
	one.syncs++
	for i := range min(len(m.Observed), len(one.observed)) {
		one.observed[i].add(m.Observed[i].Value)
		one.target[i].add(m.Observed[i].Target)
	}
	if one.sync == nil || rank(m.Reason) < rank(one.sync.reason) {
		one.sync = &decision{at: m.Time, reason: m.Reason, from: m.Decision.From, to: m.Decision.To, text: m.Decision.Describe()}
	}
}

// event notes what happened. Where much happens, the first of it is enough.
func (s *series) event(m *sim.Happening) {
	const most = 8
	if one := s.interval(m.At); len(one.events) < most {
		one.events = append(one.events, m.Text)
	}
}

// merged joins each n neighbours.
func merged(at []interval, n int) []interval {
	if n <= 1 {
		return at
	}
	out := make([]interval, 0, (len(at)+n-1)/n)
	for group := range slices.Chunk(at, n) {
		one := group[0].clone()
		for i := range group[1:] {
			one.join(&group[1+i])
		}
		out = append(out, one)
	}
	return out
}

func (one *interval) clone() interval {
	c := *one
	c.observed, c.target, c.truth = slices.Clone(one.observed), slices.Clone(one.target), slices.Clone(one.truth)
	c.events = slices.Clone(one.events)
	return c
}

// join adds the interval after this one.
func (one *interval) join(next *interval) {
	one.ticks += next.ticks
	one.last = max(one.last, next.last)
	for i := range one.values {
		one.values[i] = one.values[i].with(next.values[i])
	}
	for i := range one.observed {
		one.observed[i] = one.observed[i].with(next.observed[i])
		one.target[i] = one.target[i].with(next.target[i])
		one.truth[i] = one.truth[i].with(next.truth[i])
	}
	one.syncs += next.syncs
	if next.sync != nil && (one.sync == nil || rank(next.sync.reason) < rank(one.sync.reason)) {
		one.sync = next.sync
	}
	one.events = append(one.events, next.events...)
}

// end takes what came after the last tick, such as a sync that took its time, into
// the last interval.
func (s *series) end(length time.Duration) {
	n := max(1, int((length+s.width-1)/s.width))
	if len(s.at) <= n {
		return
	}
	for i := n; i < len(s.at); i++ {
		s.at[n-1].join(&s.at[i])
	}
	s.at = s.at[:n]
}

// thin joins intervals until there are at most so many.
func (s *series) thin(most int) {
	if n := (len(s.at) + most - 1) / most; n > 1 {
		s.at = merged(s.at, n)
		s.width *= time.Duration(n)
	}
}
