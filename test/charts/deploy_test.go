package charts

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

const deployPath = repository + "/deploy"

// asDeploy is the release that deploy holds.
func asDeploy(external bool, certificates string) release {
	r := defaults()
	r.namespace = "pitot"
	r.values["apiService"] = map[string]any{"external": external}
	r.values["certificates"] = map[string]any{"mode": certificates}
	return r
}

// TestDeployIsTheChart builds deploy with each choice of components.
func TestDeployIsTheChart(t *testing.T) {
	golden(t, deployPath+"/install.yaml", "# What charts/pitot renders: test/charts writes this file.\n"+
		plain(asDeploy(false, "auto").files(t), func(file string) bool { return file != "configmap.yaml" }))
	golden(t, deployPath+"/cert-manager/certificates.yaml",
		plain(asDeploy(false, "cert-manager").files(t), func(file string) bool { return file == "certificates.yaml" }))
	golden(t, deployPath+"/external/apiservice.yaml", externalAPIService(t))

	for _, test := range []struct {
		name       string
		components []string
		chart      release
	}{
		{"as it is", nil, asDeploy(false, "auto")},
		{"external metrics", []string{"external"}, asDeploy(true, "auto")},
		{"cert-manager", []string{"cert-manager"}, asDeploy(false, "cert-manager")},
		{"external metrics and cert-manager", []string{"external", "cert-manager"}, asDeploy(true, "cert-manager")},
	} {
		t.Run(test.name, func(t *testing.T) {
			built := objectsByName(t, build(t, overlay(t, test.components)))
			want := objectsByName(t, plain(test.chart.files(t), func(string) bool { return true }))
			delete(built, "Namespace pitot")
			// Whoever applies deploy writes the configuration; see TestDeployedConfiguration.
			delete(built, "ConfigMap pitot/pitot")
			delete(want, "ConfigMap pitot/pitot")
			equal(t, "what kustomize builds", built, want)
		})
	}
}

// TestDeployedConfiguration reads what Pitot reads: the example, and a file that
// an overlay puts in its place.
func TestDeployedConfiguration(t *testing.T) {
	folder := overlay(t, []string{"external"})
	for _, test := range []struct{ name, folder, metric string }{
		{"the example", deployPath, "http_requests_per_second"},
		{"a file of one's own", folder, "of_the_overlay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var found []*corev1.ConfigMap
			for _, o := range of[*corev1.ConfigMap](decode(t, build(t, test.folder))) {
				if o.Name == "pitot" && o.Namespace == "pitot" {
					found = append(found, o)
				}
			}
			if len(found) != 1 {
				t.Fatalf("%d ConfigMaps pitot/pitot, want 1", len(found))
			}
			set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(found[0].Data["pitot.yaml"])})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "metric", set.Rules[0].Metric, test.metric)
		})
	}
}

// overlay makes the folder of somebody who installs with these components, as
// docs/install.md shows.
func overlay(t *testing.T, components []string) string {
	t.Helper()
	deploy, err := filepath.Abs(deployPath)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	relative, err := filepath.Rel(folder, deploy)
	if err != nil {
		t.Fatal(err)
	}
	text := `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [` + relative + `]
configMapGenerator:
  - {name: pitot, namespace: pitot, behavior: replace, files: [pitot.yaml]}
components:
`
	for _, name := range components {
		text += "  - " + relative + "/" + name + "\n"
	}
	config := strings.Replace(readText(t, deployPath+"/pitot.yaml"), "http_requests_per_second", "of_the_overlay", 1)
	for name, text := range map[string]string{"kustomization.yaml": text, "pitot.yaml": config} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func readText(t *testing.T, file string) (text string) {
	t.Helper()
	read(t, file, func(b []byte) error { text = string(b); return nil })
	return text
}

func build(t *testing.T, folder string) string {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files renders a release without its tests.
func (r release) files(t *testing.T) map[string]string {
	t.Helper()
	files := rendered(t, r)
	maps.DeleteFunc(files, func(file, _ string) bool { return strings.Contains(file, "/tests/") })
	return files
}

// plain is the manifest of some files without what only Helm needs.
func plain(files map[string]string, wanted func(file string) bool) string {
	maps.DeleteFunc(files, func(file, _ string) bool { return !wanted(filepath.Base(file)) })
	var lines []string
	for line := range strings.Lines(manifest(files)) {
		if !strings.Contains(line, "app.kubernetes.io/managed-by: Helm") && !strings.Contains(line, "helm.sh/chart: ") && !strings.HasPrefix(line, "# templates/") {
			lines = append(lines, line)
		}
	}
	return strings.ReplaceAll(strings.Join(lines, ""), "---\n---\n", "---\n")
}

// externalAPIService is what the component external adds.
func externalAPIService(t *testing.T) string {
	t.Helper()
	for _, o := range decode(t, plain(asDeploy(true, "auto").files(t), func(file string) bool { return file == "apiservices.yaml" })) {
		if _, ok := o.Object.(*apiregistration.APIService); ok && strings.Contains(o.meta.GetName(), "external") {
			return strings.TrimSpace(o.text) + "\n"
		}
	}
	t.Fatal("no APIService of external metrics")
	return ""
}

// objectsByName returns the objects of a manifest as they would be compared in a
// cluster.
func objectsByName(t *testing.T, manifest string) map[string]any {
	t.Helper()
	byName := map[string]any{}
	for _, o := range decode(t, manifest) {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		var value map[string]any
		if err := yaml.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		sortVolumes(value)
		byName[o.String()] = value
	}
	return byName
}

// sortVolumes puts volumes and their mounts in order, which means nothing.
func sortVolumes(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, below := range value {
			if list, ok := below.([]any); ok && (key == "volumes" || key == "volumeMounts") {
				slices.SortFunc(list, func(a, b any) int {
					return cmp.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
				})
			}
			sortVolumes(below)
		}
	case []any:
		for _, below := range value {
			sortVolumes(below)
		}
	}
}
