package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// A figurePanel is a panel of the page: its drawings in all sizes, and what the
// colours mean.
type figurePanel struct {
	ID       string
	Title    string
	Unit     string
	Legend   []legendEntry
	Drawings []template.HTML
}

// A legendEntry names a colour.
type legendEntry struct {
	Class string
	Label string
	Shape string // line, dashed, dotted, area
}

// A drawn is a quantity as a panel shows it.
type drawn struct {
	ink   string
	label string
	shape string
	step  bool
	held  bool    // it is read at syncs and holds until the next
	scale float64 // what the values are multiplied with; 0 is 1
	of    func(*interval) extent
}

// values are those of the intervals.
func (l *drawn) values(at []interval) []extent {
	all := make([]extent, len(at))
	last := nothing
	for i := range at {
		if !l.held || at[i].syncs > 0 {
			last = l.scaled(l.of(&at[i]))
		}
		all[i] = last
	}
	return all
}

func (l *drawn) scaled(e extent) extent {
	if l.scale != 0 {
		e.low, e.high = e.low*l.scale, e.high*l.scale
	}
	return e
}

// mostOf is a quantity that is itself the most of a time.
func mostOf(i int) func(*interval) extent {
	return func(one *interval) extent { return extent{one.values[i].high, one.values[i].high} }
}

func quantityOf(i int) func(*interval) extent {
	return func(one *interval) extent { return one.values[i] }
}

// A sheet is one figure panel before it is drawn.
type sheet struct {
	id, title, unit string
	height          float64
	lines           []drawn
	threshold       float64 // what a line is to stay close to, in the unit of the axis; 0 is none
}

// sheets are the panels of a run, from the cause to the effect.
func (r *htmlRun) sheets() []sheet {
	all := []sheet{
		{id: "demand", title: "Demand and capacity", unit: "requests/s", height: 150, lines: []drawn{
			{ink: "demand", label: "demand", shape: "line", of: quantityOf(demandRate)},
			{ink: "capacity", label: "capacity of the ready pods", shape: "line", step: true, of: quantityOf(capacityRate)},
		}},
		{id: "replicas", title: "Replicas", unit: "pods", height: 150, lines: []drawn{
			{ink: "pods", label: "pods that exist", shape: "area", step: true, of: quantityOf(podCount)},
			{ink: "need", label: "needed", shape: "dotted", step: true, of: mostOf(needCount)},
			{ink: "desired", label: "desired", shape: "dashed", step: true, of: quantityOf(desiredCount)},
			{ink: "ready", label: "ready", shape: "line", step: true, of: quantityOf(readyCount)},
		}},
	}
	for i, m := range r.series.metrics {
		all = append(all, sheet{
			id: fmt.Sprintf("metric-%d", i), title: m.Name, unit: m.Unit, height: 120, threshold: highestOf(r.series.at, func(one *interval) extent { return one.target[i] }), lines: []drawn{
				{ink: "true", label: "true, without scrapes and windows", shape: "line", of: func(one *interval) extent { return one.truth[i] }},
				{ink: "target", label: "target", shape: "dashed", step: true, held: true, of: func(one *interval) extent { return one.target[i] }},
				{ink: "observed", label: "as the HPA saw it", shape: "line", held: true, of: func(one *interval) extent { return one.observed[i] }},
			}})
	}
	slow := sheet{id: "latency", title: "Latency p95", unit: "ms", height: 140, lines: []drawn{
		{ink: "latency", label: "p95", shape: "line", scale: 1000, of: quantityOf(latency)},
	}}
	if o := r.run.Objective; o != nil {
		name := quantile(o.Quantile)
		slow.title, slow.lines[0].label = "Latency "+name, name
		slow.threshold = milliseconds(o.Limit.Seconds())
		objective := extent{slow.threshold, slow.threshold}
		slow.lines = append(slow.lines, drawn{
			ink: "objective", label: "objective: at most " + limit(o.Limit), shape: "dashed", step: true,
			of: func(*interval) extent { return objective },
		})
	}
	all = append(all, slow, sheet{id: "backlog", title: "Backlog", unit: "requests", height: 110, lines: []drawn{
		{ink: "backlog", label: "waiting", shape: "area", of: quantityOf(waitingCount)},
		{ink: "lost", label: "failed or dropped, in a tick", shape: "line", step: true, of: quantityOf(lostCount)},
	}})
	return slices.DeleteFunc(all, func(s sheet) bool { return !s.known(r.series.at) })
}

// highestOf is the highest finite value of intervals, or 0.
func highestOf(at []interval, of func(*interval) extent) float64 {
	highest := 0.0
	for i := range at {
		if high := of(&at[i]).high; high > highest && !math.IsInf(high, 0) {
			highest = high
		}
	}
	return highest
}

// known reports whether a panel has more to show than an objective.
func (s *sheet) known(at []interval) bool {
	return slices.ContainsFunc(s.lines, func(l drawn) bool { return l.ink != "objective" && l.known(at) })
}

