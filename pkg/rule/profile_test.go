package rule

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRenamingsLoseNoLabel: each is a permutation, so that two labels of a series
// never become one.
func TestRenamingsLoseNoLabel(t *testing.T) {
	for _, p := range append(slices.Clone(profiles), Profile{Name: customProfile, Labels: map[string]string{"namespace": "exported_namespace", "pod": "instance", "node": "node"}}) {
		renaming := p.Renaming()
		from, to := slices.Sorted(maps.Keys(renaming)), slices.Sorted(maps.Values(renaming))
		if diff := cmp.Diff(from, to); diff != "" {
			t.Errorf("%s leads elsewhere (-from +to)\n%s", p, diff)
		}
	}
}

// TestRenamingKnowsTheApplicationsOwnLabels: where the backend has another label
// for the namespace, what an application calls its namespace is exported.
func TestRenamingKnowsTheApplicationsOwnLabels(t *testing.T) {
	for _, test := range []struct {
		profile             Profile
		namespace, exported string
	}{
		{LegacyAnnotations, "kubernetes_namespace", "namespace"},
		{OTel, "k8s_namespace_name", "namespace"},
		{Exported, "exported_namespace", "namespace"},
	} {
		renaming := test.profile.Renaming()
		if renaming["namespace"] != test.namespace || renaming["exported_namespace"] != test.exported {
			t.Errorf("%s: %v", test.profile, renaming)
		}
	}
	if len(Operator.Renaming()) != 0 || len(Auto.Renaming()) != 0 {
		t.Error("the labels of rules get other names")
	}
}

// TestARuleIsNotKeptUnderLabelsThatItNames: it would ask for something else.
func TestARuleIsNotKeptUnderLabelsThatItNames(t *testing.T) {
	text := func(labels string) File {
		return File{Name: "pitot.yaml", Text: []byte(`
apiVersion: pitot.dev/v1alpha1
kind: Config
backends: [{name: main, url: http://a:9090, labels: ` + labels + `}]
rules:
- {metric: own, type: External, query: 'sum by (namespace) (x{exported_namespace=""})'}
- {metric: plain, type: External, query: 'sum by (namespace) (x)'}
`)}
	}
	last, problems := LoadPartial(text("auto"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	next, _ := LoadPartial(text("exported"))
	kept := next.Keep(last)
	if _, ok := kept.External("own"); ok {
		t.Error("it is kept")
	}
	if len(kept.ExternalProblems("own")) == 0 {
		t.Error("its problem is not known")
	}
	if _, ok := kept.External("plain"); !ok {
		t.Error("a rule that names no such label is lost")
	}
}
