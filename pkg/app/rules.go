package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pitot-autoscaling/pitot/pkg/internal/teamrules"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// rulesOptions are the flags of "pitot rules".
type rulesOptions struct {
	kubeconfig string
	namespace  string
	timeout    time.Duration
	output     *format
}

// A rulesReport is what "pitot rules -o json" prints.
type rulesReport struct {
	Namespace  string          `json:"namespace"`
	ConfigMaps []rulesMap      `json:"configmaps"`
	Problems   []checkProblem  `json:"problems"`
	Notes      []string        `json:"notes"` // what could not be seen, and what would show it
	problems   rule.Problems   // as they are printed
	rules      []*teamRuleRead // of all ConfigMaps
}

// A rulesMap is a ConfigMap and what Pitot said of it last.
type rulesMap struct {
	Name  string          `json:"name"`
	Rules []*teamRuleRead `json:"rules"`
	Event *rulesEvent     `json:"event"` // null: there is none, or nobody may see it
}

type rulesEvent struct {
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	SeenAt  time.Time `json:"seen_at"`
}

// A teamRuleRead is a rule and what reading it through the cluster's metrics API gives.
type teamRuleRead struct {
	Metric string      `json:"metric"`
	Type   string      `json:"type"`
	Of     string      `json:"of"`
	At     string      `json:"at"`
	Values []readValue `json:"values"`
	Error  string      `json:"error,omitempty"` // why there are none
	path   string
}

