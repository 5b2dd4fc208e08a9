package app

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// tunnelFlags are the flags of the commands that simulate: which HPAs, which
// demand, which application.
type tunnelFlags struct {
	name string
	sets []string

	demand scenario.Demand
	length time.Duration

	app    string
	short  scenario.Short
	config []string

	pipeline  string
	exact     bool
	openLoop  bool
	objective string
	price     string
	replicas  int32
	seed      uint64
}

func (t *tunnelFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&t.name, "name", "", "which HPA, if a manifest has several")
	flags.StringArrayVar(&t.sets, "set", nil, "change the HPAs, as in behavior.scaleDown.stabilizationWindowSeconds=600; repeat it")

	flags.StringVar(&t.demand.Trace, "trace", "", "recorded demand: CSV, query_range JSON or OpenMetrics, gzipped or not")
	flags.StringVar(&t.demand.Shape, "shape", "", `made-up demand, as in "50 for 5m, 200 for 10m" or "sine 100 +- 60 every 1h for 24h"`)
	flags.StringVar(&t.demand.Column, "column", "", "which series of the trace, if it has several")
	flags.StringVar(&t.demand.Time, "time", "", "column of the times, if it is not found by itself")
	flags.StringVar(&t.demand.Unit, "unit", "", "what the trace's values are: rate (per second), count (per interval), counter, or events (a row is a request)")
	flags.DurationVar(&t.demand.Interval, "interval", 0, "time between the rows of a trace without times")
	flags.StringVar(&t.demand.Gaps, "gaps", "", "what stands for times that were not recorded: error, hold, zero or interpolate")
	flags.Float64Var(&t.demand.Scale, "scale", 1, "multiplies the demand")
	flags.DurationVar(&t.length, "length", 0, "simulate only so much from the beginning; 0 is all")

	flags.StringVar(&t.app, "app", "", "file that says how a pod works and what its metrics measure")
	flags.StringVar(&t.short.Server, "server", "", "the same in short: gunicorn:4x2, uvicorn:4, celery:8 or linear")
	flags.StringVar(&t.short.ServiceTime, "service-time", "", "mean time of one request, with --server")
	flags.StringVar(&t.short.Startup, "startup", "", "time from a pod's creation until it is ready, with --server")
	flags.StringArrayVar(&t.short.Signals, "signal", nil, "what a metric of the HPA measures, as in http_requests_per_second=rate[1m], with --server; repeat it")
	flags.StringArrayVarP(&t.config, "config", "c", nil, "Pitot's rules: the app is checked against them, and --pipeline promql serves them; repeat it")

	flags.StringVar(&t.pipeline, "pipeline", string(scenario.Signals), "how metrics are made: signals, or promql (scrape the pods, evaluate the rules)")
	flags.BoolVar(&t.exact, "exact", false, "follow each request instead of computing with formulas: slower, and the judge of these")
	flags.BoolVar(&t.openLoop, "open-loop", false, "take the metrics from the trace as they were recorded, whatever the replicas")
	flags.StringVar(&t.objective, "objective", "", "what latency should be, as in p95=500ms")
	flags.StringVar(&t.price, "price", "", "of a replica, as in 0.04/h")
	flags.Int32Var(&t.replicas, "replicas", 0, "ready at the beginning; 0 is what the first demand needs, within the HPA's bounds")
	flags.Uint64Var(&t.seed, "seed", 1, "of everything that is left to chance; equal seeds give equal results")
}

