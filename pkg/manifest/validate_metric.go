package manifest

import (
	"math"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A source is one of the fields of a metric, of which its type names one.
type source struct {
	field    string
	of       autoscalingv2.MetricSourceType
	given    bool
	validate func(*field.Path) field.ErrorList
}

// sources are in the order in which the API server looks at them: of several it
// checks the first.
func sources(in *autoscalingv2.MetricSpec) []source {
	return []source{
		{"object", autoscalingv2.ObjectMetricSourceType, in.Object != nil,
			func(p *field.Path) field.ErrorList { return validateObject(in.Object, p) }},
		{"external", autoscalingv2.ExternalMetricSourceType, in.External != nil,
			func(p *field.Path) field.ErrorList { return validateExternal(in.External, p) }},
		{"pods", autoscalingv2.PodsMetricSourceType, in.Pods != nil,
			func(p *field.Path) field.ErrorList { return validatePods(in.Pods, p) }},
		{"resource", autoscalingv2.ResourceMetricSourceType, in.Resource != nil,
			func(p *field.Path) field.ErrorList { return validateResource(in.Resource, p) }},
		{"containerResource", autoscalingv2.ContainerResourceMetricSourceType, in.ContainerResource != nil,
			func(p *field.Path) field.ErrorList { return validateContainerResource(in.ContainerResource, p) }},
	}
}

func validateMetric(in *autoscalingv2.MetricSpec, path *field.Path) (all field.ErrorList) {
	var known []autoscalingv2.MetricSourceType
	var wanted *source
	var given []source
	for _, s := range sources(in) {
		known = append(known, s.of)
		if s.of == in.Type {
			wanted = &s
		}
		if s.given {
			given = append(given, s)
		}
	}
	slices.Sort(known)
	switch {
	case in.Type == "":
		all = append(all, field.Required(path.Child("type"), "must specify a metric source type"))
	case wanted == nil:
		all = append(all, field.NotSupported(path.Child("type"), in.Type, known))
	case !wanted.given:
		all = append(all, field.Required(path.Child(wanted.field), "must populate information for the given metric source"))
	}
	if len(given) > 0 {
		all = append(all, given[0].validate(path.Child(given[0].field))...)
	}
	return append(all, surplus(given, in.Type, path)...)
}

// surplus refuses all sources but the wanted one where there are several. A
// single wrong one is refused because the wanted one is missing.
func surplus(given []source, wanted autoscalingv2.MetricSourceType, path *field.Path) (all field.ErrorList) {
	if len(given) < 2 {
		return nil
	}
	for _, s := range given {
		if s.of != wanted {
			all = append(all, field.Forbidden(path.Child(s.field), "must populate the given metric source only"))
		}
	}
	return all
}

func validateObject(in *autoscalingv2.ObjectMetricSource, path *field.Path) field.ErrorList {
	all := validateReference(in.DescribedObject, path.Child("describedObject"), true)
	all = append(all, validateIdentifier(&in.Metric, path)...)
	all = append(all, validateTarget(&in.Target, path.Child("target"))...)
	if in.Target.Value == nil && in.Target.AverageValue == nil {
		all = append(all, field.Required(path.Child("target", "averageValue"), "must set either a target value or averageValue"))
	}
	return all
}

func validateExternal(in *autoscalingv2.ExternalMetricSource, path *field.Path) field.ErrorList {
	all := validateIdentifier(&in.Metric, path)
	all = append(all, validateTarget(&in.Target, path.Child("target"))...)
	switch {
	case in.Target.Value == nil && in.Target.AverageValue == nil:
		all = append(all, field.Required(path.Child("target", "averageValue"), "must set either a target value for metric or a per-pod target"))
	case in.Target.Value != nil && in.Target.AverageValue != nil:
		all = append(all, field.Forbidden(path.Child("target", "value"), "may not set both a target value for metric and a per-pod target"))
	}
	return all
}

func validatePods(in *autoscalingv2.PodsMetricSource, path *field.Path) field.ErrorList {
	all := validateIdentifier(&in.Metric, path)
	all = append(all, validateTarget(&in.Target, path.Child("target"))...)
	if in.Target.AverageValue == nil {
		all = append(all, field.Required(path.Child("target", "averageValue"), "must specify a positive target averageValue"))
	}
	return all
}

func validateResource(in *autoscalingv2.ResourceMetricSource, path *field.Path) (all field.ErrorList) {
	if in.Name == "" {
		all = append(all, field.Required(path.Child("name"), "must specify a resource name"))
	}
	return append(all, validateResourceTarget(&in.Target, path.Child("target"))...)
}

func validateContainerResource(in *autoscalingv2.ContainerResourceMetricSource, path *field.Path) field.ErrorList {
	all := validateResourceName(in.Name, path.Child("name"))
	if at := path.Child("container"); in.Container == "" {
		all = append(all, field.Required(at, "must specify a container"))
	} else {
		for _, cause := range validation.IsDNS1123Label(in.Container) {
			all = append(all, field.Invalid(at, in.Container, cause))
		}
	}
	return append(all, validateResourceTarget(&in.Target, path.Child("target"))...)
}

// validateResourceName accepts what a container may request: the resources that
// Kubernetes knows, huge pages, and extended resources such as nvidia.com/gpu.
// The API server asks this of ContainerResource metrics only.
func validateResourceName(name corev1.ResourceName, path *field.Path) (all field.ErrorList) {
	if name == "" {
		return field.ErrorList{field.Required(path, "must specify a resource name")}
	}
	for _, cause := range content.IsLabelKey(string(name)) {
		all = append(all, field.Invalid(path, name, cause))
	}
	switch qualified := strings.Contains(string(name), "/"); {
	case !qualified && !containerResource(name):
		all = append(all, field.Invalid(path, name, "must be a standard resource for containers"))
	case qualified && !strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix) && !extendedResource(string(name)):
		all = append(all, field.Invalid(path, name, "doesn't follow extended resource name standard"))
	}
	return all
}

