package report

import (
	"bufio"
	"io"
	"math"
)

// A figure is a row of the summary. Its name says its unit.
type figure struct {
	name     string
	decimals int
	better   direction
	headline bool // it stands at the top of the page
	of       func(*Run) float64
}

// A direction says which difference is for the better.
type direction int

const (
	neither direction = iota
	less
	more
)

// figures are the rows of the summary, the verdict's first.
var figures = []figure{
	{"seconds that met the objective (%)", 2, more, true, func(r *Run) float64 { return 100 * r.met() }},
	{"minutes over the objective", 1, less, true, func(r *Run) float64 { return judged(r, r.Summary.MinutesOver) }},
	{"replica-hours", 1, less, true, func(r *Run) float64 { return r.Summary.ReplicaHours }},
	{"replica-hours with perfect foresight", 1, neither, false, func(r *Run) float64 { return foresight(r) }},
	{"times perfect foresight", 2, less, true, (*Run).timesForesight},
	{"cost", 2, less, true, func(r *Run) float64 { return cost(r) }},
	{"mean ready replicas", 1, neither, false, func(r *Run) float64 { return r.Summary.MeanReplicas }},
	{"most ready replicas", 0, neither, false, func(r *Run) float64 { return float64(r.Summary.MaxReplicas) }},
	{"latency p50 (ms)", 0, less, false, func(r *Run) float64 { return 1000 * r.Summary.P50 }},
	{"latency p95 (ms)", 0, less, true, func(r *Run) float64 { return 1000 * r.Summary.P95 }},
	{"latency p99 (ms)", 0, less, false, func(r *Run) float64 { return 1000 * r.Summary.P99 }},
	{"latency of the worst second (ms)", 0, less, false, func(r *Run) float64 { return 1000 * r.Summary.WorstLatency }},
	{"worst backlog (requests)", 0, less, true, func(r *Run) float64 { return r.Summary.WorstBacklog }},
	{"requests that arrived", 0, neither, false, func(r *Run) float64 { return r.Summary.Arrived }},
	{"requests that failed", 0, less, false, func(r *Run) float64 { return r.Summary.Failed }},
	{"requests dropped", 0, less, false, func(r *Run) float64 { return r.Summary.Dropped }},
	{"requests still there at the end", 0, neither, false, func(r *Run) float64 { return r.Summary.Waiting }},
	{"scale-ups", 0, neither, true, func(r *Run) float64 { return float64(r.Summary.ScaleUps) }},
	{"scale-downs", 0, neither, true, func(r *Run) float64 { return float64(r.Summary.ScaleDowns) }},
	{"reversals within 10 minutes", 0, less, false, func(r *Run) float64 { return float64(r.Summary.Reversals) }},
	{"longest time short of replicas (s)", 0, less, false, func(r *Run) float64 { return needed(r, r.Summary.LongestShort.Seconds()) }},
	{"under-provisioned replica-hours", 2, less, false, func(r *Run) float64 { return r.Summary.UnderProvisionedHours }},
	{"over-provisioned replica-hours", 1, less, false, func(r *Run) float64 { return r.Summary.OverProvisionedHours }},
	{"minutes at maxReplicas", 1, less, false, func(r *Run) float64 { return r.Summary.MinutesAtMax }},
	{"syncs", 0, neither, false, func(r *Run) float64 { return float64(r.Summary.Syncs) }},
	{"failed syncs", 0, less, true, func(r *Run) float64 { return float64(r.Summary.FailedSyncs) }},
}

// text is the figure of a run as the summary shows it.
func (f *figure) text(r *Run) string { return fixed(f.of(r), f.decimals) }

// Table writes the summaries of runs, a column for each.
func Table(w io.Writer, format Format, width int, runs []Run) error {
	out := bufio.NewWriter(w)
	t := summaryTable(runs)
	if format == Markdown {
		t.writeMarkdown(out)
	} else {
		t.write(out, width)
	}
	return out.Flush()
}

func summaryTable(runs []Run) *table {
	t := &table{head: []string{""}}
	for i := range runs {
		t.head = append(t.head, runs[i].title())
	}
	for i := range figures {
		row := []string{figures[i].name}
		for j := range runs {
			row = append(row, figures[i].text(&runs[j]))
		}
		t.add(row...)
	}
	return t
}

// judged is v where the run has an objective.
func judged(r *Run, v float64) float64 {
	if r.Objective == nil {
		return math.NaN()
	}
	return v
}

// needed is v where it is known how many replicas the demand needs.
func needed(r *Run, v float64) float64 {
	if math.IsNaN(r.Summary.UnderProvisionedHours) {
		return math.NaN()
	}
	return v
}

// foresight is the least replica-hours, NaN where they are not known.
func foresight(r *Run) float64 {
	if !(r.Summary.PerfectForesight > 0) {
		return math.NaN()
	}
	return r.Summary.PerfectForesight
}

// cost is NaN of a run without a price.
func cost(r *Run) float64 {
	if r.Summary.Cost == 0 {
		return math.NaN()
	}
	return r.Summary.Cost
}
