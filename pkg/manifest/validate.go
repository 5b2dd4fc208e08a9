package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The bounds of the API server, in seconds.
const (
	maxPeriodSeconds              = 1800
	maxStabilizationWindowSeconds = 3600
)

// validate finds what the API server would refuse in an object that is created
// (pkg/apis/autoscaling/validation there). Paths and words are its own, so that
// they can be looked up.
func validate(in *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
	metadata, spec := field.NewPath("metadata"), field.NewPath("spec")
	all := validation.ValidateObjectMeta(&in.ObjectMeta, true, validation.NameIsDNSSubdomain, metadata)
	all = append(all, validateFinalizers(in.Finalizers, metadata.Child("finalizers"))...)
	all = append(all, validateReplicas(&in.Spec, spec)...)

	ref := in.Spec.ScaleTargetRef
	all = append(all, validateReference(ref, spec.Child("scaleTargetRef"), ref.Kind == "ReplicationController")...)

	metrics := spec.Child("metrics")
	for i := range in.Spec.Metrics {
		all = append(all, validateMetric(&in.Spec.Metrics[i], metrics.Index(i))...)
	}
	if least := in.Spec.MinReplicas; least != nil && *least == 0 && !slices.ContainsFunc(in.Spec.Metrics, wakes) {
		all = append(all, field.Forbidden(metrics, "must specify at least one Object or External metric to support scaling to zero replicas"))
	}
	if b := in.Spec.Behavior; b != nil {
		all = append(all, validateRules(b.ScaleUp, spec.Child("behavior", "scaleUp"))...)
		all = append(all, validateRules(b.ScaleDown, spec.Child("behavior", "scaleDown"))...)
	}
	return all
}

// wakes reports whether a metric has a value even without pods.
func wakes(m autoscalingv2.MetricSpec) bool {
	return m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType
}

func validateFinalizers(names []string, path *field.Path) (all field.ErrorList) {
	standard := []string{string(corev1.FinalizerKubernetes), metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents}
	for i, name := range names {
		if !strings.Contains(name, "/") && !slices.Contains(standard, name) {
			all = append(all, field.Invalid(path.Index(i), name, "name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	return all
}

func validateReplicas(in *autoscalingv2.HorizontalPodAutoscalerSpec, path *field.Path) (all field.ErrorList) {
	least, most := in.MinReplicas, path.Child("maxReplicas")
	if least != nil && *least < 0 {
		all = append(all, field.Invalid(path.Child("minReplicas"), *least, "must be greater than or equal to 0"))
	}
	switch {
	case in.MaxReplicas == 0:
		return append(all, field.Required(most, "must be set and greater than 0"))
	case in.MaxReplicas < 0:
		all = append(all, field.Invalid(most, in.MaxReplicas, "must be greater than or equal to 1"))
	}
	if least != nil && in.MaxReplicas < *least {
		all = append(all, field.Invalid(most, in.MaxReplicas, "must be greater than or equal to `minReplicas`"))
	}
	return all
}

// validateReference checks a reference to another object. Only few kinds are in
// the core group, which has no name.
func validateReference(ref autoscalingv2.CrossVersionObjectReference, path *field.Path, coreGroup bool) field.ErrorList {
	all := validateSegment(ref.Kind, path.Child("kind"), "")
	all = append(all, validateSegment(ref.Name, path.Child("name"), "")...)
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err == nil && version.Group == "" && !coreGroup {
		err = errors.New("apiVersion must specify API group")
	}
	if err != nil {
		all = append(all, field.Invalid(path.Child("apiVersion"), ref.APIVersion, err.Error()))
	}
	return all
}

// validateSegment checks a name that becomes part of a URL.
func validateSegment(name string, path *field.Path, missing string) (all field.ErrorList) {
	if name == "" {
		return field.ErrorList{field.Required(path, missing)}
	}
	for _, cause := range content.IsPathSegmentName(name) {
		all = append(all, field.Invalid(path, name, cause))
	}
	return all
}

func validateRules(in *autoscalingv2.HPAScalingRules, path *field.Path) (all field.ErrorList) {
	if in == nil {
		return nil
	}
	if window := in.StabilizationWindowSeconds; window != nil {
		switch at := path.Child("stabilizationWindowSeconds"); {
		case *window < 0:
			all = append(all, field.Invalid(at, *window, "must be greater than or equal to zero"))
		case *window > maxStabilizationWindowSeconds:
			all = append(all, field.Invalid(at, *window, fmt.Sprintf("must be less than or equal to %d", maxStabilizationWindowSeconds)))
		}
	}
	if selects := in.SelectPolicy; selects != nil {
		all = append(all, oneOf(*selects, path.Child("selectPolicy"),
			autoscalingv2.DisabledPolicySelect, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect)...)
	}
	policies := path.Child("policies")
	if len(in.Policies) == 0 {
		all = append(all, field.Required(policies, "must specify at least one Policy"))
	}
	for i := range in.Policies {
		all = append(all, validatePolicy(&in.Policies[i], policies.Index(i))...)
	}
	if in.Tolerance != nil && in.Tolerance.Sign() < 0 {
		all = append(all, field.Invalid(path.Child("tolerance"), in.Tolerance.String(), "must be greater than or equal to 0"))
	}
	return all
}

func validatePolicy(in *autoscalingv2.HPAScalingPolicy, path *field.Path) field.ErrorList {
	all := oneOf(in.Type, path.Child("type"), autoscalingv2.PercentScalingPolicy, autoscalingv2.PodsScalingPolicy)
	if in.Value <= 0 {
		all = append(all, field.Invalid(path.Child("value"), in.Value, "must be greater than zero"))
	}
	switch at := path.Child("periodSeconds"); {
	case in.PeriodSeconds <= 0:
		all = append(all, field.Invalid(at, in.PeriodSeconds, "must be greater than zero"))
	case in.PeriodSeconds > maxPeriodSeconds:
		all = append(all, field.Invalid(at, in.PeriodSeconds, fmt.Sprintf("must be less than or equal to %d", maxPeriodSeconds)))
	}
	return all
}

func oneOf[T ~string](value T, path *field.Path, known ...T) field.ErrorList {
	if slices.Contains(known, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, known)}
}

// also adds what validation found, but for what only follows from a field that
// could not be read.
func (o *object) also(problems Problems, found field.ErrorList) Problems {
	for _, err := range found {
		follows := func(unread string) bool { return within(err.Field, unread) }
		if !slices.ContainsFunc(o.unread, follows) {
			problems = append(problems, o.problem(err.Field, err.ErrorBody(), ""))
		}
	}
	return problems
}

// within reports whether a path is another one or below it.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (other == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}
