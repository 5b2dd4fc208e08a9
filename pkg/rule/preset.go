package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// A withConfig is one parameter of a preset, as it is written.
type withConfig struct {
	name  string
	at    Position // of the name
	value place.Field[string]
}

// names reads one name or a list of them.
func (d decoder) names(what string, node *yaml.Node) []place.Field[string] {
	elements := []*yaml.Node{node}
	if list := place.Target(node); list.Kind == yaml.SequenceNode {
		elements = list.Content
	}
	if len(elements) == 0 {
		at := d.At(place.Target(node))
		d.Report(at, fmt.Sprintf("field %q has no value", what), "")
		return []place.Field[string]{{At: at, Given: true}}
	}
	names := make([]place.Field[string], len(elements))
	for i, element := range elements {
		d.Text(what, &names[i])(element)
	}
	return names
}

// parameters reads what a rule says of its presets' parameters, whatever their
// names and types: these are for the presets to know.
func (d decoder) parameters(node *yaml.Node) []withConfig {
	var with []withConfig
	d.Each(node, "with", func(name, value *yaml.Node) {
		one := withConfig{name: name.Value, at: d.At(name)}
		place.Scalar(d.Decoder, name.Value, "a value", nil, &one.value, func(text string) (string, *place.Refusal) { return text, nil })(value)
		with = append(with, one)
	})
	return with
}

// A part is one of the presets that a rule is made of, with the rule's parameters
// put in.
type part struct {
	*preset.Preset
	at   Position // of its name
	rule preset.Rule
	expr *promexpr.Expr
}

// text is the expression of a preset.
func (p *part) text() string { return p.rule.Query + p.rule.Buckets }

// presets gives a rule the fields of the presets that it names, but for those that
// it has itself. The places of these fields are that of the first preset's name.
func (d decoder) presets(r *ruleConfig) {
	if len(r.presets) == 0 {
		if r.withAt != (Position{}) {
			d.Report(r.withAt, `field "with" holds the parameters of a preset, and the rule names none`, "")
		}
		return
	}
	parts := d.find(r.presets)
	if len(parts) < len(r.presets) || !d.fits(r, parts[0]) {
		// What else is missing, or too much, depends on the preset that is meant.
		r.typ = place.Field[Type]{At: r.presets[0].At, Given: true}
		return
	}
	expr := place.Field[*promexpr.Expr]{At: parts[0].at, Given: true}
	if d.expand(r, parts) && d.agree(parts) {
		expr.Value, expr.Valid = d.union(parts)
	}
	r.fill(parts[0], expr)
}

// find looks the presets up by their names.
func (d decoder) find(names []place.Field[string]) []part {
	var parts []part
	for _, name := range names {
		if !name.Valid {
			continue
		}
		p, known := preset.Get(name.Value)
		switch {
		case !known:
			hint := place.DidYouMean(name.Value, presetNames())
			if hint == "" {
				hint = `"pitot presets" lists them`
			}
			d.Report(name.At, fmt.Sprintf(`field "preset": there is no preset %q`, name.Value), hint)
		case slices.ContainsFunc(parts, func(other part) bool { return other.Preset == p }):
			d.Report(name.At, fmt.Sprintf(`field "preset": %q is given twice`, name.Value), "")
		default:
			parts = append(parts, part{Preset: p, at: name.At})
		}
	}
	return parts
}

func presetNames() []string {
	var names []string
	for _, p := range preset.All() {
		names = append(names, p.Name)
	}
	return names
}

// fits refuses fields of a rule that would leave nothing of a preset, or make
// another thing of it. It reports whether there are none.
func (d decoder) fits(r *ruleConfig, p part) bool {
	before := len(*d.Problems)
	for _, f := range []presence{
		{"query", r.query.At, r.query.Given},
		{"buckets", r.buckets.At, r.buckets.Given},
	} {
		if f.given {
			d.Report(f.at, fmt.Sprintf("field %q stands beside a preset, which has the expression", f.name),
				fmt.Sprintf(`leave out one of them; "pitot presets %s" prints the preset's`, p.Name))
		}
	}
	if p.Rule.Buckets != "" && r.typ.Valid && r.typ.Value != TypeObject {
		d.Report(r.typ.At, fmt.Sprintf(`field "type": preset %q is a quantile over the pods of a workload, so its type is Object`, p.Name), "")
	}
	return len(*d.Problems) == before
}

// expand puts the rule's parameters into its presets and parses what comes out.
// It reports whether all went well.
func (d decoder) expand(r *ruleConfig, parts []part) bool {
	before := len(*d.Problems)
	with := d.with(r, parts)
	reported := map[preset.ParameterError]bool{}
	for i := range parts {
		p := &parts[i]
		var wrong []preset.ParameterError
		p.rule, wrong = p.Expand(with)
		for _, one := range wrong {
			if !reported[one] {
				d.Report(r.parameter(one.Parameter, p.at), fmt.Sprintf("preset %q: parameter %q: %s", p.Name, one.Parameter, one.Cause), one.Hint)
			}
			reported[one] = true
		}
		if len(wrong) > 0 {
			continue
		}
		expr, err := promexpr.Parse(p.text())
		if err != nil {
			d.Report(p.at, fmt.Sprintf("preset %q is no PromQL with these parameters: %s", p.Name, oneLine(err)), "")
			continue
		}
		p.expr = expr
		r.looksBack(p.Preset, p.at)
	}
	return len(*d.Problems) == before
}

