package app

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

const exampleApps = repository + "/examples/apps"

// stacks are the folders of examples/apps: each has a page in docs/stacks.
func stacks(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(exampleApps)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// TestStacksShowTheFiles compares each block that follows a link to a manifest or
// configuration of examples/apps with that file. Other Python is a part of a file
// that the page links to.
func TestStacksShowTheFiles(t *testing.T) {
	shown := regexp.MustCompile("(?ms)\\]\\((../../examples/apps/[^)]+(?:yaml|conf[.]py))\\):\n\n```[a-z]+\n(.*?)^```$")
	link := regexp.MustCompile(`\]\((../../examples/apps/[^)]+\.py)\)`)
	python := regexp.MustCompile("(?ms)^```python\n(.*?)^```$")
	for _, stack := range stacks(t) {
		page := repository + "/docs/stacks/" + stack + ".md"
		text := readText(t, page)
		var sources strings.Builder
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			sources.WriteString(readText(t, filepath.Join(filepath.Dir(page), match[1])))
		}
		files := map[string]bool{}
		for _, match := range shown.FindAllStringSubmatch(text, -1) {
			files[filepath.Base(match[1])] = true
			if diff := cmp.Diff(readText(t, filepath.Join(filepath.Dir(page), match[1])), match[2]); diff != "" {
				t.Errorf("%s: %s (-file +shown)\n%s", page, match[1], diff)
			}
		}
		for _, file := range []string{"deployment.yaml", "monitor.yaml", "rules.yaml", "hpa.yaml"} {
			if !files[file] {
				t.Errorf("%s does not show %s", page, file)
			}
		}
		for _, match := range python.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(sources.String(), strings.TrimSuffix(match[1], "\n")) {
				t.Errorf("%s: this is in no file that the page links to:\n%s", page, match[1])
			}
		}
	}
}

// A podMonitor is what the examples use of the Prometheus Operator's kind.
type podMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel            string               `json:"jobLabel"`
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []struct {
			Port     string              `json:"port"`
			Path     string              `json:"path"`
			Params   map[string][]string `json:"params"`
			Interval metav1.Duration     `json:"interval"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

// TestStacksFitTogether reads the manifests of an example strictly: its HPA scales
// a Deployment of it and reads metrics that its rules serve, and its monitor
// scrapes a port that a Deployment's pods have.
func TestStacksFitTogether(t *testing.T) {
	for _, stack := range stacks(t) {
		t.Run(stack, func(t *testing.T) {
			deployments := map[string]appsv1.Deployment{}
			for _, deployment := range manifests[appsv1.Deployment](t, stack, "deployment.yaml") {
				deployments[deployment.Name] = deployment
			}
			set, err := rule.Load(
				rule.File{Name: "pitot.yaml", Text: []byte(readText(t, exampleApps+"/pitot.yaml"))},
				rule.File{Name: "rules.yaml", Text: []byte(readText(t, filepath.Join(exampleApps, stack, "rules.yaml")))})
			if err != nil {
				t.Fatal(err)
			}
			for _, hpa := range manifests[autoscalingv2.HorizontalPodAutoscaler](t, stack, "hpa.yaml") {
				if _, ok := deployments[hpa.Spec.ScaleTargetRef.Name]; !ok {
					t.Errorf("HPA %s scales no Deployment of the example: %q", hpa.Name, hpa.Spec.ScaleTargetRef.Name)
				}
				for _, metric := range hpa.Spec.Metrics {
					if name, ok := served(set, metric); !ok {
						t.Errorf("HPA %s: no rule serves %s as %s", hpa.Name, name, metric.Type)
					}
				}
			}
			for _, monitor := range manifests[podMonitor](t, stack, "monitor.yaml") {
				if !scrapes(t, monitor, deployments) {
					t.Errorf("PodMonitor %s: no pod has its labels and port", monitor.Name)
				}
			}
		})
	}
}

// manifests reads each document of an example's file.
func manifests[T any](t *testing.T, stack, file string) (all []T) {
	t.Helper()
	for _, document := range strings.Split(readText(t, filepath.Join(exampleApps, stack, file)), "\n---\n") {
		var object T
		if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
			t.Fatalf("%s/%s: %v", stack, file, err)
		}
		all = append(all, object)
	}
	return all
}

// scrapes reports whether a Deployment's pods are what a monitor selects, and have its port.
func scrapes(t *testing.T, monitor podMonitor, deployments map[string]appsv1.Deployment) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	for _, deployment := range deployments {
		pod := deployment.Spec.Template
		if deployment.Namespace != monitor.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
			if !hasPort(pod.Spec, endpoint.Port) {
				return false
			}
		}
		return true
	}
	return false
}

func hasPort(pod corev1.PodSpec, name string) bool {
	for _, container := range pod.Containers {
		for _, port := range container.Ports {
			if port.Name == name {
				return true
			}
		}
	}
	return false
}

// TestStackScenarios runs "pitot test" on the examples.
func TestStackScenarios(t *testing.T) {
	files, err := filepath.Glob(exampleApps + "/*/scenario.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	var said bytes.Buffer
	if code := Main(t.Context(), Env{Stdout: &said, Stderr: &said, Getenv: os.Getenv}, append([]string{"test"}, files...)); code != exitFine {
		t.Errorf("exit code %d\n%s", code, said.String())
	}
}
