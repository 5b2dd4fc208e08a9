package provider

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A namespace sees its own series alone, whether the result tells namespaces
// apart or not, unless the rule says otherwise.
func TestAnExternalMetricIsOfTheReadersNamespace(t *testing.T) {
	set, err := rule.Load(rule.File{Name: "test.yaml", Text: []byte(head + `
rules:
- {metric: told_apart, type: External, query: "sum by (namespace) (ready)"}
- {metric: each, type: External, query: "sum(ready)", selectable: [queue]}
- {metric: whole, type: External, scope: cluster, query: "sum(ready)"}
`)})
	if err != nil {
		t.Fatal(err)
	}
	reader := Reader{Store: dbStore{db: shopDB(t), at: now}, Pods: onePods{}}
	p := New(set, reader, KnownKinds())
	for _, c := range []struct{ metric, namespace, selector, want string }{
		{"told_apart", "shop", "", "12"},
		{"told_apart", "other", "", "100"},
		{"each", "shop", "", "12"},
		{"each", "other", "", "100"},
		{"each", "shop", "queue=emails", "7"},
		{"each", "bank", "", `404 empty: metric "each": no matching series in namespace "bank", where the rule asks for those that carry this namespace alone (scope: cluster asks for all) (onEmpty: zero serves 0 for this, and for an outage of the exporter)`},
		{"whole", "shop", "", "112"},
		{"whole", "bank", "", "112"},
	} {
		t.Run(strings.Join([]string{c.metric, c.namespace, c.selector}, " "), func(t *testing.T) {
			list, err := p.GetExternalMetric(t.Context(), c.namespace, parse(t, c.selector), provider.ExternalMetricInfo{Metric: c.metric})
			got := ""
			if err != nil {
				got = statusLine(t, err)
			} else {
				got = list.Items[0].Value.String()
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			one, err := p.GetMetricByName(t.Context(), types.NamespacedName{Name: c.namespace},
				provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "namespaces"}, Metric: c.metric}, parse(t, c.selector))
			if err != nil {
				got = statusLine(t, err)
			} else {
				got = one.Value.String()
			}
			if got != c.want {
				t.Errorf("as one value of the Namespace:\n got %s\nwant %s", got, c.want)
			}
		})
	}
	each, _ := set.External("each")
	if _, err := reader.All(t.Context(), each, "", labels.Everything()); fmt.Sprint(err) != "the rule asks for each namespace by itself: name one (--namespace)" {
		t.Errorf("in all namespaces: %v", err)
	}
}
