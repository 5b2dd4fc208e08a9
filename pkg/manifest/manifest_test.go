package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
)

// head is a manifest up to its spec, which begins in line 4 and has its target
// and maxReplicas in line 5 and 6.
const head = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
`

func read(t *testing.T, text string) []manifest.Autoscaler {
	t.Helper()
	found, err := manifest.Read("hpa.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readOne(t *testing.T, text string) manifest.Autoscaler {
	t.Helper()
	found := read(t, text)
	if len(found) != 1 {
		t.Fatalf("%d autoscalers, want 1", len(found))
	}
	return found[0]
}

var cpu80 = hpa.Metric{Type: hpa.Resource, Name: "cpu", Target: hpa.Target{Type: hpa.Utilization, Percent: 80}}

func TestDefaults(t *testing.T) {
	want := manifest.Autoscaler{
		Position:  manifest.Position{File: "hpa.yaml", Line: 1, Column: 1},
		Namespace: "shop",
		Name:      "web",
		Target:    manifest.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		Spec: hpa.Spec{
			MinReplicas: 1,
			MaxReplicas: 10,
			Metrics:     []hpa.Metric{cpu80},
			Controller:  hpa.DefaultController(),
		},
		Sources: []manifest.Source{{}},
	}
	if diff := cmp.Diff(want, readOne(t, head)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBehaviorIsFilledInWhereItIsBegun(t *testing.T) {
	none := time.Duration(0)
	minute := time.Minute
	tolerance := 0.05
	up := hpa.Rules{
		StabilizationWindow: &none,
		SelectPolicy:        hpa.MaxChange,
		Policies: []hpa.Policy{
			{Type: hpa.PodsPolicy, Value: 4, Period: 15 * time.Second},
			{Type: hpa.PercentPolicy, Value: 100, Period: 15 * time.Second},
		},
	}
	down := hpa.Rules{
		SelectPolicy: hpa.MaxChange,
		Policies:     []hpa.Policy{{Type: hpa.PercentPolicy, Value: 100, Period: 15 * time.Second}},
	}
	slow := down
	slow.StabilizationWindow, slow.SelectPolicy, slow.Tolerance = &minute, hpa.MinChange, &tolerance
	for _, tc := range []struct {
		name, behavior string
		want           *hpa.Behavior
	}{
		{"none stays none", "", nil},
		{"null is none", "  behavior: null\n", nil},
		{"an empty one gets both directions", "  behavior: {}\n", &hpa.Behavior{ScaleUp: up, ScaleDown: down}},
		{"what is said stays", "  behavior: {scaleDown: {stabilizationWindowSeconds: 60, selectPolicy: Min, tolerance: 50m}}\n", &hpa.Behavior{ScaleUp: up, ScaleDown: slow}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, readOne(t, head+tc.behavior).Spec.Behavior); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	for _, tc := range []struct {
		name, metric string
		want         hpa.Metric
	}{
		{"utilization of a resource", "type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 70}}",
			hpa.Metric{Type: hpa.Resource, Name: "memory", Target: hpa.Target{Type: hpa.Utilization, Percent: 70}}},
		{"usage of a resource in one container", "type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: AverageValue, averageValue: 500m}}",
			hpa.Metric{Type: hpa.ContainerResource, Name: "cpu", Container: "app", Target: hpa.Target{Type: hpa.AverageValue, Milli: 500}}},
		{"a metric of pods, its amount without quotes", "type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 100}}",
			hpa.Metric{Type: hpa.Pods, Name: "rps", Target: hpa.Target{Type: hpa.AverageValue, Milli: 100_000}}},
		{"a value of an object", "type: Object, object: {describedObject: {kind: Service, name: web}, metric: {name: p95}, target: {type: Value, value: 500m}}",
			hpa.Metric{Type: hpa.Object, Name: "p95", Kind: "Service", Target: hpa.Target{Type: hpa.Value, Milli: 500}}},
		{"a target of an object that the controller does not understand", "type: Object, object: {describedObject: {kind: Service, name: web}, metric: {name: p95}, target: {type: Value, averageValue: 500m}}",
			hpa.Metric{Type: hpa.Object, Name: "p95", Kind: "Service"}},
		{"an external metric is read by what is set, not by its target's type", "type: External, external: {metric: {name: queue}, target: {type: Value, averageValue: 30}}",
			hpa.Metric{Type: hpa.External, Name: "queue", Target: hpa.Target{Type: hpa.AverageValue, Milli: 30_000}}},
		{"a selector in the words of an event", "type: External, external: {metric: {name: queue, selector: {matchLabels: {queue: orders}}}, target: {type: Value, value: 30}}",
			hpa.Metric{Type: hpa.External, Name: "queue", Selector: "&LabelSelector{MatchLabels:map[string]string{queue: orders,},MatchExpressions:[]LabelSelectorRequirement{},}", Target: hpa.Target{Type: hpa.Value, Milli: 30_000}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := readOne(t, head+"  metrics:\n  - {"+tc.metric+"}\n").Spec.Metrics
			if diff := cmp.Diff([]hpa.Metric{tc.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestV1(t *testing.T) {
	const v1 = `apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata:
  name: web
  annotations:
    autoscaling.alpha.kubernetes.io/metrics: '[{"type":"External","external":{"metricName":"queue","targetAverageValue":"30"}}]'
    autoscaling.alpha.kubernetes.io/behavior: '{"ScaleUp":{"StabilizationWindowSeconds":30,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":2,"PeriodSeconds":60}]},"ScaleDown":{"SelectPolicy":"Disabled","Policies":[{"Type":"Pods","Value":1,"PeriodSeconds":60}]}}'
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3, targetCPUUtilizationPercentage: 80}
`
	half := 30 * time.Second
	want := hpa.Spec{
		MinReplicas: 1,
		MaxReplicas: 3,
		Metrics: []hpa.Metric{
			{Type: hpa.External, Name: "queue", Target: hpa.Target{Type: hpa.AverageValue, Milli: 30_000}},
			cpu80,
		},
		Behavior: &hpa.Behavior{
			ScaleUp:   hpa.Rules{StabilizationWindow: &half, SelectPolicy: hpa.MaxChange, Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: 2, Period: time.Minute}}},
			ScaleDown: hpa.Rules{SelectPolicy: hpa.Disabled, Policies: []hpa.Policy{{Type: hpa.PodsPolicy, Value: 1, Period: time.Minute}}},
		},
		Controller: hpa.DefaultController(),
	}
	if diff := cmp.Diff(want, readOne(t, v1).Spec); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhereAutoscalersAreFound(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
	indented := strings.ReplaceAll(strings.TrimSpace(head), "\n", "\n  ")
	for _, tc := range []struct {
		name, text string
		lines      []int
	}{
		{"nothing in nothing", "", nil},
		{"none among other kinds", deployment, nil},
		{"an autoscaler of another group", strings.Replace(head, "autoscaling/v2", "example.com/v1", 1), nil},
		{"after comments and empty documents", "# Source: web/templates/hpa.yaml\n---\n---\n# nothing\n---\n" + head, []int{6}},
		{"among other documents", head + "---\n" + deployment + "---\n" + head, []int{1, 12}},
		{"in documents with Windows lines", strings.ReplaceAll(head+"---\n"+head, "\n", "\r\n"), []int{1, 8}},
		{"in a List", "apiVersion: v1\nkind: List\nitems:\n- " + indented + "\n- {kind: Service, apiVersion: v1}\n- " + indented + "\n", []int{4, 11}},
		{"in a typed list, whose elements need no type", "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscalerList\nitems:\n- metadata: {name: a}\n  spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}}\n", []int{4}},
		{"in JSON", `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"a"},"spec":{"maxReplicas":2,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"a"}}}`, []int{1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var lines []int
			for _, found := range read(t, tc.text) {
				lines = append(lines, found.Line)
			}
			if diff := cmp.Diff(tc.lines, lines); diff != "" {
				t.Errorf("lines (-want +got)\n%s", diff)
			}
		})
	}
}

// What a cluster hands out comes with status, managed fields and more.
func TestOutputOfKubectl(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "kubectl-get.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := read(t, string(text))
	if len(found) != 2 || found[0].Name != "web" || found[1].Namespace != "shop" {
		t.Errorf("found %+v", found)
	}
}

func TestProblems(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"all of them at once, by line", head + `  minReplicas: 0
  maxReplica: 3
  metrics:
  - type: Pods
    pods: {metric: {name: a/b}, target: {type: Average, averageValue: -1}}
  - {type: Resource}
  behavior: {scaleUp: {policies: []}, scaleDown: {policies: [{type: Pod, value: 0, periodSeconds: 3000}], tolerance: -1}}
