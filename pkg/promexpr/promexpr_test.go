package promexpr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

func mustParse(t *testing.T, text string) *Expr {
	t.Helper()
	e, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return e
}

func TestStringIsCanonical(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"spaces and comments go", "sum by(pod)  ( # per pod\n  x )", `sum by (pod) (x)`},
		{"matchers are sorted", `x{b="2",a='1'}`, `x{a="1",b="2"}`},
		{"grouping after the argument moves forward", `sum(x) by (pod)`, `sum by (pod) (x)`},
		{"a quoted name stays inside the braces", `{"http.requests", a="1"}`, `{__name__="http.requests",a="1"}`},
		{"durations are normalised", `rate(x[60s])`, `rate(x[1m])`},
		{"parentheses stay", `(x + y) * 2`, `(x + y) * 2`},
		{"time at the end of the range", `x @ end()`, `x @ end()`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mustParse(t, c.text).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", ``, "1:1: no expression found in input"},
		{"an open parenthesis", `sum(x`, "1:1: no arguments for aggregate expression provided\n1:6: unclosed left parenthesis"},
		{"an unknown function", `rat(x[5m])`, `1:1: unknown function with name "rat"`},
		{"two problems", "rate(x) +\n  irate(y)", "1:6: expected type range vector in call to function \"rate\", got instant vector\n" +
			"2:9: expected type range vector in call to function \"irate\", got instant vector"},
		{"characters, not bytes, make the column", `x{a="äöü"} + rate(y)`, `1:19: expected type range vector in call to function "rate", got instant vector`},
		{"a range vector", `x[5m]`, "1:1: the result is a range vector, and only an instant vector or a scalar can be served"},
		{"a subquery as the result", `x[5m:]`, "1:1: the result is a range vector, and only an instant vector or a scalar can be served"},
		{"a string", `"x"`, "1:1: the result is a string, and only an instant vector or a scalar can be served"},
		{"a fixed time", `x / (x @ 1609746000)`, "1:6: @ with a fixed time makes a value that never changes"},
		{"a fixed time of a subquery", `rate(x[5m:] @ 0)`, "1:6: @ with a fixed time makes a value that never changes"},
		{"a computed range", `rate(x[2 * 1m])`, "1:6: the range is computed (2 * 1m): write one duration, such as 5m"},
		{"a subquery of very many steps", `max_over_time(x[30d:1s])`, "1:15: the subquery evaluates its expression 2592000 times, and 11000 is the most: use a longer step or a shorter range"},
		{"subqueries that multiply", `max_over_time(max_over_time(x[1d:1m])[1d:1m])`, "1:29: the subquery evaluates its expression 2073600 times, and 11000 is the most: use a longer step or a shorter range"},
		{"a computed step", `rate(x[5m:step()])`, "1:6: the step is computed (step()): write one duration, such as 5m"},
		{"a computed offset", `x offset (5m + 1m)`, "1:1: the offset is computed ((5m + 1m)): write one duration, such as 5m"},
		{"a range that the printer would cut off", `rate(x[0.0015])`, "1:6: the range 1.5ms is finer than a millisecond"},
		{"an experimental function", `info(x)`, "1:1: function info is experimental in Prometheus and not supported"},
		{"an experimental function of time", `start() + x`, "1:1: function start is experimental in Prometheus and not supported"},
		{"an experimental aggregation", `limitk(2, x)`, "1:1: limitk is experimental in Prometheus and not supported"},
		{"a fill modifier", `x + fill(0) y`, "1:1: the fill modifiers invent values and are experimental in Prometheus; they are not supported"},
		{"an anchored range", `rate(x[5m] anchored)`, "1:6: the modifiers anchored and smoothed are experimental in Prometheus and not supported"},
		{"something deep", `sum(topk(scalar(mad_over_time(x[5m])), -(y offset 5m)))`, "1:17: function mad_over_time is experimental in Prometheus and not supported"},
		{"any series", `{}`, "1:1: vector selector must contain at least one non-empty matcher"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.text)
			if err == nil {
				t.Fatalf("Parse(%q) accepts it", c.text)
			}
			if got := err.Error(); got != c.want {
				t.Errorf("Parse(%q)\n got %s\nwant %s", c.text, got, c.want)
			}
		})
	}
}

