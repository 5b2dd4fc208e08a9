package rule

import "testing"

func TestLookup(t *testing.T) {
	set, err := Load(File{Name: "rules.yaml", Text: []byte(head + `
backends:
- {name: main, url: http://prometheus:9090}
- {name: thanos, url: http://thanos:9090}
rules:
- {metric: rps, backend: main, type: Pods, query: 'sum by (namespace, pod) (x)'}
- {metric: rps, backend: main, type: Object, of: deployments.apps, aggregate: sum, query: 'sum by (namespace, pod) (x)'}
- {metric: rps, backend: main, type: Object, of: services, objectLabel: service, query: 'sum by (namespace, service) (x)'}
- {metric: queue, backend: thanos, type: External, query: queue}
- {metric: ready, backend: thanos, type: Object, of: namespaces, query: 'sum by (namespace) (x)'}
`)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, metric, of string
		want             int // index of the rule; -1: none
	}{
		{"a Pods rule", "rps", "pods", 0},
		{"an Object rule of a workload", "rps", "deployments.apps", 1},
		{"an Object rule of services", "rps", "services", 2},
		{"another kind", "rps", "statefulsets.apps", -1},
		{"another metric", "rpm", "pods", -1},
		{"an External rule of its namespace", "queue", "namespaces", 3},
		{"an Object rule of namespaces", "ready", "namespaces", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			of, err := ParseGroupResource(c.of)
			if err != nil {
				t.Fatal(err)
			}
			r, ok := set.Custom(c.metric, of)
			if ok != (c.want >= 0) || (ok && r != set.Rules[c.want]) {
				t.Errorf("Custom(%s, %s) = %v, %t", c.metric, of, r, ok)
			}
		})
	}
	if r, ok := set.External("queue"); !ok || r != set.Rules[3] {
		t.Errorf("External(queue) = %v, %t", r, ok)
	}
	if r, ok := set.External("rps"); ok {
		t.Errorf("External(rps) = %v: it is no External rule", r)
	}
	if b, ok := set.Backend(set.Rules[3].Backend); !ok || b.URL != "http://thanos:9090" {
		t.Errorf("Backend(thanos) = %v, %t", b, ok)
	}
	if _, ok := set.Backend("loki"); ok {
		t.Error("Backend(loki) is found")
	}
}