`, []string{
			"hpa.yaml:8:3: web: spec.maxReplica: unknown field",
			"hpa.yaml:10:3: web: spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
			`hpa.yaml:11:27: web: spec.metrics[0].pods.metric.name: Invalid value: "a/b": may not contain '/'`,
			`hpa.yaml:11:48: web: spec.metrics[0].pods.target.type: Invalid value: "Average": must be either Utilization, Value, or AverageValue`,
			`hpa.yaml:11:71: web: spec.metrics[0].pods.target.averageValue: Invalid value: "-1": must be positive`,
			"hpa.yaml:12:5: web: spec.metrics[1].resource: Required value: must populate information for the given metric source",
			"hpa.yaml:13:34: web: spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
			`hpa.yaml:13:69: web: spec.behavior.scaleDown.policies[0].type: Unsupported value: "Pod": supported values: "Percent", "Pods"`,
			"hpa.yaml:13:81: web: spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
			"hpa.yaml:13:99: web: spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 3000: must be less than or equal to 1800",
			`hpa.yaml:13:118: web: spec.behavior.scaleDown.tolerance: Invalid value: "-1": must be greater than or equal to 0`,
		}},
		{"values of a wrong type do not hide each other, and have no consequences", `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: 5}
spec:
  scaleTargetRef: deployment/web
  minReplicas: many
  maxReplicas: "10"
  metrics:
  - {type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: lots}}}
  - resource
