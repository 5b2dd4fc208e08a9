package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// A ruleCheck reports what is wrong with one rule.
type ruleCheck struct {
	*ruleConfig
	place.Reporter
}

// metricName is PromQL's. Of what fits into a segment of a URL's path, this is
// the part that every HPA, kubectl --raw and PromQL can take without quoting.
var metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

func (c ruleCheck) name() {
	switch {
	case !c.metric.Given:
		c.Report(c.at, `field "metric" is missing: every rule needs it`, c.metricHint())
	case c.metric.Valid && !metricName.MatchString(c.metric.Value):
		c.Report(c.metric.At, `field "metric": a name has letters, digits, "_" and ":", and begins with no digit`,
			fmt.Sprintf("write %q", asMetricName(c.metric.Value)))
	}
}

// metricHint is the usual name of what the rule's preset measures.
func (c ruleCheck) metricHint() string {
	if len(c.presets) > 0 {
		if p, known := preset.Get(c.presets[0].Value); known {
			return fmt.Sprintf("name it, as in metric: %s", p.Metric)
		}
	}
	return ""
}

// asMetricName replaces what a metric name cannot have.
func asMetricName(text string) string {
	name := regexp.MustCompile(`[^a-zA-Z0-9_:]+`).ReplaceAllString(text, "_")
	if !metricName.MatchString(name) {
		return "_" + name
	}
	return name
}

// fields reports the fields that the shape of the rule lacks or cannot have.
func (c ruleCheck) fields() {
	shape := c.shape()
	if !c.typ.Given {
		c.Report(c.at, `field "type" is missing: every rule needs it`, `write type: Pods, type: Object or type: External, as in the HPA`)
	}
	if shape == undecided {
		c.undecided()
		return
	}
	known := shapeFields[shape]
	for _, f := range c.shaped() {
		switch {
		case !f.given && slices.Contains(known.needs, f.name):
			c.Report(c.at, fmt.Sprintf("field %q is missing: %s needs it", f.name, shape), missingHint(f.name))
		case f.given && !slices.Contains(known.needs, f.name) && !slices.Contains(known.may, f.name):
			c.Report(f.at, fmt.Sprintf("field %q does not belong to %s", f.name, shape), strayHint(shape, f.name))
		}
	}
}

// missingHint says how to write a field that presets leave to the user.
func missingHint(name string) string {
	if name == "of" {
		return "name the kind of object, as in of: deployments.apps"
	}
	return ""
}

// undecided reports an Object rule that does not say how a sample becomes the
// value of an object.
func (c ruleCheck) undecided() {
	if c.typ.Value != TypeObject {
		return
	}
	if !c.of.Given {
		c.Report(c.at, `field "of" is missing: an Object rule needs it`, missingHint("of"))
		return
	}
	if !c.of.Valid {
		return
	}
	const cause = "the rule does not say how its samples make the value of an object"
	if c.of.Value.mayHavePods() {
		c.Report(c.at, cause, "add aggregate: sum, max or avg over the object's pods, or quantile and buckets, or the objectLabel with the object's name")
		return
	}
	c.Report(c.at, cause, fmt.Sprintf("add the label with the object's name, as in objectLabel: %s", c.of.Value.singular()))
}

// strayHint says where a field belongs that a shape does not have.
func strayHint(s shape, name string) string {
	switch {
	case name == "query" && s == ofQuantile:
		return `the expression of a quantile is in "buckets"`
	case name == "scope":
		return "the namespace of the object decides; a scope is for External rules"
	case name == "zeroWhen" && s == ofPods:
		return "a pod without a series is left out and never counts as zero: the HPA itself treats missing pods with care"
	case name == "zeroWhen":
		return "a quantile is idle when its series are there and count nothing, see onIdle"
	case name == "onIdle":
		return "only a quantile can be idle"
	case name == "onEmpty" && s == ofPods:
		return "a pod without a series is left out and never counts as zero: the HPA itself treats missing pods with care"
	case name == "onEmpty":
		return "no series is no proof that nothing happened; onIdle: zero serves 0 when the series are there and count nothing"
	case name == "onNaN":
		return "a quantile of no observations is idle, see onIdle; any other NaN is a mistake in the buckets"
	case s == ofPods:
		return "a Pods metric is one value for each pod; a value for the workload needs type: Object with of: deployments.apps"
	case s == ofExternal:
		return "an External metric has no object; a value for an object needs type: Object"
	}
	return ""
}

// numbers checks the quantile.
func (c ruleCheck) numbers() {
	q := c.quantile.Value
	if !c.quantile.Valid || (q > 0 && q < 1) {
		return
	}
	hint := ""
	if q > 1 && q < 100 {
		hint = fmt.Sprintf("did you mean %.6g?", q/100)
	}
	c.Report(c.quantile.At, fmt.Sprintf(`field "quantile": %g is not between 0 and 1`, q), hint)
}

// ownership refuses to aggregate over the pods of a kind that has none.
func (c ruleCheck) ownership() {
	shape, of := c.shape(), c.of.Value
	if !c.of.Valid || (shape != ofAggregate && shape != ofQuantile) {
		return
	}
	switch {
	case of == pods:
		c.Report(c.of.At, "a pod has no pods to aggregate over", "a value for each pod is type: Pods")
	case of == namespaces:
		c.Report(c.of.At, "namespaces are no workload with pods to aggregate over", "aggregate in the query: sum by (namespace) (...)")
	case !of.mayHavePods():
		c.Report(c.of.At, fmt.Sprintf("%s have no pods to aggregate over", of),
			fmt.Sprintf("give the label with the object's name instead, as in objectLabel: %s", of.singular()))
	}
}