func containerResource(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	}
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// extendedResource reports whether a name can also be that of a quota, which
// puts a prefix before it.
func extendedResource(name string) bool {
	const ofQuota = corev1.DefaultResourceRequestsPrefix
	return !strings.HasPrefix(name, ofQuota) && len(content.IsLabelKey(ofQuota+name)) == 0
}

// validateResourceTarget checks the target of a Resource or ContainerResource
// metric.
func validateResourceTarget(in *autoscalingv2.MetricTarget, path *field.Path) field.ErrorList {
	all := validateTarget(in, path)
	switch {
	case in.AverageUtilization == nil && in.AverageValue == nil:
		all = append(all, field.Required(path.Child("averageUtilization"), "must set either a target raw value or a target utilization"))
	case in.AverageUtilization != nil && in.AverageValue != nil:
		all = append(all, field.Forbidden(path.Child("averageValue"), "may not set both a target raw value and a target utilization"))
	}
	return all
}

func validateTarget(in *autoscalingv2.MetricTarget, path *field.Path) (all field.ErrorList) {
	switch in.Type {
	case autoscalingv2.UtilizationMetricType, autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType:
	case "":
		all = append(all, field.Required(path.Child("type"), "must specify a metric target type"))
	default:
		all = append(all, field.Invalid(path.Child("type"), in.Type, "must be either Utilization, Value, or AverageValue"))
	}
	all = append(all, positive(in.Value, path.Child("value"))...)
	all = append(all, positive(in.AverageValue, path.Child("averageValue"))...)
	if percent := in.AverageUtilization; percent != nil && *percent < 1 {
		all = append(all, field.Invalid(path.Child("averageUtilization"), *percent, "must be greater than 0"))
	}
	return all
}

// positive refuses amounts of zero and less, as the API server does, and
// amounts that it lets in although the controller cannot count them: it takes
// 9E for zero.
func positive(amount *resource.Quantity, path *field.Path) field.ErrorList {
	switch {
	case amount == nil:
		return nil
	case amount.Sign() <= 0:
		return field.ErrorList{field.Invalid(path, amount.String(), "must be positive")}
	case amount.AsApproximateFloat64() >= math.MaxInt64/1000:
		return field.ErrorList{field.Invalid(path, amount.String(), "is more than the controller can count: it counts in thousandths, up to 9223372036854775807")}
	}
	return nil
}

func validateIdentifier(in *autoscalingv2.MetricIdentifier, source *field.Path) field.ErrorList {
	return validateSegment(in.Name, source.Child("metric", "name"), "must specify a metric name")
}
