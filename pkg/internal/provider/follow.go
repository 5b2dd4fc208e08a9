package provider

import "github.com/pitot-autoscaling/pitot/pkg/rule"

// Follow begins to learn the pods of the workloads that rules are of. Until they
// are known, reads of those rules fail and say so.
func (rd *Reader) Follow(rules []*rule.Rule) {
	for _, r := range rules {
		if r.OverPods() {
			rd.Pods.Follow(r.Of.Group, r.Of.Resource)
		}
	}
}
