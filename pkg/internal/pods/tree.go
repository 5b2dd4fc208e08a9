package pods

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// tree is who owns whom, without locks.
//
// Objects may arrive in any order, a ReplicaSet after its pods included: both
// directions are kept as sets of names, and a name means the same before and
// after the object is known. Names stand for objects; that a workload was
// deleted and another of the same name created makes no difference to a metric.
type tree struct {
	namespaces map[string]*namespace
	services   services
	swept      time.Time // when old departures were last dropped
}

type namespace struct {
	pods     map[string]pod                   // by name
	podsOf   map[Workload]map[string]struct{} // names of the pods by their controller
	parent   map[Workload]Workload            // of ReplicaSets and Jobs: their controller
	children map[Workload]map[Workload]struct{}
	departed map[string]departure // by name of the pod that is gone
}

// A departure is that of a pod from its workload.
type departure struct {
	at       time.Time
	workload Workload // its controller
	parent   Workload // the controller's controller when it left; zero: none
}

type pod struct {
	labels labels.Set
	owner  Workload
}

func newTree() tree {
	return tree{namespaces: map[string]*namespace{}, services: newServices()}
}

func (t *tree) namespace(name string) *namespace {
	ns := t.namespaces[name]
	if ns == nil {
		ns = &namespace{
			pods:     map[string]pod{},
			podsOf:   map[Workload]map[string]struct{}{},
			parent:   map[Workload]Workload{},
			children: map[Workload]map[Workload]struct{}{},
			departed: map[string]departure{},
		}
		t.namespaces[name] = ns
	}
	return ns
}

func (t *tree) len() int {
	n := 0
	for _, ns := range t.namespaces {
		n += len(ns.pods)
	}
	return n
}

// forget drops a namespace that holds nothing any more.
func (t *tree) forget(name string) {
	if ns := t.namespaces[name]; ns != nil && len(ns.pods) == 0 && len(ns.parent) == 0 && len(ns.departed) == 0 {
		delete(t.namespaces, name)
	}
}

func (t *tree) setPod(name types.NamespacedName, set labels.Set, owner Workload) {
	ns := t.namespace(name.Namespace)
	old, known := ns.pods[name.Name]
	if known && old.owner == owner && maps.Equal(old.labels, set) {
		return
	}
	if known {
		remove(ns.podsOf, old.owner, name.Name)
	}
	delete(ns.departed, name.Name) // a StatefulSet's pod came back
	ns.pods[name.Name] = pod{labels: ns.shared(set, owner), owner: owner}
	put(ns.podsOf, owner, name.Name, struct{}{})
}

// shared returns the labels of a sibling if they are equal to set. Pods of one
// ReplicaSet have equal labels, and those are most of what a pod costs here.
func (ns *namespace) shared(set labels.Set, owner Workload) labels.Set {
	for sibling := range ns.podsOf[owner] {
		if l := ns.pods[sibling].labels; maps.Equal(l, set) {
			return l
		}
		break // any one sibling: the answer is the same for nearly all
	}
	return set
}

func (t *tree) deletePod(name types.NamespacedName, at time.Time) {
	t.sweep(at)
	ns := t.namespaces[name.Namespace]
	if ns == nil {
		return
	}
	old, known := ns.pods[name.Name]
	if !known {
		return
	}
	delete(ns.pods, name.Name)
	remove(ns.podsOf, old.owner, name.Name)
	if old.owner != (Workload{}) {
		ns.departed[name.Name] = departure{at: at, workload: old.owner, parent: ns.parent[old.owner]}
	}
}

// setSlice and deleteSlice say which pods an EndpointSlice lists for a Service.
func (t *tree) setSlice(name types.NamespacedName, now slice, at time.Time) {
	t.sweep(at)
	t.services.set(name, now, at)
}

func (t *tree) deleteSlice(name types.NamespacedName, at time.Time) {
	t.setSlice(name, slice{}, at)
}

