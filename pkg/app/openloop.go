package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/trace"
)

// A recordedPlay is the metrics of an HPA as they were recorded.
type recordedPlay struct {
	metrics map[string][]*trace.Series
	begin   time.Time
	length  time.Duration
}

// playRecorded finds the series of each metric by their names.
func playRecorded(d scenario.Demand, a *manifest.Autoscaler) (*recordedPlay, error) {
	options := traceOptions(d)
	options.Values, options.Events = nil, false
	set, err := trace.Open(d.Trace, options)
	if err != nil {
		return nil, err
	}
	play := &recordedPlay{metrics: map[string][]*trace.Series{}}
	var missing []string
	for i := range a.Spec.Metrics {
		name := a.Spec.Metrics[i].Name
		play.metrics[name] = slices.DeleteFunc(slices.Clone(set.Series), func(s *trace.Series) bool { return s.Name != name })
		if len(play.metrics[name]) == 0 && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s has no series of %s; it has %s", d.Trace, strings.Join(missing, ", "), seriesList(set.Series))
	}
	play.span()
	return play, nil
}

// span is the time that any of the metrics tells of.
func (p *recordedPlay) span() {
	var end time.Time
	for _, all := range p.metrics {
		for _, s := range all {
			if p.begin.IsZero() || s.Begin().Before(p.begin) {
				p.begin = s.Begin()
			}
			if last := s.End().Add(s.Interval()); last.After(end) {
				end = last
			}
		}
	}
	p.length = end.Sub(p.begin)
}

// pipeline plays the recording from its beginning.
func (p *recordedPlay) pipeline() (sim.Pipeline, error) {
	recorded := map[string][]sim.Recording{}
	for name, all := range p.metrics {
		for _, s := range all {
			recorded[name] = append(recorded[name], recording{s.Cursor()})
		}
	}
	return sim.NewOpenLoop(recorded)
}

// A recording is a series as the engine reads it.
type recording struct{ cursor *trace.Cursor }

// ValueAt implements sim.Recording.
func (r recording) ValueAt(at time.Time) (float64, sim.Known) {
	value, state := r.cursor.At(at)
	switch state {
	case trace.Value:
		return value, sim.Value
	case trace.Absent:
		return 0, sim.Absent
	default:
		return 0, sim.Gap
	}
}
