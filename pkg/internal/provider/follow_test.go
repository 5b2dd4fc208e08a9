package provider

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// followedPods notes what it is told to follow, and knows the pods of nothing else.
type followedPods struct {
	onePods
	kinds map[string]bool
}

func (p followedPods) Follow(group, resource string) { p.kinds[resource+"."+group] = true }

func (p followedPods) Knows(group, resource string) error {
	if !p.kinds[resource+"."+group] {
		return errors.New("not listed yet")
	}
	return nil
}

const followRules = `
rules:
- {metric: own, type: Object, of: services, objectLabel: service, query: "sum by (namespace, service) (load)"}
- {metric: each, type: Pods, query: "sum by (namespace, pod) (load)"}
`

func TestWorkloadsAreFollowedThatRulesAreComputedOver(t *testing.T) {
	load := func(rules string) *rule.Set {
		t.Helper()
		set, err := rule.Load(rule.File{Name: "test.yaml", Text: []byte(head + rules)})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	known := followedPods{kinds: map[string]bool{}}
	p := New(load(followRules), Reader{Store: dbStore{db: shopDB(t), at: now}, Pods: known}, KnownKinds())
	if diff := cmp.Diff(map[string]bool{}, known.kinds); diff != "" {
		t.Errorf("no rule is computed over pods, -want +got\n%s", diff)
	}
	_, err := p.GetMetricBySelector(t.Context(), "shop", labels.Everything(), custom("pods", "", "each"), labels.Everything())
	if err == nil || !strings.Contains(err.Error(), `metric "each": the pods are not known yet: not listed yet`) {
		t.Errorf("before the pods are known: %v", err)
	}

	p.SetRules(load(followRules + `- {metric: load, type: Object, of: services, aggregate: sum, query: "sum by (namespace, pod) (load)"}`))
	if diff := cmp.Diff(map[string]bool{"services.": true}, known.kinds); diff != "" {
		t.Errorf("a rule over the pods of Services came, -want +got\n%s", diff)
	}
	_, err = p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, custom("services", "", "load"), labels.Everything())
	if err == nil || strings.Contains(err.Error(), "not known yet") {
		t.Errorf("of a Service without a pod: %v", err)
	}
}