// with returns the parameters as written. One that no preset has is reported, and
// read as the one that it may be a misspelling of, so that nothing is missed.
func (d decoder) with(r *ruleConfig, parts []part) map[string]string {
	known := map[string]bool{}
	for _, p := range parts {
		for _, one := range p.Parameters {
			known[one.Name] = true
		}
	}
	names := slices.Sorted(maps.Keys(known))
	with := map[string]string{}
	for _, one := range r.with {
		switch {
		case !known[one.name]:
			hint := place.DidYouMean(one.name, names)
			switch {
			case len(names) == 0:
				hint = "it takes none"
			case hint == "":
				hint = "it takes " + strings.Join(names, ", ")
			}
			d.Report(one.at, fmt.Sprintf("preset %q has no parameter %q", parts[0].Name, one.name), hint)
			if meant, ok := place.Closest(one.name, names); ok && one.value.Valid {
				with[meant] = one.value.Value
			}
		case one.value.Valid:
			with[one.name] = one.value.Value
		}
	}
	return with
}

// parameter returns where a parameter's value is written; otherwise where it is not.
func (r *ruleConfig) parameter(name string, otherwise Position) Position {
	for _, one := range r.with {
		if one.name == name {
			return one.value.At
		}
	}
	return otherwise
}

// looksBack notes the preset's window, the shortest of several.
func (r *ruleConfig) looksBack(p *preset.Preset, at Position) {
	parameter, ok := p.Parameter(preset.Window)
	if !ok {
		return
	}
	text := parameter.Default
	for _, one := range r.with {
		if one.name == preset.Window && one.value.Valid {
			text, at = one.value.Value, one.value.At
		}
	}
	window, _ := time.ParseDuration(text) // Expand has.
	if !r.window.Given || window < r.window.Value {
		r.window = place.Field[time.Duration]{Value: window, At: at, Given: true, Valid: true}
	}
}

// agree reports whether the presets measure the same in the same way, so that one
// metric can be served from all of them.
func (d decoder) agree(parts []part) bool {
	agreed := true
	for i := range parts[1:] {
		first, other := &parts[0], &parts[i+1]
		if why := disagreement(first, other); why != "" {
			agreed = false
			d.Report(other.at, fmt.Sprintf("presets %q and %q cannot serve one metric: %s", first.Name, other.Name, why), "write a rule for each, with a metric of its own")
		}
	}
	return agreed
}

// disagreement says in what two presets differ that one rule cannot have twice.
func disagreement(a, b *part) string {
	for _, c := range []struct {
		what string
		a, b any
	}{
		{"units", a.Unit, b.Unit},
		{"types", a.rule.Type, b.rule.Type},
		{"kinds of object", a.rule.Of, b.rule.Of},
		{"object labels", a.rule.ObjectLabel, b.rule.ObjectLabel},
		{"quantiles", a.rule.Quantile, b.rule.Quantile},
		{"labels", a.expr.Labels(), b.expr.Labels()},
		{"selectable labels", a.rule.Selectable, b.rule.Selectable},
		{"proofs of zero", a.rule.ZeroWhen, b.rule.ZeroWhen},
		{"onIdle", a.rule.OnIdle, b.rule.OnIdle},
		{"onNaN", a.rule.OnNaN, b.rule.OnNaN},
	} {
		if left, right := fmt.Sprint(c.a), fmt.Sprint(c.b); left != right {
			return fmt.Sprintf("their %s differ (%s and %s)", c.what, orNone(left), orNone(right))
		}
	}
	return ""
}

func orNone(text string) string {
	if text == "" || text == "[]" {
		return "none"
	}
	return text
}

// union is the expression of presets that agree. The first that has series of an
// object answers for it: an object that two of them measure must not count twice.
func (d decoder) union(parts []part) (*promexpr.Expr, bool) {
	if len(parts) == 1 {
		return parts[0].expr, true
	}
	names, finite := parts[0].expr.Labels().Names()
	names = slices.DeleteFunc(names, func(name string) bool { return name == "le" })
	if !finite {
		d.Report(parts[0].at, fmt.Sprintf("preset %q stands alone: its result can have %s", parts[0].Name, parts[0].expr.Labels()), "")
		return nil, false
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = fmt.Sprintf("(%s)", p.expr)
	}
	expr, err := promexpr.Parse(strings.Join(texts, fmt.Sprintf(" or on (%s) ", strings.Join(names, ", "))))
	if err != nil {
		d.Report(parts[0].at, "the presets are no PromQL together: "+oneLine(err), "")
		return nil, false
	}
	return expr, true
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// fill gives the rule what it does not say itself.
func (r *ruleConfig) fill(p part, expr place.Field[*promexpr.Expr]) {
	at, from := p.at, p.rule
	if !expr.Valid {
		from = p.Rule // The templates say the rest as well.
		from.ZeroWhen = ""
	}
	if from.Buckets != "" {
		r.buckets = expr
	} else {
		r.query = expr
	}
	fillText(&r.typ, at, Type(from.Type))
	fillText(&r.objectLabel, at, from.ObjectLabel)
	fillText(&r.onIdle, at, Policy(from.OnIdle))
	fillText(&r.onNaN, at, Policy(from.OnNaN))
	if from.Of != "" {
		of, _ := parseKind(from.Of)
		fill(&r.of, at, of)
	}
	if from.Quantile != 0 {
		fill(&r.quantile, at, from.Quantile)
	}
	if proof, err := promexpr.Parse(from.ZeroWhen); err == nil {
		fill(&r.zeroWhen, at, proof)
	}
	if len(r.selectable) == 0 {
		for _, label := range from.Selectable {
			r.selectable = append(r.selectable, place.Field[string]{Value: label, At: at, Given: true, Valid: true})
		}
	}
}

func fill[T any](f *place.Field[T], at Position, value T) {
	if !f.Given {
		*f = place.Field[T]{Value: value, At: at, Given: true, Valid: true}
	}
}

func fillText[T ~string](f *place.Field[T], at Position, value T) {
	if value != "" {
		fill(f, at, value)
	}
}
