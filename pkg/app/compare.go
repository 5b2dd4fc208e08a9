package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pitot-autoscaling/pitot/pkg/report"
)

func newCompare(env Env) *cobra.Command {
	var o tunnelFlags
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "What would change: two versions of an HPA through the same traffic",
		Long: `Compare simulates two versions of an HPA on the same demand and tells the
differences: replica-hours, cost, time over the objective, scale events. Below stand
the baselines: fixed replicas, the default behavior and perfect foresight.

With -o markdown the result is ready for a comment on a pull request.`,
		Example: `  pitot compare old.yaml new.yaml --trace day.csv --app app.yaml --objective p95=500ms
  git show main:hpa.yaml > old.yaml; pitot compare old.yaml hpa.yaml --trace day.csv --app app.yaml -o markdown`,
		Args: cobra.ExactArgs(2),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.register(flags)
	output := outputFlag(flags, formatMarkdown)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.compare(cmd.Context(), env, args, *output) }
	return cmd
}

// A comparison is what "pitot compare -o json" prints: old, new, and the baselines.
type comparison struct {
	Runs []report.Run `json:"runs"`
}

func (t *tunnelFlags) compare(ctx context.Context, env Env, manifests []string, output format) error {
	flights, err := t.flights(env, manifests)
	if err != nil {
		return err
	}
	if flights[0].name == flights[1].name {
		flights[0].name, flights[1].name = manifests[0], manifests[1]
	}
	var runs report.Runs
	for _, f := range flights {
		if _, err := f.fly(ctx, report.Each{progress(env, f), &runs}); err != nil {
			return inputError(fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if !t.openLoop {
		if err := flyBaselines(ctx, env, flights[1], &runs); err != nil {
			return err
		}
	}
	return writeComparison(env, output, runs.All())
}

// writeComparison writes what changes from the first run to the second, and beside
// it the others.
func writeComparison(env Env, output format, all []report.Run) error {
	form := report.Plain
	switch output {
	case formatJSON:
		return writeJSON(env.Stdout, comparison{Runs: all})
	case formatMarkdown:
		form = report.Markdown
	}
	if err := report.Compare(env.Stdout, form, all[0], all[1]); err != nil {
		return err
	}
	if len(all) == 2 {
		return nil
	}
	heading := "\nBeside the baselines:\n\n"
	if output == formatMarkdown {
		heading = "\n<details><summary>Beside the baselines</summary>\n\n"
	}
	fmt.Fprint(env.Stdout, heading)
	if err := report.Table(env.Stdout, form, 0, all); err != nil {
		return err
	}
	if output == formatMarkdown {
		fmt.Fprint(env.Stdout, "\n</details>\n")
	}
	return nil
}
