package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A timetable is the beginnings and ends of events that are still to come.
type timetable struct {
	moments []moment
	outages int // that are going on
}

// A moment is the beginning of an Event, or the end of one.
type moment struct {
	at   time.Duration
	over bool
	from int32 // the replicas before a ManualScale
	Event
}

func newTimetable(events []Event) timetable {
	var t timetable
	for _, e := range events {
		t.moments = append(t.moments, moment{at: e.At, Event: e})
		if e.Kind == Outage || e.Kind == StuckPods {
			t.moments = append(t.moments, moment{at: e.At + e.For, over: true, Event: e})
		}
	}
	slices.SortStableFunc(t.moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return t
}

func (t *timetable) done() bool    { return len(t.moments) == 0 }
func (t *timetable) next() *moment { return &t.moments[0] }

func (t *timetable) pop() moment {
	first := t.moments[0]
	t.moments = t.moments[1:]
	return first
}

// happen lets a moment change the cluster, and tells of it.
func (r *run) happen(m moment) error {
	switch m.Kind {
	case Outage:
		r.events.outages++
		if m.over {
			r.events.outages -= 2
		}
	case StuckPods:
		r.workload.stuck = max(r.workload.stuck, m.At+m.For)
	case Restart:
		r.hpa.state = r.hpa.state.Restarted()
		r.hpa.wait(r.at, r.Cluster.SyncPeriod)
	case ManualScale:
		m.from = r.workload.desired
		r.workload.scale(m.Replicas, r.at+r.Cluster.ControllerLag)
	case Edit:
		r.hpa.spec = m.Spec
		if m.Spec.Controller.Profile.SyncsAtOnce {
			r.hpa.next = r.at
		}
	}
	return r.tell(&Happening{Run: r.Name, At: r.at, Time: r.time(r.at), Kind: m.Kind, Over: m.over, Text: m.text()})
}

// wait sets the first sync of a controller that starts now.
func (c *controller) wait(now, period time.Duration) {
	c.next = now + period
	if c.spec.Controller.Profile.SyncsAtOnce {
		c.next = now
	}
}

// text says what happens.
func (m *moment) text() string {
	switch m.Kind {
	case Outage:
		if m.over {
			return "Prometheus is back"
		}
		return fmt.Sprintf("Prometheus is down for %v: nothing is scraped or answered", m.For)
	case StuckPods:
		if m.over {
			return "pods start again"
		}
		return fmt.Sprintf("new pods do not start for %v", m.For)
	case Restart:
		return "the HPA controller restarts and forgets what it recommended and changed"
	case ManualScale:
		return fmt.Sprintf("somebody scales from %d to %d", m.from, m.Replicas)
	default:
		return "the HPA is edited: " + described(m.Spec)
	}
}

func described(spec *hpa.Spec) string {
	text := fmt.Sprintf("%d to %d replicas", spec.MinReplicas, spec.MaxReplicas)
	for i := range spec.Metrics {
		text += ", " + spec.Metrics[i].String()
	}
	return text
}
