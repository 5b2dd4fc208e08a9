package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
)

// explainOptions are the flags of "pitot explain".
type explainOptions struct {
	hpa      string
	name     string
	seen     string
	replicas int32
	metrics  []string
	output   *format
}

// An explanation is what "pitot explain -o json" prints.
type explanation struct {
	Namespace  string          `json:"namespace"`
	Name       string          `json:"name"`
	Decision   hpa.Decision    `json:"decision"`
	Conditions []hpa.Condition `json:"conditions"`
	Sentences  []string        `json:"sentences"`
}

func newExplain(env Env) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "What would this HPA do with these values, and why? Without a cluster",
		Long: `Explain makes the decision that the HPA controller of Kubernetes would make in one
sync, and says how it came about. It needs no cluster.

A value is that of the metric as the HPA reads it: of a Pods or Resource metric
for each pod, of an Object or External metric for the whole. It is a quantity, as
in 300, 0.5 or 500m. Of a target in percent it is the percentage. "none" is a
metric that cannot be read. ContainerResource metrics are named cpu/CONTAINER.

All pods are taken to be ready and to have the same value, and the controller to
have no memory, as after its restart. A file says otherwise with --seen:

  at: 2026-11-02T12:00:00Z           # of the sync; now
  replicas: 3
  pods:                              # all that the selector finds
  - {name: web-1}                    # Running, ready, an hour old
  - {name: web-2, age: 40s, readyFor: 10s}
  - {name: web-3, phase: Pending, age: 5s}
  - {name: web-4, ready: false, terminating: true}
  metrics:
    cpu: {web-1: 90, web-2: 20}      # the others have no sample
    queue_depth: 120                 # one value: that of every pod, or the whole
  window: 15s                        # of CPU samples
  recommendations:                   # of earlier syncs, before windows and limits
  - {replicas: 8, ago: 2m}
  scalings:                          # changes of the replicas by the HPA
  - {change: -2, ago: 90s}
  scaledToZero: false                # with 0 replicas: was it the HPA?`,
		Example: `  pitot explain --hpa hpa.yaml --replicas 4 --metric http_requests_per_second=300
  kubectl get hpa web -o yaml | pitot explain --hpa - --replicas 4 --metric cpu=95 -o json
  pitot explain --hpa hpa.yaml --seen sync.yaml`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.hpa, "hpa", "", `manifest of the HPA, "-" is standard input`)
	flags.StringVar(&o.name, "name", "", "which HPA, if the manifest has several: NAME or NAMESPACE/NAME")
	flags.StringVar(&o.seen, "seen", "", "file with what the HPA sees and remembers; flags precede it")
	flags.Int32Var(&o.replicas, "replicas", -1, "replicas that the target has")
	flags.Lookup("replicas").DefValue = "0" // Help shows no default: there is none.
	flags.StringArrayVar(&o.metrics, "metric", nil, "NAME=VALUE of a metric; repeat it for several")
	o.output = outputFlag(flags)
	cmd.RunE = func(*cobra.Command, []string) error { return o.run(env, time.Now().UTC()) }
	return cmd
}

func (o *explainOptions) run(env Env, now time.Time) error {
	autoscaler, err := o.autoscaler(env)
	if err != nil {
		return err
	}
	seen, err := o.sync(env)
	if err != nil {
		return err
	}
	if seen.At.IsZero() {
		seen.At = now
	}
	spec := &autoscaler.Spec
	observation, err := seen.observation(spec)
	if err != nil {
		return usageError("%w", err)
	}
	decision, state, err := hpa.Explain(spec, seen.state(), observation, seen.At)
	if err != nil {
		return usageError("%w", err)
	}
	if *o.output == formatText {
		_, err = fmt.Fprint(env.Stdout, decision.Describe())
		return err
	}
	return writeJSON(env.Stdout, explanation{
		Namespace: autoscaler.Namespace, Name: autoscaler.Name,
		Decision: decision, Conditions: state.Conditions,
		Sentences: strings.Split(strings.TrimSuffix(decision.Describe(), "\n"), "\n"),
	})
}

// autoscaler reads the manifest and finds the one HPA that is meant.
func (o *explainOptions) autoscaler(env Env) (*manifest.Autoscaler, error) {
	switch {
	case o.hpa == "":
		return nil, usageError("no manifest: use --hpa FILE")
	case o.hpa == "-" && o.seen == "-":
		return nil, usageError("--hpa and --seen cannot both be standard input")
	}
	text, err := readInput(env, o.hpa)
	if err != nil {
		return nil, err
	}
	found, err := manifest.Read(o.hpa, bytes.NewReader(text))
	var problems manifest.Problems
	if errors.As(err, &problems) {
		return nil, &exitError{code: exitFound, err: err}
	}
	if err != nil {
		return nil, err
	}
	return o.choose(found)
}

// readInput reads a file, or standard input for "-".
func readInput(env Env, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(env.Stdin)
	}
	return os.ReadFile(name)
}

func (o *explainOptions) choose(found []manifest.Autoscaler) (*manifest.Autoscaler, error) {
	var chosen []*manifest.Autoscaler
	var names []string
	for i := range found {
		full := found[i].Namespace + "/" + found[i].Name
		names = append(names, full)
		if o.name == "" || o.name == found[i].Name || o.name == full {
			chosen = append(chosen, &found[i])
		}
	}
	switch {
	case len(found) == 0:
		return nil, usageError("%s has no HorizontalPodAutoscaler", o.hpa)
	case len(chosen) == 0:
		return nil, usageError("%s has no HPA %q; there is %s", o.hpa, o.name, strings.Join(names, ", "))
	case len(chosen) > 1:
		return nil, usageError("%s has several HPAs; choose one with --name: %s", o.hpa, strings.Join(names, ", "))
	}
	return chosen[0], nil
}

// sync is what the file and the flags say that the HPA sees.
func (o *explainOptions) sync(env Env) (*explainedSync, error) {
	seen := newExplainedSync()
	if o.seen != "" {
		text, err := readInput(env, o.seen)
		if err != nil {
			return nil, err
		}
		if err := seen.read(text); err != nil {
			return nil, usageError("%s: %w", o.seen, err)
		}
	}
	if o.replicas != -1 {
		seen.Replicas = &o.replicas
	}
	for _, one := range o.metrics {
		name, value, ok := strings.Cut(one, "=")
		if !ok || name == "" {
			return nil, usageError("--metric %s: write NAME=VALUE", one)
		}
		seen.Metrics[name] = explainedMetric{whole: value}
	}
	return seen, nil
}
