package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// An Outfitter gives a Config a Fleet and a Pipeline of its own, which belong to
// one run, with chance from the Config's Seed.
type Outfitter func(c *Config) error

// Variations are n runs that differ in what nobody chooses: the seed, the phase of
// the syncs, and how long syncs and the controller take, each from half to one
// and a half of what c says. The first is c itself. Name and demand stay; of runs
// whose demand was drawn, the draw stays too.
func Variations(c *Config, n int, outfit Outfitter) ([]*Config, error) {
	full := c.withDefaults()
	var all []*Config
	for i := range n {
		one := full
		if i > 0 {
			chance := rand.New(rand.NewPCG(c.Seed, phases+1+uint64(i)))
			one.Seed = chance.Uint64()
			one.Cluster.Phase = time.Duration(chance.Float64() * float64(one.Cluster.SyncPeriod))
			one.Cluster.SyncLatency = time.Duration((0.5 + chance.Float64()) * float64(one.Cluster.SyncLatency))
			one.Cluster.ControllerLag = time.Duration((0.5 + chance.Float64()) * float64(one.Cluster.ControllerLag))
		}
		if err := outfit(&one); err != nil {
			return nil, err
		}
		all = append(all, &one)
	}
	return all, nil
}

// A Spread is a figure of several runs. Runs in which it is not known are left
// out; of none at all it is NaN.
type Spread struct {
	Figure string  // its name in the JSON of a Summary
	Min    float64 // durations in seconds
	Median float64 // of an even number, the mean of the two in the middle
	Max    float64
}

// A Band is the spread of each figure of a Summary, in its order.
type Band []Spread

// NewBand is the band of some runs.
func NewBand(ends []*End) Band {
	var band Band
	for _, f := range figures {
		var values []float64
		for _, end := range ends {
			if v := f.of(&end.Summary); !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		band = append(band, spread(f.name, values))
	}
	return band
}

func spread(figure string, values []float64) Spread {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return Spread{figure, math.NaN(), math.NaN(), math.NaN()}
	}
	return Spread{figure, values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]}
}

// figures are those of a Summary but the reasons, in its order.
var figures = []struct {
	name string
	of   func(*Summary) float64
}{
	{"arrived", func(s *Summary) float64 { return s.Arrived }},
	{"completed", func(s *Summary) float64 { return s.Completed }},
	{"failed", func(s *Summary) float64 { return s.Failed }},
	{"dropped", func(s *Summary) float64 { return s.Dropped }},
	{"waiting", func(s *Summary) float64 { return s.Waiting }},
	{"replicaHours", func(s *Summary) float64 { return s.ReplicaHours }},
	{"cost", func(s *Summary) float64 { return s.Cost }},
	{"meanReplicas", func(s *Summary) float64 { return s.MeanReplicas }},
	{"maxReplicas", func(s *Summary) float64 { return float64(s.MaxReplicas) }},
	{"p50", func(s *Summary) float64 { return s.P50 }},
	{"p95", func(s *Summary) float64 { return s.P95 }},
	{"p99", func(s *Summary) float64 { return s.P99 }},
	{"worstLatency", func(s *Summary) float64 { return s.WorstLatency }},
	{"worstBacklog", func(s *Summary) float64 { return s.WorstBacklog }},
	{"minutesOver", func(s *Summary) float64 { return s.MinutesOver }},
	{"scaleUps", func(s *Summary) float64 { return float64(s.ScaleUps) }},
	{"scaleDowns", func(s *Summary) float64 { return float64(s.ScaleDowns) }},
	{"reversals", func(s *Summary) float64 { return float64(s.Reversals) }},
	{"longestShort", func(s *Summary) float64 { return s.LongestShort.Seconds() }},
	{"underProvisionedHours", func(s *Summary) float64 { return s.UnderProvisionedHours }},
	{"overProvisionedHours", func(s *Summary) float64 { return s.OverProvisionedHours }},
	{"perfectForesight", func(s *Summary) float64 { return s.PerfectForesight }},
	{"syncs", func(s *Summary) float64 { return float64(s.Syncs) }},
	{"failedSyncs", func(s *Summary) float64 { return float64(s.FailedSyncs) }},
	{"minutesAtMax", func(s *Summary) float64 { return s.MinutesAtMax }},
}

// DefaultBehavior is what the API server fills into an empty behavior of an HPA.
// It is not what an HPA without behavior does.
func DefaultBehavior() *hpa.Behavior {
	all := hpa.Policy{Type: hpa.PercentPolicy, Value: 100, Period: 15 * time.Second}
	return &hpa.Behavior{
		ScaleUp: hpa.Rules{
			StabilizationWindow: new(time.Duration), SelectPolicy: hpa.MaxChange,
			Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: 4, Period: 15 * time.Second}, all},
		},
		ScaleDown: hpa.Rules{SelectPolicy: hpa.MaxChange, Policies: []hpa.Policy{all}},
	}
}

// Names of baselines.
const (
	FixedReplicas     = "fixed replicas"
	DefaultedBehavior = "default behavior"
)

// Baselines are the runs to compare a Config with: as many replicas all the time
// as its demand ever needs, or the HPA's maximum where the need is not known; and
// its HPA with the default behavior. They are named so. A Config without an HPA
// has the first only. What perfect foresight takes is in the Summary of any run.
func Baselines(c *Config, outfit Outfitter) ([]*Config, error) {
	all := []*Config{fixed(c)}
	if c.Spec != nil {
		all = append(all, byDefault(c))
	}
	for _, one := range all {
		if err := outfit(one); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fixed is c without an HPA. Events of the HPA and scales by hand do not happen.
func fixed(c *Config) *Config {
	one := *c
	one.Name, one.Spec = FixedReplicas, nil
	if c.Spec != nil {
		one.Replicas = c.Spec.MaxReplicas
	}
	if n := most(c); n > 0 {
		one.Replicas = n
	}
	one.Events = slices.DeleteFunc(slices.Clone(c.Events), func(e Event) bool {
		return e.Kind == Restart || e.Kind == Edit || e.Kind == ManualScale
	})
	return &one
}

// most is the most replicas that the demand ever needs, 0 where that is not known.
func most(c *Config) int32 {
	need, n := steady{of: c.Need}, 0
	for _, rate := range c.Demand.Rates {
		n = max(n, need.at(rate))
	}
	return int32(min(n, math.MaxInt32))
}

// byDefault is c with HPAs that have the default behavior.
func byDefault(c *Config) *Config {
	one := *c
	one.Name, one.Spec, one.Events = DefaultedBehavior, withDefaultBehavior(c.Spec), slices.Clone(c.Events)
	for i := range one.Events {
		one.Events[i].Spec = withDefaultBehavior(one.Events[i].Spec)
	}
	return &one
}

func withDefaultBehavior(spec *hpa.Spec) *hpa.Spec {
	if spec == nil {
		return nil
	}
	one := *spec
	one.Behavior = DefaultBehavior()
	return &one
}
