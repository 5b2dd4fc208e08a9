package provider

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// keyStore notes what it is asked, and has nothing.
type keyStore struct{ asked snapshot.Key }

func (s *keyStore) Read(_ context.Context, key snapshot.Key) (*snapshot.Snapshot, error) {
	s.asked = key
	return nil, snapshot.ErrClosed
}

const keyRules = `
rules:
- {metric: load, type: Pods, query: "sum by (namespace, pod) (rate(load[2m]))"}
- {metric: load, type: Object, of: deployments.apps, aggregate: sum, query: "sum by (namespace, pod) (rate(load[4m]))"}
- {metric: ready, type: External, selectable: [queue, stage], query: "sum by (namespace, queue) (ready)"}
- {metric: all_ready, type: External, query: "sum(ready)"}
`

// What is wanted in advance must be what is read: nobody else ever asks for it.
func TestKeysAreThoseOfReads(t *testing.T) {
	set, err := rule.Load(rule.File{Name: "test.yaml", Text: []byte(head + keyRules)})
	if err != nil {
		t.Fatal(err)
	}
	store := &keyStore{}
	p := New(set, Reader{Store: store, Pods: onePods{}}, KnownKinds())
	custom := func(resource, group, metric, selector string) func(t *testing.T) (snapshot.Key, error, error) {
		of := schema.GroupResource{Group: group, Resource: resource}
		return func(t *testing.T) (snapshot.Key, error, error) {
			key, err := p.CustomKey(map[bool]string{true: "web", false: "shop"}[resource == "namespaces"], metric, of, parse(t, selector))
			_, readErr := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"},
				provider.CustomMetricInfo{GroupResource: of, Metric: metric}, parse(t, selector))
			return key, err, readErr
		}
	}
	external := func(metric, selector string) func(t *testing.T) (snapshot.Key, error, error) {
		return func(t *testing.T) (snapshot.Key, error, error) {
			key, err := p.ExternalKey("shop", metric, parse(t, selector))
			_, readErr := p.GetExternalMetric(t.Context(), "shop", parse(t, selector), provider.ExternalMetricInfo{Metric: metric})
			return key, err, readErr
		}
	}
	tests := []struct {
		name string
		ask  func(*testing.T) (snapshot.Key, error, error)
		want string // "" for an error
	}{
		{"of pods", custom("pods", "", "load", ""), "sum by (namespace, pod) (rate(load[2m]))"},
		{"of a workload", custom("deployments", "apps", "load", ""), "sum by (namespace, pod) (rate(load[4m]))"},
		{"of a singular", custom("deployment", "apps", "load", ""), "sum by (namespace, pod) (rate(load[4m]))"},
		{"of a namespace", custom("namespaces", "", "ready", ""), "sum by (namespace, queue) (ready)"},
		{"external", external("ready", ""), "sum by (namespace, queue) (ready)"},
		{"a selector that filters the result", external("ready", "queue=emails"), "sum by (namespace, queue) (ready)"},
		{"a selector that narrows the query", external("ready", "stage in (b, a)"), `sum by (namespace, queue) (ready{stage=~"a|b"})`},
		{"of each namespace", external("all_ready", ""), `sum(ready{namespace="shop"})`},
		{"of each namespace, by its name", custom("namespaces", "", "all_ready", ""), `sum(ready{namespace="web"})`},
		{"a label that is not selectable", external("ready", "pod=x"), ""},
		{"an operator without a counterpart", external("ready", "stage>1"), ""},
		{"another kind", custom("statefulsets", "apps", "load", ""), ""},
		{"another metric", custom("pods", "", "memory", ""), ""},
		{"another external metric", external("load", ""), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store.asked = snapshot.Key{}
			key, err, readErr := test.ask(t)
			if key.Query != test.want || (err == nil) != (test.want != "") {
				t.Errorf("key %+v, error %v", key, err)
			}
			if diff := cmp.Diff(store.asked, key); diff != "" {
				t.Errorf("-read +wanted\n%s\nread: %v", diff, readErr)
			}
		})
	}
}

func parse(t *testing.T, selector string) labels.Selector {
	t.Helper()
	parsed, err := labels.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
