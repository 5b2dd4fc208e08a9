package detect

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// A Writing turns presets that fit into files.
type Writing struct {
	// Name and Namespace are those of the Deployment that is scaled.
	Name, Namespace string
	// Objective sets the quantile and the target of latencies. Without one no
	// latency is in the HPA: what users may be kept waiting is not for a program to say.
	Objective Objective
	// With holds parameters of presets.
	With map[string]string
}

// Problems returns what is wrong with the parameters: those that no preset has,
// and values that a preset refuses.
func (w Writing) Problems(fits []Fit) []string {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(w.With)) {
		if !slices.ContainsFunc(fits, func(f Fit) bool { _, has := f.Preset.Parameter(name); return has }) {
			wrong = append(wrong, fmt.Sprintf("none of the presets that fit has a parameter %q", name))
		}
	}
	for _, f := range fits {
		given := f.Preset.Examples()
		maps.Copy(given, w.With)
		_, errs := f.Preset.Expand(given)
		for _, err := range errs {
			if text := f.Name + ": " + err.Error(); !slices.Contains(wrong, text) {
				wrong = append(wrong, text)
			}
		}
	}
	return wrong
}

// Needs returns the parameters that a preset has to be given and was not.
func (w Writing) Needs(p *preset.Preset) []preset.Parameter {
	return slices.DeleteFunc(slices.Clone(p.Parameters), func(parameter preset.Parameter) bool {
		_, given := w.With[parameter.Name]
		return given || !parameter.Required()
	})
}

// A served metric is one rule: a metric, and the presets that answer for it.
type served struct {
	metric  string
	presets []*preset.Preset
}

// serves chooses what to serve: of each library the first preset for a metric, and
// drafts only where there is nothing else.
func (w Writing) serves(fits []Fit) []served {
	complete := slices.ContainsFunc(fits, func(f Fit) bool { return !f.Preset.Draft && len(w.Needs(f.Preset)) == 0 })
	var rules []served
	by := map[string]bool{} // a library has a preset for a metric
	for _, f := range fits {
		key := f.Library + "\x00" + f.Preset.Metric
		if by[key] || f.Preset.Draft && complete || len(w.Needs(f.Preset)) > 0 {
			continue
		}
		by[key] = true
		metric := w.metric(f.Preset)
		at := slices.IndexFunc(rules, func(r served) bool { return r.metric == metric })
		if at < 0 {
			rules = append(rules, served{metric: metric, presets: []*preset.Preset{f.Preset}})
		} else if !slices.Contains(rules[at].presets, f.Preset) {
			rules[at].presets = append(rules[at].presets, f.Preset)
		}
	}
	return rules
}

// isLatency reports whether a preset is a quantile of durations.
func isLatency(p *preset.Preset) bool { return p.Unit == "seconds" && p.HPA.Target == "Value" }

// metric is the name to serve a preset under: that of a latency says its percentile.
func (w Writing) metric(p *preset.Preset) string {
	if !isLatency(p) {
		return p.Metric
	}
	return strings.Replace(p.Metric, "p95", strings.ReplaceAll(w.Objective.percentile(), ".", "_"), 1)
}

// Rules is a configuration of the presets, without a backend; "" when none can be
// written. It is one that rule.Load takes, beside one with a backend.
func (w Writing) Rules(fits []Fit) string {
	rules := w.serves(fits)
	if len(rules) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprint(&b, "apiVersion: pitot.dev/v1alpha1\nkind: Config\nrules:\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "- metric: %s\n  preset: %s\n", r.metric, r.presetNames())
		first := r.presets[0]
		if first.Rule.Buckets != "" {
			fmt.Fprint(&b, "  of: deployments.apps\n")
		}
		with := w.with(r.presets)
		if isLatency(first) && w.Objective.set() {
			quantile := strconv.FormatFloat(w.Objective.Quantile, 'g', -1, 64)
			if _, has := first.Parameter("quantile"); has {
				with["quantile"] = quantile
			} else if w.Objective.Quantile != first.Rule.Quantile {
				fmt.Fprintf(&b, "  quantile: %s\n", quantile)
			}
		}
		if len(with) > 0 {
			fmt.Fprint(&b, "  with:\n")
		}
		for _, name := range slices.Sorted(maps.Keys(with)) {
			fmt.Fprintf(&b, "    %s: %s\n", name, quoted(with[name]))
		}
	}
	return b.String()
}

