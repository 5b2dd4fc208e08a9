package app

import (
	"fmt"
	"io"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// A progressLine tells a person how far a run has come, on one line that it
// redraws. Runs that are over soon say nothing.
type progressLine struct {
	out    io.Writer
	name   string
	length time.Duration
	begun  time.Time
	shown  time.Time
	drawn  bool
}

// How long a run may take without a word, and how often it says one.
const (
	silence = 500 * time.Millisecond
	redraw  = 100 * time.Millisecond
)

// progress tells of a flight where standard error is a terminal.
func progress(env Env, f *flight) sim.Handler { return progressOf(env, f.name, f.demand.Length()) }

func progressOf(env Env, name string, length time.Duration) sim.Handler {
	if !env.ErrTerminal {
		return discard{}
	}
	now := time.Now()
	return &progressLine{out: env.Stderr, name: name, length: length, begun: now, shown: now}
}

// Handle implements sim.Handler.
func (p *progressLine) Handle(m sim.Message) error {
	switch m := m.(type) {
	case *sim.Tick:
		now := time.Now()
		if now.Sub(p.begun) > silence && now.Sub(p.shown) > redraw {
			p.shown, p.drawn = now, true
			fmt.Fprintf(p.out, "\r\x1b[K%s: %s of %s", p.name, shortDuration(m.At.Round(time.Minute)), shortDuration(p.length.Round(time.Minute)))
		}
	case *sim.End:
		if p.drawn {
			fmt.Fprint(p.out, "\r\x1b[K")
		}
	}
	return nil
}

// discard is told and does nothing.
type discard struct{}

// Handle implements sim.Handler.
func (discard) Handle(sim.Message) error { return nil }
