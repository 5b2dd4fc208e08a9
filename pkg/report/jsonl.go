package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// JSONL writes every message as one line of JSON, when it comes. The field kind
// names the message; durations are in seconds and say so in their names; what is
// not a number is null, what is infinite "+Inf". Within spec, and within the trail of
// a decision, are the types of package hpa, whose durations are in nanoseconds.
type JSONL struct {
	out    *bufio.Writer
	encode *json.Encoder
}

// NewJSONL returns a JSONL that writes to w.
func NewJSONL(w io.Writer) *JSONL {
	out := bufio.NewWriter(w)
	return &JSONL{out: out, encode: newEncoder(out)}
}

// Handle implements sim.Handler.
func (j *JSONL) Handle(m sim.Message) error {
	l, err := line(m)
	if err != nil {
		return err
	}
	return j.encode.Encode(l)
}

// Close writes what is left.
func (j *JSONL) Close() error { return j.out.Flush() }

// newEncoder writes a value and an end of line, with < and > as they are: nothing
// of it is read by a browser.
func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// longest is the longest line that is read: a sync of an HPA with hundreds of
// policies is far below it.
const longest = 16 << 20

// ReadMessages plays what JSONL wrote to h. Empty lines are skipped. An error
// names the line; messages before it have been handled.
func ReadMessages(r io.Reader, h sim.Handler) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), longest)
	n := 0
	for scanner.Scan() {
		n++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		m, err := parse(scanner.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := h.Handle(m); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

// parse reads one line.
func parse(text []byte) (sim.Message, error) {
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	var l interface{ message() (sim.Message, error) }
	switch head.Kind {
	case kindBegin:
		l = &beginLine{}
	case kindTick:
		l = &tickLine{}
	case kindSync:
		l = &syncLine{}
	case kindHappening:
		l = &happeningLine{}
	case kindEnd:
		l = &endLine{}
	case "":
		return nil, errors.New("kind is missing")
	default:
		return nil, fmt.Errorf("kind %q is not known", head.Kind)
	}
	if err := json.Unmarshal(text, l); err != nil {
		return nil, err
	}
	return l.message()
}
