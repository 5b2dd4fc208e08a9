package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A Recorded is a sync of a real controller: when it was, and what it saw.
//
// In JSON, errors of the observation are texts, under "errors"; the errors that
// come back have no other meaning than their text.
type Recorded struct {
	At          time.Time
	Observation hpa.Observation
}

// Replay decides what an HPA decides at recorded syncs, given the state before
// the first one. The decisions carry their Trails. The error names the sync that
// no controller could have met; the decisions before it come back.
func Replay(spec *hpa.Spec, state hpa.State, syncs []Recorded) ([]hpa.Decision, error) {
	decisions := make([]hpa.Decision, 0, len(syncs))
	for i := range syncs {
		decision, next, err := hpa.Explain(spec, state, &syncs[i].Observation, syncs[i].At)
		if err != nil {
			return decisions, fmt.Errorf("sync %d at %s: %w", i+1, syncs[i].At.Format(time.RFC3339Nano), err)
		}
		decisions, state = append(decisions, decision), next
	}
	return decisions, nil
}

// jsonRecorded is a Recorded in JSON.
type jsonRecorded struct {
	At          time.Time       `json:"at"`
	Observation hpa.Observation `json:"observation"`
	Errors      *jsonErrors     `json:"errors,omitempty"`
}

// jsonErrors are the texts of errors, "" where there is none.
type jsonErrors struct {
	ScaleRead  string   `json:"scaleRead,omitempty"`
	ScaleWrite string   `json:"scaleWrite,omitempty"`
	Readings   []string `json:"readings,omitempty"` // in the order of the metrics
}

// MarshalJSON writes the observation with the texts of its errors.
func (r Recorded) MarshalJSON() ([]byte, error) {
	texts := jsonErrors{ScaleRead: text(r.Observation.ScaleReadErr), ScaleWrite: text(r.Observation.ScaleWriteErr)}
	failed := false
	for i := range r.Observation.Readings {
		err := r.Observation.Readings[i].Err
		failed = failed || err != nil
		texts.Readings = append(texts.Readings, text(err))
	}
	if !failed {
		texts.Readings = nil
	}
	out := jsonRecorded{At: r.At, Observation: r.Observation}
	if failed || texts.ScaleRead != "" || texts.ScaleWrite != "" {
		out.Errors = &texts
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Recorded) UnmarshalJSON(data []byte) error {
	var in jsonRecorded
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Recorded{At: in.At, Observation: in.Observation}
	if in.Errors == nil {
		return nil
	}
	if len(in.Errors.Readings) > len(in.Observation.Readings) {
		return fmt.Errorf("errors of %d readings, of which there are %d", len(in.Errors.Readings), len(in.Observation.Readings))
	}
	r.Observation.ScaleReadErr, r.Observation.ScaleWriteErr = asError(in.Errors.ScaleRead), asError(in.Errors.ScaleWrite)
	for i, one := range in.Errors.Readings {
		r.Observation.Readings[i].Err = asError(one)
	}
	return nil
}

// noText stands for an error that says nothing: it is an error nevertheless.
const noText = "unknown error"

func text(err error) string {
	switch {
	case err == nil:
		return ""
	case err.Error() == "":
		return noText
	default:
		return err.Error()
	}
}

func asError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// WriteRecorded writes syncs as JSON, one to a line.
func WriteRecorded(w io.Writer, syncs []Recorded) error {
	lines := json.NewEncoder(w)
	for i := range syncs {
		if err := lines.Encode(syncs[i]); err != nil {
			return fmt.Errorf("sync %d: %w", i+1, err)
		}
	}
	return nil
}

// ReadRecorded reads what WriteRecorded writes. The times must rise. Errors name
// the sync; a file that is damaged anywhere yields none.
func ReadRecorded(r io.Reader) ([]Recorded, error) {
	var syncs []Recorded
	lines := json.NewDecoder(r)
	for {
		var one Recorded
		switch err := lines.Decode(&one); {
		case errors.Is(err, io.EOF):
			return syncs, nil
		case err != nil:
			return nil, fmt.Errorf("sync %d: %w", len(syncs)+1, err)
		case one.At.IsZero():
			return nil, fmt.Errorf("sync %d has no time", len(syncs)+1)
		case len(syncs) > 0 && !one.At.After(syncs[len(syncs)-1].At):
			return nil, fmt.Errorf("sync %d is not after the one before it", len(syncs)+1)
		}
		syncs = append(syncs, one)
	}
}
