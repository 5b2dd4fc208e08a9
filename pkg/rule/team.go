package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// What a team may ask for. It is generous for rules that people write, and bounds
// what one namespace can cost everybody else.
const (
	// MaxTeamRules is how many rules the ConfigMaps of a namespace have together.
	MaxTeamRules = 50
	// MaxTeamConfigMaps is how many ConfigMaps of a namespace are read.
	MaxTeamConfigMaps = 20
	// MaxTeamBytes is how much text the files of a ConfigMap have together.
	MaxTeamBytes = 64 << 10
	// MaxTeamResponseBytes bounds one answer of a backend to a team, decoded.
	MaxTeamResponseBytes = 4 << 20

	maxTeamExpression = 4 << 10        // bytes
	maxTeamRegexp     = 1 << 10        // bytes
	maxTeamSelectors  = 50             // in an expression
	maxTeamSelections = 3000           // of series, in one evaluation
	maxTeamWindow     = 24 * time.Hour // looked back over
)

// A Team is a namespace that brings rules of its own.
type Team struct {
	Namespace string
	// Backends are those of the operator that are open to teams. nil: they are not
	// known, and what rules say of backends is not checked.
	Backends []Backend
}

// TeamOf is a namespace beside this configuration of the operator.
func (s *Set) TeamOf(namespace string) Team {
	team := Team{Namespace: namespace, Backends: []Backend{}}
	for _, b := range s.Backends {
		if b.Teams {
			team.Backends = append(team.Backends, b)
		}
	}
	return team
}

// ForTeam is the backend as a namespace asks it: under a name of its own, so that
// what a team does to it (queries that are slow, answers that are large) is
// nobody else's trouble.
func (b Backend) ForTeam(namespace string) Backend {
	b.Name += "/" + namespace
	b.MaxResponseBytes = min(b.MaxResponseBytes, MaxTeamResponseBytes)
	return b
}

// LoadTeam is LoadPartial for the rules of a team. They are rules like any other,
// but that
//
//   - there are no backends among them: a rule names one that is open to teams, and
//     need not where that is the only one;
//   - whatever its expressions say, they read the series of the team's namespace
//     alone: each of their selectors is confined to it;
//   - their number, length and cost are bounded.
//
// The backends of the set are those of the team, see ForTeam.
func LoadTeam(team Team, m ConfigMap) (*Set, Problems) {
	c := team.check(m)
	if len(c.problems) == 0 {
		return team.confine(c.compile()), nil
	}
	return team.confine(c.compilePartial()), c.problems
}

// Keep is Set.Keep for the rules of a team, without those that may no longer be
// asked: their backend is gone, or not open any more.
func (t Team) Keep(now, last *Set) *Set {
	allowed := &Set{Backends: last.Backends}
	for _, r := range last.Rules {
		open := func(b Backend) bool { return b.ForTeam(t.Namespace).Name == r.Backend }
		if r.Namespace == t.Namespace && slices.ContainsFunc(t.Backends, open) {
			allowed.Rules = append(allowed.Rules, r)
		}
	}
	return now.Keep(allowed)
}

// check reads the ConfigMap and finds everything that is wrong with it.
func (t *Team) check(m ConfigMap) *config {
	c := config{team: t}
	v := validator{config: &c, files: m.Files}
	if v.size(m.Position) {
		for _, f := range m.Files {
			c.read(f)
		}
	}
	for _, b := range t.Backends {
		c.backends = append(c.backends, b.known())
	}
	c.setDefaults()
	v.teamPresence(m.Position)
	v.rules()
	c.problems.sort()
	return &c
}

// known is a backend as if it were written: what the validation of rules asks of it.
func (b Backend) known() backendConfig {
	return backendConfig{
		name:           place.Field[string]{Value: b.Name, Valid: true},
		scrapeInterval: place.Field[time.Duration]{Value: b.ScrapeInterval, Valid: true},
		labels:         place.Field[Profile]{Value: b.Labels, Valid: true},
		compiled:       &b,
	}
}

// report adds a problem of the ConfigMap as a whole.
func (v *validator) report(at Position, cause, hint string) {
	var problems place.Problems
	place.Reporter{Problems: &problems}.Report(at, cause, hint)
	v.config.problems = append(v.config.problems, subject{}.own(problems)...)
}

