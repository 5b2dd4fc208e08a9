package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promsim"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
	"github.com/pitot-autoscaling/pitot/pkg/workload/exact"
)

// A flight is a run through the wind tunnel, before it is decided by which chance:
// config makes a run of it, as often as it takes.
type flight struct {
	name       string
	autoscaler *manifest.Autoscaler // nil: the replicas stay as they are
	app        *scenario.App
	demand     workload.Demand
	begin      time.Time
	notes      []report.Assumption // of the demand

	pipeline scenario.Pipeline
	rules    *rule.Set     // of the PromQL pipeline
	recorded *recordedPlay // nil, or the metrics as they were recorded: open loop
	exact    bool          // follow each request

	replicas  int32
	leadIn    time.Duration
	events    []sim.Event
	objective *sim.Objective
	price     float64
	seed      uint64
	report    time.Duration
	trails    bool
}

// config is the run but for what belongs to it alone, which outfit adds.
func (f *flight) config() (*sim.Config, error) {
	c := &sim.Config{
		Name: f.name, Seed: f.seed, Begin: f.begin, Demand: f.demand, LeadIn: f.leadIn,
		Replicas: f.replicas, Pods: f.app.Pods, Events: f.events,
		Objective: f.objective, Price: f.price, Report: f.report, Trails: f.trails,
	}
	if f.autoscaler != nil {
		c.Spec = &f.autoscaler.Spec
	}
	var err error
	c.Need, err = f.need()
	return c, err
}

// outfit gives a run its fleet and its pipeline.
func (f *flight) outfit(c *sim.Config) error {
	var err error
	options := workload.Options{Bounds: f.app.Bounds(f.pipeline), Quantiles: []float64{f.quantile()}, Seed: c.Seed}
	if f.exact {
		c.Fleet, err = exact.NewFleet(f.app.Server.WithDefaults(), options)
	} else {
		c.Fleet, err = workload.NewFleet(f.app.Server.WithDefaults(), options)
	}
	if err != nil || c.Spec == nil {
		return err
	}
	c.Pipeline, err = f.newPipeline(c.Seed)
	return err
}

// fly is the run itself.
func (f *flight) fly(ctx context.Context, h sim.Handler) (*sim.End, error) {
	c, err := f.config()
	if err != nil {
		return nil, err
	}
	if err := f.outfit(c); err != nil {
		return nil, err
	}
	return sim.Run(ctx, c, h)
}

// quantile is the one that the run is judged by.
func (f *flight) quantile() float64 {
	if f.objective != nil {
		return f.objective.Quantile
	}
	return 0.95
}

// need is how many replicas a demand takes: to meet the objective, or else not to
// be overloaded. A linear server takes any demand.
func (f *flight) need() (func(float64) int, error) {
	if f.app.Server.Kind == workload.Linear {
		return nil, nil
	}
	quantile, limit := f.quantile(), time.Duration(0)
	if f.objective != nil {
		limit = f.objective.Limit
	}
	planner, err := workload.NewPlanner(f.app.Server.WithDefaults(), quantile, limit)
	if err != nil {
		return nil, err
	}
	return planner.Need, nil
}

func (f *flight) newPipeline(seed uint64) (sim.Pipeline, error) {
	switch {
	case f.recorded != nil:
		return f.recorded.pipeline()
	case f.pipeline == scenario.PromQL:
		return f.promqlPipeline(seed)
	default:
		return sim.NewSignals(f.app.Signals, f.app.SignalOptions(seed))
	}
}

func (f *flight) promqlPipeline(seed uint64) (sim.Pipeline, error) {
	return promsim.New(promsim.Options{
		Rules: f.rules, Autoscaler: f.autoscaler, Page: f.app.Exposes, Bounds: f.app.Bounds(scenario.PromQL),
		ScrapeInterval: f.app.ScrapeInterval, Refresh: f.app.RefreshInterval, Seed: seed,
	})
}

// windows is the longest look back of the metrics.
func (f *flight) windows() time.Duration {
	var longest time.Duration
	for _, s := range f.app.Signals {
		longest = max(longest, s.Window)
	}
	if f.rules != nil {
		for _, r := range f.rules.Rules {
			longest = max(longest, r.Expr().Window())
		}
	}
	return longest
}

// setLeadIn lets the demand's first rate arrive until windows are full, the newest
// scrape is in and everything has been asked.
func (f *flight) setLeadIn() {
	f.leadIn = (f.windows() + 2*f.app.ScrapeInterval + 2*f.app.RefreshInterval).Round(time.Minute) + time.Minute
}

// setReplicas begins with as many as the first demand needs: recordings rarely
// begin with an overload that nobody had.
func (f *flight) setReplicas() error {
	if f.replicas > 0 {
		return nil
	}
	need, err := f.need()
	if err != nil {
		return err
	}
	spec := &f.autoscaler.Spec
	f.replicas = max(1, spec.MinReplicas)
	if need != nil {
		f.replicas = min(max(f.replicas, int32(need(f.demand.At(0)))), spec.MaxReplicas)
	}
	return nil
}

// check refuses what the flight cannot measure.
func (f *flight) check() error {
	if f.autoscaler == nil || f.recorded != nil {
		return nil
	}
	if err := f.app.Check(f.pipeline, f.autoscaler.Spec.Metrics); err != nil || f.rules == nil {
		return err
	}
	return f.checkRules()
}

// checkRules holds the app against the rules: what these ask for is exposed, and
// the signals look back as far as they do.
func (f *flight) checkRules() error {
	var errs []error
	if len(f.app.Exposes) > 0 {
		_, err := f.promqlPipeline(0)
		errs = append(errs, err)
	}
	if f.pipeline != scenario.Signals {
		return errors.Join(errs...)
	}
	for i := range f.autoscaler.Spec.Metrics {
		name := f.autoscaler.Spec.Metrics[i].Name
		signal := f.app.Signals[name]
		for _, r := range f.rules.Rules {
			if window := r.Expr().Window(); r.Metric == name && window != signal.Window {
				errs = append(errs, fmt.Errorf("signal %q: its window is %s, and the rule looks back %s (hint: write window: %[3]s)",
					name, shortDuration(signal.Window), shortDuration(window)))
			}
		}
	}
	return errors.Join(errs...)
}