func (r served) presetNames() string {
	if len(r.presets) == 1 {
		return r.presets[0].Name
	}
	var all []string
	for _, p := range r.presets {
		all = append(all, p.Name)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// with are the parameters that one of some presets has.
func (w Writing) with(presets []*preset.Preset) map[string]string {
	with := map[string]string{}
	for name, value := range w.With {
		if slices.ContainsFunc(presets, func(p *preset.Preset) bool { _, has := p.Parameter(name); return has }) {
			with[name] = value
		}
	}
	return with
}

// quoted is a value as YAML.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// HPA is a HorizontalPodAutoscaler on what decides (the first preset that is
// proportional to the load) and, with an objective, on the latency beside it. It
// reads Pods and Object metrics only: what has no object is read from its
// Namespace. It is "" when nothing that fits can decide.
func (w Writing) HPA(fits []Fit) string {
	rules := w.serves(fits)
	at := slices.IndexFunc(rules, func(r served) bool { return !isLatency(r.presets[0]) })
	if at < 0 {
		return ""
	}
	read := []served{rules[at]}
	for _, r := range rules {
		if w.Objective.set() && isLatency(r.presets[0]) && r.presets[0].Beside == read[0].presets[0].Name {
			read = append(read, r)
			break
		}
	}
	bound := "" // what keeps more replicas from helping
	if most := read[0].presets[0].HPA.MaxReplicas; most != "" {
		bound = " # at most " + most
	}
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %[1]q, namespace: %[2]q}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]q}
  minReplicas: 2
  maxReplicas: 20%[3]s
  metrics:
`, w.Name, w.Namespace, bound)
	for _, r := range read {
		b.WriteString(w.metricSpec(r))
	}
	return b.String()
}

// metricSpec is an element of the HPA's metrics, with how its target came about.
func (w Writing) metricSpec(r served) string {
	p := r.presets[0]
	field, target, derivation := "averageValue", p.HPA.Start, "An example, to be replaced by yours: "+p.HPA.Derivation
	if p.HPA.Target == "Value" {
		field = "value"
	}
	if isLatency(p) && w.Objective.set() {
		target = strconv.FormatFloat(w.Objective.target()*1000, 'f', 0, 64) + "m"
		derivation = fmt.Sprintf("%g %% of the objective, %s.", 100*targetShare, w.Objective)
	}
	head := "  # " + derivation + "\n"
	goal := fmt.Sprintf("{type: %s, %s: %q}", p.HPA.Target, field, target)
	if p.HPAType() == "Pods" {
		return head + fmt.Sprintf("  - type: Pods\n    pods:\n      metric: {name: %s}\n      target: %s\n", r.metric, goal)
	}
	return head + fmt.Sprintf("  - type: Object\n    object:\n      describedObject: %s\n      metric:\n        name: %s\n%s      target: %s\n",
		w.describedObject(p), r.metric, selector(p), goal)
}

// describedObject is what a metric is of. An Ingress or Service may be called
// otherwise than the Deployment.
func (w Writing) describedObject(p *preset.Preset) string {
	switch {
	case p.Rule.Type == "External" || p.Rule.Of == "namespaces":
		return fmt.Sprintf("{apiVersion: v1, kind: Namespace, name: %q}", w.Namespace)
	case p.Rule.Of == "ingresses.networking.k8s.io":
		return fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: Ingress, name: %q} # yours", w.Name)
	case p.Rule.Of == "services":
		return fmt.Sprintf("{apiVersion: v1, kind: Service, name: %q} # yours", w.Name)
	default:
		return fmt.Sprintf("{apiVersion: apps/v1, kind: Deployment, name: %q}", w.Name)
	}
}

// selector is the example of what has to be selected.
func selector(p *preset.Preset) string {
	if len(p.HPA.Selector) == 0 {
		return ""
	}
	var pairs []string
	for _, label := range slices.Sorted(maps.Keys(p.HPA.Selector)) {
		pairs = append(pairs, fmt.Sprintf("%s: %q", label, p.HPA.Selector[label]))
	}
	return fmt.Sprintf("        selector: {matchLabels: {%s}} # yours\n", strings.Join(pairs, ", "))
}
