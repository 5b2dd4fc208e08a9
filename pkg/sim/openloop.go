package sim

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A Recording is a series that was recorded.
type Recording interface {
	// ValueAt is the value at a time, with what is known of it. The value has no
	// meaning where there is none.
	ValueAt(at time.Time) (float64, Known)
}

// Known is what a Recording knows of a time.
type Known int

// What a Recording knows.
const (
	Gap    Known = iota // nothing: it was not recorded
	Absent              // that there was no such pod
	Value               // the value, which may be zero
)

// NewOpenLoop makes a Pipeline whose metrics are as recorded, whatever the
// replicas: what an HPA would have decided on them, and not what would have come
// of it.
//
// An Object or External metric has one recording. So may a Pods metric: then every
// ready pod has its value. Of several, the first ready pod has the first one's
// and so on, and pods beyond them have no sample; nor has one whose recording is
// Absent. A Gap in any of them fails the metric. The error names the metrics
// without a recording.
func NewOpenLoop(recorded map[string][]Recording) (Pipeline, error) {
	var p problems
	for _, name := range slices.Sorted(maps.Keys(recorded)) {
		p.add(len(recorded[name]) == 0, "nothing is recorded of metric %s", name)
	}
	if len(p) > 0 {
		return nil, errors.Join(p...)
	}
	return &openLoop{recorded: recorded}, nil
}

type openLoop struct {
	recorded map[string][]Recording
	pods     []ScenePod
}

// OpenLoop implements OpenLoop.
func (*openLoop) OpenLoop() {}

// Check implements Checker.
func (o *openLoop) Check(metrics []hpa.Metric) error {
	var p problems
	for i := range metrics {
		m := &metrics[i]
		known := o.recorded[m.Name]
		p.add(ofResource(m), "the %s is not recorded: open loop has Pods, Object and External metrics", m)
		p.add(!ofResource(m) && len(known) == 0, "nothing is recorded of the %s: there are recordings of %s",
			m, strings.Join(slices.Sorted(maps.Keys(o.recorded)), ", "))
		p.add(len(known) > 1 && (m.Type == hpa.Object || m.Type == hpa.External), "%d recordings of the %s, which has one value", len(known), m)
	}
	return errors.Join(p...)
}

// Observe implements Pipeline: it only sees which pods are ready.
func (o *openLoop) Observe(_ time.Time, scene Scene) { o.pods = scene.Pods }

// Read implements Pipeline.
func (o *openLoop) Read(at time.Time, metrics []hpa.Metric, pods []int) []hpa.Reading {
	readings := make([]hpa.Reading, len(metrics))
	for i := range metrics {
		m := &metrics[i]
		values, err := valuesAt(at, o.recorded[m.Name])
		switch {
		case err != nil:
			readings[i].Err = err
		case m.Type == hpa.Pods:
			readings[i].Pods = o.samples(values, pods)
		case len(values) > 0 && values[0].Present:
			readings[i].Values = []int64{values[0].Milli}
		}
	}
	return readings
}

// valuesAt are the samples of some recordings.
func valuesAt(at time.Time, recorded []Recording) ([]hpa.Sample, error) {
	values := make([]hpa.Sample, len(recorded))
	for i, r := range recorded {
		switch v, known := r.ValueAt(at); {
		case known == Absent:
		case known == Gap || math.IsNaN(v) || math.IsInf(v, 0):
			return nil, fmt.Errorf("nothing was recorded at %s", at.UTC().Format(time.RFC3339))
		default:
			values[i] = hpa.Sample{Present: true, Milli: milli(v)}
		}
	}
	return values, nil
}

// samples gives ready pods their values.
func (o *openLoop) samples(values []hpa.Sample, pods []int) []hpa.Sample {
	samples := make([]hpa.Sample, len(pods))
	ready := 0
	for i, id := range pods {
		if _, there := slices.BinarySearchFunc(o.pods, id, byID); !there {
			continue
		}
		if len(values) == 1 {
			samples[i] = values[0]
		} else if ready < len(values) {
			samples[i] = values[ready]
		}
		ready++
	}
	return samples
}
