package app

import (
	"bytes"
	"crypto/sha256"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// recordedTraces are recordings of other people's traffic, which stand beside the
// repository and not in it.
const recordedTraces = "../../../shared/traces"

// TestRecordedTrafficThroughTheExamples flies the example HPAs through recorded
// traffic: nothing is lost, bounds hold, and equal seeds give equal bytes.
func TestRecordedTrafficThroughTheExamples(t *testing.T) {
	if _, err := os.Stat(recordedTraces); err != nil {
		t.Skipf("no recorded traffic: %v", err)
	}
	for _, c := range []struct {
		file   string
		demand scenario.Demand
		length time.Duration
	}{
		{"autothrottle/diurnal.txt", scenario.Demand{Interval: time.Second}, time.Hour},
		{"autothrottle/diurnal-2.txt", scenario.Demand{Interval: time.Second}, time.Hour},
		{"autothrottle/noisy.txt", scenario.Demand{Interval: time.Second}, time.Hour},
		{"autothrottle/bursty.txt", scenario.Demand{Interval: time.Second}, time.Hour},
		{"worldcup98_requests_per_minute.csv.gz", scenario.Demand{Unit: "count", Gaps: "zero", Scale: 0.1}, 87 * 24 * time.Hour},
		{"nab/elb_request_count_8c0756.csv", scenario.Demand{Unit: "count", Gaps: "zero"}, 14 * 24 * time.Hour},
	} {
		for _, name := range []string{"web", "worker", "mailer"} {
			t.Run(filepath.Base(c.file)+"/"+name, func(t *testing.T) {
				t.Parallel()
				c.demand.Trace = filepath.Join(recordedTraces, c.file)
				checkRecorded(t, exampleFlight(t, name, c.demand), c.length)
			})
		}
	}
}

// exampleFlight is one of the example HPAs over a demand.
func exampleFlight(t testing.TB, name string, demand scenario.Demand) *flight {
	t.Helper()
	flags := tunnelFlags{name: name, demand: demand, pipeline: string(scenario.Signals), seed: 1}
	if flags.demand.Scale == 0 {
		flags.demand.Scale = 1
	}
	if name == "web" {
		flags.app, flags.objective = "../../examples/app.yaml", "p95=500ms"
	} else {
		flags.short = scenario.Short{Server: "celery:8", ServiceTime: "400ms", Startup: "15s", Signals: []string{"queue_depth=backlog"}}
	}
	flights, err := flags.flights(Env{Getenv: os.Getenv}, []string{"../../examples/hpa.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return flights[0]
}

func checkRecorded(t *testing.T, f *flight, length time.Duration) {
	t.Helper()
	if got := f.demand.Length(); got < length*95/100 || got > length*105/100 {
		t.Errorf("the demand is %s long, about %s were recorded", got, length)
	}
	spec := f.autoscaler.Spec
	bounds := handler(func(m sim.Message) {
		if tick, ok := m.(*sim.Tick); ok && (tick.Desired < spec.MinReplicas || tick.Desired > spec.MaxReplicas) {
			t.Errorf("%s: %d replicas are desired, the HPA has %d to %d", tick.At, tick.Desired, spec.MinReplicas, spec.MaxReplicas)
		}
	})
	end, err := f.fly(t.Context(), bounds)
	if err != nil {
		t.Fatal(err)
	}
	conserved(t, f, &end.Summary)
	t.Logf("%.0f requests, %.1f replica-hours, %d scale events", end.Summary.Arrived, end.Summary.ReplicaHours, end.Summary.ScaleUps+end.Summary.ScaleDowns)
	if length <= 24*time.Hour && !bytes.Equal(flownTo(t, f), flownTo(t, f)) {
		t.Error("the same flight twice gives different bytes")
	}
}

// flownTo is a digest of all messages of a flight.
func flownTo(t *testing.T, f *flight) []byte {
	t.Helper()
	sum := sha256.New()
	out := report.NewJSONL(sum)
	if _, err := f.fly(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return sum.Sum(nil)
}

// conserved asks where every request of the demand went.
func conserved(t *testing.T, f *flight, s *sim.Summary) {
	t.Helper()
	demanded := 0.0
	for _, rate := range f.demand.Rates {
		demanded += rate * f.demand.Every.Seconds()
	}
	// What is there at the beginning has arrived too: of pods that are nearly busy, a few seconds' worth.
	if more := s.Arrived - demanded; more < -1e-6*demanded || more > 1+10*f.demand.At(0) {
		t.Errorf("%.3f requests arrived, the demand has %.3f", s.Arrived, demanded)
	}
	left := s.Arrived - s.Completed - s.Failed - s.Dropped - s.Waiting
	if math.Abs(left) > 1e-6*s.Arrived+1 {
		t.Errorf("%.3f of %.3f requests are nowhere: completed %.3f, failed %.3f, dropped %.3f, waiting %.3f", left, s.Arrived, s.Completed, s.Failed, s.Dropped, s.Waiting)
	}
}

// A handler is a function that is told and never objects.
type handler func(sim.Message)

func (h handler) Handle(m sim.Message) error { h(m); return nil }

// TestEqualSeedsGiveEqualBytes flies the same twice.
func TestEqualSeedsGiveEqualBytes(t *testing.T) {
	fly := func(seed uint64, pipeline scenario.Pipeline) []byte {
		f := shopFlight(t, pipeline)
		f.seed, f.trails = seed, true
		var text bytes.Buffer
		out := report.NewJSONL(&text)
		if _, err := f.fly(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		return text.Bytes()
	}
	for _, pipeline := range []scenario.Pipeline{scenario.Signals, scenario.PromQL} {
		first := fly(1, pipeline)
		if !bytes.Equal(first, fly(1, pipeline)) {
			t.Errorf("%s: equal seeds give different bytes", pipeline)
		}
		if bytes.Equal(first, fly(2, pipeline)) {
			t.Errorf("%s: another seed changes nothing", pipeline)
		}
	}
}

// TestExampleScenarios runs "pitot test" on the examples.
func TestExampleScenarios(t *testing.T) {
	files, err := filepath.Glob("../../examples/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	var said bytes.Buffer
	if code := Main(t.Context(), Env{Stdout: &said, Stderr: &said, Getenv: os.Getenv}, append([]string{"test"}, files...)); code != exitFine {
		t.Errorf("exit code %d\n%s", code, said.String())
	}
}
