package hpa

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A vector is one reconcile of the real controller, as test/conformance recorded
// it from the controller's own unit tests.
type vector struct {
	Spec         Spec
	Before       State
	Now          time.Time
	Seen         Observation
	ScaleReadErr string
	WriteErr     string
	ReadingErrs  []string

	After  State
	Writes []int32
	Failed bool
	Status []struct {
		Milli   int64
		Percent int32
	}
}

func TestUpstreamsOwnTestCases(t *testing.T) {
	replayAll(t, "testdata/upstream/v1.37.2.jsonl", 148, (*vector).replay)
}

// A calculation is what the controller's own unit tests ask of its replica
// calculator: one metric, without what becomes of its proposal.
type calculation struct {
	Spec       Spec
	Now        time.Time
	Seen       Observation
	ReadingErr string

	Proposal int32
	Status   struct {
		Milli   int64
		Percent int32
	}
	Failed bool
}

func TestUpstreamsOwnCalculations(t *testing.T) {
	replayAll(t, "testdata/upstream/v1.37.2-calculator.jsonl", 76, (*calculation).replay)
}

func (c *calculation) replay(t *testing.T) {
	c.Seen.Readings[0].Err = failing(c.ReadingErr)
	decision, _, err := Explain(&c.Spec, State{}, &c.Seen, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	got := decision.Trail.Metrics[0]
	switch {
	case c.Failed != (got.Err != ""):
		t.Errorf("the error is %q, upstream's %t", got.Err, c.Failed)
	case c.Failed:
	case got.Proposal != c.Proposal, got.Usage != c.Status.Milli, got.Utilization != c.Status.Percent:
		t.Errorf("%d for %dm and %d %%, upstream %d for %dm and %d %%", got.Proposal, got.Usage, got.Utilization, c.Proposal, c.Status.Milli, c.Status.Percent)
	}
	if t.Failed() {
		t.Log(decision.Describe())
	}
}

// replayAll decodes each line of a file and replays it.
func replayAll[T any](t *testing.T, file string, lines int, replay func(*T, *testing.T)) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		one := new(T)
		if err := json.Unmarshal(line, one); err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) { replay(one, t) })
	}
	if n != lines {
		t.Errorf("%s has %d lines, it should have %d", file, n, lines)
	}
}

func (v *vector) replay(t *testing.T) {
	v.Seen.ScaleReadErr, v.Seen.ScaleWriteErr = failing(v.ScaleReadErr), failing(v.WriteErr)
	for i, text := range v.ReadingErrs {
		v.Seen.Readings[i].Err = failing(text)
	}
	decision, after, err := Explain(&v.Spec, v.Before, &v.Seen, v.Now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range after.Conditions {
		after.Conditions[i].Since = time.Time{} // not recorded
	}
	if diff := cmp.Diff(v.After, after, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("state (-upstream +pitot)\n%s", diff)
	}
	var writes []int32
	if decision.From != decision.To {
		writes = []int32{decision.To}
	}
	if diff := cmp.Diff(v.Writes, writes); diff != "" {
		t.Errorf("writes (-upstream +pitot)\n%s", diff)
	}
	if decision.Failed != v.Failed {
		t.Errorf("failed is %t, upstream's %t", decision.Failed, v.Failed)
	}
	v.compareStatus(t, decision.Trail.Metrics)
	if t.Failed() {
		t.Log(decision.Describe())
	}
}

// compareStatus compares status.currentMetrics, which a sync without a scale
// leaves alone.
func (v *vector) compareStatus(t *testing.T, metrics []MetricTrail) {
	t.Helper()
	if v.ScaleReadErr != "" {
		return
	}
	if len(metrics) != len(v.Status) {
		t.Fatalf("%d metrics in the status, upstream %d", len(metrics), len(v.Status))
	}
	for i := range metrics {
		if metrics[i].Usage != v.Status[i].Milli || metrics[i].Utilization != v.Status[i].Percent {
			t.Errorf("metric %d: %dm and %d %%, upstream %dm and %d %%", i+1, metrics[i].Usage, metrics[i].Utilization, v.Status[i].Milli, v.Status[i].Percent)
		}
	}
}

func failing(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}
