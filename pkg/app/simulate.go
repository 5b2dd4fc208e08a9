package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// simulateOptions are the flags of "pitot simulate".
type simulateOptions struct {
	tunnelFlags
	manifests   []string
	noBaselines bool
	band        int
	page        string
	output      *format
}

func newSimulate(env Env) *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Fly HPAs through recorded or made-up traffic, before they meet production",
		Long: `Simulate plays a demand against simulated pods that an HPA scales, with the HPA
controller's own arithmetic, and tells how many replicas it would run, what latency
and backlog users would see, what it would cost, and why it moved. It needs no
cluster and no Prometheus.

The demand is recorded (--trace) or made up (--shape). What the pods do with it is
said by a file (--app), or in short (--server, --service-time, --startup, --signal).
What an HPA's metric measures is never guessed from its name.

Beside the HPAs stand baselines: as many replicas all the time as the demand ever
needs, and the same HPA with the default behavior. What perfect foresight would take
is a row of the table. With -o csv, json and jsonl only the HPAs are written.

Wrong input ends with the exit code 2, and all that is wrong is told at once.`,
		Example: `  pitot simulate --hpa examples/hpa.yaml --name web --trace examples/traces/shop-day.csv --app examples/app.yaml --objective p95=500ms
  pitot simulate --hpa hpa.yaml --shape "50 for 5m, 200 for 10m" --server gunicorn:4x2 --service-time 80ms --startup 20s --signal http_requests_per_second=rate
  pitot simulate --hpa hpa.yaml --trace day.csv --app app.yaml --report day.html
  pitot simulate --hpa hpa.yaml --trace day.csv --app app.yaml -o csv > day-result.csv`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&o.manifests, "hpa", nil, `manifest of an HPA, "-" is standard input; repeat it to fly several side by side`)
	o.register(flags)
	flags.BoolVar(&o.noBaselines, "no-baselines", false, "leave out what the HPAs are held against")
	flags.IntVar(&o.band, "band", 0, "simulate so many times with other phases and latencies, and tell how much the figures vary")
	flags.StringVar(&o.page, "report", "", "write a page for a browser to this file")
	o.output = outputFlag(flags, formatJSONL, formatCSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) }
	return cmd
}

func (o *simulateOptions) run(ctx context.Context, env Env) error {
	if o.band < 0 || o.band == 1 || o.band > 1000 {
		return usageError("--band %d: use 2 to 1000, or 0 for none", o.band)
	}
	if o.band > 0 && *o.output != formatText {
		return usageError("--band writes a table: leave out -o %s", *o.output)
	}
	flights, err := o.flights(env, o.manifests)
	if err != nil {
		return err
	}
	if o.band > 0 {
		return o.flyBand(ctx, env, flights)
	}
	out, err := o.open(env, flights)
	if err != nil {
		return err
	}
	err = o.fly(ctx, env, flights, out)
	return errors.Join(err, out.close(err == nil))
}

// fly runs the flights and, for people, their baselines.
func (o *simulateOptions) fly(ctx context.Context, env Env, flights []*flight, out *outlets) error {
	for _, f := range flights {
		f.trails = o.page != "" || *o.output == formatJSON || *o.output == formatJSONL
		if _, err := f.fly(ctx, report.Each{progress(env, f), out.each}); err != nil {
			return inputError(fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if o.noBaselines || o.openLoop {
		return nil
	}
	return flyBaselines(ctx, env, flights[0], out.people)
}

// flyBaselines runs what a flight is held against.
func flyBaselines(ctx context.Context, env Env, f *flight, h sim.Handler) error {
	c, err := f.config()
	if err != nil {
		return inputError(err)
	}
	baselines, err := sim.Baselines(c, f.outfit)
	if err != nil {
		return inputError(err)
	}
	for _, baseline := range baselines {
		if baseline.Spec != nil && c.Spec.Behavior == nil {
			continue // It is the HPA itself.
		}
		if _, err := sim.Run(ctx, baseline, report.Each{progressOf(env, baseline.Name, baseline.Demand.Length()), h}); err != nil {
			return fmt.Errorf("%s: %w", baseline.Name, err)
		}
	}
	return nil
}

// flyBand runs variations of each flight and tells how far apart they end.
func (o *simulateOptions) flyBand(ctx context.Context, env Env, flights []*flight) error {
	for _, f := range flights {
		c, err := f.config()
		if err != nil {
			return inputError(err)
		}
		variations, err := sim.Variations(c, o.band, f.outfit)
		if err != nil {
			return inputError(err)
		}
		var runs report.Runs
		for i, one := range variations {
			shown := progressOf(env, fmt.Sprintf("%s, %d of %d", f.name, i+1, o.band), one.Demand.Length())
			if _, err := sim.Run(ctx, one, report.Each{shown, &runs}); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		fmt.Fprintf(env.Stdout, "%s\n", f.name)
		if err := report.Band(env.Stdout, report.Plain, runs.All()); err != nil {
			return err
		}
	}
	return nil
}

// outlets are where messages go: each run to all, baselines to people only.
type outlets struct {
	each, people report.Each
	closers      []func() error
	page         *os.File
}

// open prepares what the flags ask for.
func (o *simulateOptions) open(env Env, flights []*flight) (*outlets, error) {
	out := &outlets{}
	assumptions := o.assumptions(flights[0])
	switch *o.output {
	case formatJSON:
		out.add(report.NewJSON(env.Stdout), false)
	case formatJSONL:
		out.add(report.NewJSONL(env.Stdout), false)
	case formatCSV:
		out.add(report.NewCSV(env.Stdout, specs(flights)...), false)
	default:
		out.add(report.NewText(env.Stdout, textOptions(env, assumptions)), true)
	}
	if o.page == "" {
		return out, nil
	}
	page, err := os.Create(o.page)
	if err != nil {
		return nil, err
	}
	out.page = page
	out.add(report.NewHTML(page, report.HTMLOptions{
		Title: flights[0].name, Assumptions: assumptions, Folded: []string{sim.FixedReplicas, sim.DefaultedBehavior},
	}), true)
	return out, nil
}

// A renderer is a handler that is complete when it is closed.
type renderer interface {
	sim.Handler
	Close() error
}

func (out *outlets) add(r renderer, people bool) {
	out.each = append(out.each, r)
	if people {
		out.people = append(out.people, r)
	}
	out.closers = append(out.closers, r.Close)
}

// close completes what was written, if the runs went well.
func (out *outlets) close(well bool) error {
	var errs []error
	for _, closer := range out.closers {
		if well {
			errs = append(errs, closer())
		}
	}
	if out.page != nil {
		errs = append(errs, out.page.Close())
	}
	return errors.Join(errs...)
}

func specs(flights []*flight) []*hpa.Spec {
	var all []*hpa.Spec
	for _, f := range flights {
		all = append(all, &f.autoscaler.Spec)
	}
	return all
}

// textOptions fit the terminal, if there is one.
func textOptions(env Env, assumptions []report.Assumption) report.TextOptions {
	options := report.TextOptions{Assumptions: assumptions, Color: env.Terminal && env.Getenv("NO_COLOR") == ""}
	if width, err := strconv.Atoi(env.Getenv("COLUMNS")); err == nil && width > 0 {
		options.Width = width
	}
	return options
}