// object refuses a label that cannot hold the object's name.
func (c ruleCheck) object() {
	shape := c.shape()
	if !c.objectLabel.Given || !c.objectLabel.Valid || (shape != ofObject && shape != ofNamespaces) {
		return
	}
	label, cause, hint := c.objectLabel.Value, "", ""
	switch {
	case !labelName.MatchString(label):
		cause = fmt.Sprintf("%q is not a label name", label)
	case shape == ofNamespaces && label != NamespaceLabel:
		cause, hint = fmt.Sprintf(`the label with a namespace's name is "namespace", not %q`, label), "leave objectLabel out"
	case shape == ofObject && label == NamespaceLabel:
		cause = fmt.Sprintf("%q is the object's namespace, not its name", label)
		hint = fmt.Sprintf("name another label, as in objectLabel: %s", c.of.Value.singular())
	default:
		return
	}
	c.Report(c.objectLabel.At, `field "objectLabel": `+cause, hint)
}

// labels reports labels that the result lacks, judging by the expression.
func (c ruleCheck) labels() {
	name, expr := c.expr()
	if !expr.Valid {
		return
	}
	carried := expr.Value.Labels()
	required := c.requiredLabels()
	for _, label := range required {
		if !carried.Has(label) {
			c.Report(expr.At, fmt.Sprintf("field %q: the result cannot have the label %q; it can have %s", name, label, carried),
				c.labelHint(label, required, expr.Value))
		}
	}
}

// labelHint says how the result gets a label: put right a name that looks like
// it, or else group by it.
func (c ruleCheck) labelHint(label string, required []string, expr *promexpr.Expr) string {
	names, _ := expr.Labels().Names()
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(required, name) })
	if name, ok := place.Closest(label, names); ok {
		return fmt.Sprintf("did you mean %q where the expression says %q?", label, name)
	}
	return fmt.Sprintf("group by (%s)", strings.Join(required, ", "))
}

// selectableLabel is a label of PromQL that an HPA can name as well: the keys of
// its selectors begin and end with a letter or digit and have 63 characters.
var selectableLabel = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_]{0,61}[a-zA-Z0-9])?$`)

// selection checks the selectable labels.
func (c ruleCheck) selection() {
	seen := map[string]bool{}
	for _, f := range c.selectable {
		if !f.Valid {
			continue
		}
		switch {
		case f.Value == NamespaceLabel || f.Value == PodLabel || f.Value == "le":
			c.Report(f.At, fmt.Sprintf(`field "selectable": %q is not for selection`, f.Value), "Pitot itself decides by namespace, pod and le")
		case f.Value == c.objectLabel.Value:
			c.Report(f.At, fmt.Sprintf(`field "selectable": %q is not for selection`, f.Value), "it is the objectLabel: the name of the object decides")
		case !selectableLabel.MatchString(f.Value):
			c.Report(f.At, fmt.Sprintf(`field "selectable": %q is not a label that an HPA can select by`, f.Value), `use letters, digits and "_" within`)
		case seen[f.Value]:
			c.Report(f.At, fmt.Sprintf(`field "selectable": %q is given twice`, f.Value), "")
		}
		seen[f.Value] = true
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// reference checks the rule's backend. Without any backend the reference says
// nothing that the lack of backends does not.
func (c ruleCheck) reference(backends []backendConfig) {
	var names []string
	for _, b := range backends {
		if !b.name.Valid {
			return
		}
		names = append(names, b.name.Value)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
	case !c.backend.Given && len(names) > 1:
		c.Report(c.at, `field "backend" is missing: there is more than one`, "name "+place.List(names))
	case c.backend.Valid && !slices.Contains(names, c.backend.Value):
		c.Report(c.backend.At, fmt.Sprintf(`field "backend": there is no backend %q`, c.backend.Value), place.DidYouMean(c.backend.Value, names))
	}
}

// enough refuses a preset's window that holds too few samples of the backend. What
// an expression of the user's own looks back over is the user's to know.
func (c ruleCheck) enough(backends []backendConfig) {
	for _, b := range backends {
		least := preset.Samples * b.scrapeInterval.Value
		if !c.window.Valid || !b.scrapeInterval.Valid || !b.name.Valid || b.name.Value != c.backend.Value || c.window.Value >= least {
			continue
		}
		c.Report(c.window.At, fmt.Sprintf("the window of %s is shorter than %d scrapes of backend %q, one each %s: its values would come and go",
			model.Duration(c.window.Value), preset.Samples, b.name.Value, model.Duration(b.scrapeInterval.Value)),
			fmt.Sprintf("write with: {window: %s}", model.Duration(least)))
		return
	}
}

// uniqueness reports a rule that answers to the same question as an earlier one.
func (c ruleCheck) uniqueness(taken map[key]*ruleConfig) {
	if !c.metric.Valid || !c.typ.Valid || !c.of.Valid {
		return
	}
	compiled := c.compile()
	for _, k := range compiled.keys() {
		if first, repeated := taken[k]; repeated {
			c.Report(c.at, fmt.Sprintf("%s is already defined at %s", k, first.at), "")
			return
		}
	}
	for _, k := range compiled.keys() {
		taken[k] = c.ruleConfig
	}
}

// String says what is asked for, in a message.
func (k key) String() string {
	if k.external {
		return fmt.Sprintf("the External metric %q", k.metric)
	}
	return fmt.Sprintf("the metric %q of %s", k.metric, k.of)
}