func TestParseErrorsAreTyped(t *testing.T) {
	_, err := Parse("rate(x) +\n  irate(y)")
	var all SyntaxErrors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("want two problems, got %v", err)
	}
	var first *SyntaxError
	if !errors.As(err, &first) || first.Line != 1 || first.Column != 6 {
		t.Errorf("want the first problem at 1:6, got %v", first)
	}
}

// strange is a node that no parser makes.
type strange struct{ *parser.NumberLiteral }

func TestInspectNamesUnknownNodes(t *testing.T) {
	tree := &parser.ParenExpr{Expr: strange{&parser.NumberLiteral{Val: 1}}}
	const want = "1:1: expressions of type promexpr.strange are not supported"
	if got := inspect(tree, "(1)").Error(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWithMatchers(t *testing.T) {
	for _, c := range []struct{ name, text, matchers, want string }{
		{"none", `x`, ``, `x`},
		{"every selector", `x / on (pod) rate(y[5m])`, `a="1"`, `x{a="1"} / on (pod) rate(y{a="1"}[5m])`},
		{"everywhere a selector can stand",
			`topk(scalar(k), -(x offset 5m)) + max_over_time(sum(y)[1h:5m]) unless absent({__name__=~"z.*"})`, `a="1"`,
			`topk(scalar(k{a="1"}), -(x{a="1"} offset 5m)) + max_over_time(sum(y{a="1"})[1h:5m]) unless absent({__name__=~"z.*",a="1"})`},
		{"sorted among those there are", `x{b="2",d="4"}`, `c!="3", a=~"1"`, `x{a=~"1",b="2",c!="3",d="4"}`},
		{"no repetition", `x{a="1"}`, `a="1", b="2", b="2"`, `x{a="1",b="2"}`},
		{"another value for the same label is added, not replaced", `x{a="1"}`, `a="2"`, `x{a="1",a="2"}`},
		{"another operator for the same label is added", `x{a="1"}`, `a!="2"`, `x{a!="2",a="1"}`},
		{"another metric name", `x{a="1"}`, `__name__="y"`, `{__name__="x",__name__="y",a="1"}`},
		{"the same metric name", `x`, `__name__="x"`, `x`},
		{"a label that needs quotes", `x`, `"http.route"="/a"`, `x{"http.route"="/a"}`},
		{"a value with quotes", `x`, `a="\"\n"`, `x{a="\"\n"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustParse(t, c.text)
			before := e.String()
			narrowed := e.WithMatchers(parseMatchers(t, c.matchers)...)
			if got := narrowed.String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if again := mustParse(t, narrowed.String()).String(); again != narrowed.String() {
				t.Errorf("parsed again it is %s", again)
			}
			if e.String() != before || e.root.String() != before {
				t.Errorf("the receiver became %s", e.root)
			}
		})
	}
}

func parseMatchers(t *testing.T, text string) []*labels.Matcher {
	t.Helper()
	if text == "" {
		return nil
	}
	matchers, err := promql.ParseMetricSelector("{" + text + "}")
	if err != nil {
		t.Fatal(err)
	}
	return matchers
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       time.Duration
	}{
		{"no range", `x offset 1h`, 0},
		{"a range", `rate(x[2m])`, 2 * time.Minute},
		{"the longest of several", `rate(x[2m]) / rate(y[5m]) + rate(z[1m])`, 5 * time.Minute},
		{"a subquery adds to what it repeats", `max_over_time(rate(x[2m])[10m:1m])`, 12 * time.Minute},
		{"a subquery over no range", `max_over_time(x[10m:1m])`, 10 * time.Minute},
		{"subqueries add up", `max_over_time(max_over_time(rate(x[2m])[10m:1m])[1h:])`, 72 * time.Minute},
		{"siblings of a subquery do not", `max_over_time(x[10m:]) + rate(y[3m])`, 10 * time.Minute},
		{"an offset does not lengthen", `rate(x[2m] offset 1d)`, 2 * time.Minute},
		{"a range in a parameter counts", `topk(scalar(rate(x[2m])), y)`, 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mustParse(t, c.text).Window(); got != c.want {
				t.Errorf("Window of %s = %s, want %s", c.text, got, c.want)
			}
		})
	}
}

func TestMetricNames(t *testing.T) {
	e := mustParse(t, `b + a / a{x="1"} + {__name__="c"} + {__name__=~"d.*"} + {__name__!="e", f="g"} + rate(h[1m])`)
	if diff := cmp.Diff([]string{"a", "b", "c", "h"}, e.MetricNames()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// sameTree compares expressions without their positions.
var sameTree = cmp.Options{
	cmpopts.IgnoreTypes(posrange.PositionRange{}, posrange.Pos(0)),
	cmpopts.IgnoreUnexported(parser.VectorSelector{}, parser.AggregateExpr{}, parser.BinaryExpr{}),
	cmpopts.EquateEmpty(),
	cmpopts.EquateNaNs(),
	cmp.Transformer("Matcher", func(m *labels.Matcher) string { return m.String() }),
	cmpopts.SortSlices(func(a, b *labels.Matcher) bool { return a.String() < b.String() }),
}

func FuzzParse(f *testing.F) {
	for _, text := range corpus {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			var problems SyntaxErrors
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("Parse(%q): error %T %v", text, err, err)
			}
			return
		}
		again, err := Parse(e.String())
		if err != nil {
			t.Fatalf("Parse(%q) = %s, which does not parse: %v", text, e, err)
		}
		if again.String() != e.String() {
			t.Fatalf("Parse(%q) = %s, then %s", text, e, again)
		}
		if diff := cmp.Diff(e.root, again.root, sameTree); diff != "" {
			t.Fatalf("Parse(%q) = %s, another tree (-before +after)\n%s", text, e, diff)
		}
		if e.Labels().String() != again.Labels().String() || e.Window() != again.Window() || e.Window() < 0 {
			t.Fatalf("Parse(%q) = %s: labels %s, %s; window %s, %s", text, e, e.Labels(), again.Labels(), e.Window(), again.Window())
		}
		if e.root.Type() == parser.ValueTypeScalar && e.Labels().String() != "no label" {
			t.Fatalf("Parse(%q) = %s: a scalar with labels %s", text, e, e.Labels())
		}
	})
}

func FuzzWithMatchers(f *testing.F) {
	for i, text := range corpus {
		name := [...]string{"namespace", "pod", "a", model.MetricNameLabel, "http.route"}[i%5]
		f.Add(text, byte(i), name, "api")
	}
	f.Fuzz(func(t *testing.T, text string, kind byte, name, value string) {
		e, err := Parse(text)
		if err != nil || !labelName(name) {
			return
		}
		m, err := labels.NewMatcher(labels.MatchType(kind%4), name, value)
		if err != nil {
			return
		}
		before := e.String()
		narrowed := e.WithMatchers(m, m)
		if e.String() != before || e.root.String() != before {
			t.Fatalf("%s changed to %s", before, e.root)
		}
		requireNarrowed(t, e, narrowed, m)
		if m.Type != labels.MatchEqual && widened(e.Labels(), narrowed.Labels()) {
			t.Fatalf("%s carries %s, but %s carries %s", e, e.Labels(), narrowed, narrowed.Labels())
		}
		again, err := Parse(narrowed.String())
		if err != nil || again.String() != narrowed.String() {
			t.Fatalf("%s with %s is %s, which parses to %v, %v", e, m, narrowed, again, err)
		}
		if twice := narrowed.WithMatchers(m); twice.String() != narrowed.String() {
			t.Fatalf("%s with %s again is %s", narrowed, m, twice)
		}
	})
}

// requireNarrowed fails unless narrowed is e with m in every selector, every
// former matcher still there, and nothing else changed.
func requireNarrowed(t *testing.T, e, narrowed *Expr, m *labels.Matcher) {
	t.Helper()
	before, after := parser.ExtractSelectors(e.root), parser.ExtractSelectors(narrowed.root)
	if len(before) != len(after) {
		t.Fatalf("%s has %d selectors, %s has %d", e, len(before), narrowed, len(after))
	}
	for i := range after {
		if !has(after[i], m) {
			t.Fatalf("%s lacks %s in a selector", narrowed, m)
		}
		for _, old := range before[i] {
			if !has(after[i], old) {
				t.Fatalf("%s lost %s in %s", e, old, narrowed)
			}
		}
		if len(after[i]) > len(before[i])+1 {
			t.Fatalf("%s got more than %s in %s", e, m, narrowed)
		}
	}
	if diff := cmp.Diff(e.root, narrowed.root, sameTree, cmpopts.IgnoreFields(parser.VectorSelector{}, "Name", "LabelMatchers")); diff != "" {
		t.Fatalf("%s and %s differ by more than matchers\n%s", e, narrowed, diff)
	}
}

// widened reports whether after has a label that before has not. It tries the
// labels that either names, and one that neither does.
func widened(before, after LabelSet) bool {
	for _, name := range append(append([]string{"\x00"}, before.names...), after.names...) {
		if after.Has(name) && !before.Has(name) {
			return true
		}
	}
	return false
}

// labelName reports whether name can stand in a selector.
func labelName(name string) bool {
	m := labels.Matcher{Name: name, Value: "x"}
	parsed, err := promql.ParseMetricSelector(`{` + m.String() + `}`)
	return err == nil && len(parsed) == 1 && parsed[0].Name == name
}

// corpus seeds the fuzz targets with each kind of expression, with rules as
// users write them, and with what has made printers stumble.
var corpus = strings.Split(strings.TrimSpace(`
x
{__name__="x"}
{"http.requests","http.route"="/a"}
x{a="1",b!="2",c=~"3.*",d!~"4|5"}
x{pod=""}
x offset 5m
x offset -5m
x @ end() offset 1h
x @ 1609746000
x @ start()
rate(x[5m])
rate(x[5m] @ end() offset -1m)
rate(x[0.0015])
rate(x[2 * 1m])
rate(x[1y1w1d1h1m1s1ms])
max_over_time(rate(x[2m])[10m:1m] offset 5m)
max_over_time(max_over_time(x[1m:])[1h:])
sum by (namespace, pod) (rate(http_requests_total{handler!~"/metrics|/healthz"}[2m]))
sum by (namespace, pod, le) (rate(http_request_duration_highr_seconds_bucket[2m]))
sum by (namespace, queue) (queue_messages_ready)
sum without (instance, "http.route") (x)
sum by () (x)
topk by (namespace) (3, x)
count_values("version", build_info)
quantile(0.95, x)
limitk(2, x)
histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))
histogram_fraction(0, 0.2, rate(x[1h]))
label_replace(x, "a", "$1", "b", "(.*)")
label_join(x, "a", "-", "b", "c")
absent(x{a="1",b=~"2"})
absent_over_time((x{a="1"})[5m:])
vector(time() - 3600)
scalar(x) + hour()
-x ^ 2
(-1) ^ 2
- - x
-(-1)
+Inf
-Inf
NaN
0x1F
1e300
-0
5m
x + -5m
1 > bool 2
x == bool on (a) y
x </ 0.5
x atan2 y
a + b * c ^ d % e / f - g
a * on (pod) group_left (node, zone) kube_pod_info
kube_pod_info * ignoring (node) group_right () a
a and on () vector(1) or b unless ignoring (c) d
a + fill_left(1) b
info(x, {k="v"})
sum
sum(sum)
on(x)
offset offset 5m
"string"
x[5m]
# comment
x{a="\u00e4\\\"\n"}
x{a='\xff'}
x{`+"a=`raw`"+`}
`), "\n")