type readValue struct {
	Name   string            `json:"name,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}

func newRules(env Env) *cobra.Command {
	var o rulesOptions
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "The rules that a team keeps in ConfigMaps: are they right, served, and what do they read?",
		Long: `Rules reads the ConfigMaps of a namespace that are labelled pitot.dev/rules=true,
checks them as Pitot does, and reads each metric as an HPA would.

It needs get and list on configmaps in the namespace. Where the account may list
events and read the metrics APIs there, it also shows what Pitot said of each
ConfigMap, and values.

The exit code is 3 if a rule has a problem, or no value.`,
		Example: `  pitot rules -n shop
  pitot rules -n shop -o json`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file of the cluster (default: $KUBECONFIG or ~/.kube/config)")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the namespace (default: that of the kubeconfig)")
	flags.DurationVar(&o.timeout, "timeout", 20*time.Second, "time to wait for the cluster")
	o.output = outputFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) }
	return cmd
}

func (o *rulesOptions) run(ctx context.Context, env Env) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	files := clientcmd.NewDefaultClientConfigLoadingRules()
	files.ExplicitPath = o.kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(files, nil)
	cluster, err := config.ClientConfig()
	if err != nil {
		return err
	}
	if o.namespace == "" {
		if o.namespace, _, err = config.Namespace(); err != nil {
			return err
		}
	}
	client, err := core.NewForConfig(cluster)
	if err != nil {
		return err
	}
	report, err := o.look(ctx, client)
	if err != nil {
		return err
	}
	if err := report.write(env, *o.output); err != nil {
		return err
	}
	if len(report.problems) > 0 || slices.ContainsFunc(report.rules, func(r *teamRuleRead) bool { return r.Error != "" }) {
		return &exitError{code: exitFound}
	}
	return nil
}

// look gathers all that the account may see.
func (o *rulesOptions) look(ctx context.Context, client *core.CoreV1Client) (*rulesReport, error) {
	report := &rulesReport{Namespace: o.namespace, ConfigMaps: []rulesMap{}, Notes: []string{}}
	list, err := client.ConfigMaps(o.namespace).List(ctx, metav1.ListOptions{LabelSelector: rule.TeamLabel + "=" + rule.TeamLabelValue})
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("%w (hint: grant get and list on configmaps in namespace %s)", err, o.namespace)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list.Items, func(a, b corev1.ConfigMap) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var check teamsCheck
	for _, m := range list.Items {
		check.maps = append(check.maps, rule.NewConfigMap(m.Namespace, m.Name, m.Data))
	}
	check.load()
	events := report.events(ctx, client.Events(o.namespace))
	for i, m := range check.maps {
		one := rulesMap{Name: m.Name, Rules: []*teamRuleRead{}, Event: events[m.Name]}
		for _, r := range check.sets[i].Rules {
			read := &teamRuleRead{Metric: r.Metric, Type: string(r.Type), Of: r.Of.String(), At: r.Position.String(), path: metricPath(o.namespace, r)}
			one.Rules = append(one.Rules, read)
			report.rules = append(report.rules, read)
		}
		report.ConfigMaps = append(report.ConfigMaps, one)
	}
	report.problems, report.Problems = check.problems, checkProblems(check.problems)
	report.read(ctx, client.RESTClient())
	return report, nil
}

// events are what Pitot said last, by ConfigMap. Without the right to see them that
// is noted.
func (r *rulesReport) events(ctx context.Context, events core.EventInterface) map[string]*rulesEvent {
	latest := map[string]*rulesEvent{}
	list, err := events.List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=ConfigMap"})
	if err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("what Pitot said of the ConfigMaps: %s", oneLine(err)))
		return latest
	}
	for _, e := range list.Items {
		if e.Reason != teamrules.RulesLoaded && e.Reason != teamrules.RuleBroken {
			continue
		}
		name := e.InvolvedObject.Name
		if last := latest[name]; last == nil || last.SeenAt.Before(e.LastTimestamp.Time) {
			latest[name] = &rulesEvent{Reason: e.Reason, Message: e.Message, SeenAt: e.LastTimestamp.Time}
		}
	}
	return latest
}

// metricPath is where the metrics APIs have the values of a rule, those of all
// objects in a namespace.
func metricPath(namespace string, r *rule.Rule) string {
	switch {
	case r.Type == rule.TypeExternal:
		return path.Join("/apis/external.metrics.k8s.io/v1beta1/namespaces", namespace, r.Metric)
	case r.Of.String() == "namespaces":
		return path.Join("/apis/custom.metrics.k8s.io/v1beta2/namespaces", namespace, "metrics", r.Metric)
	default:
		return path.Join("/apis/custom.metrics.k8s.io/v1beta2/namespaces", namespace, r.Of.String(), "*", r.Metric)
	}
}

// A metricsList is what both metrics APIs answer with.
type metricsList struct {
	Items []struct {
		DescribedObject struct{ Name string }
		MetricLabels    map[string]string
		Value           resource.Quantity
	}
}

// read reads each rule. Without the right to, that is noted once, and is no fault of
// the rules.
func (r *rulesReport) read(ctx context.Context, client rest.Interface) {
	for _, one := range r.rules {
		one.Values = []readValue{}
		answer := client.Get().RequestURI((&url.URL{Path: one.path}).String()).Do(ctx)
		var list metricsList
		err := answer.Error() // as the server says it, unlike that of Raw
		if err == nil {
			body, _ := answer.Raw()
			err = json.Unmarshal(body, &list)
		}
		switch {
		case apierrors.IsForbidden(err):
			note := fmt.Sprintf("what the rules read: %s", oneLine(err))
			if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "what the rules read") }) {
				r.Notes = append(r.Notes, note)
			}
		case err != nil:
			one.Error = explained(err)
		}
		for _, item := range list.Items {
			one.Values = append(one.Values, readValue{Name: item.DescribedObject.Name, Labels: item.MetricLabels, Value: item.Value.AsApproximateFloat64()})
		}
	}
}

// explained is the cause of a read that failed, with what it means for a rule that
// is right.
func explained(err error) string {
	text := oneLine(err)
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return text
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == "unknown-metric" {
			return text + " (hint: the rule is right and Pitot does not serve it: does it run with --team-rules, and may it list the ConfigMaps of this namespace?)"
		}
	}
	return text
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func (r *rulesReport) write(env Env, output format) error {
	if output == formatJSON {
		return writeJSON(env.Stdout, r)
	}
	if len(r.ConfigMaps) == 0 {
		_, err := fmt.Fprintf(env.Stdout, "no ConfigMap of namespace %q is labelled %s=%s\n", r.Namespace, rule.TeamLabel, rule.TeamLabelValue)
		return err
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "METRIC\tTYPE\tOF\tREADS\tAT")
	for _, one := range r.rules {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.Metric, one.Type, one.Of, one.reads(), one.At)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	paragraph := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(env.Stdout, "\n%s:\n  %s\n", title, strings.Join(lines, "\n  "))
		}
	}
	var without, said, problems []string
	for _, one := range r.rules {
		if one.Error != "" {
			without = append(without, one.Error)
		}
	}
	for _, m := range r.ConfigMaps {
		if m.Event != nil {
			said = append(said, fmt.Sprintf("%s %s: %s (%s)", m.Event.SeenAt.UTC().Format(time.RFC3339), m.Name, m.Event.Reason, m.Event.Message))
		}
	}
	for _, p := range r.problems {
		problems = append(problems, p.Error())
	}
	paragraph("problems", problems)
	paragraph("no value", without)
	paragraph("events", said)
	paragraph("not seen", r.Notes)
	return nil
}

// reads is what a rule reads, in a word.
func (t *teamRuleRead) reads() string {
	switch {
	case t.Error != "":
		return "no value"
	case len(t.Values) == 0:
		return "-"
	case len(t.Values) == 1:
		return plain(t.Values[0].Value)
	}
	low, high := t.Values[0].Value, t.Values[0].Value
	for _, v := range t.Values {
		low, high = min(low, v.Value), max(high, v.Value)
	}
	return fmt.Sprintf("%s to %s, of %d", plain(low), plain(high), len(t.Values))
}
