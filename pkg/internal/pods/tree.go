package pods

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// tree is who owns whom, without locks. Its editing methods report whether they
// changed the answer to any question.
//
// Objects may arrive in any order, a ReplicaSet after its pods included: both
// directions are kept as sets of names, and a name means the same before and
// after the object is known. Names stand for objects; that a workload was
// deleted and another of the same name created makes no difference to a metric.
type tree struct {
	namespaces map[string]*namespace
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
	return tree{namespaces: map[string]*namespace{}}
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

// forget drops a namespace that holds nothing any more.
func (t *tree) forget(name string) {
	if ns := t.namespaces[name]; ns != nil && len(ns.pods) == 0 && len(ns.parent) == 0 && len(ns.departed) == 0 {
		delete(t.namespaces, name)
	}
}

func (t *tree) setPod(name types.NamespacedName, set labels.Set, owner Workload) bool {
	ns := t.namespace(name.Namespace)
	old, known := ns.pods[name.Name]
	if known && old.owner == owner && maps.Equal(old.labels, set) {
		return false
	}
	if known {
		removeFrom(ns.podsOf, old.owner, name.Name)
	}
	delete(ns.departed, name.Name) // a StatefulSet's pod came back
	ns.pods[name.Name] = pod{labels: ns.shared(set, owner), owner: owner}
	addTo(ns.podsOf, owner, name.Name)
	return true
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

func (t *tree) deletePod(name types.NamespacedName, at time.Time) bool {
	if at.Sub(t.swept) > time.Minute {
		t.forgetDeparted(at.Add(-Memory))
		t.swept = at
	}
	ns := t.namespaces[name.Namespace]
	if ns == nil {
		return false
	}
	old, known := ns.pods[name.Name]
	if !known {
		return false
	}
	delete(ns.pods, name.Name)
	removeFrom(ns.podsOf, old.owner, name.Name)
	if old.owner != (Workload{}) {
		ns.departed[name.Name] = departure{at: at, workload: old.owner, parent: ns.parent[old.owner]}
	}
	return true
}

// forgetDeparted drops the pods that departed before a time.
func (t *tree) forgetDeparted(before time.Time) {
	for name, ns := range t.namespaces {
		maps.DeleteFunc(ns.departed, func(_ string, d departure) bool { return d.at.Before(before) })
		t.forget(name)
	}
}

// departedFrom names the pods that left a workload at or after a time.
func (t *tree) departedFrom(inNamespace string, w Workload, since time.Time) (names []string) {
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
func (t *tree) setParent(inNamespace string, child, parent Workload) bool {
	ns := t.namespace(inNamespace)
	defer t.forget(inNamespace)
	old := ns.parent[child]
	if old == parent {
		return false
	}
	if old != (Workload{}) {
		delete(ns.parent, child)
		removeFrom(ns.children, old, child)
	}
	if parent != (Workload{}) {
		ns.parent[child] = parent
		addTo(ns.children, parent, child)
	}
	return len(ns.podsOf[child]) > 0
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

func (t *tree) of(inNamespace string, w Workload) (names []string) {
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

// addTo and removeFrom keep a map of sets without empty sets, and without the
// zero Workload: what nobody controls is of no workload.
func addTo[V comparable](sets map[Workload]map[V]struct{}, key Workload, value V) {
	if key == (Workload{}) {
		return
	}
	if sets[key] == nil {
		sets[key] = map[V]struct{}{}
	}
	sets[key][value] = struct{}{}
}

func removeFrom[V comparable](sets map[Workload]map[V]struct{}, key Workload, value V) {
	delete(sets[key], value)
	if len(sets[key]) == 0 {
		delete(sets, key)
	}
}
