package manifest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// idle are the fields that decide nothing, with the reason.
var idle = map[string]string{
	"scaleTargetRef.kind":       "the target's replicas are the observation's",
	"scaleTargetRef.name":       "the target's replicas are the observation's",
	"scaleTargetRef.apiVersion": "the target's replicas are the observation's",

	"metrics[].object.describedObject.name":       "which object is read is the observation's",
	"metrics[].object.describedObject.apiVersion": "which object is read is the observation's",

	"metrics[].pods.target.type":              "read by what is set",
	"metrics[].resource.target.type":          "read by what is set",
	"metrics[].containerResource.target.type": "read by what is set",
	"metrics[].external.target.type":          "read by what is set",

	"metrics[].pods.target.value":                  "an averageValue is required",
	"metrics[].pods.target.averageUtilization":     "an averageValue is required",
	"metrics[].resource.target.value":              "an average is required",
	"metrics[].containerResource.target.value":     "an average is required",
	"metrics[].object.target.averageUtilization":   "a value or averageValue is required",
	"metrics[].external.target.averageUtilization": "a value or averageValue is required",
}

// TestEveryFieldDecidesOrIsKnownNotTo changes the fields of an HPA one by one.
// A field that Kubernetes adds fails it until spec knows what to do with it.
func TestEveryFieldDecidesOrIsKnownNotTo(t *testing.T) {
	all := map[string]bool{}
	paths(reflect.TypeFor[autoscalingv2.HorizontalPodAutoscalerSpec](), "", all)
	decides := map[string]bool{}
	before := spec(everything())
	for i := 0; ; i++ {
		changed := everything()
		left := i
		path, found := change(reflect.ValueOf(changed).Elem(), "", &left)
		if !found {
			break
		}
		if !reflect.DeepEqual(before, spec(changed)) {
			decides[path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		reason, known := idle[path]
		switch {
		case !known && !decides[path]:
			t.Errorf("%s changes nothing: map it in spec.go, or say here why it decides nothing", path)
		case known && decides[path]:
			t.Errorf("%s decides, although %q", path, reason)
		}
	}
	for path := range idle {
		if !all[path] {
			t.Errorf("%s does not exist", path)
		}
	}
}

// everything has every field in some metric or direction.
func everything() *autoscalingv2.HorizontalPodAutoscalerSpec {
	amount := func() *resource.Quantity { return new(resource.MustParse("7")) }
	average := func() autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: amount()}
	}
	value := func() autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: amount()}
	}
	percent := func() autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(7))}
	}
	id := func() autoscalingv2.MetricIdentifier {
		return autoscalingv2.MetricIdentifier{Name: "m", Selector: &metav1.LabelSelector{
			MatchLabels:      map[string]string{"a": "b"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "c", Operator: metav1.LabelSelectorOpIn, Values: []string{"d"}}},
		}}
	}
	rules := func() *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(7)),
			SelectPolicy:               new(autoscalingv2.MaxChangePolicySelect),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 7, PeriodSeconds: 7}},
			Tolerance:                  amount(),
		}
	}
	out := &autoscalingv2.HorizontalPodAutoscalerSpec{
		MinReplicas: new(int32(1)),
		MaxReplicas: 7,
		Behavior:    &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()},
	}
	for _, target := range []func() autoscalingv2.MetricTarget{average, percent} {
		out.Metrics = append(out.Metrics,
			autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: target()}},
			autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType,
				ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: "app", Target: target()}},
		)
	}
	for _, target := range []func() autoscalingv2.MetricTarget{average, value} {
		out.Metrics = append(out.Metrics,
			autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType,
				Pods: &autoscalingv2.PodsMetricSource{Metric: id(), Target: average()}},
			autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType,
				Object: &autoscalingv2.ObjectMetricSource{DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Service"}, Metric: id(), Target: target()}},
			autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType,
				External: &autoscalingv2.ExternalMetricSource{Metric: id(), Target: target()}},
		)
	}
	return out
}

// paths gathers the leaves of a type by their names in JSON.
func paths(of reflect.Type, at string, all map[string]bool) {
	switch {
	case of.Kind() == reflect.Pointer:
		paths(of.Elem(), at, all)
	case of.Kind() == reflect.Slice:
		paths(of.Elem(), at+"[]", all)
	case of.Kind() == reflect.Struct && of != reflect.TypeFor[resource.Quantity]():
		for i := range of.NumField() {
			paths(of.Field(i).Type, below(at, jsonName(of.Field(i))), all)
		}
	default:
		all[at] = true
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// change changes the leaf with the number n of those that are set, and says
// which one that is.
func change(value reflect.Value, at string, n *int) (path string, found bool) {
	switch {
	case value.Kind() == reflect.Pointer:
		if value.IsNil() {
			return "", false
		}
		return change(value.Elem(), at, n)
	case value.Kind() == reflect.Slice:
		for i := range value.Len() {
			if path, found = change(value.Index(i), at+"[]", n); found {
				return path, true
			}
		}
		return "", false
	case value.Kind() == reflect.Struct && value.Type() != reflect.TypeFor[resource.Quantity]():
		for i := range value.NumField() {
			if path, found = change(value.Field(i), below(at, jsonName(value.Type().Field(i))), n); found {
				return path, true
			}
		}
		return "", false
	}
	if *n--; *n >= 0 {
		return "", false
	}
	alter(value)
	return at, true
}

func alter(leaf reflect.Value) {
	switch value := leaf.Addr().Interface().(type) {
	case *resource.Quantity:
		*value = resource.MustParse("8")
	case *map[string]string:
		*value = map[string]string{"other": "label"}
	default:
		switch leaf.Kind() {
		case reflect.Int32:
			leaf.SetInt(leaf.Int() + 1)
		case reflect.String:
			leaf.SetString(leaf.String() + "x")
		default:
			panic(fmt.Sprintf("no other value for a %T", value))
		}
	}
}
