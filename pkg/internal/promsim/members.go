package promsim

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
)

// members are the pods of the one workload there is, of whatever kind.
type members struct {
	namespace string
	workload  string
	live      []string // at the read
	departed  []departure
}

type departure struct {
	pod string
	at  time.Time
}

var _ provider.Pods = (*members)(nil)

// keepDeparted is how long a pod that left is remembered: longer than windows are.
const keepDeparted = time.Hour

// leave notes that a pod is gone.
func (m *members) leave(pod string, at time.Time) {
	m.departed = slices.DeleteFunc(m.departed, func(d departure) bool { return at.Sub(d.at) > keepDeparted })
	m.departed = append(m.departed, departure{pod, at})
}

// Follow implements provider.Pods.
func (*members) Follow(string, string) {}

// Knows implements provider.Pods.
func (*members) Knows(string, string) error { return nil }

// Live implements provider.Pods. The pods have no labels of their own: a selector
// finds all of them.
func (m *members) Live(namespace string, _ labels.Selector) []string {
	if namespace != m.namespace {
		return nil
	}
	return sorted(m.live)
}

// Of implements provider.Pods.
func (m *members) Of(namespace string, _ pods.Workload) []string {
	return m.Live(namespace, labels.Everything())
}

// Departed implements provider.Pods.
func (m *members) Departed(namespace string, _ pods.Workload, since time.Time) []string {
	if namespace != m.namespace {
		return nil
	}
	var names []string
	for _, d := range m.departed {
		if !d.at.Before(since) {
			names = append(names, d.pod)
		}
	}
	return sorted(names)
}

// Workloads implements provider.Pods.
func (m *members) Workloads(namespace, _, _ string) []string {
	if namespace != m.namespace {
		return nil
	}
	return []string{m.workload}
}

func sorted(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return names
}
