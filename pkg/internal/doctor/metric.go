package doctor

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// metric judges one metric of an HPA.
func (d *diagnosis) metric(a *autoscaler, m autoscalingv2.MetricSpec) {
	d.requests(a, m)
	if m.Object != nil && d.describedGone(a, m.Object.DescribedObject) {
		return
	}
	d.fit(a, m)
	question, ok := d.Question(a.HorizontalPodAutoscaler, m)
	if !ok || d.down[groupOf(m)] || d.podless(a) && d.overPods(m) {
		return
	}
	reading, ok := d.Readings[question.Path]
	switch {
	case !ok:
	case reading.Failure != nil:
		d.failure(a, m, reading)
	default:
		d.values(a, m, reading.Values)
	}
}

// podless reports whether an HPA has no pods, which was found already or is as
// it should be.
func (d *diagnosis) podless(a *autoscaler) bool {
	if a.workload == nil {
		return d.sick[a.name]
	}
	return a.workload.Selector != nil && d.knows("pods", a.Namespace) && len(d.pods.of(a.workload)) == 0
}

// overPods reports whether a metric has values only where there are pods.
func (d *diagnosis) overPods(m autoscalingv2.MetricSpec) bool {
	r := d.ruleOf(m)
	return m.Pods != nil || m.Object != nil && r != nil && r.OverPods()
}

// requests finds containers without the request that a utilization is a share of.
func (d *diagnosis) requests(a *autoscaler, m autoscalingv2.MetricSpec) {
	if a.workload == nil || a.workload.Containers == nil {
		return
	}
	switch {
	case m.Resource != nil && m.Resource.Target.AverageUtilization != nil:
		for _, container := range a.workload.Containers {
			d.request(a, container, m.Resource.Name)
		}
	case m.ContainerResource != nil:
		i := slices.IndexFunc(a.workload.Containers, func(c corev1.Container) bool { return c.Name == m.ContainerResource.Container })
		if i < 0 {
			d.found(NoContainer, a.name, fmt.Sprintf("the pods of %s have no container %q", a.target, m.ContainerResource.Container), "correct containerResource.container")
		} else if m.ContainerResource.Target.AverageUtilization != nil {
			d.request(a, a.workload.Containers[i], m.ContainerResource.Name)
		}
	}
}

func (d *diagnosis) request(a *autoscaler, container corev1.Container, resource corev1.ResourceName) {
	_, requested := container.Resources.Requests[resource]
	_, limited := container.Resources.Limits[resource] // the API server takes a limit for a request that is missing
	if !requested && !limited {
		d.found(NoRequest, a.name, fmt.Sprintf("container %s of %s requests no %s, and a utilization is a share of that", container.Name, a.target, resource),
			fmt.Sprintf("kubectl -n %s set resources %s %s -c %s --requests=%s=…", a.Namespace, strings.ToLower(a.target.Kind), a.target.Name, container.Name, resource))
	}
}

func (d *diagnosis) describedGone(a *autoscaler, ref autoscalingv2.CrossVersionObjectReference) bool {
	object := described(a.Namespace, ref)
	if d.Described[object] || d.Workloads[object] != nil || !d.gone(object) {
		return false
	}
	d.found(NoDescribedObject, a.name, fmt.Sprintf("its metric is of %s, which does not exist", object), "correct object.describedObject")
	return true
}

// DescribedBy are the objects that the Object metrics of an HPA are of.
func DescribedBy(hpa *autoscalingv2.HorizontalPodAutoscaler) (objects []Object) {
	for _, m := range hpa.Spec.Metrics {
		if m.Object != nil {
			objects = append(objects, described(hpa.Namespace, m.Object.DescribedObject))
		}
	}
	return objects
}

func described(namespace string, ref autoscalingv2.CrossVersionObjectReference) Object {
	o := Object{GroupKind: schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind(), Namespace: namespace, Name: ref.Name}
	if o.GroupKind == (schema.GroupKind{Kind: "Namespace"}) || o.GroupKind == (schema.GroupKind{Kind: "Node"}) {
		o.Namespace = ""
	}
	return o
}

