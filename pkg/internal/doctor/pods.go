package doctor

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// A podIndex finds the pods of thousands of workloads among tens of thousands,
// without a look at each pod for each workload.
type podIndex struct {
	all     map[string][]*corev1.Pod // of each namespace
	labeled map[podLabel][]*corev1.Pod
	found   map[Object][]*corev1.Pod // of workloads that were asked for
}

type podLabel struct{ namespace, key, value string }

// newPodIndex indexes the pods that are meant to run.
func newPodIndex(pods []corev1.Pod) *podIndex {
	x := &podIndex{all: map[string][]*corev1.Pod{}, labeled: map[podLabel][]*corev1.Pod{}, found: map[Object][]*corev1.Pod{}}
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil {
			continue
		}
		x.all[pod.Namespace] = append(x.all[pod.Namespace], pod)
		for key, value := range pod.Labels {
			label := podLabel{pod.Namespace, key, value}
			x.labeled[label] = append(x.labeled[label], pod)
		}
	}
	return x
}

// of returns the pods of a workload, which has a selector.
func (x *podIndex) of(w *Workload) []*corev1.Pod {
	pods, known := x.found[w.Object]
	if known {
		return pods
	}
	for _, pod := range x.candidates(w) {
		if w.Selector.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	x.found[w.Object] = pods
	return pods
}

// candidates are the fewest pods that one of the selector's equalities leaves.
func (x *podIndex) candidates(w *Workload) []*corev1.Pod {
	fewest := x.all[w.Namespace]
	requirements, _ := w.Selector.Requirements()
	for _, r := range requirements {
		value, equality := r.Values().PopAny()
		if !equality || r.Values().Len() != 1 || !r.Matches(labels.Set{r.Key(): value}) {
			continue
		}
		if some := x.labeled[podLabel{w.Namespace, r.Key(), value}]; len(some) < len(fewest) {
			fewest = some
		}
	}
	return fewest
}
