package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// TextOptions say how Text writes.
type TextOptions struct {
	// Width is that of the terminal in columns; 0 is 80. Below 40 there is no chart.
	Width int
	// Color allows colours. A caller leaves it unset where NO_COLOR is set, or where
	// nobody said that there is a terminal.
	Color bool
	// Assumptions are printed in their order.
	Assumptions []Assumption
}

// Text writes a report for a terminal: a sentence for each run, the assumptions,
// a table of figures with a column for each run, why the HPA moved or held, and a chart
// of the first run. Everything is written by Close.
type Text struct {
	out     io.Writer
	options TextOptions
	runs    Runs
	first   *series
	chart   string // the run of the chart
}

// NewText returns a Text that writes to w.
func NewText(w io.Writer, options TextOptions) *Text {
	if options.Width <= 0 {
		options.Width = 80
	}
	return &Text{out: w, options: options}
}

// Handle implements sim.Handler.
func (t *Text) Handle(m sim.Message) error {
	switch m := m.(type) {
	case *sim.Begin:
		if t.first == nil {
			t.first, t.chart = newSeries(m, t.options.Width), m.Run
		}
	case *sim.Tick:
		if t.first != nil && m.Run == t.chart {
			t.first.tick(m, t.runs.objective(m.Run))
		}
	case *sim.End:
		if t.first != nil && m.Run == t.chart {
			t.first.end(m.At)
		}
	}
	return t.runs.Handle(m)
}

// objective reports whether a run under way has one.
func (r *Runs) objective(name string) bool {
	run := r.open[name]
	return run != nil && run.Objective != nil
}

// Close writes the report.
func (t *Text) Close() error {
	out := bufio.NewWriter(t.out)
	runs := t.runs.All()
	if len(runs) == 0 {
		fmt.Fprintln(out, "No run has ended.")
		return out.Flush()
	}
	for i := range runs {
		fmt.Fprintln(out, printable(runs[i].Verdict()))
	}
	t.assumptions(out)
	fmt.Fprintln(out)
	summaryTable(runs).write(out, t.options.Width)
	t.reasons(out, runs)
	if runs[0].Name == t.chart {
		charts(out, t.first, &runs[0], t.options)
	}
	return out.Flush()
}

func (t *Text) assumptions(w io.Writer) {
	if len(t.options.Assumptions) == 0 {
		return
	}
	fmt.Fprint(w, "\nIt rests on\n")
	name, value := 0, 0
	for _, a := range t.options.Assumptions {
		name, value = max(name, len([]rune(printable(a.Name)))), max(value, len([]rune(printable(a.Value))))
	}
	for _, a := range t.options.Assumptions {
		fmt.Fprintf(w, "  %s  %s  %s\n", padRight(printable(a.Name), name), padRight(printable(a.Value), value), a.source())
	}
}

func (t *Text) reasons(w io.Writer, runs []Run) {
	reasons := reasonsOf(runs)
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintln(w)
	syncs := table{head: []string{"syncs by what moved or held the count"}}
	for i := range runs {
		syncs.head = append(syncs.head, runs[i].title())
	}
	for _, r := range reasons {
		row := []string{fmt.Sprintf("%s: %s", r.Reason, r.Kind.Title)}
		for _, n := range r.Counts {
			row = append(row, strconv.Itoa(n))
		}
		syncs.add(row...)
	}
	syncs.write(w, t.options.Width)
}
