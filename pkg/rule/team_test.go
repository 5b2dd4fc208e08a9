package rule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestTeam loads the ConfigMaps of every archive of testdata/team beside the
// operator's configuration, if there is one, and compares what is served and what
// is wrong with what the archive ends with.
func TestTeam(t *testing.T) {
	for _, c := range readCases(t, "team") {
		t.Run(c.name, func(t *testing.T) {
			var operator *Set
			var b strings.Builder
			for _, file := range c.files {
				maps, problems, ok := ConfigMaps(file)
				if !ok {
					set, err := Load(file)
					if err != nil {
						t.Fatal(err)
					}
					operator = set
					continue
				}
				for _, p := range problems {
					fmt.Fprintf(&b, "%s\n", p)
				}
				for _, m := range maps {
					team := Team{Namespace: m.Namespace}
					if operator != nil {
						team = operator.TeamOf(m.Namespace)
					}
					set, problems := LoadTeam(team, m)
					fmt.Fprintf(&b, "ConfigMap %s\n%s", m, describeTeam(set))
					for _, p := range problems {
						fmt.Fprintf(&b, "%s\n", p)
					}
				}
			}
			c.expect(t, "set", b.String())
		})
	}
}

func describeTeam(s *Set) string {
	var b strings.Builder
	for _, backend := range s.Backends {
		fmt.Fprintf(&b, "backend %s, at most %d bytes\n", backend.Name, backend.MaxResponseBytes)
	}
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "%s %s of %s for %q from %q (%s)\n    %s\n", r.Type, r.Metric, r.Of, r.Namespace, r.Backend, r.Position, r.Expr())
		if r.ZeroWhen != nil {
			fmt.Fprintf(&b, "    zero when %s\n", r.Proof())
		}
	}
	for _, metric := range []string{"claimed", "unclaimed"} {
		for _, p := range s.ExternalClaims(metric) {
			fmt.Fprintf(&b, "%s: %s\n", metric, p)
		}
	}
	return b.String()
}

// operators is a configuration with a backend that is open to teams.
func operators(t testing.TB) *Set {
	t.Helper()
	set, err := Load(File{Name: "pitot.yaml", Text: []byte("apiVersion: pitot.dev/v1alpha1\nkind: Config\n" +
		"backends: [{name: main, url: 'http://a:9090', teams: true}]\nrules: [{metric: up, type: External, query: up}]\n")})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// rulesText is a file of External rules: "a: up".
func rulesText(rules ...string) string {
	text := "apiVersion: pitot.dev/v1alpha1\nkind: Config\nrules:\n"
	for _, r := range rules {
		metric, query, _ := strings.Cut(r, ": ")
		text += fmt.Sprintf("- {metric: %s, type: External, query: '%s'}\n", metric, query)
	}
	return text
}

func loadTeam(t testing.TB, team Team, name string, text string) (*Set, Problems) {
	t.Helper()
	return LoadTeam(team, NewConfigMap(team.Namespace, name, map[string]string{"r.yaml": text}))
}

func TestTooMuchOfATeam(t *testing.T) {
	team := operators(t).TeamOf("shop")
	var many []string
	for i := range MaxTeamRules + 3 {
		many = append(many, fmt.Sprintf("m%d: x", i))
	}
	for _, c := range []struct {
		name, text string
		rules      int
		want       string
	}{
		{"as many rules as there may be", rulesText(many[:MaxTeamRules]...), MaxTeamRules, ""},
		{"too many rules", rulesText(many...), MaxTeamRules, "shop/m/r.yaml:54:3: these are more than 50 rules, which is the most for a namespace: the rest is not read"},
		{"too much text", rulesText("a: x") + strings.Repeat("# long\n", MaxTeamBytes/7), 0,
			"shop/m:1:1: the files of the ConfigMap have more than 65536 bytes: none of them is read"},
		{"a long expression, which is not even parsed", rulesText("a: "+strings.Repeat("(", 5000), "b: x"), 1,
			`shop/m/r.yaml:4:38: rule "a": field "query": the expression has 5000 bytes, and 4096 is the most for a team`},
		{"many selectors", rulesText("a: x"+strings.Repeat(" + x", 50), "b: x"), 1,
			`shop/m/r.yaml:4:38: rule "a": field "query": it has 51 selectors, and 50 is the most for a team`},
		{"a long regular expression", rulesText(`a: x{b=~"`+strings.Repeat("c|", 600)+`d"}`, "b: x"), 1,
			`shop/m/r.yaml:4:38: rule "a": field "query": a regular expression has 1201 bytes, and 1024 is the most for a team`},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, problems := loadTeam(t, team, "m", c.text)
			if diff := cmp.Diff(c.want, problems.Error()); diff != "" {
				t.Error(diff)
			}
			if len(set.Rules) != c.rules {
				t.Errorf("%d rules, want %d", len(set.Rules), c.rules)
			}
		})
	}
}

