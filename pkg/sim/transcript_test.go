package sim

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// A transcript is what a run told, a line for each message. Syncs and Ticks that
// say the same as the one before are left out.
type transcript struct {
	strings.Builder
	last map[string]string
}

func (t *transcript) Handle(m Message) error {
	switch m := m.(type) {
	case *Begin:
		fmt.Fprintf(t, "begin: %v with %d replicas\n", m.Length, m.Replicas)
	case *Tick:
		t.line(m.At, "pods", fmt.Sprintf("%3.0f/s of %3.0f/s  desired %2d  exist %2d  ready %2d  waiting %.0f",
			m.Demand, m.Capacity, m.Desired, m.Pods, m.Ready, m.Waiting))
	case *Sync:
		var seen []string
		for _, o := range m.Observed {
			if o.Err != "" {
				seen = append(seen, o.Metric+": "+o.Err)
			} else {
				seen = append(seen, fmt.Sprintf("%s %.3g of %.3g", o.Metric, o.Value, o.Target))
			}
		}
		t.line(m.At, "sync", fmt.Sprintf("%s -> %d %s", strings.Join(seen, ", "), m.Decision.To, m.Reason))
	case *Happening:
		fmt.Fprintf(t, "%8v  *** %s\n", m.At, m.Text)
	case *End:
		s := m.Summary
		fmt.Fprintf(t, "end: arrived %.0f completed %.0f failed %.0f dropped %.0f still there %.0f\n",
			s.Arrived, s.Completed, s.Failed, s.Dropped, s.Waiting)
	}
	return nil
}

func (t *transcript) line(at time.Duration, what, text string) {
	if t.last == nil {
		t.last = map[string]string{}
	}
	if t.last[what] != text {
		t.last[what] = text
		fmt.Fprintf(t, "%8v  %s  %s\n", at.Round(10*time.Millisecond), what, text)
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// demand is rates that hold for a minute each.
func demand(rates ...float64) workload.Demand {
	return workload.Demand{Every: time.Minute, Rates: rates}
}

// perPod is an HPA on the Pods metric rps with the default behavior.
func perPod(min, max int32, target int64) *hpa.Spec {
	return &hpa.Spec{
		MinReplicas: min, MaxReplicas: max, Controller: hpa.DefaultController(),
		Metrics:  []hpa.Metric{{Type: hpa.Pods, Name: "rps", Target: hpa.Target{Type: hpa.AverageValue, Milli: target * 1000}}},
		Behavior: DefaultBehavior(),
	}
}

func pipelineOf(t testing.TB, signals map[string]Signal) Pipeline {
	t.Helper()
	p, err := NewSignals(signals, SignalOptions{Seed: 1, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rps is the rate over a minute.
func rps(t testing.TB) Pipeline {
	return pipelineOf(t, map[string]Signal{"rps": {Kind: Rate, Window: time.Minute}})
}

// aRun is an HPA that wants 100 requests per second at each pod, of 150 that it
// can serve.
func aRun(t testing.TB, d workload.Demand) *Config {
	return &Config{
		Name: "web", Seed: 1, Begin: noon, Demand: d, LeadIn: 2 * time.Minute,
		Spec: perPod(2, 10, 100), Fleet: newTub(150), Pipeline: rps(t),
		Pods:    Pods{Startup: workload.Time{Mean: 20 * time.Second}, Pending: 5 * time.Second, Shutdown: 30 * time.Second},
		Cluster: Cluster{Phase: 7 * time.Second},
	}
}

func TestTranscripts(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"step in demand": func(*Config) {},
		"outage": func(c *Config) {
			c.Events = []Event{{At: 90 * time.Second, For: 2 * time.Minute, Kind: Outage}}
		},
		"short outage": func(c *Config) {
			c.Events = []Event{{At: 90 * time.Second, For: 20 * time.Second, Kind: Outage}}
		},
		"pods fail to start": func(c *Config) {
			c.Events = []Event{{At: 30 * time.Second, For: 2 * time.Minute, Kind: StuckPods}}
		},
		"manual scale": func(c *Config) {
			c.Events = []Event{{At: 30 * time.Second, Kind: ManualScale, Replicas: 12}}
		},
		"restart": func(c *Config) {
			c.Demand = demand(200, 800, 200, 200, 200, 200, 200, 200, 200, 200)
			c.Spec.Behavior.ScaleDown.StabilizationWindow = new(time.Duration)
			*c.Spec.Behavior.ScaleDown.StabilizationWindow = 2 * time.Minute
			c.Events = []Event{{At: 200 * time.Second, Kind: Restart}}
		},
		"edit": func(c *Config) {
			after := perPod(6, 8, 100)
			c.Events = []Event{{At: 30 * time.Second, Kind: Edit, Spec: after}}
		},
		"tolerance":  func(c *Config) { c.Demand = demand(200, 215, 190, 230) },
		"no lead-in": func(c *Config) { c.LeadIn = 0 },
		"cpu": func(c *Config) {
			c.Pipeline = nil
			c.Pods.Template = &hpa.Template{Containers: []hpa.Container{{Name: "app", Requests: hpa.Requests{hpa.CPU: 2000}}}}
			c.Spec.Metrics = []hpa.Metric{{Type: hpa.Resource, Name: hpa.CPU, Target: hpa.Target{Type: hpa.Utilization, Percent: 50}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := aRun(t, demand(200, 600, 600, 600, 200, 200, 200, 200, 200, 200))
			change(c)
			var got transcript
			if _, err := Run(t.Context(), c, &got); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error("-want +got\n", diff)
			}
		})
	}
}

// near reports whether two figures are the same but for rounding.
func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}
