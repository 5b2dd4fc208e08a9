package app

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A checkReport is what "pitot check -o json" prints.
type checkReport struct {
	Valid    bool           `json:"valid"`
	Backends int            `json:"backends"`
	Rules    []checkedRule  `json:"rules"`
	Problems []checkProblem `json:"problems"`
	Against  *against       `json:"against,omitempty"` // left out without --against
}

type checkedRule struct {
	Metric        string   `json:"metric"`
	Type          string   `json:"type"`
	Of            string   `json:"of"`
	WindowSeconds float64  `json:"window_seconds"`
	Selectable    []string `json:"selectable,omitempty"`
	Presets       []string `json:"presets,omitempty"`
	Query         string   `json:"query"`
}

type checkProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Rule    string `json:"rule,omitempty"`
	Backend string `json:"backend,omitempty"`
	Cause   string `json:"cause"`
	Hint    string `json:"hint,omitempty"`
}

func newCheck(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check configuration files, all problems at once",
		Long: `Check reads configuration files and folders as "pitot serve" would, merged, and
reports every problem with its file, line and column. It needs neither a cluster
nor a Prometheus. "-" is standard input.

Manifests of ConfigMaps labelled pitot.dev/rules=true are checked as the rules of
teams that they bring, against the backends of a configuration if one is given too.

With --against it then tries every rule on a live Prometheus, by instant queries
alone: which series and objects there are, how many samples a window holds, what
is scraped twice, what is above the top bucket, what it costs, and what is wrong.
An address stands for those of all backends, and gets no credentials; "backends"
is those of the configuration.

The exit code is 0 for a right configuration and 3 for one with problems, or with
errors on the live Prometheus. Warnings do not count.`,
		Example: `  pitot check pitot.yaml
  kubectl get configmap pitot -o jsonpath='{.data.config\.yaml}' | pitot check -
  pitot check pitot.yaml --against http://localhost:9090 --objective p95=500ms
  pitot check pitot.yaml --against backends -o json`,
		Args: cobra.MinimumNArgs(1),
	}
	output := outputFlag(cmd.Flags())
	var live liveCheck
	live.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := live.validate(); err != nil {
			return err
		}
		files, err := readConfig(env, args)
		if err != nil {
			return err
		}
		if teams, found, err := checkTeams(files); found {
			if live.against != "" {
				return usageError("--against tries the rules of configurations, and there is the ConfigMap of a team among the files")
			}
			return teams.report(env, *output, err)
		}
		set, err := rule.Load(files...)
		var problems rule.Problems
		if err != nil && !errors.As(err, &problems) {
			return err
		}
		if live.against != "" && len(problems) == 0 {
			return live.run(cmd.Context(), env, *output, set)
		}
		if err := writeCheck(env, *output, set, problems); err != nil {
			return err
		}
		if len(problems) > 0 {
			return &exitError{code: exitFound}
		}
		return nil
	}
	return cmd
}

func writeCheck(env Env, output format, set *rule.Set, problems rule.Problems) error {
	switch {
	case output == formatJSON:
		return writeJSON(env.Stdout, newCheckReport(set, problems))
	case len(problems) > 0:
		_, err := fmt.Fprintln(env.Stdout, problems)
		return err
	default:
		return writeRules(env, set)
	}
}

func newCheckReport(set *rule.Set, problems rule.Problems) checkReport {
	r := checkReport{Valid: len(problems) == 0, Rules: []checkedRule{}, Problems: checkProblems(problems)}
	if set == nil {
		return r
	}
	r.Backends = len(set.Backends)
	for _, one := range set.Rules {
		r.Rules = append(r.Rules, checkedRule{
			Metric: one.Metric, Type: string(one.Type), Of: one.Of.String(),
			WindowSeconds: one.Expr().Window().Seconds(), Selectable: one.Selectable, Presets: one.Presets, Query: asksFor(set, one, one.Expr()),
		})
	}
	return r
}

func checkProblems(problems rule.Problems) []checkProblem {
	reported := []checkProblem{}
	for _, p := range problems {
		reported = append(reported, checkProblem{
			File: p.File, Line: p.Line, Column: p.Column,
			Rule: p.Rule, Backend: p.Backend, Cause: p.Cause, Hint: p.Hint,
		})
	}
	return reported
}

// writeRules says what a right configuration serves, in the HPA's words.
func writeRules(env Env, set *rule.Set) error {
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "METRIC\tTYPE\tOF\tWINDOW\tSELECTABLE")
	for _, one := range set.Rules {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.Metric, one.Type, one.Of, window(one), orDash(strings.Join(one.Selectable, ",")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprint(env.Stdout, fromPresets(set))
	_, err := fmt.Fprintf(env.Stdout, "%s, %s: no problem found\n", count(len(set.Rules), "rule"), count(len(set.Backends), "backend"))
	return err
}

// fromPresets says what became of the presets that rules name.
func fromPresets(set *rule.Set) string {
	var b strings.Builder
	for _, one := range set.Rules {
		if len(one.Presets) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s of %s is %s:\n", one.Metric, one.Of, strings.Join(one.Presets, " or "))
		if one.Buckets != nil {
			fmt.Fprintf(&b, "  the quantile %g of\n", one.Quantile)
		}
		fmt.Fprintf(&b, "  %s\n", asksFor(set, one, one.Expr()))
		if one.ZeroWhen != nil {
			fmt.Fprintf(&b, "  and 0 when %s\n", asksFor(set, one, one.ZeroWhen))
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// asksFor is an expression of a rule as it reaches the backend; as it is written,
// where the backend's labels are to be found out.
func asksFor(set *rule.Set, r *rule.Rule, e *promexpr.Expr) string {
	backend, _ := set.Backend(r.Backend)
	return e.Rename(backend.Labels.Renaming()).String()
}

// window is how far a rule looks back.
func window(r *rule.Rule) string {
	if w := r.Expr().Window(); w > 0 {
		return shortDuration(w)
	}
	return "-"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
