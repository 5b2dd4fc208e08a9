package app

import (
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A change is one thing that a load made different, as a line of the log.
type change struct {
	level zapcore.Level
	text  string
	about []zap.Field
}

func (c change) log(to *zap.Logger) { to.Log(c.level, c.text, c.about...) }

// changes says what is different in b, a later load than a.
func changes(a, b *configuration) []change {
	return slices.Concat(problemChanges(a, b), ruleChanges(a, b), backendChanges(a, b))
}

// problemChanges are the problems that are new. One that only moved is not.
func problemChanges(a, b *configuration) []change {
	known := make(map[rule.Problem]bool)
	for _, p := range a.problems {
		known[placeless(p)] = true
	}
	var all []change
	for _, p := range b.problems {
		if !known[placeless(p)] {
			all = append(all, change{zapcore.ErrorLevel, "configuration problem", []zap.Field{zap.String("problem", p.Error())}})
		}
	}
	return all
}

func placeless(p rule.Problem) rule.Problem {
	p.Line, p.Column = 0, 0
	return p
}

// An asked is what a rule is told apart by in a log: no two rules of a set agree.
type asked struct {
	metric string
	of     rule.GroupResource
}

func rulesOfSet(set *rule.Set) map[asked]*rule.Rule {
	rules := make(map[asked]*rule.Rule)
	for _, r := range set.Rules {
		rules[asked{r.Metric, r.Of}] = r
	}
	return rules
}

func ruleChanges(a, b *configuration) []change {
	var all []change
	add := func(level zapcore.Level, text string, r *rule.Rule) {
		all = append(all, change{level, text, []zap.Field{
			zap.String("metric", r.Metric), zap.Stringer("of", r.Of), zap.Stringer("at", r.Position), zap.Stringer("query", r.Expr()),
		}})
	}
	before, after := rulesOfSet(a.served), rulesOfSet(b.served)
	for _, now := range b.served.Rules {
		was, existed := before[asked{now.Metric, now.Of}]
		switch {
		case !existed:
			add(zapcore.InfoLevel, "rule added", now)
		case b.kept(now) && !a.kept(was):
			add(zapcore.WarnLevel, "rule broken: served as it was", now)
		case !was.Means(now):
			add(zapcore.InfoLevel, "rule changed", now)
		case a.kept(was) && !b.kept(now):
			add(zapcore.InfoLevel, "rule repaired", now)
		}
	}
	for _, was := range a.served.Rules {
		if after[asked{was.Metric, was.Of}] == nil {
			add(zapcore.InfoLevel, "rule removed", was)
		}
	}
	return all
}

func backendChanges(a, b *configuration) []change {
	var all []change
	add := func(text string, backend connectedBackend) {
		all = append(all, change{zapcore.InfoLevel, text, []zap.Field{zap.String("backend", backend.Name), zap.String("url", backend.URL)}})
	}
	for _, name := range slices.Sorted(maps.Keys(b.backends)) {
		was, existed := a.backends[name]
		switch {
		case !existed:
			add("backend added", b.backends[name])
		case was.client != b.backends[name].client:
			add("backend changed", b.backends[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.backends)) {
		if _, exists := b.backends[name]; !exists {
			add("backend removed", a.backends[name])
		}
	}
	return all
}
