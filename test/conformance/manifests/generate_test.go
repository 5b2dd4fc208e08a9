package manifests

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	"sigs.k8s.io/yaml"
)

func chance(rng *rand.Rand, p float64) bool { return rng.Float64() < p }

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// newManifest is a valid HPA with up to three mistakes, in either version.
func newManifest(rng *rand.Rand) string {
	in := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: newSpec(rng)}
	var object runtime.Object = in
	version := autoscalingv2.SchemeGroupVersion
	if chance(rng, 0.3) {
		version = autoscalingv1.SchemeGroupVersion
		object = convert(convert(in, autoscaling.SchemeGroupVersion), version)
	}
	tree := treeOf(object)
	tree["apiVersion"], tree["kind"] = version.String(), "HorizontalPodAutoscaler"
	delete(tree, "status")
	for range rng.IntN(4) {
		spoilSomewhere(rng, tree)
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		panic(err)
	}
	if chance(rng, 0.03) {
		return strings.Replace(string(text), "spec:\n", "spec:\n  maxReplicas: 3\n", 1)
	}
	return string(text)
}

func convert(in runtime.Object, to runtime.GroupVersioner) runtime.Object {
	out, err := legacyscheme.Scheme.ConvertToVersion(in, to)
	if err != nil {
		panic(err)
	}
	return out
}

func treeOf(object any) map[string]any {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err)
	}
	return tree
}

// newSpec is the spec of a valid HPA.
func newSpec(rng *rand.Rand) autoscalingv2.HorizontalPodAutoscalerSpec {
	spec := autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		MaxReplicas:    2 + rng.Int32N(20),
	}
	if chance(rng, 0.7) {
		spec.MinReplicas = new(1 + rng.Int32N(2))
	}
	for range rng.IntN(4) {
		spec.Metrics = append(spec.Metrics, newMetric(rng))
	}
	if chance(rng, 0.6) {
		spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: newRules(rng), ScaleDown: newRules(rng)}
	}
	return spec
}

func newMetric(rng *rand.Rand) autoscalingv2.MetricSpec {
	amount := resource.MustParse(pick(rng, "100", "500m", "1500m", "123456789n", "1e3", "64Mi", "1"))
	average := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &amount}
	either := pick(rng, average, autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: &amount})
	usage := pick(rng, average, autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(1 + rng.Int32N(150))})
	named := pick(rng, corev1.ResourceCPU, corev1.ResourceMemory)
	id := autoscalingv2.MetricIdentifier{Name: "load"}
	if chance(rng, 0.3) {
		id.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "orders"}}
	}
	switch rng.IntN(5) {
	case 0:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: named, Target: usage}}
	case 1:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: named, Container: "app", Target: usage}}
	case 2:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType,
			Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: average}}
	case 3:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType,
			Object: &autoscalingv2.ObjectMetricSource{DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Service", Name: "web"}, Metric: id, Target: either}}
	default:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType,
			External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: either}}
	}
}

// newRules says as much or as little as users do.
func newRules(rng *rand.Rand) *autoscalingv2.HPAScalingRules {
	if chance(rng, 0.2) {
		return nil
	}
	rules := &autoscalingv2.HPAScalingRules{}
	if chance(rng, 0.5) {
		rules.StabilizationWindowSeconds = new(rng.Int32N(3601))
	}
	if chance(rng, 0.5) {
		rules.SelectPolicy = new(pick(rng, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect))
	}
	for range rng.IntN(3) {
		rules.Policies = append(rules.Policies, autoscalingv2.HPAScalingPolicy{
			Type:          pick(rng, autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy),
			Value:         1 + rng.Int32N(100),
			PeriodSeconds: 1 + rng.Int32N(1800),
		})
	}
	if chance(rng, 0.3) {
		rules.Tolerance = new(resource.MustParse(pick(rng, "0", "50m", "0.2", "1")))
	}
	return rules
}

// spoilSomewhere makes one mistake in the metadata, the spec, or what v1 has in
// annotations, where it is JSON.
func spoilSomewhere(rng *rand.Rand, tree map[string]any) {
	metadata, _ := tree["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	switch names := slices.Sorted(maps.Keys(annotations)); {
	case len(names) > 0 && chance(rng, 0.5):
		name := names[rng.IntN(len(names))]
		text, _ := annotations[name].(string)
		var inside any
		if json.Unmarshal([]byte(text), &inside) == nil && inside != nil {
			spoil(rng, inside)
			spoilt, _ := json.Marshal(inside)
			annotations[name] = string(spoilt)
		}
	case metadata != nil && chance(rng, 0.05):
		metadata[pick(rng, "name", "namespace", "finalizers", "labels", "generateName")] =
			pick[any](rng, "", "Web", "web.", "a/b", []any{"orphan"}, []any{"mine"}, map[string]any{"a": "b c"}, map[string]any{"a": 5}, nil)
	default:
		if spec, ok := tree["spec"].(map[string]any); ok {
			spoil(rng, spec)
		}
	}
}

// spoil goes down a tree at random and changes what it comes to.
func spoil(rng *rand.Rand, node any) {
	switch node := node.(type) {
	case []any:
		if len(node) > 0 {
			i := rng.IntN(len(node))
			node[i] = spoilt(rng, "", node[i])
		}
	case map[string]any:
		names := slices.Sorted(maps.Keys(node))
		if len(names) == 0 || chance(rng, 0.05) {
			node[pick(rng, "extra", "minreplicas", "value", "averageValue", "averageUtilization", "name", "type", "pods", "object", "policies")] = pick[any](rng, 1, "1", nil, map[string]any{})
			return
		}
		name := names[rng.IntN(len(names))]
		if chance(rng, 0.1) {
			delete(node, name)
			return
		}
		node[name] = spoilt(rng, name, node[name])
	}
}

// spoilt is what a value becomes: mostly one that its field may have.
func spoilt(rng *rand.Rand, name string, value any) any {
	switch value.(type) {
	case map[string]any, []any:
		if chance(rng, 0.9) {
			spoil(rng, value)
			return value
		}
		return pick[any](rng, nil, map[string]any{}, []any{}, []any{nil}, "text", 3)
	}
	if chance(rng, 0.05) {
		return pick[any](rng, nil, true, 1.5, "text", []any{}, map[string]any{})
	}
	switch name {
	case "type":
		return pick[any](rng, "Pods", "Object", "External", "Resource", "ContainerResource", "Percent", "Utilization", "Value", "AverageValue", "", "pods")
	case "selectPolicy":
		return pick[any](rng, "Max", "Min", "Disabled", "", "max")
	case "apiVersion":
		return pick[any](rng, "apps/v1", "v1", "", "/", "a/b/c", "/v1")
	case "name", "kind", "container":
		return pick[any](rng, "web", "cpu", "memory", "pods", "hugepages-2Mi", "nvidia.com/gpu", "kubernetes.io/x", "requests.a/b", "", "..", "a/b", "a%b/c", "ReplicationController", "A_b", "-", strings.Repeat("a", 64), strings.Repeat("b", 60)+".c/d")
	case "value", "averageValue", "tolerance", "targetValue", "targetAverageValue":
		return pick[any](rng, 0, 1, -1, 7, "0", "-0", "500m", "1n", "-1m", "0.0000000001", "64Mi", "1e3", 0.05, "lots", "")
	default:
		return pick[any](rng, -1, 0, 1, 2, 15, 1800, 1801, 3600, 3601, 2147483647, 2147483648, 1.0, "5")
	}
}
