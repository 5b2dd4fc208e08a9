package app

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// formatYAML is for what goes into a file.
const formatYAML format = "yaml"

// A listedPreset is what "pitot presets -o json" prints of each.
type listedPreset struct {
	Name     string `json:"name"`
	Measures string `json:"measures"`
	Stack    string `json:"stack"`
	HPA      string `json:"hpa"` // as in "Pods, AverageValue"
	Draft    bool   `json:"draft"`
}

// A shownPreset is what "pitot presets NAME -o json" prints.
type shownPreset struct {
	*preset.Preset
	HPAType   string `json:"hpa_type"`
	RulesYAML string `json:"rules_yaml"`
	HPAYAML   string `json:"hpa_yaml"`
}

func newPresets(env Env) *cobra.Command {
	var hpa bool
	cmd := &cobra.Command{
		Use:   "presets [NAME]",
		Short: "Queries that are right for well-known metrics, with rules and HPAs to copy",
		Long: `Presets lists the queries that Pitot brings for the metrics of Python libraries,
queues and proxies. With a name it says what that preset assumes, what goes wrong
with it, and how to come to a target, and prints its rules and an HPA.

"-o yaml" prints the rules alone, as a configuration to keep beside the one with
your backends, and --hpa the HPA alone. Both hold the names of an example: shop,
web and worker.`,
		Example: `  pitot presets
  pitot presets fastapi-p95
  pitot presets fastapi-p95 -o yaml > rules.yaml
  pitot presets fastapi-p95 --hpa > hpa.yaml`,
		Args: cobra.MaximumNArgs(1),
	}
	output := outputFlag(cmd.Flags(), formatYAML)
	cmd.Flags().BoolVar(&hpa, "hpa", false, "print the HPA alone")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 1:
			return showPreset(env, *output, args[0], hpa)
		case hpa:
			return usageError("--hpa is of one preset: name it")
		default:
			return listPresets(env, *output)
		}
	}
	return cmd
}

func listPresets(env Env, output format) error {
	var listed []listedPreset
	for _, p := range preset.All() {
		listed = append(listed, listedPreset{
			Name: p.Name, Measures: p.Title, Stack: p.Stack, Draft: p.Draft,
			HPA: p.HPAType() + ", " + p.HPA.Target,
		})
	}
	if output != formatText {
		return writeData(env, output, listed)
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tMEASURES\tOF")
	for _, one := range listed {
		name := one.Name
		if one.Draft {
			name += " (draft)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", name, one.Measures, one.Stack)
	}
	return table.Flush()
}

// writeData writes v as JSON on one line or as YAML.
func writeData(env Env, output format, v any) error {
	if output == formatJSON {
		return writeJSON(env.Stdout, v)
	}
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	_, err = env.Stdout.Write(text)
	return err
}

func showPreset(env Env, output format, name string, hpa bool) error {
	p, ok := preset.Get(name)
	if !ok {
		return noSuchPreset(name)
	}
	rules, autoscaler := presetRules(p), presetHPA(p)
	text := presetPage(p, rules, autoscaler)
	switch {
	case hpa && output == formatJSON:
		var object any
		if err := yaml.Unmarshal([]byte(autoscaler), &object); err != nil {
			return err
		}
		return writeJSON(env.Stdout, object)
	case hpa:
		text = autoscaler
	case output == formatJSON:
		return writeJSON(env.Stdout, shownPreset{Preset: p, HPAType: p.HPAType(), RulesYAML: rules, HPAYAML: autoscaler})
	case output == formatYAML:
		text = rules
	}
	_, err := fmt.Fprint(env.Stdout, text)
	return err
}

func noSuchPreset(name string) error {
	var names []string
	for _, p := range preset.All() {
		names = append(names, p.Name)
	}
	if hint := place.DidYouMean(name, names); hint != "" {
		return usageError("there is no preset %q (hint: %s)", name, hint)
	}
	return usageError(`there is no preset %q: "pitot presets" lists them`, name)
}
