// Package layering tests that packages import only downwards.
//
// It is the table of docs/architecture.md as a test. Where the table turns out
// wrong, change both in the same commit and say why in hack/decisions.
package layering

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pitot-autoscaling/pitot/"

// layers gives every package its height. A package imports only lower ones.
var layers = map[string]int{
	"pkg/hpa":              0, // standard library only
	"pkg/promexpr":         0,
	"pkg/rule/preset":      0, // data
	"pkg/trace":            0,
	"pkg/internal/instant": 0,
	"pkg/internal/mirror":  0,
	"pkg/internal/place":   0,

	"pkg/workload":         1,
	"pkg/rule":             1,
	"pkg/detect":           1, // reads pages with the parser of Prometheus, a leaf package
	"pkg/manifest":         1,
	"pkg/internal/promapi": 1,
	"pkg/internal/promdb":  1,
	"pkg/internal/pods":    1,
	"pkg/internal/certs":   1,

	"pkg/workload/exact":     2,
	"pkg/sim":                2,
	"pkg/internal/reading":   2,
	"pkg/internal/snapshot":  2,
	"pkg/internal/profile":   2,
	"pkg/internal/doctor":    2,
	"pkg/internal/promtest":  2, // tests import it: a Prometheus that fails
	"pkg/internal/teamrules": 2,

	"pkg/internal/promtest/cmd/promtest": 3, // the same as a program, for tests of other modules

	"pkg/scenario":          3,
	"pkg/internal/dryrun":   3,
	"pkg/internal/provider": 3,
	"pkg/internal/demand":   3,
	"pkg/internal/cluster":  3, // reads what doctor judges

	"pkg/report":             4,
	"pkg/internal/server":    4,
	"pkg/internal/telemetry": 4,
	"pkg/internal/promsim":   4, // where the adapter's side and the simulator's meet

	"pkg/app": 5,

	"cmd/pitot": 6,

	"pkg/internal/presettest": 7, // test only: what the presets read, through the adapter's code

	"pkg/internal/layering": 7, // test only: imports none, imported by none
}

// only names the packages that may import a module whose weight or reach is
// worth one place: what may import it, and why only they.
var only = []struct {
	path string
	by   []string
	why  string
}{
	{"github.com/prometheus/prometheus/promql", []string{"pkg/internal/promdb"}, "the PromQL engine: 24 modules"},
	{"github.com/prometheus/prometheus/promql/parser", []string{"pkg/promexpr", "pkg/internal/promdb"}, "queries are edited in one place"},
	{"github.com/prometheus/prometheus/tsdb", nil, "81 modules, cloud SDKs among them; its leaf packages of types are fine"},
	{"github.com/prometheus/client_golang/api", nil, "buffers whole responses: promapi streams"},
	{"k8s.io/apiserver", []string{"pkg/internal/server"}, "the generic API server"},
	{"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd", nil, "its AdapterBase insists on a kubeconfig and fixes the group names"},
	{"gonum.org/v1/plot", []string{"pkg/report"}, "charts, fonts and image formats: 9 MB of binary"},
	{"github.com/spf13/cobra", []string{"pkg/app"}, "commands live in app"},
	{"go.yaml.in/yaml", []string{"pkg/rule", "pkg/rule/preset", "pkg/manifest", "pkg/scenario", "pkg/internal/place"}, "place reads texts and points at their lines, manifest as the API server does; rule and scenario say what the nodes mean"},
	{"k8s.io/api/autoscaling", []string{"pkg/manifest", "pkg/internal/demand", "pkg/internal/doctor", "pkg/internal/cluster"}, "net/http and 18 modules: everybody else speaks of HPAs in the words of pkg/hpa"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestPackagesImportOnlyDownwards(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		layer, known := layers[name]
		if !known {
			t.Errorf("%s has no layer: add it to the table", name)
			continue
		}
		for _, imported := range p.Imports {
			inside, ours := strings.CutPrefix(imported, module)
			if ours && layers[inside] >= layer {
				t.Errorf("%s (layer %d) imports %s (layer %d)", name, layer, inside, layers[inside])
			}
		}
	}
}

func TestHeavyImportsStayInTheirPlace(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, rule := range only {
			if !slices.Contains(rule.by, name) && slices.ContainsFunc(p.Imports, func(i string) bool { return within(i, rule.path) }) {
				t.Errorf("%s imports %s, which only %v may (%s)", name, rule.path, rule.by, rule.why)
			}
		}
	}
}

// The decision of the HPA is arithmetic. It stays free of everything that is not.
func TestTheHPAIsStandardLibraryOnly(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"pkg/hpa")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if got := strings.TrimSpace(string(out)); got != module+"pkg/hpa" {
		t.Errorf("pkg/hpa depends on more than the standard library:\n%s", got)
	}
}

// within reports whether an import is path or below it. Of the engine and the
// database only the package itself is meant.
func within(imported, path string) bool {
	switch path {
	case "github.com/prometheus/prometheus/promql", "github.com/prometheus/prometheus/tsdb":
		return imported == path
	default:
		return imported == path || strings.HasPrefix(imported, path+"/")
	}
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var found []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}
