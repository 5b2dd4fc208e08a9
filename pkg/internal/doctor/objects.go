package doctor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// What follows takes from objects of any kind the fields that matter. A field of
// another type than the API's counts as absent: kube-apiserver lets none through.

func text(o *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(o.Object, path...)
	return value
}

// NewAPIService reads an APIService.
func NewAPIService(o *unstructured.Unstructured) APIService {
	a := APIService{
		Group: text(o, "spec", "group"), Version: text(o, "spec", "version"),
		Service: types.NamespacedName{Namespace: text(o, "spec", "service", "namespace"), Name: text(o, "spec", "service", "name")},
	}
	a.CABundle, _ = base64.StdEncoding.DecodeString(text(o, "spec", "caBundle"))
	a.InsecureSkipTLSVerify, _, _ = unstructured.NestedBool(o.Object, "spec", "insecureSkipTLSVerify")
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, entry := range conditions {
		if c, ok := entry.(map[string]any); ok && c["type"] == "Available" {
			a.Available, a.Reason, a.Message = fmt.Sprint(c["status"]), fmt.Sprint(c["reason"]), fmt.Sprint(c["message"])
		}
	}
	return a
}

// NewWorkload reads something with replicas.
func NewWorkload(o *unstructured.Unstructured) Workload {
	w := Workload{Object: objectOf(o), Replicas: 1, Owners: replicasOwners(o)}
	if n, ok, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); ok {
		w.Replicas = n
	}
	if selector := selectorAt(o, "spec", "selector"); selector != nil && !selector.Empty() {
		w.Selector = selector // that of a ReplicationController has another form
	}
	if containers, ok, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers"); ok {
		var holder struct{ Containers []corev1.Container }
		if runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"Containers": containers}, &holder) == nil {
			w.Containers = holder.Containers
		}
	}
	return w
}

func objectOf(o *unstructured.Unstructured) Object {
	return Object{GroupKind: o.GroupVersionKind().GroupKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
}

// selectorAt reads a label selector, nil where there is none or it is wrong.
func selectorAt(o *unstructured.Unstructured, path ...string) labels.Selector {
	in, ok, _ := unstructured.NestedMap(o.Object, path...)
	if !ok {
		return nil
	}
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(in, &selector); err != nil {
		return nil
	}
	parsed, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil {
		return nil
	}
	return parsed
}

// appliers are tools that write with an update what they will write again. Who
// applies on the server's side is known by the operation.
var appliers = []string{
	"argocd-controller", "argocd-application-controller", "helm", "helm-controller",
	"kubectl-client-side-apply", "kustomize-controller", "Terraform", "HashiCorp",
}

// replicasOwners are the tools that will set spec.replicas again, as the
// object's managed fields and kubectl's own annotation tell.
func replicasOwners(o *unstructured.Unstructured) (owners []string) {
	for _, entry := range o.GetManagedFields() {
		again := entry.Operation == metav1.ManagedFieldsOperationApply || slices.Contains(appliers, entry.Manager)
		if again && ownsReplicas(entry.FieldsV1) {
			owners = append(owners, entry.Manager)
		}
	}
	// An HPA's own write takes the field from the manager's, not from this.
	const client = "kubectl-client-side-apply"
	if applied := o.GetAnnotations()[corev1.LastAppliedConfigAnnotation]; !slices.Contains(owners, client) && appliesReplicas(applied) {
		owners = append(owners, client)
	}
	return owners
}

func ownsReplicas(fields *metav1.FieldsV1) bool {
	if fields == nil {
		return false
	}
	var owned struct {
		Spec struct {
			Replicas *struct{} `json:"f:replicas"`
		} `json:"f:spec"`
	}
	return json.Unmarshal(fields.GetRawBytes(), &owned) == nil && owned.Spec.Replicas != nil
}

func appliesReplicas(configuration string) bool {
	var applied struct {
		Spec struct{ Replicas *int64 }
	}
	return configuration != "" && json.Unmarshal([]byte(configuration), &applied) == nil && applied.Spec.Replicas != nil
}

// NewVerticalAutoscaler reads a VerticalPodAutoscaler.
func NewVerticalAutoscaler(o *unstructured.Unstructured) VerticalAutoscaler {
	v := VerticalAutoscaler{Name: o.GetName(), Off: text(o, "spec", "updatePolicy", "updateMode") == "Off"}
	v.Target = Object{
		GroupKind: schema.FromAPIVersionAndKind(text(o, "spec", "targetRef", "apiVersion"), text(o, "spec", "targetRef", "kind")).GroupKind(),
		Namespace: o.GetNamespace(), Name: text(o, "spec", "targetRef", "name"),
	}
	policies, _, _ := unstructured.NestedSlice(o.Object, "spec", "resourcePolicy", "containerPolicies")
	for _, entry := range policies {
		policy, _ := entry.(map[string]any)
		resources, _, _ := unstructured.NestedStringSlice(policy, "controlledResources")
		v.Resources = append(v.Resources, resources...)
	}
	return v
}

// NewScaledObject reads KEDA's.
func NewScaledObject(o *unstructured.Unstructured) ScaledObject {
	s := ScaledObject{Namespace: o.GetNamespace(), Name: o.GetName(), HPA: text(o, "status", "hpaName")}
	if s.HPA == "" {
		s.HPA = "keda-hpa-" + s.Name
	}
	return s
}

// NewMonitor reads a ServiceMonitor or PodMonitor.
func NewMonitor(o *unstructured.Unstructured) Monitor {
	m := Monitor{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), Labels: o.GetLabels(), Selector: selectorAt(o, "spec", "selector")}
	if m.Selector == nil {
		m.Selector = labels.Nothing()
	}
	m.AnyNamespace, _, _ = unstructured.NestedBool(o.Object, "spec", "namespaceSelector", "any")
	m.Namespaces, _, _ = unstructured.NestedStringSlice(o.Object, "spec", "namespaceSelector", "matchNames")
	field := map[string]string{ServiceMonitor: "endpoints", PodMonitor: "podMetricsEndpoints"}[m.Kind]
	endpoints, _, _ := unstructured.NestedSlice(o.Object, "spec", field)
	for _, entry := range endpoints {
		endpoint, _ := entry.(map[string]any)
		port, _ := endpoint["port"].(string)
		m.Ports = append(m.Ports, port)
	}
	return m
}

// NewScraper reads a Prometheus or a PrometheusAgent.
func NewScraper(o *unstructured.Unstructured) Scraper {
	return Scraper{
		Namespace: o.GetNamespace(), Name: o.GetName(),
		Monitors: map[string]labels.Selector{
			ServiceMonitor: selectorAt(o, "spec", "serviceMonitorSelector"), PodMonitor: selectorAt(o, "spec", "podMonitorSelector"),
		},
		Namespaces: map[string]labels.Selector{
			ServiceMonitor: selectorAt(o, "spec", "serviceMonitorNamespaceSelector"), PodMonitor: selectorAt(o, "spec", "podMonitorNamespaceSelector"),
		},
	}
}
