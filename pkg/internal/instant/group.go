package instant

// An Object names what a sample speaks of: a pod, a workload, a service.
type Object struct {
	Namespace string
	Name      string
}

// String is "namespace/name", as kubectl and logs write it.
func (o Object) String() string { return o.Namespace + "/" + o.Name }

// Groups holds the samples of each object.
type Groups map[Object][]Sample

// Group sorts the samples of v by the object that two of their labels name.
// Samples that lack either label name no object and are left out.
func (v Vector) Group(namespaceLabel, nameLabel string) Groups {
	groups := make(Groups)
	for _, s := range v.Samples {
		object := Object{Namespace: s.Labels.Get(namespaceLabel), Name: s.Labels.Get(nameLabel)}
		if object.Namespace == "" || object.Name == "" {
			continue
		}
		groups[object] = append(groups[object], s)
	}
	return groups
}
