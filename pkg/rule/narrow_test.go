package rule

import (
	"errors"
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const head = "apiVersion: pitot.dev/v1alpha1\nkind: Config\n"

// loadRule loads one rule beside a backend.
func loadRule(t *testing.T, text string) *Rule {
	t.Helper()
	set, err := Load(File{Name: "rules.yaml", Text: []byte(head + "backends:\n- {name: main, url: http://prometheus:9090}\nrules:\n" + text)})
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules[0]
}

func TestNarrow(t *testing.T) {
	const (
		queue = "- {metric: m, type: External, query: 'sum by (namespace, queue) (queue_messages)', selectable: [queue, vhost]}"
		whole = "- {metric: m, type: External, query: queue_messages, selectable: [queue]}"
		pods  = "- {metric: m, type: Object, of: deployments.apps, aggregate: sum, query: 'sum by (namespace, pod) (rate(requests_total[2m]))', selectable: [handler]}"
		p95   = "- {metric: m, type: Object, of: deployments.apps, quantile: 0.95, buckets: 'sum by (namespace, pod, le) (rate(seconds_bucket[2m]))', selectable: [handler]}"
		ratio = "- {metric: m, type: Pods, query: 'sum by (namespace, pod) (rate(errors_total[2m])) / sum by (namespace, pod) (rate(requests_total[2m]))', selectable: [handler]}"
		fixed = "- {metric: m, type: External, query: queue_messages}"
		total = "- {metric: m, type: External, query: 'sum(queue_messages) - scalar(sum(queue_taken))', selectable: [queue]}"
		all   = "- {metric: m, type: External, scope: cluster, query: sum(queue_messages)}"
	)
	for _, c := range []struct{ name, rule, selector, expr, filter, err string }{
		{"no selector", queue, ``, `sum by (namespace, queue) (queue_messages)`, ``, ``},
		{"a label of the result filters it", queue, `queue="a"`, `sum by (namespace, queue) (queue_messages)`, `{queue="a"}`, ``},
		{"any kind of matcher filters", queue, `queue=~"a|b",queue!="b"`, `sum by (namespace, queue) (queue_messages)`, `{queue=~"a|b",queue!="b"}`, ``},
		{"a label that is aggregated away is injected", queue, `vhost="/"`, `sum by (namespace, queue) (queue_messages{vhost="/"})`, ``, ``},
		{"both at once", queue, `vhost!="/",queue="a"`, `sum by (namespace, queue) (queue_messages{vhost!="/"})`, `{queue="a"}`, ``},
		{"a plain selector carries everything", whole, `queue="a"`, `queue_messages`, `{queue="a"}`, ``},
		{"an aggregate over pods is injected", pods, `handler="/a"`, `sum by (namespace, pod) (rate(requests_total{handler="/a"}[2m]))`, ``, ``},
		{"a quantile is injected", p95, `handler!~"/metrics|/healthz"`, `sum by (namespace, pod, le) (rate(seconds_bucket{handler!~"/metrics|/healthz"}[2m]))`, ``, ``},
		{"both sides of a ratio are injected", ratio, `handler="/a"`,
			`sum by (namespace, pod) (rate(errors_total{handler="/a"}[2m])) / sum by (namespace, pod) (rate(requests_total{handler="/a"}[2m]))`, ``, ``},
		{"a result that does not tell namespaces apart is of the reader's", total, ``, `sum(queue_messages{namespace="shop"}) - scalar(sum(queue_taken{namespace="shop"}))`, ``, ``},
		{"and a selector is injected beside", total, `queue="a"`, `sum(queue_messages{namespace="shop",queue="a"}) - scalar(sum(queue_taken{namespace="shop",queue="a"}))`, ``, ``},
		{"the whole cluster's is everybody's", all, ``, `sum(queue_messages)`, ``, ``},
		{"another label is refused", queue, `queue="a",tenant="b"`, ``, ``, `label "tenant" is not selectable: the rule allows "queue" or "vhost"`},
		{"any label is refused without selectable", fixed, `queue="a"`, ``, ``, `label "queue" is not selectable: the rule allows no metric selector`},
	} {
		t.Run(c.name, func(t *testing.T) {
			expr, filter, err := loadRule(t, c.rule).Narrow("shop", parseSelector(t, c.selector))
			if c.err != "" {
				var refused *NotSelectableError
				if !errors.As(err, &refused) || err.Error() != c.err {
					t.Errorf("error %T %v, want %s", err, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if expr.String() != c.expr {
				t.Errorf("asks %s\nwant %s", expr, c.expr)
			}
			if got := printMatchers(filter); got != c.filter {
				t.Errorf("filters %s, want %s", got, c.filter)
			}
		})
	}
}

func TestNarrowLeavesTheRuleAlone(t *testing.T) {
	r := loadRule(t, "- {metric: m, type: Pods, query: 'sum by (namespace, pod) (rate(x[2m]))', selectable: [handler]}")
	before := r.Query.String()
	if _, _, err := r.Narrow("shop", parseSelector(t, `handler="/a"`)); err != nil || r.Query.String() != before {
		t.Errorf("the rule asks %s now (%v)", r.Query, err)
	}
}

func parseSelector(t *testing.T, text string) []*labels.Matcher {
	t.Helper()
	if text == "" {
		return nil
	}
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector("{" + text + "}")
	if err != nil {
		t.Fatal(err)
	}
	return matchers
}

func printMatchers(matchers []*labels.Matcher) string {
	text := ""
	for i, m := range matchers {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(m)
	}
	if text == "" {
		return ""
	}
	return "{" + text + "}"
}
