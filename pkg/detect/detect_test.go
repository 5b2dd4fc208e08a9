package detect

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

var update = flag.Bool("update", false, "rewrite golden output")

// TestReports examines the pages of each archive of testdata/reports. A file is
// named POD/READ; the text before them says what is to be seen, and the options.
func TestReports(t *testing.T) {
	archives, err := filepath.Glob("testdata/reports/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("%v, %d archives", err, len(archives))
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			w := writing(t, string(archive.Comment))
			report := Examine(pods(t, archive), w.Objective)
			if wrong := w.Problems(report.Presets); len(wrong) > 0 {
				t.Error(wrong)
			}
			checkServed(t, w.Rules(report.Presets), w.HPA(report.Presets))
			got := render(report, w)
			golden := &archive.Files[len(archive.Files)-1]
			if *update {
				golden.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(golden.Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func writing(t *testing.T, comment string) Writing {
	t.Helper()
	w := Writing{Name: "web", Namespace: "shop"}
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "objective: "); ok {
			objective, err := ParseObjective(text)
			if err != nil {
				t.Fatal(err)
			}
			w.Objective = objective
		}
		if text, ok := strings.CutPrefix(line, "with: "); ok {
			name, value, _ := strings.Cut(text, "=")
			w.With = map[string]string{name: value}
		}
	}
	return w
}

func pods(t *testing.T, archive *txtar.Archive) []Pod {
	t.Helper()
	var all []Pod
	for _, file := range archive.Files {
		pod, read, ok := strings.Cut(file.Name, "/")
		if !ok {
			continue
		}
		page, err := ReadPage(file.Data, "")
		if err != nil {
			t.Fatalf("%s: %v", file.Name, err)
		}
		if read == "1" {
			all = append(all, Pod{Name: pod})
		}
		all[len(all)-1].Reads = append(all[len(all)-1].Reads, page)
	}
	return all
}

// render is a report for people who check it.
func render(r Report, w Writing) string {
	var b strings.Builder
	for _, l := range r.Libraries {
		fmt.Fprintf(&b, "library %s (%s)\n  %s\n", l.Name, l.Stack, strings.Join(l.Evidence, "\n  "))
	}
	for _, f := range r.Presets {
		fmt.Fprintf(&b, "fits %s\n", f.Name)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s\n  seen: %s\n  cure: %s\n", f.Code, f.What, strings.Join(f.Evidence, "\n  seen: "), f.Cure)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	b.WriteString(w.Rules(r.Presets) + w.HPA(r.Presets))
	return b.String()
}

// checkServed checks that what was written is what the program reads: rules that load,
// and an HPA that is admitted, reads Pods and Object metrics, and finds its rules.
func checkServed(t *testing.T, rules, autoscaler string) {
	t.Helper()
	if rules == "" {
		if autoscaler != "" {
			t.Error("an HPA without rules")
		}
		return
	}
	backend := rule.File{Name: "backends.yaml", Text: []byte("apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends: [{name: main, url: http://localhost:9090}]\n")}
	set, err := rule.Load(backend, rule.File{Name: "rules.yaml", Text: []byte(rules)})
	if err != nil {
		t.Fatal(err)
	}
	autoscalers, err := manifest.Read("hpa.yaml", strings.NewReader(autoscaler))
	if err != nil || len(autoscalers) != 1 {
		t.Fatalf("%d autoscalers, %v", len(autoscalers), err)
	}
	kinds := map[string]rule.GroupResource{
		"Deployment": {Group: "apps", Resource: "deployments"},
		"Ingress":    {Group: "networking.k8s.io", Resource: "ingresses"},
		"Namespace":  {Resource: "namespaces"},
		"Service":    {Resource: "services"},
	}
	for i, metric := range autoscalers[0].Spec.Metrics {
		of := rule.GroupResource{Resource: "pods"}
		switch metric.Type {
		case hpa.Pods:
		case hpa.Object:
			of = kinds[autoscalers[0].Sources[i].Object.Kind]
		default:
			t.Errorf("metric %s is of type %v", metric.Name, metric.Type)
		}
		if _, ok := set.Custom(metric.Name, of); !ok {
			t.Errorf("no rule serves %s on %s", metric.Name, of)
		}
	}
}
