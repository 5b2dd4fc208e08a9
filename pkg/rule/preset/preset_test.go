package preset

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of docs/presets.md anew")

func TestPresetsAreFoundByName(t *testing.T) {
	for _, p := range All() {
		if found, ok := Get(p.Name); !ok || found != p {
			t.Errorf("Get(%q) = %v, %t", p.Name, found, ok)
		}
	}
	if _, ok := Get("rails"); ok {
		t.Error("there is a preset for rails")
	}
}

func TestCompletePresetsComeFirst(t *testing.T) {
	drafts := false
	for _, p := range All() {
		if drafts && !p.Draft {
			t.Fatalf("%s comes after a draft", p.Name)
		}
		drafts = p.Draft
	}
	if !drafts {
		t.Error("no draft")
	}
}

// A latency is read beside a metric that is proportional to the load.
func TestLatenciesHaveAProportionalMetricBesideThem(t *testing.T) {
	for _, p := range All() {
		if (p.HPA.Target == "Value") != (p.Beside != "") {
			t.Errorf("%s has a target of type %s, and beside it %q", p.Name, p.HPA.Target, p.Beside)
		}
		if p.Beside == "" {
			continue
		}
		beside, ok := Get(p.Beside)
		if !ok || beside.HPA.Target != "AverageValue" || beside.Stack != p.Stack && !p.Draft {
			t.Errorf("%s cannot be beside %s", p.Beside, p.Name)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	right, err := files.ReadFile("data/flask-worker-utilization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, text, want string }{
		{"an unknown field", "metric: ", "colour: red\nmetric: ", "field colour not found"},
		{"a wrong type", "assumptions:", "draft: perhaps\nassumptions:", "cannot unmarshal"},
		{"evidence that is none", "evidence: page", "evidence: hearsay", `evidence: "hearsay"`},
		{"no unit", "unit: share of slots\n", "", "unit is missing"},
		{"a parameter that is not declared", "$window", "$windw", "$windw is no parameter"},
		{"a parameter that is not used", "/ $slots", "", `parameter "slots" is not used`},
		{"a type that does not exist", "type: number", "type: integer", `parameter "slots": type "integer"`},
		{"neither default nor example", "  example: '8'\n", "", `parameter "slots" has a default or an example`},
		{"a target that does not exist", "target: AverageValue", "target: Average", `hpa.target: "Average"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(string(right), c.old, c.text, 1)
			if text == string(right) {
				t.Fatalf("%q is not in the file", c.old)
			}
			if _, err := decode("x", []byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	p, err := decode("x", []byte(`
title: t
stack: s
evidence: page
assumptions: [a]
metric: m
unit: u
rule: {type: Pods, query: 'label_replace(rate(x{path!~"$exclude"}[$window]) / $slots, "a", "$1${1}", "b", "(.*)")'}
hpa: {target: AverageValue, start: "1", derivation: d}
pitfalls: [p]
parameters:
- {name: window, type: duration, default: 1m30s, meaning: w}
- {name: slots, type: number, example: "8", meaning: s}
- {name: exclude, type: regexp, default: 'a"b\d', meaning: e}
`))
	if err != nil {
		t.Fatal(err)
	}
	r, wrong := p.Expand(map[string]string{"slots": "0.50", "unknown": "?"})
	want := `label_replace(rate(x{path!~"a\"b\\d"}[90000ms]) / 0.5, "a", "$1${1}", "b", "(.*)")`
	if len(wrong) > 0 || r.Query != want {
		t.Errorf("%v\n got %s\nwant %s", wrong, r.Query, want)
	}
	_, wrong = p.Expand(map[string]string{"window": "1.5ns", "exclude": "("})
	var got []string
	for _, one := range wrong {
		got = append(got, one.Error())
	}
	if diff := cmp.Diff([]string{
		`parameter "window": 1ns is not a time of whole milliseconds above zero`,
		`parameter "slots": it is missing (hint: write with: {slots: 8}, which is s)`,
		`parameter "exclude": "(" is not a regular expression`,
	}, got); diff != "" {
		t.Error(diff)
	}
}

// The page's tables are written from the presets.
func TestThePageListsEveryPreset(t *testing.T) {
	const page, begin, end = "../../../docs/presets.md", "<!-- presets: written by go test ./pkg/rule/preset -update -->\n", "<!-- end of presets -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the page has no place for the tables")
	}
	want := before + begin + tables() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-presets +page\n%s", diff)
	}
}

// tables are the presets in Markdown: the complete ones, and the drafts.
func tables() string {
	all := All()
	firstDraft := slices.IndexFunc(all, func(p *Preset) bool { return p.Draft })
	return table(all[:firstDraft]) + "\nDrafts: their tests show the usual case at most, and neither restarts nor outages.\n\n" + table(all[firstDraft:])
}

func table(presets []*Preset) string {
	var b strings.Builder
	b.WriteString("| preset | measures | of | HPA | start | parameters | evidence |\n|---|---|---|---|---|---|---|\n")
	for _, p := range presets {
		var parameters []string
		for _, one := range p.Parameters {
			text := "`" + one.Name + "`"
			if one.Required() {
				text += " (needed)"
			}
			parameters = append(parameters, text)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s, %s | %s | %s | %s |\n",
			p.Name, p.Title, p.Stack, p.HPAType(), p.HPA.Target, p.HPA.Start, strings.Join(parameters, ", "), p.Evidence)
	}
	return b.String()
}
