package workload

import "slices"

// A roster is pods by their numbers. Numbers rise with time, so a new pod is the
// last one as a rule; and among few pods a search is faster than a map.
type roster struct {
	ids []int // rising
	all []*pod
}

// get is a pod, nil if it is not there.
func (r *roster) get(id int) *pod {
	i, there := slices.BinarySearch(r.ids, id)
	if !there {
		return nil
	}
	return r.all[i]
}

// add takes up a pod that is not there.
func (r *roster) add(id int, p *pod) {
	i, _ := slices.BinarySearch(r.ids, id)
	r.ids = slices.Insert(r.ids, i, id)
	r.all = slices.Insert(r.all, i, p)
}

// remove takes out a pod that is there.
func (r *roster) remove(id int) {
	i, _ := slices.BinarySearch(r.ids, id)
	r.ids = slices.Delete(r.ids, i, i+1)
	r.all = slices.Delete(r.all, i, i+1)
}
