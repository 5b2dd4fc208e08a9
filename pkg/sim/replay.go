package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
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
	// Wrote is when a new count had been written, should one have been: the
	// controller dates a change by that and not by its decision. Zero is At.
	Wrote time.Time
}

// A Replayed is what an HPA decides at a recorded sync.
type Replayed struct {
	Decision hpa.Decision // with its Trail
	State    hpa.State    // after it
}

// Replay decides what an HPA decides at recorded syncs, given the state before
// the first one. The error names the sync that no controller could have met; the
// decisions before it come back.
func Replay(spec *hpa.Spec, state hpa.State, syncs []Recorded) ([]Replayed, error) {
	replayed := make([]Replayed, 0, len(syncs))
	for i := range syncs {
		decision, next, err := hpa.Explain(spec, state, &syncs[i].Observation, syncs[i].At)
		if err != nil {
			return replayed, fmt.Errorf("sync %d at %s: %w", i+1, syncs[i].At.Format(time.RFC3339Nano), err)
		}
		state = syncs[i].dated(next)
		replayed = append(replayed, Replayed{decision, state})
	}
	return replayed, nil
}

// dated is the state after a sync, with the change that it made at its time.
func (r *Recorded) dated(state hpa.State) hpa.State {
	if r.Wrote.IsZero() {
		return state
	}
	date := func(events []hpa.ScaleEvent) []hpa.ScaleEvent {
		events = slices.Clone(events)
		for i := range events {
			if events[i].At.Equal(r.At) {
				events[i].At = r.Wrote
			}
		}
		return events
	}
	state.ScaleUps, state.ScaleDowns = date(state.ScaleUps), date(state.ScaleDowns)
	return state
}

// jsonRecorded is a Recorded in JSON.
type jsonRecorded struct {
	At          time.Time       `json:"at"`
	Wrote       time.Time       `json:"wrote,omitzero"`
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
	out := jsonRecorded{At: r.At, Wrote: r.Wrote, Observation: r.Observation}
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
	*r = Recorded{At: in.At, Wrote: in.Wrote, Observation: in.Observation}
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
		case !one.Wrote.IsZero() && one.Wrote.Before(one.At):
			return nil, fmt.Errorf("sync %d wrote before it was", len(syncs)+1)
		case len(syncs) > 0 && !one.At.After(syncs[len(syncs)-1].At):
			return nil, fmt.Errorf("sync %d is not after the one before it", len(syncs)+1)
		}
		syncs = append(syncs, one)
	}
}
