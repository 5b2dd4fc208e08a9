package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/trace"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// shapesBegin is when a demand without dates begins.
var shapesBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A played demand is one with its beginning, and what of it nobody recorded.
type playedDemand struct {
	workload.Demand
	begin time.Time
	notes []string
}

// playDemand makes what a Demand describes. Files are opened as they are named.
func playDemand(d scenario.Demand, seed uint64) (playedDemand, error) {
	switch {
	case d.Trace != "":
		return traceDemand(d)
	case d.Shape != "":
		shaped, err := workload.ParseShape(d.Shape, seed)
		if err != nil {
			return playedDemand{}, fmt.Errorf("demand %q: %w", d.Shape, err)
		}
		return playedDemand{Demand: scaled(shaped, d.Scale), begin: shapesBegin}, nil
	default:
		values := workload.Demand{Every: d.Interval, Rates: d.Values}
		return playedDemand{Demand: scaled(values, d.Scale), begin: shapesBegin}, nil
	}
}

func scaled(d workload.Demand, by float64) workload.Demand {
	if by == 0 || by == 1 {
		return d
	}
	rates := make([]float64, len(d.Rates))
	for i, rate := range d.Rates {
		rates[i] = rate * by
	}
	return workload.Demand{Every: d.Every, Rates: rates}
}

func traceDemand(d scenario.Demand) (playedDemand, error) {
	set, err := trace.Open(d.Trace, traceOptions(d))
	if err != nil {
		return playedDemand{}, err
	}
	if len(set.Series) > 1 && d.Column == "" {
		return playedDemand{}, fmt.Errorf("%s has %d series (hint: choose one with --column: %s)", d.Trace, len(set.Series), seriesList(set.Series))
	}
	grid, err := trace.Demand(trace.GridOptions{Unit: trace.Unit(d.Unit), Gaps: trace.Gaps(d.Gaps), Scale: d.Scale}, set.Series...)
	if err != nil {
		return playedDemand{}, err
	}
	return playedDemand{
		Demand: workload.Demand{Every: grid.Every, Rates: grid.Rates},
		begin:  grid.Begin, notes: append(set.Notes, grid.Notes...),
	}, nil
}

func traceOptions(d scenario.Demand) trace.Options {
	o := trace.Options{Time: d.Time, Interval: d.Interval, Events: trace.Unit(d.Unit) == trace.Events}
	if d.Interval > 0 {
		o.Begin = shapesBegin // only rows without times of their own need one
	}
	if d.Column != "" {
		o.Values = []string{d.Column}
	}
	return o
}

// mostListed bounds the names in a hint.
const mostListed = 8

func seriesList(series []*trace.Series) string {
	var names []string
	for _, s := range series {
		if len(names) == mostListed {
			names = append(names, "…")
			break
		}
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}

// cut ends a demand after a length; 0 is its own.
func (d playedDemand) cut(length time.Duration) playedDemand {
	if n := int(length / max(d.Every, 1)); length > 0 && n < len(d.Rates) {
		d.Rates = d.Rates[:max(n, 1)]
	}
	return d
}

// assumptions are what nobody recorded.
func (d playedDemand) assumptions() []report.Assumption {
	var all []report.Assumption
	for _, note := range d.notes {
		all = append(all, report.Assumption{Name: "demand", Value: note})
	}
	return all
}
