package promexpr

import (
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestLabels(t *testing.T) {
	for _, group := range []struct {
		name  string
		cases [][2]string // expression, labels that its result can carry
	}{
		{"a selector carries whatever its series have", [][2]string{
			{`x`, "any label"},
			{`x{pod="a"}`, "any label"},
			{`x{pod!=""}`, "any label"},
			{`x offset 5m`, "any label"},
			{`x @ end()`, "any label"},
		}},
		{"a label that must be empty is not carried", [][2]string{
			{`x{pod=""}`, "any label but pod"},
			{`sum by (namespace, pod) (x{pod=""})`, "namespace"},
		}},
		{"aggregation keeps the labels it groups by", [][2]string{
			{`sum(x)`, "no label"},
			{`sum by () (x)`, "no label"},
			{`sum by (pod, namespace) (x)`, "namespace, pod"},
			{`avg by (__name__) (x)`, "__name__"},
			{`quantile by (namespace) (0.9, x)`, "namespace"},
			{`max by (pod) (sum by (namespace, pod) (x))`, "pod"},
			{`max by (namespace, node) (sum by (namespace, pod) (x))`, "namespace"},
			{`sum without (instance) (x)`, "any label but __name__, instance"},
			{`sum without () (x)`, "any label but __name__"},
			{`sum without (pod) (sum by (namespace, pod) (x))`, "namespace"},
		}},
		{"choosing series leaves them as they are", [][2]string{
			{`topk(3, x)`, "any label"},
			{`topk by (namespace) (3, x)`, "any label"},
			{`bottomk without (pod) (3, sum by (pod) (x))`, "pod"},
			{`sort(sum by (pod) (x))`, "pod"},
			{`sort_desc(x)`, "any label"},
		}},
		{"count_values adds a label", [][2]string{
			{`count_values("version", x)`, "version"},
			{`count_values by (namespace) (("version"), x)`, "namespace, version"},
			{`count_values without (pod) ("pod", x)`, "any label but __name__"},
		}},
		{"functions of values lose the name", [][2]string{
			{`rate(x[5m])`, "any label but __name__"},
			{`abs(sum by (pod) (x))`, "pod"},
			{`timestamp(x)`, "any label but __name__"},
			{`quantile_over_time(0.9, x[5m])`, "any label but __name__"},
			{`max_over_time(sum by (pod) (rate(x[5m]))[10m:1m])`, "pod"},
			{`hour(x)`, "any label but __name__"},
			{`last_over_time(x[5m])`, "any label"},
			{`first_over_time(x[5m])`, "any label"},
		}},
		{"numbers carry nothing", [][2]string{
			{`1`, "no label"},
			{`time()`, "no label"},
			{`scalar(x)`, "no label"},
			{`vector(scalar(x))`, "no label"},
			{`hour()`, "no label"},
			{`1 + time()`, "no label"},
		}},
		{"quantiles and fractions fold le", [][2]string{
			{`histogram_quantile(0.9, sum by (namespace, le) (rate(x_bucket[5m])))`, "namespace"},
			{`histogram_fraction(0, 1, rate(x_bucket[5m]))`, "any label but __name__, le"},
			{`histogram_sum(rate(x[5m]))`, "any label but __name__"},
		}},
		{"label functions add their target", [][2]string{
			{`label_replace(sum by (pod) (x), "deployment", "$1", "pod", "(.*)-.*-.*")`, "deployment, pod"},
			{`label_join(sum by (pod) (x), "key", "/", "namespace", "pod")`, "key, pod"},
			{`label_replace(x{pod=""}, ("pod"), "a", "", "")`, "any label"},
		}},
		{"absent carries what equality fixes", [][2]string{
			{`absent(x)`, "no label"},
			{`absent(x{namespace="a", pod=~"b.*", job!="c"})`, "namespace"},
			{`absent((x{namespace="a"}))`, "namespace"},
			{`absent(x{namespace="a", namespace="b", pod="c"})`, "pod"},
			{`absent(x{namespace="", pod="c"})`, "pod"},
			{`absent(sum by (namespace) (x{namespace="a"}))`, "no label"},
			{`absent_over_time(x{namespace="a"}[5m])`, "namespace"},
		}},
		{"arithmetic with a number", [][2]string{
			{`x * 2`, "any label but __name__"},
			{`2 ^ sum by (pod) (x)`, "pod"},
			{`sum by (__name__) (x + 1)`, "no label"},
			{`sum by (__name__) (x - 1)`, "no label"},
			{`sum by (__name__) (x / 1)`, "no label"},
			{`sum by (__name__) (x % 2)`, "no label"},
			{`sum by (__name__) (x ^ 2)`, "no label"},
			{`sum by (__name__) (x atan2 y)`, "no label"},
			{`sum by (__name__) (x != 1)`, "__name__"},
			{`sum by (__name__) (x </ 1)`, "__name__"},
			{`x > 2`, "any label"},
			{`x > bool 2`, "any label but __name__"},
			{`-x`, "any label but __name__"},
			{`+x`, "any label"},
			{`-(sum by (pod) (x))`, "pod"},
		}},
		{"one-to-one matching needs the label on both sides", [][2]string{
			{`x / y`, "any label but __name__"},
			{`x > y`, "any label"},
			{`x > bool y`, "any label but __name__"},
			{`x > on (pod) y`, "pod"},
			{`sum by (a, b) (x) / sum by (b, c) (y)`, "b"},
			{`sum by (a, b) (x) / on (b) sum by (b, c) (y)`, "b"},
			{`sum by (a, b) (x) / on (a, b) sum by (b, c) (y)`, "b"},
			{`sum by (a, b) (x) / ignoring (a) sum by (b) (y)`, "b"},
			{`sum(x) / on () sum(y)`, "no label"},
		}},
		{"many-to-one matching keeps the many side and includes", [][2]string{
			{`x * on (pod) group_left () y`, "any label but __name__"},
			{`sum by (namespace, pod) (x) * on (pod) group_left (node) y`, "namespace, node, pod"},
			{`sum by (namespace, pod) (x) * on (pod) group_left (node) sum by (pod) (y)`, "namespace, pod"},
			{`sum by (namespace, pod) (x) * on (namespace) group_left (pod) sum by (namespace) (y)`, "namespace"},
			{`sum by (a, b) (x) / ignoring (b) group_left () sum by (a) (y)`, "a, b"},
			{`sum by (a, b, c) (x) / ignoring (b) group_left () sum by (a) (y)`, "a, b"},
			{`kube_pod_info * on (pod) group_right (node) sum by (pod, namespace) (x)`, "namespace, node, pod"},
		}},
		{"set operators", [][2]string{
			{`sum by (a) (x) or sum by (b) (y)`, "a, b"},
			{`sum by (a) (x) or vector(0)`, "a"},
			{`x or sum by (b) (y)`, "any label"},
			{`sum by (b) (y) or rate(x[5m])`, "any label but __name__"},
			{`rate(x{pod=""}[5m]) or rate(y{job=""}[5m])`, "any label but __name__"},
			{`sum by (a, b) (x) and on (a) y`, "a, b"},
			{`sum by (a, b) (x) and on (a) sum by (b) (y)`, "b"},
			{`sum by (a, b) (x) and sum by (a) (y)`, "a"},
			{`x and on () vector(1)`, "any label"},
			{`sum by (a, b) (x) unless sum by (a) (y)`, "a, b"},
		}},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				if got := mustParse(t, c[0]).Labels().String(); got != c[1] {
					t.Errorf("%s\n\tcarries %s\n\twant    %s", c[0], got, c[1])
				}
			}
		})
	}
}

