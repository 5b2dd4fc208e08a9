// Package detect reads the /metrics pages of an application and says which
// library wrote them, which presets fit, and what is wrong.
//
//	page, err := detect.ReadPage(text, "")
//	report := detect.Examine([]detect.Pod{{Name: "web-1", Reads: []*detect.Page{page}}}, detect.Objective{})
//	report.Libraries // prometheus-fastapi-instrumentator, by http_request_duration_highr_seconds
//	report.Presets   // fastapi-concurrency, fastapi-p95, …
//	report.Findings  // what, evidence, why it matters, cure
//
// A Writing turns the presets into rules and a HorizontalPodAutoscaler. It needs
// no cluster and no Prometheus, and no clock: whoever reads a page several times
// hands over the reads in their order.
//
// # Limitations
//
// A page tells what its processes counted, since they started. What Prometheus
// makes of it (labels of the target, double scrapes, windows) is not on it. Names
// that were changed from a library's defaults are found for the libraries where
// that is usual, and reported: presets do not fit them.
package detect

import (
	"fmt"
	"slices"
	"strings"
)

// A Pod is one pod of the application, or what stands for it, such as an exporter.
type Pod struct {
	Name string
	// Reads are the pages it gave, oldest first. One at least.
	Reads []*Page
}

// last is what the pod says now.
func (p Pod) last() *Page { return p.Reads[len(p.Reads)-1] }

// A Report is what pages say about an application.
type Report struct {
	Libraries []Library `json:"libraries"`
	Presets   []Fit     `json:"presets"`
	Findings  []Finding `json:"findings"`
	// Notes are what could not be told, and how it could be.
	Notes []string `json:"notes"`
}

// A Library is one that wrote metrics on a page.
type Library struct {
	Name string `json:"name"`
	// Stack is what it instruments, such as FastAPI.
	Stack string `json:"stack"`
	// Evidence are the series that it was known by, with the names of their labels.
	Evidence []string `json:"evidence"`
}

// A Finding is something that makes a number wrong, or no number.
type Finding struct {
	// Code is the same for every finding of its kind, such as raw-paths.
	Code     string   `json:"code"`
	What     string   `json:"what"`
	Evidence []string `json:"evidence"`
	Why      string   `json:"why"`
	Cure     string   `json:"cure"`
}

// Examine says what the pages of one application's pods tell. Without an
// objective nothing is said about how well buckets stand around it.
func Examine(pods []Pod, objective Objective) Report {
	found := recognize(pods)
	r := Report{Libraries: []Library{}, Presets: fitting(found, pods), Findings: []Finding{}, Notes: []string{}}
	for _, one := range found {
		r.Libraries = append(r.Libraries, Library{Name: one.name, Stack: one.stack, Evidence: one.evidence(pods)})
	}
	for _, pod := range pods {
		finding, note := processes(pod)
		r.add(finding)
		if note != "" {
			r.Notes = append(r.Notes, note)
		}
	}
	r.add(emptyPages(pods))
	r.add(noTraffic(found, pods))
	r.add(staleGauges(pods))
	r.add(rawPaths(found, pods))
	for _, one := range found {
		r.add(probes(one, pods))
		r.add(buckets(one, pods, objective)...)
		r.add(missing(one, pods), pathless(one, pods))
	}
	if len(found) == 0 {
		r.add(renamed(pods))
	}
	r.add(clashes(pods))
	r.add(duplicates(pods))
	r.add(untotalled(found, pods))
	r.add(targetLabels(found, pods))
	if len(r.Presets) == 0 && len(r.Findings) == 0 {
		r.add(unknown(pods))
	}
	return r
}

// add appends what was found: a Finding without a code is none.
func (r *Report) add(findings ...Finding) {
	for _, one := range findings {
		if one.Code != "" {
			r.Findings = append(r.Findings, one)
		}
	}
}

// few lists the first of many, so that evidence can be read.
func few(texts []string) []string {
	const most = 3
	if len(texts) <= most {
		return texts
	}
	return append(slices.Clone(texts[:most]), fmt.Sprintf("and %d more", len(texts)-most))
}

// names lists few of many names in one line.
func names(texts []string) string { return strings.Join(few(texts), ", ") }