// identified is the metric that a spec names; nil for resources.
func identified(m autoscalingv2.MetricSpec) (id *autoscalingv2.MetricIdentifier, target autoscalingv2.MetricTarget) {
	switch {
	case m.Pods != nil:
		return &m.Pods.Metric, m.Pods.Target
	case m.Object != nil:
		return &m.Object.Metric, m.Object.Target
	case m.External != nil:
		return &m.External.Metric, m.External.Target
	}
	return nil, autoscalingv2.MetricTarget{}
}

// ruleOf is Pitot's rule for a metric. It is nil where the configuration is not
// known, and where another adapter answers.
func (d *diagnosis) ruleOf(m autoscalingv2.MetricSpec) *rule.Rule {
	if d.Config == nil {
		return nil
	}
	var r *rule.Rule
	switch {
	case m.Pods != nil:
		r, _ = d.Config.Custom(m.Pods.Metric.Name, rule.GroupResource{Resource: "pods"})
	case m.Object != nil:
		ref := m.Object.DescribedObject
		if kind, ok := d.Kinds[schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind()]; ok {
			r, _ = d.Config.Custom(m.Object.Metric.Name, rule.GroupResource{Group: kind.Resource.Group, Resource: kind.Resource.Resource})
		}
	case m.External != nil:
		r, _ = d.Config.External(m.External.Metric.Name)
	}
	return r
}

var (
	percentileName = regexp.MustCompile(`(?i)(^|[_:.-])(p\d{2,3}|percentile|quantile|median)([_:.-]|$)`)
	rateName       = regexp.MustCompile(`(?i)(_per_second|_rps|_qps)$`)
	timeName       = regexp.MustCompile(`(?i)(seconds|latency|duration|_ms$|[_:.-]p\d{2,3}([_:.-]|$))`)
)

// fit judges what can be told without a value: does the target's type fit what
// the metric is?
func (d *diagnosis) fit(a *autoscaler, m autoscalingv2.MetricSpec) {
	id, target := identified(m)
	if id == nil || m.Pods != nil {
		return
	}
	r := d.ruleOf(m)
	averaged := target.AverageValue != nil && (m.Object == nil || target.Type == autoscalingv2.AverageValueMetricType)
	switch {
	case averaged && isPercentile(r, id.Name):
		d.found(PercentileByPod, a.name, fmt.Sprintf("metric %s is a percentile with an averageValue: the HPA divides it by the number of pods, so the replicas come to percentile over target, whatever the load", id.Name),
			"in target: type: Value, value: "+target.AverageValue.String())
	case target.Value != nil && isTotal(r, id.Name):
		d.found(SumAsValue, a.name, fmt.Sprintf("metric %s is a total over all pods, and the target a Value: more pods do not lower it, so the HPA runs to its maximum or its minimum", id.Name),
			"in target: type: AverageValue, averageValue: what one pod can take")
	}
	if m.External != nil {
		d.external(a, m.External)
	}
}

// isPercentile goes by the rule, and by the name of what a recording rule, or
// another adapter, made.
func isPercentile(r *rule.Rule, name string) bool {
	if r != nil && (r.Quantile > 0 || strings.Contains(r.Expr().String(), "quantile(")) {
		return true
	}
	return percentileName.MatchString(name)
}

// isTotal reports whether a metric is the sum of what each pod does. Of a queue
// nobody can tell: it is nobody's sum.
func isTotal(r *rule.Rule, name string) bool {
	if r != nil && r.OverPods() {
		return r.Aggregate == rule.Sum
	}
	return rateName.MatchString(name)
}

// objectLabels are labels by which an External metric often means one object.
var objectLabels = map[string]string{
	"deployment": "Deployment", "statefulset": "StatefulSet", "service": "Service", "ingress": "Ingress", "pod": "Pod",
}

func (d *diagnosis) external(a *autoscaler, m *autoscalingv2.ExternalMetricSource) {
	if m.Metric.Selector == nil {
		return
	}
	for label, kind := range objectLabels {
		if name, ok := m.Metric.Selector.MatchLabels[label]; ok {
			d.found(ExternalOfObject, a.name, fmt.Sprintf("external metric %s selects %s=%s: it is of an object of the cluster", m.Metric.Name, label, name),
				fmt.Sprintf("type: Object, with describedObject: {kind: %s, name: %s}, and a rule of that kind", kind, name))
		}
	}
}

