package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/reading"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// queryOptions are the flags of "pitot query".
type queryOptions struct {
	config     *[]string
	kubeconfig string
	namespace  string
	selector   string
	timeout    time.Duration
	output     *format
}

// A queryResult is what "pitot query -o json" prints, one line per rule of the metric.
type queryResult struct {
	Metric   string         `json:"metric"`
	Type     string         `json:"type"`
	Of       string         `json:"of"`
	Backend  string         `json:"backend"`
	Query    string         `json:"query"`
	Readings []queryReading `json:"readings"`
}

type queryReading struct {
	Namespace  string            `json:"namespace,omitempty"`
	Name       string            `json:"name,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	State      reading.State     `json:"state"`
	Value      *float64          `json:"value"` // null where there is none to serve
	Cause      string            `json:"cause,omitempty"`
	AgeSeconds float64           `json:"age_seconds"`
}

func newQuery(env Env) *cobra.Command {
	var o queryOptions
	cmd := &cobra.Command{
		Use:   "query METRIC",
		Short: "Evaluate a rule now: each object, its value, age and state, and the exact PromQL",
		Long: `Query evaluates the rules of a metric once, as "pitot serve" would, and prints what
each object reads and the PromQL behind it, to be pasted into Prometheus.

Rules over the pods of a workload need to know which pods those are, and so a
cluster: --kubeconfig, $KUBECONFIG or ~/.kube/config. All others need only the
Prometheus that the configuration names.

The exit code is 3 if an object has no value to serve, or if there is none.`,
		Example: `  pitot query http_requests_per_second -c pitot.yaml
  pitot query queue_depth -c pitot.yaml -n shop -l queue=emails -o json`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	o.config = configFlag(flags)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file of the cluster whose pods to use")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "only this namespace")
	flags.StringVarP(&o.selector, "selector", "l", "", "metric selector, as in the HPA: queue=emails")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "time to wait for the backend and the cluster")
	o.output = outputFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), env, args[0]) }
	return cmd
}

func (o *queryOptions) run(ctx context.Context, env Env, metric string) error {
	set, err := loadConfig(env, *o.config)
	if err != nil {
		return err
	}
	rules, err := rulesOf(set, metric)
	if err != nil {
		return err
	}
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return usageError("--selector: %w", err)
	}
	labelled, err := clients(set)
	if err != nil {
		return err
	}
	backends := make(map[string]snapshot.Backend)
	for _, backend := range set.Backends {
		backends[backend.Name] = askedBackend(backend, labelled[backend.Name])
		defer labelled[backend.Name].Close()
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	store := snapshot.NewStore(snapshot.Options{Backends: backends, FirstWait: o.timeout})
	defer store.Close()
	reader := provider.Reader{Store: store}
	if slices.ContainsFunc(rules, (*rule.Rule).OverPods) {
		index, stop, err := o.podIndex(ctx, rules)
		if err != nil {
			return fmt.Errorf("metric %q is computed over the pods of %s, so it needs a cluster: %w", metric, rules[0].Of, err)
		}
		defer stop()
		reader.Pods = index
	}
	return o.evaluate(ctx, env, &reader, labelled, rules, selector)
}

// rulesOf finds the rules of a metric, one for each kind of object.
func rulesOf(set *rule.Set, metric string) ([]*rule.Rule, error) {
	var rules []*rule.Rule
	var names []string
	for _, r := range set.Rules {
		names = append(names, r.Metric)
		if r.Metric == metric {
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		slices.Sort(names)
		return nil, usageError("no rule has the metric %q; there are %s", metric, strings.Join(slices.Compact(names), ", "))
	}
	return rules, nil
}

func (o *queryOptions) evaluate(ctx context.Context, env Env, reader *provider.Reader, labelled map[string]*profile.Backend, rules []*rule.Rule, selector labels.Selector) error {
	missing := false
	for _, r := range rules {
		answer, err := reader.All(ctx, r, o.namespace, selector)
		if err != nil {
			return fmt.Errorf("metric %q on %s: %w\nquery: %s", r.Metric, r.Of, err, labelled[r.Backend].Text(r.Expr().String()))
		}
		result := resultOf(r, answer, time.Now())
		result.Query = labelled[r.Backend].Text(result.Query)
		missing = missing || len(result.Readings) == 0 || slices.ContainsFunc(result.Readings, func(one queryReading) bool { return one.Value == nil })
		if err := writeQuery(env, *o.output, result); err != nil {
			return err
		}
	}
	if missing {
		return &exitError{code: exitFound}
	}
	return nil
}

func resultOf(r *rule.Rule, answer provider.Answer, now time.Time) queryResult {
	result := queryResult{
		Metric: r.Metric, Type: string(r.Type), Of: r.Of.String(), Backend: r.Backend, Query: answer.Query,
		Readings: []queryReading{},
	}
	for _, one := range answer.Readings {
		shown := queryReading{
			Namespace: one.Object.Namespace, Name: one.Object.Name, State: one.State, Cause: one.Cause,
			AgeSeconds: max(0, now.Sub(answer.At).Round(time.Millisecond).Seconds()),
		}
		if !one.Series.IsEmpty() {
			shown.Labels = one.Series.Map()
		}
		if one.Cause == "" {
			served := float64(one.Milli()) / 1000
			shown.Value = &served
		}
		result.Readings = append(result.Readings, shown)
	}
	return result
}

func writeQuery(env Env, output format, result queryResult) error {
	if output == formatJSON {
		return writeJSON(env.Stdout, result)
	}
	fmt.Fprintf(env.Stdout, "%s on %s, backend %q\nquery: %s\n\n", result.Metric, result.Of, result.Backend, result.Query)
	if len(result.Readings) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "no object: the query answered no series that names one")
		return err
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tVALUE\tAGE\tSTATE\tCAUSE")
	for _, one := range result.Readings {
		value := "-"
		if one.Value != nil {
			value = plain(*one.Value)
		}
		fmt.Fprintf(table, "%s\t%s\t%.1fs\t%s\t%s\n", objectName(one), value, one.AgeSeconds, one.State, orDash(one.Cause))
	}
	return table.Flush()
}

// objectName is namespace/name, or for an External item namespace and labels.
func objectName(one queryReading) string {
	if one.Name == "" {
		return strings.TrimPrefix(one.Namespace+" "+seriesName(one.Labels), " ")
	}
	return one.Namespace + "/" + one.Name
}
