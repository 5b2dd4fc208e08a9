package profile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Finding is what is known of a backend's labels.
type Finding struct {
	// Profile is the one to use; none while there is an Err.
	Profile rule.Profile
	// Why says in a few words what speaks for it.
	Why string
	// Open says that nothing speaks for it yet but that nothing speaks for another.
	Open bool
	// Err is why nothing is known.
	Err error
}

// An UndecidedError says that a backend cannot be asked, since it is not known what
// labels it has.
type UndecidedError struct{ Err error }

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("which labels its series have for namespaces is not known yet: %v", e.Err)
}

func (e *UndecidedError) Unwrap() error { return e.Err }

var errNotYet = errors.New("the first probe has no answer yet")

// A NoSeriesError says that a backend has nothing to tell its labels by.
type NoSeriesError struct{}

func (*NoSeriesError) Error() string {
	return "it has neither series of its rules nor scrape targets"
}

// Answered reports that the backend is there.
func (*NoSeriesError) Answered() bool { return true }

// Pause is 0.
func (*NoSeriesError) Pause() time.Duration { return 0 }

// candidates are what the probe tells apart, the first of them first. A label of a
// target comes before one that its application may have written.
var candidates = []rule.Profile{rule.Operator, rule.LegacyAnnotations, rule.OTel}

// Probe finds out a backend's profile by the rules that ask it, in one query.
func Probe(ctx context.Context, querier Querier, rules []*rule.Rule) Finding {
	for _, r := range rules {
		for _, p := range candidates {
			if own, named := r.Names(p); named {
				return Finding{Profile: rule.Operator, Why: fmt.Sprintf("the rule %s names %s itself", r.Metric, own)}
			}
		}
	}
	answer, err := querier.Query(ctx, probe(metrics(rules)), time.Time{})
	if err != nil {
		return Finding{Err: err}
	}
	counts := map[string]map[string]int{ofRules: {}, ofTargets: {}}
	for _, s := range answer.Samples {
		if of := counts[s.Labels.Get("of")]; of != nil {
			of[s.Labels.Get("labels")] = int(s.Value)
		}
	}
	return decide(counts[ofRules], counts[ofTargets])
}

// What the probe counts: series, by which of the candidates' labels for the
// namespace they have alone, and all of them.
const (
	ofRules   = "series of its rules"
	ofTargets = "scrape targets"
	all       = "all"
)

func decide(rules, targets map[string]int) Finding {
	for _, of := range []struct {
		what   string
		counts map[string]int
	}{{ofRules, rules}, {ofTargets, targets}} {
		for _, p := range candidates {
			if n := of.counts[p.Name]; n > 0 {
				return Finding{Profile: p, Why: fmt.Sprintf("%d of %d %s have %s", n, of.counts[all], of.what, p.Label(rule.NamespaceLabel))}
			}
		}
	}
	if rules[all] == 0 && targets[all] == 0 {
		return Finding{Err: &NoSeriesError{}}
	}
	return Finding{Profile: rule.Operator, Open: true, Why: "nothing speaks for another"}
}

// metrics are the names that rules ask for.
func metrics(rules []*rule.Rule) []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Expr().MetricNames()...)
		if r.ZeroWhen != nil {
			names = append(names, r.ZeroWhen.MetricNames()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Asks is what a backend's profile is found out by, for rules that ask it: two
// equal texts lead to equal findings.
func Asks(rules []*rule.Rule) string {
	text := probe(metrics(rules))
	for _, r := range rules {
		for _, p := range candidates {
			if own, named := r.Names(p); named {
				text += "\n" + own
			}
		}
	}
	return text
}

// probe is the query that counts them.
func probe(metrics []string) string {
	parts := counts("up", ofTargets)
	if len(metrics) > 0 {
		quoted := make([]string, len(metrics))
		for i, name := range metrics {
			quoted[i] = regexp.QuoteMeta(name)
		}
		parts = append(counts(fmt.Sprintf("{__name__=~%q}", strings.Join(quoted, "|")), ofRules), parts...)
	}
	return strings.Join(parts, " or ")
}

func counts(selector, of string) []string {
	count := func(what, matchers string) string {
		narrowed := selector
		if matchers != "" {
			narrowed = strings.TrimSuffix(selector, "}") + "," + matchers + "}"
			if !strings.HasSuffix(selector, "}") {
				narrowed = selector + "{" + matchers + "}"
			}
		}
		return fmt.Sprintf(`label_replace(label_replace(count(%s), "of", %q, "", ""), "labels", %q, "", "")`, narrowed, of, what)
	}
	parts := []string{count(all, "")}
	for _, p := range candidates {
		var matchers []string
		for _, other := range candidates {
			is := "="
			if other.Name == p.Name {
				is = "!="
			}
			matchers = append(matchers, other.Label(rule.NamespaceLabel)+is+`""`)
		}
		parts = append(parts, count(p.Name, strings.Join(matchers, ",")))
	}
	return parts
}
