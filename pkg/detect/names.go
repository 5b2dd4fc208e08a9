package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// clashes finds metrics that two sources of series share: by other labels or by another type.
func clashes(pods []Pod) Finding {
	var evidence []string
	for _, name := range metrics(pods) {
		if a, b := unlike(name, pods); a != "" {
			evidence = append(evidence, fmt.Sprintf("%s is %s and %s", name, a, b))
		}
	}
	if len(evidence) == 0 {
		return Finding{}
	}
	return Finding{
		Code:     "clashing-names",
		What:     "One name is two metrics.",
		Evidence: few(evidence),
		Why:      "A query on the name sums both, and a filter on a label of one does not hold for the other.",
		Cure:     "Keep one of the two libraries, or give one of them a prefix of its own.",
	}
}

func metrics(pods []Pod) []string {
	all := map[string]bool{}
	for _, pod := range pods {
		for name := range pod.last().families {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// unlike returns two ways in which a metric is written that are not one metric with
// a label more: what OpenTelemetry does with an error is fine.
func unlike(metric string, pods []Pod) (a, b string) {
	var shapes [][]string
	var types []model.MetricType
	for _, pod := range pods {
		f := pod.last().families[metric]
		if f == nil {
			continue
		}
		if f.typ != model.MetricTypeUnknown && !slices.Contains(types, f.typ) {
			types = append(types, f.typ)
		}
		for _, s := range f.series {
			names := s.labelNames()
			if !slices.ContainsFunc(shapes, func(other []string) bool { return slices.Equal(other, names) }) {
				shapes = append(shapes, names)
			}
		}
	}
	if len(types) > 1 {
		return "a " + string(types[0]), "a " + string(types[1])
	}
	for i, one := range shapes {
		for _, other := range shapes[:i] {
			if !within(one, other) && !within(other, one) {
				return metric + "{" + strings.Join(other, ", ") + "}", metric + "{" + strings.Join(one, ", ") + "}"
			}
		}
	}
	return "", ""
}

// within reports whether all of some names are among others.
func within(some, others []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(others, name) })
}

// duplicates finds series that a page has more than once.
func duplicates(pods []Pod) Finding {
	var seen []string
	for _, pod := range pods {
		for _, s := range pod.last().repeated {
			seen = append(seen, pod.Name+": "+s)
		}
	}
	if len(seen) == 0 {
		return Finding{}
	}
	return Finding{
		Code:     "repeated-series",
		What:     "A page has the same series more than once.",
		Evidence: few(seen),
		Why:      "Prometheus keeps one of the values and drops the others, or the whole scrape.",
		Cure:     "Give each registry or worker that writes to the page a label of its own: with OpenTelemetry under gunicorn, service.instance.id in post_fork.",
	}
}

// untotalled finds counters without _total, but those of libraries that are known
// to have them.
func untotalled(found []library, pods []Pod) Finding {
	var seen []string
	for _, name := range metrics(pods) {
		if strings.HasSuffix(name, "_total") || slices.ContainsFunc(found, func(l library) bool { return l.owns(name) }) {
			continue
		}
		for _, pod := range pods {
			if f := pod.last().families[name]; f != nil && f.typ == model.MetricTypeCounter {
				seen = append(seen, name)
				break
			}
		}
	}
	if len(seen) == 0 {
		return Finding{}
	}
	return Finding{
		Code:     "no-total",
		What:     "Counters have names that do not end in _total.",
		Evidence: few(seen),
		Why:      "OpenMetrics wants the suffix, and so do the presets: a query for http_requests_total does not find http_requests.",
		Cure:     "Rename them. prometheus_client adds the suffix itself; a mapping of statsd_exporter has to name it.",
	}
}

// owns reports whether a name is one that the library is known to write.
func (l library) owns(name string) bool {
	if slices.Contains(l.requests, name) {
		return true
	}
	prefix, _, _ := strings.Cut(l.marks[0][0].metric, "_")
	return l.target && strings.HasPrefix(name, prefix)
}

// targetLabels finds labels that Prometheus gives to series itself.
func targetLabels(found []library, pods []Pod) Finding {
	if slices.ContainsFunc(found, func(l library) bool { return l.target }) {
		return Finding{}
	}
	var seen []string
	for _, name := range metrics(pods) {
		for _, pod := range pods {
			f := pod.last().families[name]
			if f == nil {
				continue
			}
			at := slices.IndexFunc(f.series, func(s series) bool { return s.labels.Has("namespace") || s.labels.Has("pod") })
			if at >= 0 {
				seen = append(seen, f.series[at].String())
				break
			}
		}
	}
	if len(seen) == 0 {
		return Finding{}
	}
	return Finding{
		Code:     "target-labels",
		What:     "The application writes the labels namespace or pod itself.",
		Evidence: few(seen),
		Why:      "Prometheus renames them to exported_namespace and exported_pod; with honorLabels they stand in place of the true ones, and one pod speaks for others.",
		Cure:     "Leave them out: the scrape adds them.",
	}
}

// emptyPages finds pods without any series.
func emptyPages(pods []Pod) Finding {
	var seen []string
	for _, pod := range pods {
		if pod.last().samples() == 0 {
			seen = append(seen, pod.Name+" has no series")
		}
	}
	if len(seen) == 0 {
		return Finding{}
	}
	return Finding{
		Code:     "empty-page",
		What:     "A page has no series at all.",
		Evidence: few(seen),
		Why:      "There is nothing to scale on. In multiprocess mode a page is empty until something is counted, or when another registry is served than the one that counts.",
		Cure:     "Call the application and read again. starlette-prometheus knows only the lower-case prometheus_multiproc_dir: with the upper-case one it serves an empty registry.",
	}
}

// missing says why no preset of a library fits.
func missing(l library, pods []Pod) Finding {
	if l.lacking == nil || len(fitting([]library{l}, pods)) > 0 {
		return Finding{}
	}
	return Finding{Code: l.lacking.code, What: l.lacking.what, Evidence: l.evidence(pods), Why: l.lacking.why, Cure: l.lacking.cure}
}

// unknown is for pages that nothing is known about.
func unknown(pods []Pod) Finding {
	return Finding{
		Code:     "no-preset",
		What:     "No preset fits these metrics.",
		Evidence: []string{names(metrics(pods))},
		Why:      "The presets know the names that libraries have by default.",
		Cure:     `Write a rule with a query of your own, or instrument the application with a library that "pitot presets" lists.`,
	}
}

// pathless finds counters of requests by hand that do not say what was asked for.
func pathless(l library, pods []Pod) Finding {
	if l.name != "prometheus_client" {
		return Finding{}
	}
	for _, metric := range l.requests {
		for _, pod := range pods {
			f := pod.last().families[metric]
			if f == nil || len(f.series) == 0 {
				continue
			}
			if !slices.ContainsFunc(f.series, func(s series) bool { return slices.ContainsFunc(pathLabels, s.labels.Has) }) {
				return Finding{
					Code:     "missing-labels",
					What:     metric + " does not say which path was called.",
					Evidence: []string{f.describe(nil)},
					Why:      "Probes and scrapes count as load, some 0.3 requests per second of each pod, and the metric never goes to zero.",
					Cure:     "Add a label handler with the route, or do not count probes in the application.",
				}
			}
		}
	}
	return Finding{}
}

// usualSuffixes are metrics of libraries that are often given a prefix of one's own.
var usualSuffixes = []struct {
	suffix string
	labels []string
	told   string
	cure   string
}{
	{"_django_http_requests_before_middlewares_total", nil, "django-prometheus", "Unset PROMETHEUS_METRIC_NAMESPACE"},
	{"_http_request_duration_highr_seconds", nil, "prometheus-fastapi-instrumentator", "Leave metric_namespace and metric_subsystem empty"},
	{"_requests_total", []string{"app_name", "method", "path", "status_code"}, "starlette_exporter", `Leave prefix at "starlette"`},
	{"_http_request_duration_seconds", []string{"method", "status", "path"}, "prometheus-flask-exporter", "Leave defaults_prefix at flask"},
}

// renamed finds a library by names that have another prefix than its own.
func renamed(pods []Pod) Finding {
	for _, name := range metrics(pods) {
		for _, usual := range usualSuffixes {
			if !strings.HasSuffix(name, usual.suffix) || !slices.ContainsFunc(pods, func(p Pod) bool { return (mark{metric: name, labels: usual.labels}).on(p.last()) }) {
				continue
			}
			return Finding{
				Code:     "renamed",
				What:     fmt.Sprintf("This looks like %s with a prefix of your own.", usual.told),
				Evidence: []string{name},
				Why:      "The presets know the names that the library has by default, and find no series.",
				Cure:     usual.cure + `, or write the query of the preset with your names: "pitot presets NAME -o json" has it.`,
			}
		}
	}
	return Finding{}
}
