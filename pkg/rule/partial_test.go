package rule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestPartial loads every archive of testdata/partial and compares what is
// served, and why the rest is not, with what the archive ends with.
func TestPartial(t *testing.T) {
	for _, c := range readCases(t, "partial") {
		t.Run(c.name, func(t *testing.T) {
			set, _ := LoadPartial(c.files...)
			c.expect(t, "set", describePartial(set))
		})
	}
}

func TestPartialFindsTheProblemsThatLoadFinds(t *testing.T) {
	for _, c := range append(readCases(t, "broken"), readCases(t, "partial")...) {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.files...)
			_, problems := LoadPartial(c.files...)
			if diff := gocmp.Diff(err.Error(), problems.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// describePartial prints what a set serves and why it does not serve the rest.
func describePartial(s *Set) string {
	var b strings.Builder
	for _, backend := range s.Backends {
		fmt.Fprintf(&b, "backend %s\n", backend.Name)
	}
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "%s of %s (%s)\n", r.Metric, r.Of, r.Position)
	}
	fmt.Fprintf(&b, "%d broken\n", s.Broken())
	section := func(title string, problems Problems) {
		fmt.Fprintf(&b, "%s:\n", title)
		for _, p := range problems {
			fmt.Fprintf(&b, "    %s\n", p)
		}
	}
	keys := slices.SortedFunc(maps.Keys(s.broken.byKey), func(a, b key) int { return cmp.Compare(a.String(), b.String()) })
	for _, k := range keys {
		section(k.String(), s.broken.byKey[k])
	}
	for _, metric := range slices.Sorted(maps.Keys(s.broken.byMetric)) {
		section(fmt.Sprintf("the metric %q of any kind", metric), s.broken.byMetric[metric])
	}
	if len(s.broken.hiding) > 0 {
		section("any metric", s.broken.hiding)
	}
	return b.String()
}

const partialHead = "apiVersion: pitot.dev/v1alpha1\nkind: Config\n"

// rulesFile is a file of External rules, one line each, as in "a: up".
func rulesFile(name string, rules ...string) File {
	text := partialHead + "rules:\n"
	for _, r := range rules {
		metric, query, _ := strings.Cut(r, ": ")
		text += fmt.Sprintf("- {metric: %s, type: External, query: '%s'}\n", metric, query)
	}
	return File{Name: name, Text: []byte(text)}
}

func backendsFile(url string) File {
	return File{Name: "backends.yaml", Text: []byte(partialHead + "backends:\n- {name: main, url: '" + url + "'}\n")}
}

func TestKeep(t *testing.T) {
	backends := backendsFile("http://a:9090")
	rules := rulesFile("dir/rules.yaml", "a: up", "b: up")
	tests := []struct {
		name string
		now  []File
		want []string // metric: query at URL of the backend
	}{
		{"a broken rule stays as it was, others change", []File{backends, rulesFile("dir/rules.yaml", "a: up(", "b: ready")}, []string{"a: up at http://a:9090", "b: ready at http://a:9090"}},
		{"a rule that is not there stays while its file is broken", []File{backends, rulesFile("dir/rules.yaml", "b: ready", "c: up(")}, []string{"a: up at http://a:9090", "b: ready at http://a:9090"}},
		{"a rule that is not there goes when its file is right", []File{backends, rulesFile("dir/rules.yaml", "b: ready")}, []string{"b: ready at http://a:9090"}},
		{"a rule goes though another file is broken", []File{backends, rulesFile("dir/rules.yaml", "b: ready"), rulesFile("other.yaml", "c: up(")}, []string{"b: ready at http://a:9090"}},
		{"rules stay with the backend that broke", []File{backendsFile("a:9090"), rules}, []string{"a: up at http://a:9090", "b: up at http://a:9090"}},
		{"rules stay with the backend that went while they are broken", []File{{Name: "backends.yaml", Text: []byte(partialHead)}, rulesFile("dir/rules.yaml", "a: up(", "b: up(")}, []string{"a: up at http://a:9090", "b: up at http://a:9090"}},
		{"a broken rule is read from its changed backend", []File{backendsFile("http://b:9090"), rulesFile("dir/rules.yaml", "a: up(")}, []string{"a: up at http://b:9090", "b: up at http://b:9090"}},
		{"rules stay while their file cannot be read", []File{backends, {Name: "dir/rules.yaml", Err: errors.New("permission denied")}}, []string{"a: up at http://a:9090", "b: up at http://a:9090"}},
		{"rules stay while their folder cannot be read", []File{backends, {Name: "dir", Err: errors.New("permission denied")}}, []string{"a: up at http://a:9090", "b: up at http://a:9090"}},
		{"rules stay when everything is empty", nil, []string{"a: up at http://a:9090", "b: up at http://a:9090"}},
		{"the earlier of two that claim a metric stays", []File{rulesFile("a.yaml", "a: ready"), backends, rules}, []string{"a: up at http://a:9090", "b: up at http://a:9090"}},
		{"a rule that moved is not kept beside itself", []File{backends, rulesFile("dir/rules.yaml", "c: up("), rulesFile("new.yaml", "a: ready", "b: ready")}, []string{"a: ready at http://a:9090", "b: ready at http://a:9090"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			last, problems := LoadPartial(backends, rules)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			set, _ := LoadPartial(test.now...)
			kept := set.Keep(last)
			var got []string
			for _, r := range kept.Rules {
				requireServable(t, kept, r)
				backend, _ := kept.Backend(r.Backend)
				got = append(got, fmt.Sprintf("%s: %s at %s", r.Metric, r.Expr(), backend.URL))
			}
			slices.Sort(got)
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if len(kept.Rules)-len(set.Rules) > kept.Broken() {
				t.Errorf("%d broken, of which %d are kept", kept.Broken(), len(kept.Rules)-len(set.Rules))
			}
			if again := kept.Keep(kept); len(again.Rules) != len(kept.Rules) {
				t.Errorf("kept once more: %d rules, want %d", len(again.Rules), len(kept.Rules))
			}
		})
	}
}

func FuzzLoadPartial(f *testing.F) {
	for _, dir := range []string{"broken", "good", "partial"} {
		for _, c := range readCases(f, dir) {
			for _, file := range c.files {
				f.Add(file.Text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := File{Name: "fuzz.yaml", Text: text}
		whole, err := Load(file)
		set, problems := LoadPartial(file)
		if (err != nil) != (len(problems) > 0) {
			t.Fatalf("Load says %v, LoadPartial %v", err, problems)
		}
		if err == nil {
			if diff := gocmp.Diff(whole, set, sameSet); diff != "" {
				t.Fatal(diff)
			}
		}
		for _, r := range set.Rules {
			requireServable(t, set, r)
		}
		if kept := set.Keep(set); len(kept.Rules) != len(set.Rules) {
			t.Fatalf("a set keeps itself: %d rules of %d", len(kept.Rules), len(set.Rules))
		}
	})
}
