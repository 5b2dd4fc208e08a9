package scenario

import (
	"math"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// A trial is an expectation while it is judged.
type trial struct {
	Expectation
	state state

	broken  bool    // it does not hold, whatever comes
	breach  breach  // when that was first seen
	decided bool    // its time has come and gone
	got     float64 // what counts against it: the first wrong value, otherwise the last one
}

// A breach is the run at the moment in which an expectation was first violated.
type breach struct {
	seen bool
	at   time.Duration
	scene
}

// A state is what some forms keep while the run goes.
type state struct {
	extreme     float64 // Max, Min
	known, good time.Duration
	events      []time.Duration // PerTime: those of the last Per
	worst       int
	counted     float64
	unmet       int // syncs, of Never and Always
}

// before judges what was, when time moves on: at a time counts what held then.
func (t *trial) before(now time.Duration, s *scene) {
	if t.decided || !s.begun || now <= t.From {
		return
	}
	switch t.Form {
	case At, ReasonAt:
		t.moment(s)
		t.decided = true
	case Between:
		t.moment(s)
		t.decided = now > t.Until
	}
}

// moment judges the value that holds.
func (t *trial) moment(s *scene) {
	if t.Form == ReasonAt {
		if (s.synced && s.reason == t.Reason) != (t.Op == Equal) {
			t.violated(s)
		}
		return
	}
	if t.broken {
		return
	}
	t.got = s.now(t.Figure)
	if !t.Op.holds(t.got, t.Limit.Value) {
		t.violated(s)
	}
}

// violated remembers the first time.
func (t *trial) violated(s *scene) {
	t.broken = true
	t.witness(s)
}

func (t *trial) witness(s *scene) {
	if t.breach.seen {
		return
	}
	t.breach = breach{seen: true, at: s.at, scene: *s}
}

// after judges a message that was just seen.
func (t *trial) after(m sim.Message, s *scene) {
	switch t.Form {
	case Between:
		if s.at > t.From && s.at <= t.Until && !t.decided {
			t.moment(s)
		}
	case Max, Min:
		t.extremes(s)
	case For:
		if _, ok := m.(*sim.Tick); ok {
			t.share(s)
		}
	case Never, Always:
		if _, ok := m.(*sim.Sync); ok && s.carries(t.Reason) == (t.Form == Never) {
			t.state.unmet++
			t.violated(s)
		}
	case Whole:
		t.whole(s)
	}
	if _, ok := m.(*sim.End); ok {
		t.end(s)
	}
}

// extremes keeps the largest or the smallest value.
func (t *trial) extremes(s *scene) {
	v, e := s.now(t.Figure), t.state.extreme
	if math.IsNaN(v) || (t.Form == Max && v <= e) || (t.Form == Min && v >= e) {
		return
	}
	t.state.extreme, t.got = v, v
	upper := t.Form == Max && (t.Op == Below || t.Op == AtMost)
	lower := t.Form == Min && (t.Op == Above || t.Op == AtLeast)
	if (upper || lower) && !t.Op.holds(v, t.Limit.Value) {
		t.violated(s)
	}
}

// share adds a tick to the time in which the figure had a value.
func (t *trial) share(s *scene) {
	v := s.now(t.Figure)
	if math.IsNaN(v) {
		return
	}
	t.state.known += s.lasted
	if t.Op.holds(v, t.Limit.Value) {
		t.state.good += s.lasted
		return
	}
	t.witness(s) // whether it is too much shows at the end
}

// whole looks when a total that only grows goes beyond its limit.
func (t *trial) whole(s *scene) {
	so, counted := s.soFar(t.Figure)
	switch {
	case !counted:
	case t.Limit.Unit == PerTime:
		t.rate(s, so)
	case t.Limit.Unit == Percent:
		if s.arrived > 0 && !t.Op.holds(100*so/s.arrived, t.Limit.Value) {
			t.witness(s)
		}
	case t.Op.bounds() && so > t.Limit.Value || t.Op == Below && so >= t.Limit.Value:
		t.witness(s)
	}
}

// rate counts the events of the last time that the limit is per.
func (t *trial) rate(s *scene, total float64) {
	for ; t.state.counted < total; t.state.counted++ {
		t.state.events = append(t.state.events, s.at)
	}
	for len(t.state.events) > 0 && s.at-t.state.events[0] >= t.Limit.Per {
		t.state.events = append(t.state.events[:0], t.state.events[1:]...)
	}
	if n := len(t.state.events); n > t.state.worst {
		t.state.worst, t.got = n, float64(n)
		if !t.Op.holds(t.got, t.Limit.Value) {
			t.violated(s)
		}
	}
}

// end judges what only the end can tell.
func (t *trial) end(s *scene) {
	switch t.Form {
	case At, Between, ReasonAt:
		t.lastMoment(s)
	case Max, Min:
		t.broken = !t.Op.holds(t.state.extreme, t.Limit.Value)
		t.got = t.state.extreme
	case For:
		t.got = 100 * t.state.good.Seconds() / t.state.known.Seconds()
		t.broken = !(t.got >= t.Share)
	case Always, Never:
		t.broken = t.broken || s.syncs == 0 && t.Form == Always
	case Whole:
		if t.Limit.Unit != PerTime {
			t.got = t.figureOf(&s.summary)
			t.broken = !t.Op.holds(t.got, t.Limit.Value)
		}
	}
}

// lastMoment judges a time that the run reached with its last message, and
// refuses one that it did not reach.
func (t *trial) lastMoment(s *scene) {
	needed := t.From
	if t.Form == Between {
		needed = t.Until
	}
	switch {
	case t.decided:
	case s.at < needed:
		t.broken = true
	case t.Form != Between || s.at == t.From:
		t.moment(s)
	}
	t.decided = t.decided || s.at >= needed
}

// figureOf is the figure of the whole run; NaN where it is not known.
func (t *trial) figureOf(m *sim.Summary) float64 {
	value := map[Figure]float64{
		P50: m.P50, P95: m.P95, P99: m.P99,
		ScaleEvents: float64(m.ScaleUps + m.ScaleDowns), ScaleUps: float64(m.ScaleUps), ScaleDowns: float64(m.ScaleDowns),
		Reversals: float64(m.Reversals), PodHours: m.ReplicaHours, Dropped: m.Dropped, Failed: m.Failed,
		MinutesOver: m.MinutesOver, LongestShort: m.LongestShort.Seconds(),
		FailedSyncs: float64(m.FailedSyncs), MinutesAtMax: m.MinutesAtMax,
	}[t.Figure]
	switch {
	case t.Figure == LongestShort && math.IsNaN(m.UnderProvisionedHours):
		return math.NaN()
	case t.Limit.Unit == Percent && m.Arrived > 0:
		return 100 * value / m.Arrived
	case t.Figure == Dropped || t.Figure == Failed:
		return math.Round(value)
	}
	return value
}
