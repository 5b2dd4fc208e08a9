package provider

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// KnownKinds maps between resources and kinds for the groups whose objects have
// metrics in practice. It asks no cluster, so that no read ever waits for
// discovery; custom resources are unknown to it.
func KnownKinds() meta.RESTMapper {
	groups := []schema.GroupVersion{
		corev1.SchemeGroupVersion,
		appsv1.SchemeGroupVersion,
		batchv1.SchemeGroupVersion,
		networkingv1.SchemeGroupVersion,
	}
	mapper := meta.NewDefaultRESTMapper(groups)
	for _, group := range groups {
		for kind := range scheme.Scheme.KnownTypes(group) {
			mapper.Add(group.WithKind(kind), meta.RESTScopeNamespace)
		}
	}
	return mapper
}
