package provider

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A name means in a namespace what its team says, and nowhere else: the team's
// rule, or its mistake, but never another number.
func TestATeamsRulesAreOfItsNamespace(t *testing.T) {
	operators, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(`
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: "http://localhost:9090", teams: true}]
rules:
- {metric: ready, type: External, query: "sum by (namespace) (ready)"}
- {metric: broken, type: External, query: "sum by (namespace) (ready)"}
- {metric: claimed, type: External, query: "sum by (namespace) (ready)"}
- {metric: operators, type: External, query: "sum by (namespace) (ready)"}
`)})
	if err != nil {
		t.Fatal(err)
	}
	shop, _ := rule.LoadTeam(operators.TeamOf("shop"), rule.NewConfigMap("shop", "m", map[string]string{"r.yaml": `
apiVersion: pitot.dev/v1alpha1
kind: Config
rules:
- {metric: ready, type: External, query: 'sum(ready{queue="emails"})'}
- {metric: mine, type: External, query: "sum(ready) or sum({__name__=~'.+'})"}
- {metric: broken, type: External, query: "ready("}
- {metric: relabelled, type: External, query: 'label_replace(ready, "namespace", "other", "", "")'}
`}))
	other, _ := rule.LoadTeam(operators.TeamOf("other"), rule.NewConfigMap("other", "m", map[string]string{"r.yaml": "rules: [claimed"}))
	p := New(operators, Reader{Store: dbStore{db: shopDB(t), at: now}, Pods: onePods{}}, KnownKinds())
	p.SetTeamRules(map[string]*rule.Set{"shop": shop, "other": other})

	for _, c := range []struct{ name, namespace, metric, want string }{
		{"the team's own", "shop", "mine", "12"},
		{"is unknown elsewhere", "other", "mine", `503 broken-rule: metric "mine": the configuration is broken: other/m/r.yaml:2:1: invalid YAML: did not find expected ',' or ']' (hint: PromQL with braces, brackets or commas needs quotes within {...})`},
		{"and where there is no team", "bank", "mine", `404 unknown-metric: metric "mine": no rule has this name`},
		{"a name of the operator's means what the team says", "shop", "ready", "7"},
		{"elsewhere it means what the operator says", "other", "ready", "100"},
		{"a mistake is none of the operator's numbers", "shop", "broken", `503 broken-rule: metric "broken": the configuration is broken: shop/m/r.yaml:7:50: rule "broken": field "query": unclosed left parenthesis`},
		{"nor elsewhere a mistake", "other", "broken", "100"},
		{"what cannot be read may be meant", "other", "claimed", `503 broken-rule: metric "claimed": the configuration is broken: other/m/r.yaml:2:1: invalid YAML: did not find expected ',' or ']' (hint: PromQL with braces, brackets or commas needs quotes within {...})`},
		{"and what it does not name is not", "other", "operators", "100"},
		{"a label that is made leads nowhere", "shop", "relabelled", `404 empty: metric "relabelled": no matching series in namespace "shop", and a team's rule sees no others (onEmpty: zero serves 0 for this, and for an outage of the exporter)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := p.GetExternalMetric(t.Context(), c.namespace, labels.Everything(), provider.ExternalMetricInfo{Metric: c.metric})
			got := ""
			if err != nil {
				got = statusLine(t, err)
			} else {
				got = list.Items[0].Value.String()
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			info := provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "namespaces"}, Metric: c.metric}
			one, err := p.GetMetricByName(t.Context(), types.NamespacedName{Name: c.namespace}, info, labels.Everything())
			if err != nil {
				got = statusLine(t, err)
			} else {
				got = one.Value.String()
			}
			if got != c.want {
				t.Errorf("as one value of the Namespace:\n got %s\nwant %s", got, c.want)
			}
			key, keyErr := p.ExternalKey(c.namespace, c.metric, labels.Everything())
			if _, queried := operators.External(c.metric); keyErr == nil && !queried && key.Backend != "main/shop" {
				t.Errorf("the query goes to %q", key.Backend)
			}
		})
	}

	p.SetTeamRules(nil)
	if list, err := p.GetExternalMetric(t.Context(), "shop", labels.Everything(), provider.ExternalMetricInfo{Metric: "ready"}); err != nil || list.Items[0].Value.String() != "12" {
		t.Errorf("without the team: %v %v", list, err)
	}
}