// flights are a flight for each manifest, all of the same demand and application.
func (t *tunnelFlags) flights(env Env, manifests []string) ([]*flight, error) {
	base := &flight{replicas: t.replicas, seed: t.seed, exact: t.exact, pipeline: scenario.Pipeline(t.pipeline)}
	autoscalers, hpaErr := t.autoscalers(env, manifests)
	err := errors.Join(
		hpaErr,
		t.checkChoices(),
		t.readApp(env, base),
		t.readRules(env, base),
		t.readObjective(base),
		t.readPrice(base),
		t.readDemand(base),
	)
	if err != nil {
		return nil, inputError(err)
	}
	var flights []*flight
	names := flightNames(manifests, autoscalers)
	for i := range autoscalers {
		f := *base
		f.name, f.autoscaler = names[i], &autoscalers[i]
		if err := t.readRecorded(&f); err != nil {
			return nil, inputError(err)
		}
		if err := f.check(); err != nil {
			return nil, inputError(err)
		}
		f.setLeadIn()
		if err := f.setReplicas(); err != nil {
			return nil, inputError(err)
		}
		flights = append(flights, &f)
	}
	return flights, nil
}

// inputError is about what was given: wrong usage, whoever found it.
func inputError(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		err = exit.err
	}
	return usageError("%w", err)
}

