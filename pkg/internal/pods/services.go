package pods

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// services is which pods stand behind which Service, without locks.
//
// A Service owns nothing. Its pods are those that its EndpointSlices list, which
// are several where it has many pods or two address families; a pod can be in
// more than one, and moves between them.
type services struct {
	slices   map[types.NamespacedName]slice               // by name of the EndpointSlice
	slicesOf map[types.NamespacedName]map[string]struct{} // by Service: the names of its EndpointSlices
	left     map[types.NamespacedName]map[string]time.Time
}

// A slice is what an EndpointSlice says. The zero slice says nothing.
type slice struct {
	service string
	pods    []string // sorted
}

func newServices() services {
	return services{
		slices:   map[types.NamespacedName]slice{},
		slicesOf: map[types.NamespacedName]map[string]struct{}{},
		left:     map[types.NamespacedName]map[string]time.Time{},
	}
}

// set replaces what an EndpointSlice says; the zero slice takes it away.
func (s *services) set(name types.NamespacedName, now slice, at time.Time) {
	was := s.slices[name]
	before := types.NamespacedName{Namespace: name.Namespace, Name: was.service}
	after := types.NamespacedName{Namespace: name.Namespace, Name: now.service}
	delete(s.slices, name)
	remove(s.slicesOf, before, name.Name)
	if now.service != "" {
		s.slices[name] = now
		put(s.slicesOf, after, name.Name, struct{}{})
	}
	for _, pod := range was.pods {
		if !s.has(before, pod) {
			put(s.left, before, pod, at)
		}
	}
	for _, pod := range now.pods {
		remove(s.left, after, pod)
	}
}

func (s *services) has(service types.NamespacedName, pod string) bool {
	for name := range s.slicesOf[service] {
		if _, found := slices.BinarySearch(s.slices[types.NamespacedName{Namespace: service.Namespace, Name: name}].pods, pod); found {
			return true
		}
	}
	return false
}

// pods may return a name more than once.
func (s *services) pods(service types.NamespacedName) (names []string) {
	for name := range s.slicesOf[service] {
		names = append(names, s.slices[types.NamespacedName{Namespace: service.Namespace, Name: name}].pods...)
	}
	return names
}

// departed names the pods that left a Service at or after a time. They may well
// live on: a label that changed is enough to leave.
func (s *services) departed(service types.NamespacedName, since time.Time) (names []string) {
	for pod, at := range s.left[service] {
		if !at.Before(since) {
			names = append(names, pod)
		}
	}
	return names
}

func (s *services) forgetDeparted(before time.Time) {
	for service, left := range s.left {
		maps.DeleteFunc(left, func(_ string, at time.Time) bool { return at.Before(before) })
		if len(left) == 0 {
			delete(s.left, service)
		}
	}
}

// in names the Services of a namespace that have a pod.
func (s *services) in(namespace string) (names []string) {
	for service := range s.slicesOf {
		if service.Namespace == namespace && len(s.pods(service)) > 0 {
			names = append(names, service.Name)
		}
	}
	return names
}

func (t *tree) sliceNames() []types.NamespacedName {
	return slices.Collect(maps.Keys(t.services.slices))
}