func TestLabelsOfEveryStableFunctionAreKnown(t *testing.T) {
	for name, f := range parser.Functions {
		if _, known := functions[name]; known == f.Experimental {
			t.Errorf("function %s: experimental %t, known %t", name, f.Experimental, known)
		}
	}
}

func TestLabelSet(t *testing.T) {
	only, but := onlyLabels("a", "b"), allLabelsBut("b", "c")
	for _, c := range []struct {
		name string
		set  LabelSet
		want string
	}{
		{"zero value", LabelSet{}, "no label"},
		{"names are sorted and not repeated", onlyLabels("b", "a", "b"), "a, b"},
		{"complement of nothing", allLabelsBut(), "any label"},
		{"union", only.union(onlyLabels("c")), "a, b, c"},
		{"union with a complement", only.union(but), "any label but c"},
		{"union with a complement, other way round", but.union(only), "any label but c"},
		{"union of complements", but.union(allLabelsBut("c", "d")), "any label but c"},
		{"intersection", only.intersect(onlyLabels("b", "c")), "b"},
		{"intersection with a complement", only.intersect(but), "a"},
		{"intersection of complements", but.intersect(allLabelsBut("d")), "any label but b, c, d"},
		{"difference", only.minus("a"), "b"},
		{"difference from a complement", but.minus("a"), "any label but a, b, c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.set.String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if !only.Has("a") || only.Has("c") || but.Has("b") || !but.Has("x") {
		t.Error("Has answers wrongly")
	}
	if names, ok := only.Names(); !ok || len(names) != 2 {
		t.Errorf("Names of a finite set: %q, %t", names, ok)
	}
	if _, ok := but.Names(); ok {
		t.Error("Names of an infinite set")
	}
}