// size reports more text than is read, and whether there is no more.
func (v *validator) size(at Position) bool {
	total := 0
	for _, f := range v.files {
		total += len(f.Text)
	}
	if total <= MaxTeamBytes {
		return true
	}
	v.config.gaps = true
	v.report(at, fmt.Sprintf("the files of the ConfigMap have more than %d bytes: none of them is read", MaxTeamBytes), "")
	return false
}

// teamPresence reports what cannot serve anything.
func (v *validator) teamPresence(at Position) {
	if backends := v.config.team.Backends; backends != nil && len(backends) == 0 {
		v.report(at, "no backend is open to teams", "the operator of Pitot writes teams: true into one of the backends")
	}
	switch {
	case len(v.files) == 0:
		v.report(at, "the ConfigMap has no rules", "write them into an entry that ends in .yaml or .yml, as in rules.yaml: |")
	case len(v.config.rules) == 0 && !v.config.gaps:
		v.report(at, "no rule is in it: there is nothing to serve", "to remove the rules, delete the ConfigMap or its label")
	}
}

// few are as many rules as a team may have, counting those that were read before.
func (d decoder) few(elements []*yaml.Node, into *config) []*yaml.Node {
	left := MaxTeamRules - len(into.rules)
	if into.team == nil || len(elements) <= left {
		return elements
	}
	d.Report(d.At(place.Target(elements[left])), fmt.Sprintf("these are more than %d rules, which is the most for a namespace: the rest is not read", MaxTeamRules), "")
	return elements[:left]
}

// team reports what a team may not ask.
func (c ruleCheck) team(t *Team) {
	if c.scope.Given && c.scope.Value == ScopeCluster {
		c.Report(c.scope.At, `field "scope": a team's rule answers with the series of its own namespace`, "leave scope out")
	}
	for _, f := range []struct {
		name string
		expr place.Field[*promexpr.Expr]
	}{{"query", c.query}, {"buckets", c.buckets}, {"zeroWhen", c.zeroWhen}} {
		if f.expr.Valid && f.expr.Value != nil {
			c.foreign(t, f.name, f.expr)
			c.cost(f.name, f.expr)
		}
	}
}

// foreign reports a selector that could only find series of other namespaces. It
// would find none: the text says what its author did not mean.
func (c ruleCheck) foreign(t *Team, name string, expr place.Field[*promexpr.Expr]) {
	for _, m := range expr.Value.Matchers(NamespaceLabel) {
		if t.Namespace != "" && !m.Matches(t.Namespace) {
			c.Report(expr.At, fmt.Sprintf("field %q: %s selects series of another namespace, and the rule sees those of %q alone", name, m, t.Namespace),
				"leave the namespace out: Pitot adds the own one to every selector")
			return
		}
	}
	if _, err := expr.Value.Confine(t.own()); err != nil {
		c.Report(expr.At, fmt.Sprintf("field %q: %s", name, err), "")
	}
}

// cost reports an expression that is too expensive.
func (c ruleCheck) cost(name string, expr place.Field[*promexpr.Expr]) {
	cost, window := expr.Value.Cost(), expr.Value.Window()
	if cost.Selectors > maxTeamSelectors {
		c.Report(expr.At, fmt.Sprintf("field %q: it has %d selectors, and %d is the most for a team", name, cost.Selectors, maxTeamSelectors), "")
	}
	if cost.Selections > maxTeamSelections {
		c.Report(expr.At, fmt.Sprintf("field %q: one evaluation selects series %d times, and %d is the most for a team", name, cost.Selections, maxTeamSelections),
			"use a longer step or a shorter range in subqueries")
	}
	if cost.Regexp > maxTeamRegexp {
		c.Report(expr.At, fmt.Sprintf("field %q: a regular expression has %d bytes, and %d is the most for a team", name, cost.Regexp, maxTeamRegexp), "")
	}
	if window > maxTeamWindow {
		c.Report(expr.At, fmt.Sprintf("field %q: it looks back over %s, and %s is the most for a team", name, model.Duration(window), model.Duration(maxTeamWindow)), "")
	}
}

// own is what a series of the namespace satisfies, and no other does.
func (t *Team) own() *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, NamespaceLabel, t.Namespace)
}

