package charts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const defaultsFile = "testdata/defaults.yaml"

func TestDefaults(t *testing.T) {
	golden(t, defaultsFile, manifest(rendered(t, defaults())))
}

// TestDifferences shows what each set of values changes.
func TestDifferences(t *testing.T) {
	usual := manifest(rendered(t, defaults()))
	eachValueSet(t, func(t *testing.T, r release) {
		diff := unified(defaultsFile, usual, "these values", manifest(withoutFiles(rendered(t, r))))
		golden(t, "testdata/values/"+filepath.Base(t.Name())+".diff", diff)
	})
}

// withoutFiles leaves out what stands in files of its own.
func withoutFiles(files map[string]string) map[string]string {
	for _, name := range []string{"pitot/templates/dashboard.yaml", "pitot/templates/prometheusrule.yaml"} {
		if head, _, ok := strings.Cut(files[name], "\nspec:\n"); ok {
			files[name] = head + "\nspec: # …"
		}
		if head, _, ok := strings.Cut(files[name], "\ndata:\n"); ok {
			files[name] = head + "\ndata: # …"
		}
	}
	return files
}

// TestFiles finds the alerts and the dashboard as their authors wrote them.
func TestFiles(t *testing.T) {
	r := defaults()
	r.values["prometheusRule"] = map[string]any{"enabled": true, "autoscalers": true}
	r.values["dashboard"] = map[string]any{"enabled": true}
	all := decode(t, manifest(rendered(t, r)))

	var want monitoring.PrometheusRuleSpec
	for _, file := range []string{"alerts.yaml", "alerts-hpa.yaml"} {
		var spec monitoring.PrometheusRuleSpec
		read(t, chartPath+"/files/"+file, func(text []byte) error { return yaml.UnmarshalStrict(text, &spec) })
		want.Groups = append(want.Groups, spec.Groups...)
	}
	equal(t, "alerts", one[*monitoring.PrometheusRule](t, all).Spec, want)

	dashboard, err := os.ReadFile(chartPath + "/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range of[*corev1.ConfigMap](all) {
		if got, ok := o.Data["pitot.json"]; ok {
			equal(t, "dashboard", strings.TrimSpace(got), strings.TrimSpace(string(dashboard)))
			return
		}
	}
	t.Error("no dashboard")
}

func TestNotes(t *testing.T) {
	for _, name := range []string{"config-as-a-file", "rules-by-name", "rules-external-elsewhere", "shadow-without-apiservices", "insecure"} {
		t.Run(name, func(t *testing.T) {
			r, err := readRelease("testdata/values/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/notes/"+name+".txt", notes(rendered(t, r)))
		})
	}
	t.Run("defaults", func(t *testing.T) { golden(t, "testdata/notes/defaults.txt", notes(rendered(t, defaults()))) })
}

// TestRefused finds the message of each set of values that is refused.
func TestRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values to refuse: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			r, err := readRelease(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.render()
			if err == nil {
				t.Fatal("not refused")
			}
			if want := message(t, file); !strings.Contains(err.Error(), want) {
				t.Errorf("refused with:\n%v\nwant:\n%s", err, want)
			}
		})
	}
}

// message is the comment that a file begins with.
func message(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# ")
		if !ok {
			break
		}
		lines = append(lines, comment)
	}
	if len(lines) == 0 {
		t.Fatalf("%s does not begin with a message", file)
	}
	return strings.Join(lines, "\n")
}

// unified compares two texts line by line. It is "" if they are the same.
func unified(from, a, to, b string) string {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(a), B: difflib.SplitLines(b), FromFile: from, ToFile: to, Context: 2,
	})
	if err != nil {
		return err.Error()
	}
	return text
}
