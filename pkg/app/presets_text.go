package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// The names that printed HPAs are of.
const (
	exampleNamespace = "shop"
	exampleService   = "web"
	exampleWorker    = "worker"
)

// presetPage is all that there is to say about a preset.
func presetPage(p *preset.Preset, rules, hpa string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s\n", p.Name, p.Title, p.Stack)
	if p.Draft {
		fmt.Fprint(&b, "\nThis is a draft: its tests show the usual case at most.\n")
	}
	if p.Evidence == preset.Source {
		fmt.Fprint(&b, "\nThe names of its metrics were read in source code or documentation, and not seen on a real page.\n")
	}
	section(&b, "It assumes", bullets(p.Assumptions)...)
	section(&b, "What goes wrong", bullets(p.Pitfalls)...)
	if len(p.Parameters) > 0 {
		section(&b, "Parameters", parameterLines(p.Parameters)...)
	}
	section(&b, "Query", strings.Split(strings.TrimSpace(p.Rule.Query+p.Rule.Buckets), "\n")...)
	if p.Rule.ZeroWhen != "" {
		section(&b, "Zero is proved by", strings.Split(p.Rule.ZeroWhen, "\n")...)
	}
	section(&b, "Target", p.HPA.Start+" ("+p.Unit+"): "+p.HPA.Derivation)
	section(&b, "Rules", strings.Split(strings.TrimSpace(rules), "\n")...)
	section(&b, "HPA", strings.Split(strings.TrimSpace(hpa), "\n")...)
	return b.String()
}

func section(b *strings.Builder, title string, lines ...string) {
	fmt.Fprintf(b, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

func bullets(texts []string) []string {
	lines := make([]string, len(texts))
	for i, text := range texts {
		lines[i] = "- " + text
	}
	return lines
}

func parameterLines(parameters []preset.Parameter) []string {
	var lines []string
	for _, one := range parameters {
		value := "default " + one.Default
		if one.Required() {
			value = "needed, such as " + one.Example
		}
		lines = append(lines, fmt.Sprintf("%s (%s, %s): %s", one.Name, one.Type, value, one.Meaning))
	}
	return lines
}

// together are the presets that an HPA reads: the one beside p, which decides, and p.
func together(p *preset.Preset) []*preset.Preset {
	if beside, ok := preset.Get(p.Beside); ok {
		return []*preset.Preset{beside, p}
	}
	return []*preset.Preset{p}
}

// presetRules is a configuration of the preset's rules, without a backend.
func presetRules(p *preset.Preset) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nrules:\n", rule.APIVersion, rule.Kind)
	for _, one := range together(p) {
		fmt.Fprintf(&b, "- metric: %s\n  preset: %s\n", one.Metric, one.Name)
		if one.Rule.Buckets != "" {
			fmt.Fprint(&b, "  of: deployments.apps\n")
		}
		var needed []string
		for _, parameter := range one.Parameters {
			if parameter.Required() {
				needed = append(needed, fmt.Sprintf("    %s: %s # %s\n", parameter.Name, parameter.Example, parameter.Meaning))
			}
		}
		if len(needed) > 0 {
			fmt.Fprintf(&b, "  with:\n%s", strings.Join(needed, ""))
		}
	}
	return b.String()
}

// presetHPA is an HPA that reads the preset. It needs no external metrics API: what
// has no object is read from its Namespace.
func presetHPA(p *preset.Preset) string {
	name := exampleService
	if p.Rule.Type == string(rule.TypeExternal) {
		name = exampleWorker
	}
	maxReplicas := ""
	if p.HPA.MaxReplicas != "" {
		maxReplicas = " # at most " + p.HPA.MaxReplicas
	}
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  minReplicas: 2
  maxReplicas: 20%[3]s
  metrics:
`, name, exampleNamespace, maxReplicas)
	for _, one := range together(p) {
		fmt.Fprintf(&b, "  # %s\n%s", one.HPA.Derivation, metricSpec(one))
	}
	return b.String()
}

// metricSpec is an element of the HPA's metrics.
func metricSpec(p *preset.Preset) string {
	field := "averageValue"
	if p.HPA.Target == "Value" {
		field = "value"
	}
	target := fmt.Sprintf("{type: %s, %s: %q}", p.HPA.Target, field, p.HPA.Start)
	if p.HPAType() == "Pods" {
		return fmt.Sprintf("  - type: Pods\n    pods:\n      metric: {name: %s}\n      target: %s\n", p.Metric, target)
	}
	return fmt.Sprintf("  - type: Object\n    object:\n      describedObject: {%s}\n      metric:\n        name: %s\n%s      target: %s\n",
		describedObject(p), p.Metric, selectorLines(p.HPA.Selector), target)
}

func describedObject(p *preset.Preset) string {
	switch {
	case p.Rule.Type == string(rule.TypeExternal) || p.Rule.Of == "namespaces":
		return "apiVersion: v1, kind: Namespace, name: " + exampleNamespace
	case p.Rule.Of == "ingresses.networking.k8s.io":
		return "apiVersion: networking.k8s.io/v1, kind: Ingress, name: " + exampleService
	case p.Rule.Of == "services":
		return "apiVersion: v1, kind: Service, name: " + exampleService
	default:
		return "apiVersion: apps/v1, kind: Deployment, name: " + exampleService
	}
}

func selectorLines(selector map[string]string) string {
	if len(selector) == 0 {
		return ""
	}
	var pairs []string
	for _, label := range slices.Sorted(maps.Keys(selector)) {
		pairs = append(pairs, fmt.Sprintf("%s: %q", label, selector[label]))
	}
	return fmt.Sprintf("        selector: {matchLabels: {%s}}\n", strings.Join(pairs, ", "))
}
