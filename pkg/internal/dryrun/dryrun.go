// Package dryrun asks a live backend what a rule would read, and says what is
// wrong with that: no series, labels that are missing, windows that are too short,
// targets that are scraped twice, buckets that hide the answer.
//
//	report := dryrun.Rule(ctx, backend, r, dryrun.Options{})
//
// All it sends are instant queries. Their cost is a small multiple of what the rule
// itself costs, once. It looks at the data of now: what it does not find may be
// right tomorrow, so that a finding says what was seen.
package dryrun

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Backend is where a rule is tried.
type Backend struct {
	// Querier takes queries as they reach the backend.
	Querier profile.Querier
	// Received is how many bytes have come from it; nil: nobody counts.
	Received func() int64
	// Profile is that of its labels.
	Profile rule.Profile
	// ScrapeInterval is the configured one.
	ScrapeInterval time.Duration
}

// Options say what else is known.
type Options struct {
	// Objective is the latency that users are promised; 0: not known.
	Objective time.Duration
}

// A Severity says how bad a finding is.
type Severity string

// An error keeps numbers from being served, or makes them wrong. A warning is what
// somebody should look at.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// A Finding is something that is wrong.
type Finding struct {
	Severity Severity `json:"severity"`
	// Code is the same for the same kind of finding, whatever its words.
	Code string `json:"code"`
	What string `json:"what"`
	Hint string `json:"hint,omitempty"`
}

// A Report is what a rule reads.
type Report struct {
	Metric  string `json:"metric"`
	Type    string `json:"type"`
	Of      string `json:"of"`
	Backend string `json:"backend"`
	// Query is the PromQL as it reaches the backend.
	Query string `json:"query"`
	// Objects are those that the answer names, Namespaces theirs.
	Objects    int    `json:"objects"`
	Namespaces int    `json:"namespaces"`
	Example    string `json:"example,omitempty"` // one of them
	// Answered is how many series the answer has; Bytes and Seconds are what it took.
	Answered int     `json:"answered_series"`
	Bytes    int64   `json:"answer_bytes"`
	Seconds  float64 `json:"answer_seconds"`
	Inputs   []Input `json:"inputs"`
	// AboveTop is the share of observations above the highest finite bucket, of a
	// quantile that has any.
	AboveTop *float64  `json:"share_above_top_bucket,omitempty"`
	Findings []Finding `json:"findings"`
}

// An Input is what one selector of the rule reads.
type Input struct {
	Selector string `json:"selector"`
	Series   int    `json:"series"`
	// IntervalSeconds is the measured time between two samples of a series; 0 where
	// there are not two.
	IntervalSeconds float64 `json:"interval_seconds,omitempty"`
	// WindowSeconds is how far the selector looks back, and Samples how many a
	// series has there, by the median.
	WindowSeconds float64 `json:"window_seconds,omitempty"`
	Samples       float64 `json:"samples_in_window,omitempty"`
}

// Worst is the severity of the worst finding; "" if there is none.
func (r Report) Worst() Severity {
	worst := Severity("")
	for _, f := range r.Findings {
		if f.Severity == Error || worst == "" {
			worst = f.Severity
		}
	}
	return worst
}

// Rule tries a rule.
func Rule(ctx context.Context, b Backend, r *rule.Rule, o Options) Report {
	t := &trial{
		backend: b, rule: r, options: o,
		report: Report{Metric: r.Metric, Type: string(r.Type), Of: r.Of.String(), Backend: r.Backend, Inputs: []Input{}, Findings: []Finding{}},
	}
	t.report.Query, _ = profile.Text(b.Profile, r.Expr().String()) // an expression can be printed
	t.run(ctx)
	slices.SortStableFunc(t.report.Findings, func(a, b Finding) int { return strings.Compare(string(a.Severity), string(b.Severity)) })
	return t.report
}

// A trial is a rule being tried.
type trial struct {
	backend Backend
	rule    *rule.Rule
	options Options
	report  Report
	failed  bool      // a query did, so that nothing more is asked
	at      time.Time // of the answer, by the backend's clock: all questions are about it
}

func (t *trial) run(ctx context.Context) {
	answer := t.answer(ctx)
	series := 0
	for _, in := range t.rule.Expr().Inputs() {
		series += t.input(ctx, in)
	}
	switch {
	case t.failed:
	case len(answer.Samples) == 0:
		t.empty(ctx, series)
	default:
		t.objects(ctx, answer)
		t.values(answer)
		if t.rule.Buckets != nil {
			t.buckets(answer)
		}
	}
}

func (t *trial) find(severity Severity, code, hint, format string, args ...any) {
	t.report.Findings = append(t.report.Findings, Finding{Severity: severity, Code: code, What: fmt.Sprintf(format, args...), Hint: hint})
}