`, []string{
			"hpa.yaml:3:18: metadata.name: must be text, not the number 5 (hint: put it in quotes)",
			`hpa.yaml:5:19: spec.scaleTargetRef: must be an object with fields, not the text "deployment/web"`,
			`hpa.yaml:6:16: spec.minReplicas: must be a whole number of 32 bits, not the text "many"`,
			`hpa.yaml:7:16: spec.maxReplicas: must be a whole number of 32 bits, not the text "10" (hint: leave the quotes out)`,
			`hpa.yaml:9:89: spec.metrics[0].pods.target.averageValue: must be a quantity such as 500m, 2 or 64Mi, not the text "lots"`,
			`hpa.yaml:10:5: spec.metrics[1]: must be an object with fields, not the text "resource"`,
		}},
		{"an amount that overflows in the controller", head + "  metrics: [{type: External, external: {metric: {name: queue}, target: {type: Value, value: 9E}}}]\n", []string{
			`hpa.yaml:7:93: web: spec.metrics[0].external.target.value: Invalid value: "9E": is more than the controller can count: it counts in thousandths, up to 9223372036854775807`,
		}},
		{"an amount that would take the library a minute to compute", head + "  behavior: {scaleUp: {tolerance: \"1e-100000000\"}}\n", []string{
			`hpa.yaml:7:35: web: spec.behavior.scaleUp.tolerance: must be a quantity such as 500m, 2 or 64Mi, not the text "1e-100000000"`,
		}},
		{"a field in the wrong case", head + "  minreplicas: 2\n", []string{
			`hpa.yaml:7:3: web: spec.minreplicas: unknown field (hint: did you mean "minReplicas"?)`,
		}},
		{"a field that is given twice", head + "  maxReplicas: 11\n", []string{
			"hpa.yaml:7:3: web: spec.maxReplicas: given twice, first in line 6",
		}},
		{"a version that is gone", strings.Replace(head, "/v2", "/v2beta2", 1), []string{
			`hpa.yaml:1:13: web: apiVersion: "autoscaling/v2beta2" is not autoscaling/v2 or autoscaling/v1, the versions that Kubernetes serves`,
		}},
		{"no kind", "metrics: []\n", []string{"hpa.yaml:1:1: kind: a Kubernetes object names its kind"}},
		{"no object", "---\nhello\n", []string{"hpa.yaml:2:1: this is no Kubernetes object"}},
		{"no YAML, in a later document", head + "---\na: b: c\n", []string{"hpa.yaml:8:1: invalid YAML: mapping values are not allowed in this context"}},
		{"an element of a List", "kind: List\nitems:\n- 5\n", []string{"hpa.yaml:3:3: this is no Kubernetes object"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := manifest.Read("hpa.yaml", strings.NewReader(tc.text))
			if err == nil {
				t.Fatalf("no problem in %+v", found)
			}
			if diff := cmp.Diff(tc.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// FuzzRead lets no text crash the reader, and lets in no autoscaler that
// package hpa would refuse.
func FuzzRead(f *testing.F) {
	f.Add(head)
	f.Add(head + "  behavior: {scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}\n---\n" + head)
	f.Add(head + "  metrics: [{type: External, external: {metric: {name: a}, target: {type: Value, value: 1n}}}]\n")
	f.Add("kind: List\nitems: [{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v1, spec: &a {maxReplicas: 010}}, *a]\n")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := manifest.Read("fuzz.yaml", strings.NewReader(text))
		if err != nil && (len(found) > 0 || err.Error() == "") {
			t.Errorf("found %v, error %q", found, err)
		}
		for _, one := range found {
			seen := hpa.Observation{Replicas: 1, StatusReplicas: 1, Readings: make([]hpa.Reading, len(one.Spec.Metrics))}
			if _, _, err := hpa.Step(&one.Spec, hpa.State{}, &seen, time.Unix(0, 0)); err != nil {
				t.Errorf("%+v is refused: %v", one, err)
			}
		}
	})
}

func TestSourcesSayWhatIsRead(t *testing.T) {
	got := readOne(t, head+`  metrics:
  - type: Object
    object:
      metric: {name: queue_depth, selector: {matchLabels: {queue: emails}}}
      describedObject: {apiVersion: v1, kind: Namespace, name: shop}
      target: {type: Value, value: "60"}
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
`).Sources
	want := []manifest.Source{
		{Object: manifest.Target{APIVersion: "v1", Kind: "Namespace", Name: "shop"}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "emails"}}},
		{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