// confine makes the rules of a set those of the team: each asks a backend of the
// team's, and of it nothing but the series of the namespace. It is the last step:
// nothing changes an expression after it but by adding matchers, or by renaming
// labels throughout.
func (t *Team) confine(set *Set) *Set {
	confined := &Set{byKey: map[key]*Rule{}, broken: set.broken}
	for _, b := range set.Backends {
		confined.Backends = append(confined.Backends, b.ForTeam(t.Namespace))
	}
	for _, r := range set.Rules {
		if r.confine(t) {
			confined.add(r)
		}
	}
	return confined
}

// confine reports whether the rule could be confined. Where it could not, the
// check of the rule has said so.
func (r *Rule) confine(t *Team) bool {
	for _, expr := range []**promexpr.Expr{&r.Query, &r.Buckets, &r.ZeroWhen} {
		if *expr == nil {
			continue
		}
		confined, err := (*expr).Confine(t.own())
		if err != nil {
			return false
		}
		*expr = confined
	}
	if r.ZeroWhen != nil {
		r.proof = r.ZeroWhen.Fresh(r.MaxSampleAge)
	}
	r.Namespace = t.Namespace
	r.Backend = Backend{Name: r.Backend}.ForTeam(t.Namespace).Name
	return true
}

// Gather puts sets of a namespace together, those first that came first: of rules
// for the same metric and kind, that of the earliest set is served, and no more
// than MaxTeamRules in all. It returns for each set what it lost by that.
func Gather(sets ...*Set) (*Set, []Problems) {
	all := &Set{byKey: map[key]*Rule{}, broken: &broken{byKey: map[key]Problems{}, byMetric: map[string]Problems{}, files: map[string]bool{}}}
	lost := make([]Problems, len(sets))
	for i, set := range sets {
		for _, r := range set.Rules {
			if cause, hint := all.denies(r); cause != "" {
				lost[i] = append(lost[i], Problem{Problem: place.Problem{Position: r.Position, Subject: subject{rule: r.Metric}.String(), Cause: cause, Hint: hint}, Rule: r.Metric})
				continue
			}
			all.add(r)
		}
		for _, b := range set.Backends {
			if _, known := all.Backend(b.Name); !known {
				all.Backends = append(all.Backends, b)
			}
		}
		all.broken.join(set.broken)
	}
	return all, lost
}

// denies says why a rule cannot be served beside those that are there.
func (s *Set) denies(r *Rule) (cause, hint string) {
	for _, k := range r.keys() {
		if first, taken := s.byKey[k]; taken {
			return fmt.Sprintf("%s is already defined at %s, in an older ConfigMap", k, first.Position), "leave one of them out"
		}
	}
	if len(s.Rules) >= MaxTeamRules {
		return fmt.Sprintf("the ConfigMaps of the namespace have more than %d rules", MaxTeamRules), "the oldest are served: delete some"
	}
	return "", ""
}

// join adds what another set of the namespace lacks.
func (b *broken) join(other *broken) {
	if other == nil {
		return
	}
	b.rules += other.rules
	for k, problems := range other.byKey {
		b.byKey[k] = append(b.byKey[k], problems...)
	}
	for metric, problems := range other.byMetric {
		b.byMetric[metric] = append(b.byMetric[metric], problems...)
	}
	b.hiding = append(b.hiding, other.hiding...)
	b.unread = append(b.unread, other.unread...)
}

// CustomClaims is CustomProblems where the set is sure to mean the metric, or can
// be: some text that it could not read has the name. Then no other set may answer.
func (s *Set) CustomClaims(metric string, of GroupResource) Problems {
	return s.broken.claim(key{metric: metric, of: of})
}

// ExternalClaims is CustomClaims for the external metrics API.
func (s *Set) ExternalClaims(metric string) Problems {
	return s.broken.claim(key{external: true, metric: metric})
}

func (b *broken) claim(k key) Problems {
	if b == nil {
		return nil
	}
	if len(b.byKey[k]) > 0 || len(b.byMetric[k.metric]) > 0 || slices.ContainsFunc(b.unread, func(text string) bool { return strings.Contains(text, k.metric) }) {
		return b.why(k)
	}
	return nil
}
