// Package report renders what a simulation tells: as text for a terminal, as JSON
// and CSV for programs, as a page for a browser, as a table for a pull request.
//
//	text := report.NewText(os.Stdout, report.TextOptions{Width: 100})
//	page := report.NewHTML(file, report.HTMLOptions{Title: "web"})
//	end, err := sim.Run(ctx, config, report.Each{text, page})
//	err = errors.Join(text.Close(), page.Close())
//
// Each renderer is a sim.Handler of the messages of one run or several, and is
// complete after Close. It never closes its writer. What is computed is in the
// messages; a renderer only picks, thins and spells. So the lines that JSONL writes
// are enough: ReadMessages plays them to any other renderer, which then writes the
// same bytes as it would have during the run.
//
// # Promises
//
// Equal messages give equal bytes. What is not known is written as "-", null or an
// empty field, never as a zero. Text from outside is escaped where the format
// asks for it. Except for JSON, which says so, memory does not grow with the
// length of a run.
package report

import (
	"maps"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// Each hands every message to all of its handlers, in their order. The first error
// ends it.
type Each []sim.Handler

// Handle implements sim.Handler.
func (e Each) Handle(m sim.Message) error {
	for _, h := range e {
		if err := h.Handle(m); err != nil {
			return err
		}
	}
	return nil
}

// An Assumption is something that the figures rest on.
type Assumption struct {
	Name  string // what it is about, such as "startup"
	Value string // with its unit
	Given bool   // the user gave it; otherwise it is a default
}

// source is how an assumption is marked.
func (a Assumption) source() string {
	if a.Given {
		return "given"
	}
	return "default"
}

// A Run is what is kept of a finished run.
type Run struct {
	Name      string
	Time      time.Time     // its virtual beginning
	Length    time.Duration // as far as it came
	Objective *sim.Objective
	OpenLoop  bool
	Summary   sim.Summary
}

// Runs is a sim.Handler that keeps the summaries of the runs that have ended, in
// the order of their beginnings: what Compare and Band are made of.
type Runs struct {
	runs []*Run
	open map[string]*Run
}

// Handle implements sim.Handler.
func (r *Runs) Handle(m sim.Message) error {
	switch m := m.(type) {
	case *sim.Begin:
		r.begin(m)
	case *sim.End:
		if run := r.open[m.Run]; run != nil {
			run.end(m)
			delete(r.open, m.Run)
		}
	}
	return nil
}

func (r *Runs) begin(m *sim.Begin) {
	run := newRun(m)
	if r.open == nil {
		r.open = map[string]*Run{}
	}
	r.open[m.Run] = run
	r.runs = append(r.runs, run)
}

// All returns the runs that have ended.
func (r *Runs) All() []Run {
	var all []Run
	for _, run := range r.runs {
		if r.open[run.Name] != run {
			all = append(all, *run)
		}
	}
	return all
}

func newRun(m *sim.Begin) *Run {
	run := &Run{Name: m.Run, Time: m.Time, OpenLoop: m.OpenLoop}
	if m.Objective != nil {
		objective := *m.Objective
		run.Objective = &objective
	}
	return run
}

// title names the run over a column.
func (r *Run) title() string {
	if r.OpenLoop {
		return r.Name + " (open loop)"
	}
	return r.Name
}

func (r *Run) end(m *sim.End) {
	r.Length, r.Summary = m.At, m.Summary
	r.Summary.Reasons = maps.Clone(m.Summary.Reasons)
}
