package charts

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

var update = flag.Bool("update", false, "write deploy/, docs/helm-values.md and testdata anew")

const (
	repository = "../.."
	chartPath  = repository + "/charts/pitot"
	notesFile  = "templates/NOTES.txt"
)

// A release is the chart with values, as "helm template" takes them.
type release struct {
	name, namespace string
	values          map[string]any
	// clients stand for the cluster that lookup asks; nil is no cluster.
	clients engine.ClientProvider
}

// defaults are the values that everybody needs, and no more.
func defaults() release {
	return release{name: "pitot", namespace: "monitoring", values: map[string]any{
		"prometheus": map[string]any{"url": "http://prometheus-operated.monitoring:9090"},
	}}
}

// helmInstall is a first line that names the release.
var helmInstall = regexp.MustCompile(`^# helm install (\S+) --namespace (\S+)\n`)

// readRelease reads a file of values over the defaults.
func readRelease(file string) (release, error) {
	r := defaults()
	text, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if match := helmInstall.FindSubmatch(text); match != nil {
		r.name, r.namespace = string(match[1]), string(match[2])
	}
	values, err := loader.LoadValues(bytes.NewReader(text))
	r.values = loader.MergeMaps(r.values, values)
	return r, err
}

// render returns the text of each template by its file name, those of an empty
// result left out.
func (r release) render() (map[string]string, error) {
	pitot, err := loader.LoadDir(chartPath)
	if err != nil {
		return nil, err
	}
	return r.renderChart(pitot)
}

func (r release) renderChart(pitot *chart.Chart) (map[string]string, error) {
	options := common.ReleaseOptions{Name: r.name, Namespace: r.namespace, Revision: 1, IsInstall: true}
	values, err := util.ToRenderValues(pitot, r.values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := r.execute(pitot, values)
	maps.DeleteFunc(files, func(file, text string) bool {
		return strings.TrimSpace(text) == "" || strings.HasSuffix(file, ".tpl")
	})
	return files, err
}

func (r release) execute(pitot *chart.Chart, values common.Values) (map[string]string, error) {
	if r.clients == nil {
		return engine.Render(pitot, values)
	}
	return engine.RenderWithClientProvider(pitot, values, r.clients)
}

// manifest is what all templates but the notes render, in the order of their names.
func manifest(files map[string]string) string {
	var all strings.Builder
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(file, notesFile) {
			fmt.Fprintf(&all, "---\n# %s\n%s\n", strings.TrimPrefix(file, "pitot/"), strings.Trim(files[file], "\n"))
		}
	}
	return all.String()
}

func notes(files map[string]string) string { return files["pitot/"+notesFile] }

// rendered renders a release, and fails the test if that is refused.
func rendered(t *testing.T, r release) map[string]string {
	t.Helper()
	files, err := r.render()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// eachValueSet runs a test for every file of testdata/values.
func eachValueSet(t *testing.T, test func(t *testing.T, r release)) {
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("testdata/values has %d sets of values: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			r, err := readRelease(file)
			if err != nil {
				t.Fatal(err)
			}
			test(t, r)
		})
	}
}

// golden compares a text with the file that it should be in.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := unified(file, string(want), "rendered", text); diff != "" {
		t.Errorf("%s is not what is rendered (go test . -update):\n%s", file, diff)
	}
}
