package sim

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// fixed values of recordings; NaN is a gap, a negative number an absent pod.
type recorded float64

func (r recorded) ValueAt(time.Time) (float64, Known) {
	switch v := float64(r); {
	case math.IsNaN(v):
		return 0, Gap
	case v < 0:
		return 0, Absent
	default:
		return v, Value
	}
}

func TestOpenLoopTellsGapsAbsenceAndZerosApart(t *testing.T) {
	p, err := NewOpenLoop(map[string][]Recording{
		"each": {recorded(5)}, "pods": {recorded(1), recorded(-1), recorded(0)}, "gap": {recorded(1), recorded(math.NaN())},
		"zero": {recorded(0)}, "none": {recorded(-1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Observe(noon, Scene{Pods: []ScenePod{{ID: 1}, {ID: 2}, {ID: 4}, {ID: 5}}})
	pods := []int{1, 2, 3, 4, 5} // the third is not ready
	readings := p.Read(noon, []hpa.Metric{
		{Type: hpa.Pods, Name: "each"}, {Type: hpa.Pods, Name: "pods"}, {Type: hpa.Pods, Name: "gap"},
		{Type: hpa.External, Name: "zero"}, {Type: hpa.Object, Name: "none"},
	}, pods)
	five, one, zero, none := hpa.Sample{Present: true, Milli: 5000}, hpa.Sample{Present: true, Milli: 1000}, hpa.Sample{Present: true}, hpa.Sample{}
	want := []hpa.Reading{
		{Pods: []hpa.Sample{five, five, none, five, five}},
		{Pods: []hpa.Sample{one, none, none, zero, none}},
		{},
		{Values: []int64{0}},
		{},
	}
	if err := readings[2].Err; err == nil || err.Error() != "nothing was recorded at 2026-03-01T12:00:00Z" {
		t.Errorf("a gap: %v", err)
	}
	readings[2].Err = nil
	if diff := cmp.Diff(want, readings); diff != "" {
		t.Error("-want +got\n", diff)
	}
}

func TestOpenLoopRefusesWhatIsNotRecorded(t *testing.T) {
	if _, err := NewOpenLoop(map[string][]Recording{"a": nil}); err == nil {
		t.Error("no error")
	}
	p, err := NewOpenLoop(map[string][]Recording{"a": {recorded(1), recorded(2)}})
	if err != nil {
		t.Fatal(err)
	}
	err = p.(Checker).Check([]hpa.Metric{{Type: hpa.Resource, Name: hpa.CPU}, {Type: hpa.Pods, Name: "b"}, {Type: hpa.Object, Kind: "Service", Name: "a"}, {Type: hpa.Pods, Name: "a"}})
	want := strings.TrimSpace(`
the cpu resource is not recorded: open loop has Pods, Object and External metrics
nothing is recorded of the pods metric b: there are recordings of a
2 recordings of the external metric a(nil), which has one value
`)
	if err == nil || err.Error() != want {
		t.Error("-want +got\n", cmp.Diff(want, err.Error()))
	}
}

func TestOpenLoopIsNamed(t *testing.T) {
	c := openLoopOf(t, script{1})
	_, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
		if b, ok := m.(*Begin); ok && !b.OpenLoop {
			t.Error("the beginning does not say open loop")
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
}