func (t *tunnelFlags) autoscalers(env Env, manifests []string) ([]manifest.Autoscaler, error) {
	if len(manifests) == 0 {
		return nil, errors.New("no manifest: use --hpa FILE")
	}
	var overrides []scenario.Override
	var errs []error
	for _, text := range t.sets {
		o, err := scenario.ParseOverride(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--set: %w", err))
			continue
		}
		overrides = append(overrides, o)
	}
	var all []manifest.Autoscaler
	for _, name := range manifests {
		text, err := readInput(env, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		autoscaler, err := scenario.ReadAutoscaler(name, text, t.name, overrides...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, autoscaler)
	}
	return all, errors.Join(errs...)
}

// flightNames tell the runs apart: by the HPAs' names, or else by their files.
func flightNames(files []string, autoscalers []manifest.Autoscaler) []string {
	names := make([]string, len(autoscalers))
	seen := map[string]int{}
	for i := range autoscalers {
		names[i] = autoscalers[i].Name
		seen[names[i]]++
	}
	for i := range names {
		if seen[autoscalers[i].Name] > 1 {
			names[i] = strings.TrimSuffix(filepath.Base(files[i]), filepath.Ext(files[i]))
		}
	}
	counts := map[string]int{}
	for i := range names {
		if counts[names[i]]++; counts[names[i]] > 1 {
			names[i] = fmt.Sprintf("%s (%d)", names[i], counts[names[i]])
		}
	}
	return names
}

func (t *tunnelFlags) checkChoices() error {
	var errs []error
	if (t.demand.Trace == "") == (t.demand.Shape == "") {
		errs = append(errs, errors.New(`no demand: use one of --trace FILE and --shape "50 for 5m, 200 for 10m"`))
	}
	if t.pipeline != string(scenario.Signals) && t.pipeline != string(scenario.PromQL) {
		errs = append(errs, fmt.Errorf("--pipeline %s: use signals or promql", t.pipeline))
	}
	if t.pipeline == string(scenario.PromQL) && len(t.config) == 0 {
		errs = append(errs, errors.New("--pipeline promql serves Pitot's rules: give them with --config"))
	}
	if t.openLoop && t.demand.Trace == "" {
		errs = append(errs, errors.New("--open-loop plays recorded metrics: give them with --trace"))
	}
	if t.demand.Scale <= 0 || math.IsInf(t.demand.Scale, 0) {
		errs = append(errs, fmt.Errorf("--scale %g: use a number above 0", t.demand.Scale))
	}
	if t.length < 0 {
		errs = append(errs, fmt.Errorf("--length %s: use a positive time", t.length))
	}
	if t.replicas < 0 {
		errs = append(errs, fmt.Errorf("--replicas %d: use a number from 0", t.replicas))
	}
	return errors.Join(errs...)
}

// readApp reads --app, or the short form of one.
func (t *tunnelFlags) readApp(env Env, f *flight) error {
	short := t.short.Server != "" || t.short.ServiceTime != "" || t.short.Startup != "" || len(t.short.Signals) > 0
	switch {
	case t.app != "" && short:
		return errors.New("--app says all of --server, --service-time, --startup and --signal: use one or the others")
	case t.app != "":
		text, err := readInput(env, t.app)
		if err != nil {
			return err
		}
		f.app, err = scenario.ReadApp(t.app, bytes.NewReader(text))
		return err
	case t.openLoop && !short:
		f.app = noApp()
		return nil
	case !short:
		return errors.New("no application: use --app FILE, or --server gunicorn:4x2 --service-time 80ms --startup 20s --signal METRIC=rate")
	}
	var err error
	f.app, err = t.short.App()
	return err
}

// noApp has pods that are there at once and serve nothing: enough for metrics that
// do not depend on them.
func noApp() *scenario.App {
	return &scenario.App{
		Server:         workload.Server{Kind: workload.Linear, Service: workload.Time{Mean: time.Millisecond}},
		ScrapeInterval: scenario.DefaultScrapeInterval, RefreshInterval: scenario.DefaultRefreshInterval,
	}
}

func (t *tunnelFlags) readRules(env Env, f *flight) error {
	if len(t.config) == 0 {
		return nil
	}
	set, err := loadConfig(env, t.config)
	f.rules = set
	return err
}

func (t *tunnelFlags) readObjective(f *flight) error {
	if t.objective == "" {
		return nil
	}
	objective, err := scenario.ParseObjective(t.objective)
	if err != nil {
		return fmt.Errorf("--objective: %w", err)
	}
	f.objective = &objective
	return nil
}

// readPrice reads an amount per hour.
func (t *tunnelFlags) readPrice(f *flight) error {
	if t.price == "" {
		return nil
	}
	amount, hourly := strings.CutSuffix(t.price, "/h")
	price, err := strconv.ParseFloat(amount, 64)
	if err != nil || !hourly || price < 0 || math.IsInf(price, 0) || math.IsNaN(price) {
		return fmt.Errorf("--price %s: write what a replica costs for an hour, as in 0.04/h", t.price)
	}
	f.price = price
	return nil
}

// readDemand reads the demand, unless recorded metrics take its place.
func (t *tunnelFlags) readDemand(f *flight) error {
	if t.openLoop || t.demand.Trace == "" && t.demand.Shape == "" {
		return nil
	}
	demand, err := playDemand(t.demand, t.seed)
	if err != nil {
		return err
	}
	demand = demand.cut(t.length)
	f.demand, f.begin, f.notes = demand.Demand, demand.begin, demand.assumptions()
	return nil
}

// readRecorded reads the metrics of one HPA.
func (t *tunnelFlags) readRecorded(f *flight) error {
	if !t.openLoop {
		return nil
	}
	play, err := playRecorded(t.demand, f.autoscaler)
	if err != nil {
		return err
	}
	length := play.length
	if t.length > 0 {
		length = min(length, t.length)
	}
	f.recorded, f.begin = play, play.begin
	f.demand = workload.Demand{Every: length, Rates: []float64{0}}
	return nil
}

// assumptions are those of the flags, besides the app's.
func (t *tunnelFlags) assumptions(f *flight) []report.Assumption {
	source := t.demand.Trace
	if source == "" {
		source = t.demand.Shape
	}
	all := []report.Assumption{{Name: "demand", Value: source, Given: true}}
	if f.recorded != nil {
		return append(all, report.Assumption{Name: "metrics", Value: "as recorded, whatever the replicas (open loop)", Given: true})
	}
	all = append(all, f.notes...)
	for _, a := range f.app.Assumptions() {
		all = append(all, report.Assumption{Name: a.Name, Value: a.Value, Given: a.Given})
	}
	all = append(all, report.Assumption{Name: "replicas at the beginning", Value: strconv.Itoa(int(f.replicas)), Given: t.replicas > 0})
	requests := "computed with formulas"
	if t.exact {
		requests = "followed one by one"
	}
	return append(all,
		report.Assumption{Name: "requests", Value: requests, Given: t.exact},
		report.Assumption{Name: "HPA controller", Value: "Kubernetes 1.37, syncs every 15s and 30ms", Given: false},
	)
}
