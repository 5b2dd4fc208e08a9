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