// The older ConfigMap wins, and the other is told.
func TestGather(t *testing.T) {
	team := operators(t).TeamOf("shop")
	older, _ := loadTeam(t, team, "older", rulesText("a: x", "b: x(", "c: x"))
	newer, _ := loadTeam(t, team, "newer", rulesText("a: y", "b: y", "d: y"))
	all, lost := Gather(older, newer)
	var served []string
	for _, r := range all.Rules {
		served = append(served, r.Metric+" from "+r.Position.File)
	}
	if diff := cmp.Diff([]string{"a from shop/older/r.yaml", "c from shop/older/r.yaml", "b from shop/newer/r.yaml", "d from shop/newer/r.yaml"}, served); diff != "" {
		t.Error(diff)
	}
	const want = `shop/newer/r.yaml:4:3: rule "a": the External metric "a" is already defined at shop/older/r.yaml:4:3, in an older ConfigMap (hint: leave one of them out)`
	if got := lost[1].Error(); len(lost[0]) != 0 || got != want {
		t.Errorf("lost %v and\n%s\nwant\n%s", lost[0], got, want)
	}
	if _, ok := all.Backend("main/shop"); !ok {
		t.Error("the rules' backend is not among them")
	}

	var full []*Set
	for i := range 6 {
		var rules []string
		for j := range 10 {
			rules = append(rules, fmt.Sprintf("m%d_%d: x", i, j))
		}
		set, _ := loadTeam(t, team, fmt.Sprint(i), rulesText(rules...))
		full = append(full, set)
	}
	all, lost = Gather(full...)
	if len(all.Rules) != MaxTeamRules || len(lost[4]) != 0 || len(lost[5]) != 10 {
		t.Errorf("%d rules, lost %v", len(all.Rules), lost)
	}
}

// A rule that breaks is kept, but not against the will of the operator.
func TestKeepOfATeam(t *testing.T) {
	team := operators(t).TeamOf("shop")
	before, _ := loadTeam(t, team, "m", rulesText("a: x", "b: x"))
	after, _ := loadTeam(t, team, "m", rulesText("a: x(", "b: y"))
	if kept := team.Keep(after, before); len(kept.Rules) != 2 {
		t.Errorf("kept %d rules", len(kept.Rules))
	}
	closed := Team{Namespace: "shop", Backends: []Backend{}}
	if kept := closed.Keep(after, before); len(kept.Rules) != 1 {
		t.Errorf("kept %d rules on a backend that is closed", len(kept.Rules))
	}
	other := operators(t).TeamOf("bank")
	if kept := other.Keep(after, before); len(kept.Rules) != 1 {
		t.Errorf("kept %d rules of another namespace", len(kept.Rules))
	}
}

// FuzzTeam holds that whatever a ConfigMap says, its rules read the series of its
// namespace alone and ask its backends alone.
func FuzzTeam(f *testing.F) {
	for _, c := range readCases(f, "team") {
		for _, file := range c.files {
			f.Add(file.Text)
		}
	}
	for _, c := range append(readCases(f, "good"), readCases(f, "partial")...) {
		for _, file := range c.files {
			f.Add([]byte("kind: ConfigMap\nmetadata: {namespace: shop, labels: {pitot.dev/rules: 'true'}}\ndata:\n  a.yaml: |\n    " +
				strings.ReplaceAll(string(file.Text), "\n", "\n    ")))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := len(lineBreak.Split(string(text), -1))
		labelled, problems, ok := ConfigMaps(File{Name: "fuzz.yaml", Text: text})
		if len(problems) > 0 {
			requireSensible(t, problems, lines)
		}
		if !ok && len(labelled) > 0 {
			t.Fatal("ConfigMaps in a file that has none")
		}
		// As a ConfigMap of a cluster, too: then the text is a file of its own.
		labelled = append(labelled, NewConfigMap("shop", "fuzz", map[string]string{"fuzz.yaml": string(text)}))
		for _, m := range labelled {
			team := operators(t).TeamOf(m.Namespace)
			set, problems := LoadTeam(team, m)
			if len(problems) > 0 {
				requireSensible(t, problems, lines)
			}
			if len(set.Rules) > MaxTeamRules {
				t.Fatalf("%d rules", len(set.Rules))
			}
			for _, r := range set.Rules {
				requireServable(t, set, r)
				requireConfined(t, r, m.Namespace)
			}
			if kept := team.Keep(set, set); len(kept.Rules) != len(set.Rules) {
				t.Fatalf("a set keeps itself: %d rules of %d", len(kept.Rules), len(set.Rules))
			}
		}
	})
}

// requireConfined fails unless all that a rule may ever ask is about a namespace.
func requireConfined(t *testing.T, r *Rule, namespace string) {
	t.Helper()
	if r.Namespace != namespace || r.Backend != "main/"+namespace || r.Scope == ScopeCluster {
		t.Fatalf("%s: namespace %q, backend %q, scope %q", r.Metric, r.Namespace, r.Backend, r.Scope)
	}
	narrowed, _, err := r.Narrow(namespace, nil)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{narrowed.String(), narrowed.SampleTimes().Query}
	if proof := r.Proof(); proof != nil {
		texts = append(texts, proof.String())
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		root, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, selector := range parser.ExtractSelectors(root) {
			if !slices.ContainsFunc(selector, func(m *labels.Matcher) bool { return m.String() == fmt.Sprintf("%s=%q", NamespaceLabel, namespace) }) {
				t.Fatalf("%s reads beyond namespace %q", text, namespace)
			}
		}
	}
}

// Rules by chance, as ConfigMaps of two namespaces: each set is confined to its own.
func TestRandomRulesAreConfined(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	served := 0
	for range 500 {
		query := fmt.Sprintf("%s(%s) %s %s", pick("sum", "max by (namespace) ", "absent", "abs"), pick("x", `{__name__=~".+"}`, `x{a="b"} or y`, "rate(x[5m])"),
			pick("or", "unless on ()", "+ on ()", "and"), pick("vector(1)", "y offset 1m", `label_replace(x, "namespace", "bank", "", "")`, "max_over_time(x[1h:1m])"))
		for _, namespace := range []string{"shop", "bank"} {
			set, _ := loadTeam(t, operators(t).TeamOf(namespace), "m", strings.ReplaceAll(rulesText("a: QUERY"), "QUERY", query))
			for _, r := range set.Rules {
				requireConfined(t, r, namespace)
				served++
			}
		}
	}
	if served < 800 {
		t.Errorf("only %d rules of 1000 were served", served)
	}
}
