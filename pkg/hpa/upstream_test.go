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
	text, err := os.ReadFile("testdata/upstream/v1.37.2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) { v.replay(t) })
	}
	if n != 148 {
		t.Errorf("%d vectors, there should be 148", n)
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
