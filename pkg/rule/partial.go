package rule

import (
	"maps"
	"path/filepath"
	"slices"
)

// LoadPartial reads what is right in the files, each rule by itself: a mistake
// in one takes no other away. It returns that and every mistake, sorted.
//
// The set serves a rule if neither the rule, nor its backend, nor the head of
// its document has a problem. Of several rules or backends that claim the same
// name none is served: which one is meant is not for a program to guess. Of what
// it does not serve the set knows why, see CustomProblems and ExternalProblems.
func LoadPartial(files ...File) (*Set, Problems) {
	c := check(files)
	if len(c.problems) == 0 {
		return c.compile(), nil
	}
	return c.compilePartial(), c.problems
}

// CustomProblems returns why the custom metrics API does not serve a metric of
// a kind of object although the configuration means to, or may mean to: then
// its rule is broken, or so much of a file is that the rule may be in it. It is
// empty if there is no such rule.
func (s *Set) CustomProblems(metric string, of GroupResource) Problems {
	return s.broken.why(key{metric: metric, of: of})
}

// ExternalProblems is CustomProblems for the external metrics API.
func (s *Set) ExternalProblems(metric string) Problems {
	return s.broken.why(key{external: true, metric: metric})
}

// Broken is the number of rules that problems keep from being served as the
// files have them, or have had them.
func (s *Set) Broken() int {
	if s.broken == nil {
		return 0
	}
	return s.broken.rules
}

// Keep returns s with those rules of last that s has lost to problems: rules
// that are broken now, and rules that are not there while their file is broken
// or nothing is there at all. With them stay the backends that they need and
// that s has not. A rule that would mean something else under the labels that its
// backend has now does not stay.
func (s *Set) Keep(last *Set) *Set {
	kept := &Set{
		Backends: slices.Clone(s.Backends),
		Rules:    slices.Clone(s.Rules),
		byKey:    maps.Clone(s.byKey),
	}
	if s.broken != nil {
		b := *s.broken
		kept.broken = &b
	}
	for _, r := range last.Rules {
		if !s.lost(r) || s.renames(r) {
			continue
		}
		kept.add(r)
		if !s.broken.names(r) {
			kept.broken.rules++
		}
		if _, ok := kept.Backend(r.Backend); !ok {
			backend, _ := last.Backend(r.Backend)
			kept.Backends = append(kept.Backends, backend)
		}
	}
	return kept
}

// renames reports whether an earlier rule would mean something else in s: its
// backend has become one where a label that it names is another's.
func (s *Set) renames(r *Rule) bool {
	backend, ok := s.Backend(r.Backend)
	if !ok {
		return false
	}
	_, named := r.Names(backend.Labels)
	return named
}

// lost reports whether problems are why s does not have an earlier rule.
func (s *Set) lost(r *Rule) bool {
	if s.broken == nil {
		return false
	}
	served := slices.ContainsFunc(r.keys(), func(k key) bool { return s.byKey[k] != nil })
	return !served && (s.broken.nothing || s.broken.names(r) || s.broken.file(r.Position.File))
}

// A broken is what a configuration lacks through problems.
type broken struct {
	rules    int // that are not served
	byKey    map[key]Problems
	byMetric map[string]Problems // of rules whose kind of object cannot be read
	hiding   Problems            // behind which any rule may be
	unread   []string            // texts in which it then is
	files    map[string]bool     // that have a problem, by clean path
	nothing  bool                // no rule, good or bad, could be read
}

// why returns the problems of a key.
func (b *broken) why(k key) Problems {
	switch {
	case b == nil:
		return nil
	case len(b.byKey[k]) > 0:
		return b.byKey[k]
	case len(b.byMetric[k.metric]) > 0:
		return b.byMetric[k.metric]
	}
	return b.hiding
}

// names reports whether one of the broken rules has the name of r.
func (b *broken) names(r *Rule) bool {
	return len(b.byMetric[r.Metric]) > 0 ||
		slices.ContainsFunc(r.keys(), func(k key) bool { return len(b.byKey[k]) > 0 })
}

// file reports whether a file, or the folder it is in, has a problem.
func (b *broken) file(name string) bool {
	return b.files[filepath.Clean(name)] || b.files[filepath.Dir(name)]
}

// compilePartial makes the set of a configuration with problems.
func (c *config) compilePartial() *Set {
	b := &broken{
		byKey:    map[key]Problems{},
		byMetric: map[string]Problems{},
		files:    map[string]bool{},
		nothing:  len(c.rules) == 0,
	}
	for _, p := range c.problems {
		b.files[filepath.Clean(p.File)] = true
	}
	set := &Set{byKey: map[key]*Rule{}, broken: b}
	backends := c.brokenBackends()
	for _, backend := range c.backends {
		if name := backend.name.Value; backend.name.Valid && len(backends[name]) == 0 {
			set.Backends = append(set.Backends, backend.compile())
		}
	}
	b.hiding, b.unread = c.hiding(), c.unread
	for i := range c.rules {
		r := &c.rules[i]
		if _, ok := set.Backend(r.backend.Value); !ok && len(r.problems) == 0 {
			r.problems = slices.Concat(backends[r.backend.Value], backends[""], b.hiding)
		}
		b.add(r)
	}
	for i := range c.rules {
		if r := &c.rules[i]; len(r.problems) == 0 && !b.claims(r.compile()) {
			set.add(set.aged(r.compile()))
		}
	}
	b.rules = len(c.rules) - len(set.Rules)
	return set
}

// brokenBackends are the problems of the backends that cannot be used, by name;
// under "" those of backends whose name cannot be read.
func (c *config) brokenBackends() map[string]Problems {
	byName := map[string]Problems{}
	for _, b := range c.backends {
		name := ""
		if b.name.Valid {
			name = b.name.Value
		}
		byName[name] = append(byName[name], b.problems...)
	}
	return byName
}

// hiding are the problems that are neither in a rule with a name nor in a
// backend: what cannot be read there may be any rule.
func (c *config) hiding() Problems {
	known := map[Problem]bool{}
	for _, r := range c.rules {
		for _, p := range r.problems {
			known[p] = known[p] || r.metric.Valid
		}
	}
	for _, b := range c.backends {
		for _, p := range b.problems {
			known[p] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(c.problems), func(p Problem) bool { return known[p] })
}

// add notes a rule if it has problems.
func (b *broken) add(r *ruleConfig) {
	if len(r.problems) == 0 {
		return
	}
	r.problems.sort()
	switch {
	case !r.metric.Valid:
	case !r.typ.Valid || !r.of.Valid:
		b.byMetric[r.metric.Value] = append(b.byMetric[r.metric.Value], r.problems...)
	default:
		for _, k := range r.compile().keys() {
			b.byKey[k] = append(b.byKey[k], r.problems...)
		}
	}
}

// claims reports whether a broken rule answers to the same as r. If so, r is
// not served under its other key either.
func (b *broken) claims(r *Rule) bool {
	var problems Problems
	for _, k := range r.keys() {
		problems = append(problems, b.byKey[k]...)
	}
	if len(problems) == 0 {
		return false
	}
	for _, k := range r.keys() {
		b.byKey[k] = problems
	}
	return true
}
