package promexpr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// shop is what a rule of the namespace shop is confined to.
var shop = labels.MustNewMatcher(labels.MatchEqual, "namespace", "shop")

func TestConfine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a selector", `x`, `x{namespace="shop"}`},
		{"a constant reads nothing", `vector(1)`, `vector(1)`},
		{"one that asks for the same", `x{namespace="shop"}`, `x{namespace="shop"}`},
		{"another namespace selects nothing", `x{namespace="bank"}`, `x{namespace="bank",namespace="shop"}`},
		{"all namespaces but the own", `x{namespace!="shop"}`, `x{namespace!="shop",namespace="shop"}`},
		{"an alternative", `x or y{namespace="bank"}`, `x{namespace="shop"} or y{namespace="bank",namespace="shop"}`},
		{"every metric there is", `{__name__=~".+"}`, `{__name__=~".+",namespace="shop"}`},
		{"a quoted name", `{"x.y",a="1"}`, `{__name__="x.y",a="1",namespace="shop"}`},
		{"a label that is made", `label_replace(x, "namespace", "bank", "", "")`, `label_replace(x{namespace="shop"}, "namespace", "bank", "", "")`},
		{"a proof of absence", `absent(x{namespace="bank"})`, `absent(x{namespace="bank",namespace="shop"})`},
		{"a subquery", `max_over_time(rate(x[5m])[1h:1m])`, `max_over_time(rate(x{namespace="shop"}[5m])[1h:1m])`},
		{"a shifted time", `x @ end() offset 1w`, `x{namespace="shop"} @ end() offset 1w`},
		{"both sides of a join", `x * on (pod) group_left (team) y`, `x{namespace="shop"} * on (pod) group_left (team) y{namespace="shop"}`},
		{"a parameter", `topk(scalar(count(y)), x)`, `topk(scalar(count(y{namespace="shop"})), x{namespace="shop"})`},
		{"the sign of a scalar", `-scalar(x)`, `-scalar(x{namespace="shop"})`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := mustParse(t, c.text).Confine(shop)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// What asks for the times of the samples, and for a proof, is derived from the
// tree: it is confined where the expression is.
func TestWhatIsDerivedFromAConfinedExpressionIsConfined(t *testing.T) {
	e, err := mustParse(t, `max by (namespace) (up offset 1m) == 1 and on () rate(x[5m]) > 0`).Confine(shop)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{e.SampleTimes().Query, e.Fresh(60e9).String()} {
		root, err := parseTree(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := isConfined(root, shop); err != nil {
			t.Error(err)
		}
	}
}

// What Confine made is not believed: a selector without the matcher, and a node
// that nobody knows, are errors.
func TestIsConfinedRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a selector without it", `x`, "the selector x lacks it"},
		{"another value", `x{namespace="bank"}`, `the selector x{namespace="bank"} lacks it`},
		{"another operator", `x{namespace=~"shop"}`, `the selector x{namespace=~"shop"} lacks it`},
		{"one side", `x{namespace="shop"} + y`, "the selector y lacks it"},
		{"a parameter", `topk(scalar(y), x{namespace="shop"})`, "the selector y lacks it"},
		{"within a subquery", `max_over_time(x[1h:1m])`, "the selector x lacks it"},
		{"a function that reads what is not written", `info(x{namespace="shop"})`, "what info reads is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, err := parseTree(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if err := isConfined(root, shop); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if err := isConfined(&parser.StepInvariantExpr{}, shop); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("an unknown node: %v", err)
	}
}

func TestMatchers(t *testing.T) {
	e := mustParse(t, `x{namespace="a",pod="b"} + y{namespace=~"c"} or z`)
	var got []string
	for _, m := range e.Matchers("namespace") {
		got = append(got, m.String())
	}
	if diff := cmp.Diff([]string{`namespace="a"`, `namespace=~"c"`}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCost(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Cost
	}{
		{"a constant", `vector(1)`, Cost{}},
		{"a selector", `x`, Cost{Selectors: 1, Selections: 1}},
		{"a rate", `sum(rate(x{a=~"b|c"}[5m]))`, Cost{Selectors: 1, Selections: 1, Regexp: 3}},
		{"two sides and a parameter", `topk(scalar(a), x / y)`, Cost{Selectors: 3, Selections: 3}},
		{"a subquery", `max_over_time(rate(x[5m])[1h:1m])`, Cost{Selectors: 1, Selections: 60}},
		{"one without a step takes the server's", `max_over_time(x[1h:])`, Cost{Selectors: 1, Selections: 60}},
		{"one within another", `max_over_time(max_over_time(x[1h:1m])[10m:1m]) + y`, Cost{Selectors: 2, Selections: 601}},
		{"an expression in a label's making", `label_replace(x{a!~"bc"}, "d", "", "e", "f.*")`, Cost{Selectors: 1, Selections: 1, Regexp: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mustParse(t, c.text).Cost(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