// known reports whether a line has values. No requests lost are not worth a line.
func (l *drawn) known(at []interval) bool {
	return slices.ContainsFunc(at, func(one interval) bool {
		e := l.of(&one)
		return e.known() && (l.ink != "lost" || e.high > 0)
	})
}

// extent is the lowest positive and the highest finite value of the lines.
func (s *sheet) extent(at []interval) (lowest, highest float64) {
	lowest = math.Inf(1)
	for i := range s.lines {
		for _, e := range s.lines[i].values(at) {
			if e.low > 0 {
				lowest = min(lowest, e.low)
			}
			if e.high > highest && !math.IsInf(e.high, 0) {
				highest = e.high
			}
		}
	}
	return lowest, highest
}

// An axis is the range of a panel's values.
type axis struct{ bottom, top float64 }

// axisOf returns the range for values from lowest to highest. An axis is
// logarithmic where a linear one would press what should be close to the threshold
// into its lowest part.
func (s *sheet) axisOf(lowest, highest float64) axis {
	const (
		far     = 12  // times the threshold
		decades = 1e5 // that a logarithmic axis spans at most
	)
	switch {
	case !(highest > 0):
		return axis{top: 1}
	case s.threshold > 0 && highest > far*s.threshold:
		return axis{bottom: roundStep(max(lowest, highest/decades) / 2.5), top: highest * 1.1}
	}
	step := roundStep(highest * 1.04 / 4)
	return axis{top: step * math.Ceil(highest*1.04/step)}
}

// draw draws a sheet in all sizes.
func (s *sheet) draw(r *htmlRun, a axis) (figurePanel, error) {
	figure := figurePanel{ID: s.id, Title: s.title, Unit: s.unit}
	if a.bottom > 0 {
		figure.Unit = strings.TrimPrefix(s.unit+", logarithmic", ", ")
	}
	lines := slices.DeleteFunc(slices.Clone(s.lines), func(l drawn) bool {
		return !l.known(r.series.at)
	})
	for _, l := range lines {
		figure.Legend = append(figure.Legend, legendEntry{Class: l.ink, Label: l.label, Shape: l.shape})
	}
	for _, size := range sizes {
		at, width := r.shown(size)
		p := r.panel(s.height)
		p.bottom, p.top = a.bottom, a.top
		for i := range lines {
			p.marks = append(p.marks, lines[i].marks(at, width))
		}
		svg, err := p.draw(size)
		if err != nil {
			return figure, err
		}
		figure.Drawings = append(figure.Drawings, svg)
	}
	return figure, nil
}

// shown are the intervals that a size has room for.
func (r *htmlRun) shown(s size) ([]interval, time.Duration) {
	n := max(1, (len(r.series.at)+s.most-1)/s.most)
	return merged(r.series.at, n), r.series.width * time.Duration(n)
}

func (r *htmlRun) panel(height float64) *panel {
	return &panel{height: height, length: max(r.run.Length, time.Second), begin: r.run.Time, shades: r.shades(), top: 1}
}

// marks is a line of intervals.
func (l *drawn) marks(at []interval, width time.Duration) plot.Plotter {
	s := &stroke{ink: inkOf(l.ink), thick: 1.6, stepped: l.step, width: width.Seconds(), filled: l.shape == "area"}
	switch l.shape {
	case "dashed":
		s.dashes = []vg.Length{6, 4}
	case "dotted":
		s.dashes = []vg.Length{2, 3}
	}
	for i, e := range l.values(at) {
		s.at = append(s.at, float64(i+1)*width.Seconds())
		s.low, s.high = append(s.low, e.low), append(s.high, e.high)
	}
	return s
}

// strip draws the decisions in all sizes. Each fills the time until the next.
func (r *htmlRun) strip() (figurePanel, error) {
	figure := figurePanel{ID: "decisions", Title: "Decisions of the HPA"}
	seen := make([]bool, len(kinds))
	for i := range r.series.at {
		if d := r.series.at[i].sync; d != nil {
			seen[rank(d.reason)] = true
		}
	}
	for i, k := range kinds {
		if seen[i] {
			figure.Legend = append(figure.Legend, legendEntry{Class: "k-" + k.Class, Label: k.Title, Shape: "area"})
		}
	}
	if len(figure.Legend) == 0 {
		return figure, nil
	}
	for _, size := range sizes {
		at, width := r.shown(size)
		p := r.panel(44)
		p.bare, p.shades = true, nil
		p.marks = []plot.Plotter{stripes(at, width, r.run.Length)}
		svg, err := p.draw(size)
		if err != nil {
			return figure, err
		}
		figure.Drawings = append(figure.Drawings, svg)
	}
	return figure, nil
}

func stripes(at []interval, width, length time.Duration) strip {
	var all strip
	for i := range at {
		d := at[i].sync
		if d == nil {
			continue
		}
		from, i := float64(i)*width.Seconds(), inkOf("k-"+kinds[rank(d.reason)].Class)
		if n := len(all); n > 0 {
			all[n-1].to = from
			if all[n-1].ink == i {
				continue
			}
		}
		all = append(all, stripe{from: from, ink: i})
	}
	if n := len(all); n > 0 {
		all[n-1].to = length.Seconds()
	}
	return all
}