// failure finds why a metric has no value.
func (d *diagnosis) failure(a *autoscaler, m autoscalingv2.MetricSpec, reading Reading) {
	id, _ := identified(m)
	f := reading.Failure
	said := f.Message
	if !strings.Contains(said, id.Name) {
		said = fmt.Sprintf("metric %q: %s", id.Name, said)
	}
	query := fmt.Sprintf("pitot query %s -n %s -c … shows the query and each object", id.Name, a.Namespace)
	backend, why, ofBackend := backendOf(f.Message)
	switch {
	case f.Code == http.StatusForbidden: // a gap: the doctor itself may not read it
	case f.Cause == "unknown-metric":
		d.found(UnknownMetric, a.name, said, d.meant(id.Name))
	case f.Cause == "broken-rule":
		d.found(BrokenRule, a.name, said, "correct the line; Pitot reads the configuration again by itself")
	case f.Cause == "bad-request":
		d.found(BadSelector, a.name, said, "add the label to the rule's selectable, or drop it from metric.selector")
	case ofBackend:
		d.backend(backend, why)
		d.sick[a.name] = true
	case f.Cause == "pods-unknown" && d.sick[d.pitotName()]: // for want of a right, which was found
		d.sick[a.name] = true
	case reading.Unselected:
		d.found(EmptySelector, a.name, said+"; without the selector there are series", "correct metric.selector: "+query)
	case f.Cause == "empty" || f.Code == http.StatusNotFound:
		d.noSeries(a, m, said, query)
	case f.Cause == "stale":
		d.found(OldValue, a.name, said, "look at the target in Prometheus: has its exporter stopped?")
	case f.Cause != "" && f.Code == http.StatusUnprocessableEntity:
		d.found(NoNumber, a.name, said, query+"; see docs/no-number.md")
	default:
		d.found(ReadFails, a.name, said, query)
	}
}

func (d *diagnosis) pitotName() string {
	if d.Pitot == nil {
		return ""
	}
	return d.Pitot.name()
}

// meant is the cure for a metric that nobody knows.
func (d *diagnosis) meant(name string) string {
	if d.Config == nil {
		return "compare metric.name, type and describedObject with what pitot check prints"
	}
	var names []string
	for _, r := range d.Config.Rules {
		names = append(names, r.Metric)
	}
	slices.Sort(names)
	if slices.Contains(names, name) {
		return "change the HPA's type or describedObject to what is served, or add a rule"
	}
	if closest, ok := place.Closest(name, names); ok {
		return "did you mean metric.name: " + closest + "?"
	}
	return "add a rule, or use one of " + strings.Join(slices.Compact(names), ", ")
}

// How old a value may be, and how far from its target before the unit is doubted.
const (
	maxAge    = 2 * time.Minute
	farFactor = 300
)

// values judges an answer.
func (d *diagnosis) values(a *autoscaler, m autoscalingv2.MetricSpec, values []Value) {
	id, target := identified(m)
	var sum int64
	var newest time.Time
	for _, v := range values {
		sum += v.Milli
		if v.At.After(newest) {
			newest = v.At
		}
	}
	if age := d.Now.Sub(newest); age > maxAge && !newest.IsZero() {
		d.found(OldValue, a.name, fmt.Sprintf("metric %s is of %s ago; the HPA does not look at the time and decides by it", id.Name, age.Round(time.Second)), "look at the adapter and at the target in Prometheus")
		return
	}
	value := float64(sum)
	if m.Pods != nil {
		value /= float64(len(values))
	} else if target.AverageValue != nil && a.Status.CurrentReplicas > 0 {
		value /= float64(a.Status.CurrentReplicas)
	}
	aim := target.Value
	if aim == nil {
		aim = target.AverageValue
	}
	if aim == nil || sum <= 0 || !timeName.MatchString(id.Name) || rateName.MatchString(id.Name) {
		return
	}
	if ratio := value / float64(aim.MilliValue()); ratio > farFactor || ratio < 1.0/farFactor {
		d.found(WrongUnit, a.name, fmt.Sprintf("metric %s is %g and its target %s: seconds beside milliseconds?", id.Name, value/1000, aim),
			fmt.Sprintf("the target in the unit of the metric: 500m is half of one, 500 are five hundred; now it would be at %g %% of it", round3(100*ratio)))
	}
}
