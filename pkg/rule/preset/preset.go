// Package preset holds the queries that are right for the metrics of well-known
// Python libraries, queues and proxies, as data: one YAML file for each.
//
//	p, ok := preset.Get("fastapi-p95")
//	r, wrong := p.Expand(map[string]string{"window": "1m"})
//	r.Buckets  // sum by (namespace, pod, le) (rate(http_request_duration_highr_seconds_bucket[60000ms]))
//
// A preset is all that a rule says but the metric's name and, for workloads, their
// kind, with what its reader has to know: what it assumes, how an HPA reads it, how
// to come to a target, and what goes wrong. The presets are part of the program: that
// they can be read is for the tests to show, and nothing here returns such an error.
//
// The labels namespace and pod are those of the Prometheus Operator's monitors,
// with honorLabels left at false. Where a backend has others, its label profile
// translates, see package rule.
//
// # Limitations
//
// A template is text with parameters in it. Whether it is PromQL is for package
// rule to say, which parses what Expand returns; its tests do so for every preset.
package preset

import (
	"regexp"
	"slices"
	"strings"
)

// A Preset is one way to measure the load on a service. It is immutable.
type Preset struct {
	// Name is what a configuration calls it.
	Name string `yaml:"-" json:"name"`
	// Title says in a few words what is measured.
	Title string `yaml:"title" json:"title"`
	// Stack is what exposes the metrics.
	Stack string `yaml:"stack" json:"stack"`
	// Draft says that its tests show the usual case at most, and not what happens
	// in a restart, an outage or the cases of its pitfalls.
	Draft bool `yaml:"draft" json:"draft"`
	// Evidence says where the names and labels of the metrics come from.
	Evidence Evidence `yaml:"evidence" json:"evidence"`
	// Assumptions are what has to be so for the numbers to be right.
	Assumptions []string `yaml:"assumptions" json:"assumptions"`
	// Metric is the name to serve it under, unless the user has a better one.
	Metric string `yaml:"metric" json:"metric"`
	// Unit is that of the value. Presets of different units never serve one metric.
	Unit string `yaml:"unit" json:"unit"`
	Rule Rule   `yaml:"rule" json:"rule"`
	HPA  HPA    `yaml:"hpa" json:"hpa"`
	// Beside is the preset of the proportional metric that an HPA reads together
	// with this one; "" for one that can stand alone.
	Beside     string      `yaml:"beside" json:"beside,omitempty"`
	Pitfalls   []string    `yaml:"pitfalls" json:"pitfalls"`
	Parameters []Parameter `yaml:"parameters" json:"parameters"`
}

// Evidence says how sure it is that metrics are called what a preset calls them.
type Evidence string

// The kinds of evidence.
const (
	Page   Evidence = "page"   // they were on the /metrics page of a real application
	Source Evidence = "source" // they were read in source code or documentation
)

// A Rule holds the fields of a configuration's rule, in its words. In a Preset the
// expressions are templates: $name stands for a parameter.
type Rule struct {
	Type        string   `yaml:"type" json:"type"`
	Of          string   `yaml:"of" json:"of,omitempty"` // "" for the user to say, and where the type says it
	Query       string   `yaml:"query" json:"query,omitempty"`
	Quantile    float64  `yaml:"quantile" json:"quantile,omitempty"`
	Buckets     string   `yaml:"buckets" json:"buckets,omitempty"`
	ObjectLabel string   `yaml:"objectLabel" json:"objectLabel,omitempty"`
	OnIdle      string   `yaml:"onIdle" json:"onIdle,omitempty"`
	OnNaN       string   `yaml:"onNaN" json:"onNaN,omitempty"`
	ZeroWhen    string   `yaml:"zeroWhen" json:"zeroWhen,omitempty"`
	Selectable  []string `yaml:"selectable" json:"selectable,omitempty"`
}

// An HPA says how a HorizontalPodAutoscaler reads the metric.
type HPA struct {
	// Target is the type of the target: AverageValue or Value.
	Target string `yaml:"target" json:"target"`
	// Start is a target to begin with, as a Kubernetes quantity, and Derivation
	// how to come to one's own.
	Start      string `yaml:"start" json:"start"`
	Derivation string `yaml:"derivation" json:"derivation"`
	// Selector holds an example for each label that has to be selected.
	Selector map[string]string `yaml:"selector" json:"selector,omitempty"`
	// MaxReplicas says what bounds the replicas, where something besides cost does.
	MaxReplicas string `yaml:"maxReplicas" json:"maxReplicas,omitempty"`
}

// HPAType is the type of the HPA's metric: Pods, or Object, which for External
// rules is the Namespace.
func (p *Preset) HPAType() string {
	if p.Rule.Type == "Pods" {
		return "Pods"
	}
	return "Object"
}

// Parameter returns the parameter of a name.
func (p *Preset) Parameter(name string) (Parameter, bool) {
	i := slices.IndexFunc(p.Parameters, func(one Parameter) bool { return one.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return p.Parameters[i], true
}

// Examples returns a value for each parameter that has no default.
func (p *Preset) Examples() map[string]string {
	examples := map[string]string{}
	for _, one := range p.Parameters {
		if one.Required() {
			examples[one.Name] = one.Example
		}
	}
	return examples
}

// placeholder is a parameter in a template. References of label_replace, such as
// $1 and ${1}, are none.
var placeholder = regexp.MustCompile(`\$[a-z][a-zA-Z]*`)

// Expand returns the rule with the parameters put in: those of with, and the
// defaults of the others. Names in with that the preset does not have mean
// nothing. It returns every parameter that is missing or wrong, and then no rule.
func (p *Preset) Expand(with map[string]string) (Rule, []ParameterError) {
	var wrong []ParameterError
	texts := map[string]string{}
	for _, one := range p.Parameters {
		text, err := one.text(with)
		if err != nil {
			wrong = append(wrong, *err)
		}
		texts["$"+one.Name] = text
	}
	if len(wrong) > 0 {
		return Rule{}, wrong
	}
	put := func(template string) string {
		text := placeholder.ReplaceAllStringFunc(template, func(name string) string { return texts[name] })
		return strings.TrimSpace(text)
	}
	r := p.Rule
	r.Query, r.Buckets, r.ZeroWhen = put(r.Query), put(r.Buckets), put(r.ZeroWhen)
	r.Selectable = slices.Clone(r.Selectable)
	return r, nil
}
