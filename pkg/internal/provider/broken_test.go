package provider

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// partial returns a Provider of what is right in a configuration.
func partial(t *testing.T, text string) *Provider {
	t.Helper()
	set, _ := rule.LoadPartial(rule.File{Name: "test.yaml", Text: []byte(text)})
	return New(set, Reader{Store: dbStore{db: shopDB(t), at: now}, Pods: onePods{names: []string{"web-1"}}}, KnownKinds())
}

const brokenRules = head + `rules:
- {metric: load, type: Pods, query: "sum by (namespace, pod) (load)"}
- {metric: bad, type: Pods, query: "sum by (namespace, pod) (load"}
- {metric: svc, type: Object, of: services, objectLabel: service, query: "svc", objektLabel: svc}
- {metric: queue, type: External, query: "sum(ready)", scope: everywhere}
`

func TestABrokenRuleAnswersWithItsProblem(t *testing.T) {
	tests := []struct {
		name   string
		config string
		read   func(context.Context, *Provider) error
		want   string
	}{
		{"the rule beside it", brokenRules, readPod("load"), ""},
		{"a broken rule", brokenRules, readPod("bad"),
			`503 broken-rule: metric "bad": the configuration is broken: test.yaml:8:37: rule "bad": field "query": no arguments for aggregate expression provided (the first of 2 problems)`},
		{"a broken rule, by the singular of its kind", brokenRules, readOne("service", "svc"),
			`503 broken-rule: metric "svc": the configuration is broken: test.yaml:9:81: rule "svc": unknown field "objektLabel" (hint: did you mean "objectLabel"?)`},
		{"a broken external rule", brokenRules, readExternal("queue"),
			`503 broken-rule: metric "queue": the configuration is broken: test.yaml:10:63: rule "queue": field "scope": "everywhere" is not "namespace" or "cluster"`},
		{"a metric that no rule has", brokenRules, readPod("laod"), `404 unknown-metric: metric "laod": no rule has this name`},
		{"anything, when nothing could be read", "{", readPod("load"),
			`503 broken-rule: metric "load": the configuration is broken: test.yaml:2:1: invalid YAML: did not find expected node content`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.read(t.Context(), partial(t, test.config)); err != nil {
				got = statusLine(t, err)
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func readPod(metric string) func(context.Context, *Provider) error { return readOne("pods", metric) }

func readOne(resource, metric string) func(context.Context, *Provider) error {
	return func(ctx context.Context, p *Provider) error {
		_, err := p.GetMetricByName(ctx, types.NamespacedName{Namespace: "shop", Name: "web-1"}, custom(resource, "", metric), labels.Everything())
		return err
	}
}

func readExternal(metric string) func(context.Context, *Provider) error {
	return func(ctx context.Context, p *Provider) error {
		_, err := p.GetExternalMetric(ctx, "shop", labels.Everything(), provider.ExternalMetricInfo{Metric: metric})
		return err
	}
}