// sweep drops old departures, now and then.
func (t *tree) sweep(now time.Time) {
	if now.Sub(t.swept) <= time.Minute {
		return
	}
	t.swept = now
	t.services.forgetDeparted(now.Add(-Memory))
	for name, ns := range t.namespaces {
		maps.DeleteFunc(ns.departed, func(_ string, d departure) bool { return d.at.Before(now.Add(-Memory)) })
		t.forget(name)
	}
}

// departedFrom names the pods that left a workload at or after a time.
func (t *tree) departedFrom(inNamespace string, w Workload, since time.Time) (names []string) {
	if w.isService() {
		return t.services.departed(w.in(inNamespace), since)
	}
	ns := t.namespaces[inNamespace]
	if ns == nil {
		return nil
	}
	for name, d := range ns.departed {
		if (d.workload == w || d.parent == w) && !d.at.Before(since) {
			names = append(names, name)
		}
	}
	return names
}

// setParent says which workload controls a ReplicaSet or Job. The zero Workload
// means that none does.
func (t *tree) setParent(inNamespace string, child, parent Workload) {
	ns := t.namespace(inNamespace)
	defer t.forget(inNamespace)
	old := ns.parent[child]
	if old == parent {
		return
	}
	if old != (Workload{}) {
		delete(ns.parent, child)
		remove(ns.children, old, child)
	}
	if parent != (Workload{}) {
		ns.parent[child] = parent
		put(ns.children, parent, child, struct{}{})
	}
}

func (t *tree) podNames() (names []types.NamespacedName) {
	for in, ns := range t.namespaces {
		for name := range ns.pods {
			names = append(names, types.NamespacedName{Namespace: in, Name: name})
		}
	}
	return names
}

// childNames returns the ReplicaSets, or Jobs, that have a parent.
func (t *tree) childNames(kind schema.GroupResource) (names []types.NamespacedName) {
	for in, ns := range t.namespaces {
		for child := range ns.parent {
			if child.Group == kind.Group && child.Resource == kind.Resource {
				names = append(names, types.NamespacedName{Namespace: in, Name: child.Name})
			}
		}
	}
	return names
}

func (t *tree) live(inNamespace string, selector labels.Selector) (names []string) {
	ns := t.namespaces[inNamespace]
	if ns == nil {
		return nil
	}
	for name, p := range ns.pods {
		if selector.Matches(p.labels) {
			names = append(names, name)
		}
	}
	return names
}

// of may return a name more than once.
func (t *tree) of(inNamespace string, w Workload) (names []string) {
	if w.isService() {
		return t.services.pods(w.in(inNamespace))
	}
	ns := t.namespaces[inNamespace]
	if ns == nil {
		return nil
	}
	collect := func(owner Workload) {
		for name := range ns.podsOf[owner] {
			names = append(names, name)
		}
	}
	collect(w)
	for child := range ns.children[w] {
		collect(child)
	}
	return names
}

// workloads may return a name more than once.
func (t *tree) workloads(inNamespace, group, resource string) (names []string) {
	if (Workload{Group: group, Resource: resource}).isService() {
		return t.services.in(inNamespace)
	}
	ns := t.namespaces[inNamespace]
	if ns == nil {
		return nil
	}
	collect := func(w Workload) {
		if w.Group == group && w.Resource == resource {
			names = append(names, w.Name)
		}
	}
	for owner := range ns.podsOf {
		collect(owner)
		if parent, ok := ns.parent[owner]; ok {
			collect(parent)
		}
	}
	return names
}

// put and remove keep a map of maps without empty ones, and without the zero
// key: what nobody controls is of no workload.
func put[K, N comparable, V any](sets map[K]map[N]V, key K, name N, value V) {
	var nobody K
	if key == nobody {
		return
	}
	if sets[key] == nil {
		sets[key] = map[N]V{}
	}
	sets[key][name] = value
}

func remove[K, N comparable, V any](sets map[K]map[N]V, key K, name N) {
	delete(sets[key], name)
	if len(sets[key]) == 0 {
		delete(sets, key)
	}
}