// ask evaluates a query in the words of rules. The first that fails is a finding,
// and the last.
func (t *trial) ask(ctx context.Context, expr string) []instant.Sample {
	if t.failed {
		return nil
	}
	vector, err := profile.Query(ctx, t.backend.Querier, t.backend.Profile, expr, t.at)
	if err != nil {
		t.failed = true
		t.find(Error, "query-failed", "", "%v", err)
		return nil
	}
	return vector.Samples
}

// number is the answer to a query of at most one series; 0 if it has none.
func (t *trial) number(ctx context.Context, format string, args ...any) float64 {
	samples := t.ask(ctx, fmt.Sprintf(format, args...))
	if len(samples) == 0 {
		return 0
	}
	return samples[0].Value
}

// answer evaluates the rule's query as it is served, and measures it.
func (t *trial) answer(ctx context.Context) instant.Vector {
	received := func() int64 { return 0 }
	if t.backend.Received != nil {
		received = t.backend.Received
	}
	before, begun := received(), time.Now()
	vector, err := profile.Query(ctx, t.backend.Querier, t.backend.Profile, t.rule.Expr().String(), time.Time{})
	t.report.Seconds, t.report.Bytes = time.Since(begun).Seconds(), received()-before
	if err != nil {
		t.failed = true
		t.find(Error, "query-failed", "", "%v", err)
		return instant.Vector{}
	}
	for _, warning := range vector.Warnings {
		t.find(Error, "partial", "an answer with warnings is not served", "the backend warns: %s", warning)
	}
	t.report.Answered, t.at = len(vector.Samples), vector.At
	return vector
}

// empty finds out what no series means, told how many the rule's selectors find.
func (t *trial) empty(ctx context.Context, series int) {
	if series > 0 {
		t.find(Error, "no-result", "look at its parts, one after the other, in the backend's own page",
			"the query answers nothing, although its selectors find %s", count(series, "series"))
		return
	}
	switch {
	case t.rule.ZeroWhen != nil:
		if len(t.ask(ctx, t.rule.ZeroWhen.String())) > 0 {
			return
		}
		t.find(Error, "no-proof", "", "there is neither a series nor a proof of zero: %s has no result", t.rule.ZeroWhen)
		for _, in := range t.rule.ZeroWhen.Inputs() {
			t.input(ctx, in)
		}
	case t.rule.OnEmpty == rule.PolicyZero:
		t.find(Warning, "served-as-zero", "onEmpty cannot tell an outage from nothing to do: zeroWhen can", "with onEmpty: zero every object reads 0")
	}
}

// values finds what answers have that is no number to serve.
func (t *trial) values(answer instant.Vector) {
	var nan, infinite, negative, beyond int
	for _, s := range answer.Samples {
		switch {
		case math.IsNaN(s.Value):
			nan++
		case math.IsInf(s.Value, 0):
			infinite++
		case s.Value < 0 && !t.rule.AllowNegative:
			negative++
		case math.Abs(s.Value) > t.rule.Ceiling:
			beyond++
		}
	}
	of := len(answer.Samples)
	if nan > 0 && t.rule.OnNaN == rule.PolicyError {
		t.find(Warning, "nan", "a division of nothing by nothing? guard it in the query, or say onNaN", "%d of %s of the answer %s NaN", nan, count(of, "series"), is(nan))
	}
	if infinite > 0 {
		t.find(Error, "infinite", "guard the division in the query", "%d of %s of the answer %s infinite", infinite, count(of, "series"), is(infinite))
	}
	if negative > 0 {
		t.find(Error, "negative", "clamp_min in the query, or allowNegative", "%d of %s of the answer %s negative, which is not served", negative, count(of, "series"), is(negative))
	}
	if beyond > 0 {
		t.find(Error, "beyond-ceiling", "choose a larger unit in the query, or raise ceiling", "%d of %s of the answer %s beyond the ceiling of %g", beyond, count(of, "series"), is(beyond), t.rule.Ceiling)
	}
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func count(n int, noun string) string {
	if n == 1 || noun == "series" {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// labelsOf are the labels that name the rule's object.
func labelsOf(r *rule.Rule) []string {
	names := []string{rule.NamespaceLabel}
	switch {
	case r.Type == rule.TypeExternal && (r.Scope == rule.ScopeCluster || r.EachNamespace()):
		return nil
	case r.Type == rule.TypePods || r.OverPods():
		names = append(names, rule.PodLabel)
	case r.ObjectLabel != "" && r.ObjectLabel != rule.NamespaceLabel:
		names = append(names, r.ObjectLabel)
	}
	return names
}
