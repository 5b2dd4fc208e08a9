package rule

import (
	"strings"
	"testing"
)

func TestARuleMeansTheSameElsewhereAndAnythingElseIsAnother(t *testing.T) {
	const head = "apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends: [{name: main, url: 'http://a:9090'}, {name: other, url: 'http://b:9090'}]\nrules:\n"
	const queue = "- {metric: queue, type: External, backend: main, query: 'sum by (namespace) (jobs)', zeroWhen: 'sum by (namespace) (exporter_up) == 1', maxSampleAge: 90s}\n"
	load := func(text string) *Rule {
		t.Helper()
		set, err := Load(File{Name: "pitot.yaml", Text: []byte(head + text)})
		if err != nil {
			t.Fatal(err)
		}
		return set.Rules[len(set.Rules)-1]
	}
	rule := load(queue)
	if !rule.Means(load("# Moved.\n\n" + queue)) {
		t.Error("a rule that moved means something else")
	}
	for name, change := range map[string][2]string{
		"the backend":  {"main", "other"},
		"the query":    {"(jobs)", "(jobs_ready)"},
		"the proof":    {"exporter_up", "redis_up"},
		"its age":      {"90s", "2m"},
		"the metric":   {"metric: queue", "metric: backlog"},
		"a policy":     {"maxSampleAge: 90s", "maxSampleAge: 90s, allowNegative: true"},
		"no proof":     {", zeroWhen: 'sum by (namespace) (exporter_up) == 1'", ""},
		"no own limit": {", maxSampleAge: 90s", ""},
	} {
		if rule.Means(load(strings.Replace(queue, change[0], change[1], 1))) {
			t.Errorf("%s: it means the same", name)
		}
	}
}
