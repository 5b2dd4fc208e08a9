package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// An autoscaler is the HPA under examination.
type autoscaler struct {
	*autoscalingv2.HorizontalPodAutoscaler
	name     string
	target   Object
	workload *Workload // nil: not known, or it does not exist
}

func nameOf(hpa *autoscalingv2.HorizontalPodAutoscaler) string {
	return "hpa " + hpa.Namespace + "/" + hpa.Name
}

// TargetOf is what an HPA scales.
func TargetOf(hpa *autoscalingv2.HorizontalPodAutoscaler) Object {
	ref := hpa.Spec.ScaleTargetRef
	return Object{
		GroupKind: schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind(),
		Namespace: hpa.Namespace, Name: ref.Name,
	}
}

func (o Object) String() string { return o.Kind + " " + o.Name }

// chosen reports whether an HPA is to be judged.
func (f *Facts) chosen(hpa *autoscalingv2.HorizontalPodAutoscaler) bool {
	return f.Chosen == nil || f.Chosen[types.NamespacedName{Namespace: hpa.Namespace, Name: hpa.Name}]
}

func (d *diagnosis) autoscalers() {
	for i := range d.Autoscalers {
		hpa := &d.Autoscalers[i]
		if !d.chosen(hpa) {
			continue
		}
		a := &autoscaler{HorizontalPodAutoscaler: hpa, name: nameOf(hpa), target: TargetOf(hpa)}
		a.workload = d.Workloads[a.target]
		d.target(a)
		d.rivals(a)
		d.owners(a)
		d.bounds(a)
		d.behavior(a)
		for _, metric := range hpa.Spec.Metrics {
			d.metric(a, metric)
		}
		d.conditions(a)
	}
}

func (a *autoscaler) get() string {
	return fmt.Sprintf("kubectl -n %s get hpa %s", a.Namespace, a.Name)
}

// target finds out whether there is something to scale.
func (d *diagnosis) target(a *autoscaler) {
	if a.workload == nil {
		if d.gone(a.target) {
			d.found(NoTarget, a.name, "it scales "+a.target.String()+", which does not exist", "correct spec.scaleTargetRef: kubectl -n "+a.Namespace+" edit hpa "+a.Name)
		}
		return
	}
	if a.workload.Selector == nil || a.workload.Selector.Empty() {
		d.found(NoPods, a.name, a.target.String()+" has no selector for its pods", "its scale subresource needs status.selector")
		return
	}
	if a.workload.Replicas > 0 && d.knows("pods", a.Namespace) && len(d.pods.of(a.workload)) == 0 {
		d.found(NoPods, a.name, fmt.Sprintf("no pod matches %q, the selector of %s", a.workload.Selector, a.target),
			fmt.Sprintf("kubectl -n %s get pods --show-labels; kubectl -n %[1]s describe %s %s", a.Namespace, strings.ToLower(a.target.Kind), a.target.Name))
	}
}

// gone reports whether an object is known not to exist.
func (d *diagnosis) gone(o Object) bool {
	if d.Kinds == nil {
		return false
	}
	kind, ok := d.Kinds[o.GroupKind]
	if !ok { // the cluster has no such kind, or does not say so
		return d.knows("kinds", "") && d.knows("kinds of "+o.Group, "")
	}
	return d.knows(kind.Resource.GroupResource().String(), o.Namespace)
}

// rivals finds others that scale the same.
func (d *diagnosis) rivals(a *autoscaler) {
	if names := slices.Sorted(slices.Values(d.targets[a.target])); len(names) > 1 {
		what := fmt.Sprintf("%s all scale %s, each its own way", strings.Join(names, ", "), a.target)
		cure := "one HPA with the metrics of all: it takes the largest proposal; delete the others"
		for _, scaled := range d.ScaledObjects {
			if scaled.Namespace == a.Namespace && slices.Contains(names, scaled.HPA) {
				what += fmt.Sprintf("; %s belongs to KEDA's ScaledObject %s", scaled.HPA, scaled.Name)
				cure = "keep the HPA or the ScaledObject, with the metrics of both"
			}
		}
		d.found(Rivals, a.name, what, cure)
	}
	for _, vertical := range d.VerticalAutoscalers {
		if vertical.Off || vertical.Target != a.target {
			continue
		}
		for _, resource := range utilizations(a.Spec.Metrics) {
			if vertical.Resources == nil || slices.Contains(vertical.Resources, resource) {
				d.found(VerticalRival, a.name, fmt.Sprintf("VerticalPodAutoscaler %s changes the %s requests of %s, by which this HPA divides", vertical.Name, resource, a.target),
					"scale on another metric, such as requests per second; or in the VerticalPodAutoscaler: updatePolicy: {updateMode: \"Off\"}")
			}
		}
	}
}

// utilizations are the resources that an HPA reads as shares of the requests.
func utilizations(metrics []autoscalingv2.MetricSpec) (resources []string) {
	for _, m := range metrics {
		switch {
		case m.Resource != nil && m.Resource.Target.AverageUtilization != nil:
			resources = append(resources, string(m.Resource.Name))
		case m.ContainerResource != nil && m.ContainerResource.Target.AverageUtilization != nil:
			resources = append(resources, string(m.ContainerResource.Name))
		}
	}
	return resources
}

