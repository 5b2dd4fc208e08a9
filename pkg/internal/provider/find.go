package provider

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A book is all rules at one time. It is immutable.
type book struct {
	operators *rule.Set
	teams     map[string]*rule.Set // by namespace
}

// SetRules replaces the rules of the operator. A read uses those of its beginning
// to its end.
func (p *Provider) SetRules(rules *rule.Set) {
	p.reader.Follow(rules.Rules)
	p.write.Lock()
	defer p.write.Unlock()
	p.rules.Store(&book{operators: rules, teams: p.rules.Load().teams})
}

// SetTeamRules replaces the rules that teams bring, by their namespaces. There they
// come before the operator's: a name that both have means in a namespace what its
// team says. One that is broken keeps the operator's from answering, since a
// number of another meaning is worse than none.
func (p *Provider) SetTeamRules(teams map[string]*rule.Set) {
	for _, rules := range teams {
		p.reader.Follow(rules.Rules)
	}
	p.write.Lock()
	defer p.write.Unlock()
	p.rules.Store(&book{operators: p.rules.Load().operators, teams: teams})
}

// team are the rules that a namespace brings itself.
func (b *book) team(namespace string) *rule.Set {
	if set, ok := b.teams[namespace]; ok {
		return set
	}
	return &rule.Set{}
}

// custom finds a rule for the objects of a namespace, or what keeps it from being
// served; neither if none is meant for sure.
func (b *book) custom(namespace, metric string, of rule.GroupResource) (*rule.Rule, rule.Problems) {
	team := b.team(namespace)
	if r, ok := team.Custom(metric, of); ok {
		return r, nil
	}
	if problems := team.CustomClaims(metric, of); len(problems) > 0 {
		return nil, problems
	}
	r, _ := b.operators.Custom(metric, of)
	return r, nil
}

// external is custom for external metrics.
func (b *book) external(namespace, metric string) (*rule.Rule, rule.Problems) {
	team := b.team(namespace)
	if r, ok := team.External(metric); ok {
		return r, nil
	}
	if problems := team.ExternalClaims(metric); len(problems) > 0 {
		return nil, problems
	}
	r, _ := b.operators.External(metric)
	return r, nil
}

// find returns the rule of a metric on a kind of object, for an object of that
// kind. A namespace is inside itself.
func (p *Provider) find(name types.NamespacedName, info provider.CustomMetricInfo) (*rule.Rule, error) {
	rules := p.rules.Load()
	var asked rule.GroupResource
	var namespace string
	for _, asked = range p.kinds(info.GroupResource) {
		namespace = name.Namespace
		if asked == namespaces {
			namespace = name.Name
		}
		r, problems := rules.custom(namespace, info.Metric, asked)
		switch {
		case r != nil:
			return r, nil
		case len(problems) > 0:
			return nil, &BrokenRuleError{Problems: problems}
		}
	}
	problems := slices.Concat(rules.team(namespace).CustomProblems(info.Metric, asked), rules.operators.CustomProblems(info.Metric, asked))
	return nil, rules.notServed(namespace, info.Metric, "on "+asked.String(), problems)
}

// kinds are the kinds of object that a path may mean: it may name the resource in
// the singular, or without its group.
func (p *Provider) kinds(named schema.GroupResource) []rule.GroupResource {
	kinds := []rule.GroupResource{{Group: named.Group, Resource: named.Resource}}
	if full, err := p.mapper.ResourceFor(named.WithVersion("")); err == nil {
		kinds = append(kinds, rule.GroupResource{Group: full.Group, Resource: full.Resource})
	}
	return kinds
}

// findExternal returns the rule of an external metric, for a namespace.
func (p *Provider) findExternal(namespace string, info provider.ExternalMetricInfo) (*rule.Rule, error) {
	rules := p.rules.Load()
	r, problems := rules.external(namespace, info.Metric)
	switch {
	case r != nil:
		return r, nil
	case len(problems) > 0:
		return nil, &BrokenRuleError{Problems: problems}
	}
	problems = slices.Concat(rules.team(namespace).ExternalProblems(info.Metric), rules.operators.ExternalProblems(info.Metric))
	return nil, rules.notServed(namespace, info.Metric, "as an external metric", problems)
}

// notServed is the error of a metric without a rule that could be read.
func (b *book) notServed(namespace, metric, asked string, problems rule.Problems) error {
	if len(problems) > 0 {
		return &BrokenRuleError{Problems: problems}
	}
	err := &UnknownMetricError{Asked: asked}
	for _, r := range slices.Concat(b.team(namespace).Rules, b.operators.Rules) {
		if r.Metric != metric {
			continue
		}
		if r.Type == rule.TypeExternal {
			err.Served = append(err.Served, "as an external metric")
		}
		err.Served = append(err.Served, "on "+r.Of.String())
	}
	slices.Sort(err.Served)
	err.Served = slices.Compact(err.Served)
	return err
}

// An UnknownMetricError says that no rule serves a metric as it was asked for.
type UnknownMetricError struct {
	Asked  string   // "on deployments.apps", "as an external metric"
	Served []string // how the metric is served instead
}

func (e *UnknownMetricError) Error() string {
	if len(e.Served) == 0 {
		return "no rule has this name"
	}
	return fmt.Sprintf("no rule serves it %s; it is served %s", e.Asked, strings.Join(e.Served, " and "))
}
