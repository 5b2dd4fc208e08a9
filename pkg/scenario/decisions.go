package scenario

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// Decisions writes down what the HPA decided, as a text to be kept and compared:
// a line for each sync that changed the count or its reason, and for each event.
// It is a sim.Handler.
//
//	1m15.03s 2 → 4 ScaleUpLimit http_requests_per_second=61.2/20
//
// A run in which nothing happens adds nothing: the text grows with what the HPA
// does, not with time.
type Decisions struct {
	text   bytes.Buffer
	reason hpa.Reason
}

// Handle implements sim.Handler.
func (d *Decisions) Handle(m sim.Message) error {
	switch m := m.(type) {
	case *sim.Happening:
		fmt.Fprintf(&d.text, "%s %s\n", since(m.At), m.Text)
	case *sim.Sync:
		if m.Decision.From != m.Decision.To || m.Reason != d.reason {
			d.sync(m)
		}
		d.reason = m.Reason
	}
	return nil
}

func (d *Decisions) sync(m *sim.Sync) {
	fmt.Fprintf(&d.text, "%s %d → %d %s", since(m.At), m.Decision.From, m.Decision.To, m.Reason)
	for _, o := range m.Observed {
		if o.Err != "" {
			fmt.Fprintf(&d.text, " %s: %s;", o.Metric, o.Err)
			continue
		}
		fmt.Fprintf(&d.text, " %s=%.4g/%.4g", o.Metric, o.Value, o.Target)
	}
	d.text.WriteByte('\n')
}

// since is a time of the run as it is written down, to the hundredth of a second.
func since(at time.Duration) string { return duration(at.Round(10 * time.Millisecond)) }

// Text is what was written so far.
func (d *Decisions) Text() []byte { return d.text.Bytes() }

// Differ compares decisions with those expected, and says in one sentence where
// they first differ; "" where they do not.
func (d *Decisions) Differ(expected []byte) string {
	want, got := lines(expected), lines(d.text.Bytes())
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("line %d: expected %q, and nothing more was decided", i+1, want[i])
		case i >= len(want):
			return fmt.Sprintf("line %d: nothing more was expected, and this was decided: %q", i+1, got[i])
		case want[i] != got[i]:
			return fmt.Sprintf("line %d: expected %q, decided %q", i+1, want[i], got[i])
		}
	}
	return ""
}

func lines(text []byte) []string {
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
}
