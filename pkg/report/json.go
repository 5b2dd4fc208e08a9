package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// JSON writes one document of all runs, one after the other:
//
//	{"version":1,"runs":[{"begin":{…},"ticks":[…],"syncs":[…],"happenings":[…],"atSeconds":86400,"summary":{…}}]}
//
// with the messages as JSONL has them. Ticks are written when they come; syncs
// and happenings of the run under way are kept in memory, as a document can have only
// one list at a time. For long runs there is JSONL. Runs may not overlap.
type JSON struct {
	out        *bufio.Writer
	runs       int
	open       string // the run under way
	isOpen     bool
	ticks      int
	syncs      list
	happenings list
}

// NewJSON returns a JSON that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{out: bufio.NewWriter(w)} }

// A list is encoded values with commas between them.
type list struct{ bytes.Buffer }

func (l *list) add(text []byte) {
	if l.Len() > 0 {
		l.WriteString(",\n")
	}
	l.Write(text)
}

// Handle implements sim.Handler.
func (j *JSON) Handle(m sim.Message) error {
	l, err := line(m)
	if err != nil {
		return err
	}
	text, err := encoded(l)
	if err != nil {
		return err
	}
	if err := j.order(m); err != nil {
		return err
	}
	switch m.(type) {
	case *sim.Begin:
		j.begin(text)
	case *sim.Tick:
		return j.tick(text)
	case *sim.Sync:
		j.syncs.add(text)
	case *sim.Happening:
		j.happenings.add(text)
	case *sim.End:
		return j.end(l.(*endLine))
	}
	return nil
}

// order refuses what cannot be written as a document.
func (j *JSON) order(m sim.Message) error {
	_, begins := m.(*sim.Begin)
	switch {
	case begins && j.isOpen:
		return fmt.Errorf("run %q begins before run %q has ended: JSON has one run after the other", m.Of(), j.open)
	case !begins && (!j.isOpen || m.Of() != j.open):
		return fmt.Errorf("a message of run %q, which is not under way", m.Of())
	}
	j.open, j.isOpen = m.Of(), true
	return nil
}

func (j *JSON) begin(text []byte) {
	separator := ",\n"
	if j.runs == 0 {
		separator = fmt.Sprintf("{\"version\":%d,\"runs\":[\n", version)
	}
	j.runs++
	j.ticks = 0
	j.syncs.Reset()
	j.happenings.Reset()
	fmt.Fprintf(j.out, "%s{\"begin\":%s,\n\"ticks\":[", separator, text)
}

func (j *JSON) tick(text []byte) error {
	if j.ticks > 0 {
		text = append([]byte(",\n"), text...)
	}
	j.ticks++
	_, err := j.out.Write(text)
	return err
}

func (j *JSON) end(l *endLine) error {
	summary, err := encoded(l.Summary)
	if err != nil {
		return err
	}
	at, err := encoded(l.At)
	if err != nil {
		return err
	}
	j.isOpen = false
	_, err = fmt.Fprintf(j.out, "],\n\"syncs\":[%s],\n\"happenings\":[%s],\n\"atSeconds\":%s,\"summary\":%s}",
		j.syncs.Bytes(), j.happenings.Bytes(), at, summary)
	return err
}

// Close ends the document. A run that has not ended is an error: what was written
// is not JSON then.
func (j *JSON) Close() error {
	if j.isOpen {
		return errors.Join(fmt.Errorf("run %q has not ended", j.open), j.out.Flush())
	}
	if j.runs == 0 {
		fmt.Fprintf(j.out, "{\"version\":%d,\"runs\":[", version)
	}
	fmt.Fprint(j.out, "]}\n")
	return j.out.Flush()
}

// encoded is a value as JSON, without an end of line.
func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := newEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
