// Package doctor judges how a cluster scales on metrics, from facts that were
// read from it.
//
//	findings := doctor.Examine(facts)
//
// A finding says what is wrong with which object, what it leads to, and how to
// cure it. Its code is stable: docs/doctor.md lists all of them.
//
// # What it promises
//
// The package reads nothing and knows no clock: equal facts give equal findings.
// What could not be read is a Gap among the facts, and no check takes a gap for
// an absence. A cause hides its symptoms: where a metric has no value because
// nobody serves its API, only that is found. Findings that differ in nothing but
// the object are one finding with several objects.
//
// # What it does not do
//
// It does not judge whether a target is well chosen: that is what "pitot
// simulate" is for.
package doctor

import (
	"cmp"
	"slices"
	"strings"
)

// A Severity says how much a finding matters.
type Severity string

// The severities. An error keeps an HPA from scaling, or makes it scale wrongly;
// a warning will do so some day; a note is for whoever wonders.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// rank orders severities, the worst first.
func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Note}, s) }

// A Finding is something that is not as it should be.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Objects have it: kind, namespace and name, as in "hpa shop/web". Sorted.
	Objects []string `json:"objects"`
	What    string   `json:"what"`
	// Cure is a command, a line of YAML, or what to look at.
	Cure string `json:"cure"`
}

// Examine returns what is wrong, the worst first.
func Examine(facts *Facts) []Finding {
	d := newDiagnosis(facts)
	d.apis()
	d.rights()
	d.installation()
	d.configuration()
	d.controller()
	d.autoscalers()
	return d.result()
}

// A diagnosis gathers findings, and what later checks need to know of earlier
// ones.
type diagnosis struct {
	*Facts
	findings []Finding
	down     map[string]bool     // API groups that have no values for a reason that was found
	sick     map[string]bool     // objects with an error
	targets  map[Object][]string // HPAs of each target
	pods     *podIndex
}

func newDiagnosis(facts *Facts) *diagnosis {
	d := &diagnosis{
		Facts: facts, down: map[string]bool{}, sick: map[string]bool{},
		targets: map[Object][]string{}, pods: newPodIndex(facts.Pods),
	}
	for i := range facts.Autoscalers {
		target := TargetOf(&facts.Autoscalers[i])
		d.targets[target] = append(d.targets[target], facts.Autoscalers[i].Name)
	}
	return d
}

// found adds a finding. One that differs from another by its object alone joins it.
func (d *diagnosis) found(code Code, object, what, cure string) {
	severity := code.Severity()
	if severity == Error {
		d.sick[object] = true
	}
	for i := range d.findings {
		if f := &d.findings[i]; f.Code == code && f.What == what && f.Cure == cure {
			if !slices.Contains(f.Objects, object) {
				f.Objects = append(f.Objects, object)
			}
			return
		}
	}
	d.findings = append(d.findings, Finding{Code: code, Severity: severity, Objects: []string{object}, What: what, Cure: cure})
}

func (d *diagnosis) result() []Finding {
	for _, f := range d.findings {
		slices.Sort(f.Objects)
	}
	slices.SortFunc(d.findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Severity.rank(), b.Severity.rank()),
			strings.Compare(string(a.Code), string(b.Code)),
			slices.Compare(a.Objects, b.Objects),
			strings.Compare(a.What, b.What),
		)
	})
	return d.findings
}