func (d *diagnosis) owners(a *autoscaler) {
	if a.workload == nil {
		return
	}
	for _, owner := range a.workload.Owners {
		d.found(ReplicasOwned, a.name, fmt.Sprintf("%s owns spec.replicas of %s: its next apply sets them again, whatever the HPA decided", owner, a.target), replicasCure(owner))
	}
}

func replicasCure(owner string) string {
	switch {
	case strings.HasPrefix(owner, "argocd"):
		return "remove replicas from the manifest; until then, in the Application: ignoreDifferences: [{group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}] and syncOptions: [RespectIgnoreDifferences=true]"
	case strings.HasPrefix(owner, "helm"):
		return "in the chart's template, around replicas: {{- if not .Values.autoscaling.enabled }}; Kubernetes keeps the number when the field goes away with one server-side apply"
	default:
		return "remove replicas from the manifest; before the next client-side apply, once: kubectl apply edit-last-applied, and remove it there too"
	}
}

// minimum is minReplicas with its default.
func (a *autoscaler) minimum() int32 {
	if a.Spec.MinReplicas != nil {
		return *a.Spec.MinReplicas
	}
	return 1
}

func (d *diagnosis) bounds(a *autoscaler) {
	if a.minimum() == a.Spec.MaxReplicas {
		d.found(FixedReplicas, a.name, fmt.Sprintf("minReplicas and maxReplicas are both %d", a.Spec.MaxReplicas), fmt.Sprintf("maxReplicas: %d", 4*max(1, a.Spec.MaxReplicas)))
	}
}

func (d *diagnosis) behavior(a *autoscaler) {
	behavior := a.Spec.Behavior
	if behavior == nil {
		return
	}
	if up := behavior.ScaleUp; disabled(up) {
		d.found(NeverUp, a.name, "behavior.scaleUp has selectPolicy: Disabled", "selectPolicy: Max, with policies for the pace")
	} else if a.minimum() == 0 && up != nil && len(up.Policies) > 0 && !slices.ContainsFunc(up.Policies, ofPods) {
		d.found(StuckAtZero, a.name, "behavior.scaleUp has percentages only, and minReplicas is 0: no percentage of 0 pods is a pod", "another policy: {type: Pods, value: 4, periodSeconds: 15}")
	}
	if disabled(behavior.ScaleDown) {
		d.found(NeverDown, a.name, "behavior.scaleDown has selectPolicy: Disabled", "selectPolicy: Max, unless people are to scale down by hand")
	}
}

func disabled(rules *autoscalingv2.HPAScalingRules) bool {
	return rules != nil && rules.SelectPolicy != nil && *rules.SelectPolicy == autoscalingv2.DisabledPolicySelect
}

func ofPods(policy autoscalingv2.HPAScalingPolicy) bool {
	return policy.Type == autoscalingv2.PodsScalingPolicy
}

// lookTime is how long a controller may take for its first look at an HPA.
const lookTime = time.Minute

// conditions reads what the HPA controller says. What was found already is why
// it does.
func (d *diagnosis) conditions(a *autoscaler) {
	if d.sick[a.name] || d.explained(a) {
		return
	}
	if len(a.Status.Conditions) == 0 && d.Now.Sub(a.CreationTimestamp.Time) > lookTime {
		d.found(NotLookedAt, a.name, "it has no conditions: no controller has looked at it",
			"kubectl -n kube-system get lease kube-controller-manager; then look at that controller and its log")
	}
	for _, c := range a.Status.Conditions {
		said := fmt.Sprintf("%s=%s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
		switch {
		case c.Type == autoscalingv2.AbleToScale && c.Status == corev1.ConditionFalse:
			d.found(CannotScale, a.name, said, "kubectl auth can-i update deployments/scale --as=system:serviceaccount:kube-system:horizontal-pod-autoscaler; admission webhooks and quotas may refuse as well")
		case c.Type == autoscalingv2.ScalingActive && c.Reason == "ScalingDisabled":
			d.found(Paused, a.name, "it is paused: "+a.target.String()+" was scaled to 0 by somebody else", fmt.Sprintf("kubectl -n %s scale %s %s --replicas=1", a.Namespace, strings.ToLower(a.target.Kind), a.target.Name))
		case c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionFalse:
			d.found(NotActive, a.name, said, a.get()+" -o yaml; see docs/no-number.md")
		case c.Type == autoscalingv2.ScalingLimited && c.Reason == "TooManyReplicas" && a.minimum() < a.Spec.MaxReplicas:
			d.found(AtMaximum, a.name, fmt.Sprintf("it wants more than maxReplicas, %d", a.Spec.MaxReplicas), "a larger maxReplicas, if the cluster and what the pods call have room")
		}
	}
}

// explained reports whether an API that the HPA reads has no values.
func (d *diagnosis) explained(a *autoscaler) bool {
	return slices.ContainsFunc(a.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool { return d.down[groupOf(m)] })
}
