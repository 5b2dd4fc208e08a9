package detect

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// pathLabels hold the path or the name of what was asked for, by library.
var pathLabels = []string{"handler", "path", "path_template", "endpoint", "url_rule", "http_route", "http_target", "view", "uri", "url"}

var (
	// probe is what presets leave out by default, and what libraries call it.
	probe = regexp.MustCompile(`^(/?(metrics|health|healthz|healthcheck|livez|readyz|ready|live|ping|favicon[.]ico)/?|prometheus-django-metrics|prometheus_metrics)$`)
	// identifier is a part of a path that names one thing of many.
	identifier = regexp.MustCompile(`^([0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})$`)
)

// manyPaths is more than the routes of most applications.
const manyPaths = 200

// isProbe reports whether a series is of probes and scrapes.
func (s series) isProbe() bool {
	return slices.ContainsFunc(pathLabels, func(name string) bool { return probe.MatchString(s.labels.Get(name)) })
}

// rawPaths finds labels whose values are paths as they were called, with
// identifiers in them, rather than routes.
func rawPaths(found []library, pods []Pod) Finding {
	seen := paths(pods)
	for _, label := range slices.Sorted(maps.Keys(seen)) {
		shapes := map[string][]string{}
		for _, path := range slices.Sorted(maps.Keys(seen[label])) {
			shape := withoutIdentifiers(path)
			shapes[shape] = append(shapes[shape], path)
		}
		for _, shape := range slices.Sorted(maps.Keys(shapes)) {
			if alike := shapes[shape]; len(alike) > 1 && strings.Contains(shape, "{id}") {
				return rawPathsFinding(found, fmt.Sprintf("label %s: %d values of the form %s: %s", label, len(alike), shape, names(alike)))
			}
		}
		if n := len(shapes); n > manyPaths {
			return rawPathsFinding(found, fmt.Sprintf("label %s: %d different values", label, n))
		}
	}
	return Finding{}
}

func rawPathsFinding(found []library, evidence string) Finding {
	cure := "Use the route as the label, as in /items/{id}, and one value for what has none."
	for _, l := range found {
		if l.rawPaths != "" {
			cure = l.rawPaths
			break
		}
	}
	return Finding{
		Code:     "raw-paths",
		What:     "Paths are label values as they were called.",
		Evidence: []string{evidence},
		Why:      "Each path is a series for ever, times the buckets: Prometheus grows without bound. A path that is called once has no rate, so its load is lost.",
		Cure:     cure,
	}
}

// paths are the values of path labels, by label.
func paths(pods []Pod) map[string]map[string]bool {
	seen := map[string]map[string]bool{}
	for _, pod := range pods {
		for _, f := range pod.last().families {
			for _, s := range f.series {
				s.labels.Range(func(l labels.Label) {
					if !slices.Contains(pathLabels, l.Name) {
						return
					}
					if seen[l.Name] == nil {
						seen[l.Name] = map[string]bool{}
					}
					seen[l.Name][l.Value] = true
				})
			}
		}
	}
	return seen
}

// withoutIdentifiers is the form of a path: /items/7 is /items/{id}.
func withoutIdentifiers(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if identifier.MatchString(part) {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// probeShare is how much of the requests may be probes before they drag a p95 down.
const probeShare = 0.05

// probes finds probes in a histogram that has no label to leave them out by.
func probes(l library, pods []Pod) Finding {
	if !l.unlabelled {
		return Finding{}
	}
	all, idle := requests(l, pods)
	if all == 0 || idle/all <= probeShare {
		return Finding{}
	}
	return Finding{
		Code:     "probes-counted",
		What:     fmt.Sprintf("Probes and scrapes are in %s.", l.latency[0].metric),
		Evidence: []string{fmt.Sprintf("%s of %s requests were probes and scrapes, and the histogram has no path to leave them out by", number(idle), number(all))},
		Why:      "They are fast: the p95 is lower than that of your users.",
		Cure:     `Instrumentator(excluded_handlers=["/metrics", "/health"]).`,
	}
}

// requests counts the requests of a library, and those of them that were probes.
func requests(l library, pods []Pod) (all, idle float64) {
	for _, metric := range l.requests {
		for _, pod := range pods {
			f := pod.last().families[metric]
			if f == nil {
				continue
			}
			for _, s := range f.counted() {
				if n := total([]series{s}); s.isProbe() {
					all, idle = all+n, idle+n
				} else {
					all += n
				}
			}
		}
		if all > 0 {
			break
		}
	}
	return all, idle
}

// noTraffic finds applications that only probes have called.
func noTraffic(found []library, pods []Pod) Finding {
	for _, l := range found {
		if len(l.requests) == 0 {
			continue
		}
		all, idle := requests(l, pods)
		if all > idle {
			continue
		}
		evidence := "no request was counted"
		if idle > 0 {
			evidence = fmt.Sprintf("all %s requests were probes and scrapes", number(idle))
		}
		return Finding{
			Code:     "no-traffic",
			What:     "Nobody has called the application yet.",
			Evidence: []string{l.name + ": " + evidence},
			Why:      "Series appear with the first request: what is wrong with labels and buckets cannot be seen before, and until then an HPA reads an error rather than a zero.",
			Cure:     "Send some requests to each route, and read the page again.",
		}
	}
	return Finding{}
}
