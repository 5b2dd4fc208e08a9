package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A podWatch knows the pods of a namespace at every time since its beginning, as
// the watch of an informer tells them.
type podWatch struct {
	changed chan struct{} // has something after a change

	mu      sync.Mutex
	history []podChange
}

// A podChange is a pod from a time on.
type podChange struct {
	at      time.Time // when the watch said so
	version int64     // of the cluster's store: it grows with every change of anything
	gone    bool
	pod     hpa.Pod
}

// watchPods begins while the namespace has no pods, and ends with ctx.
func (c *cluster) watchPods(ctx context.Context, namespace string) *podWatch {
	pods := c.client.CoreV1().Pods(namespace)
	none := trial.Must(pods.List(ctx, metav1.ListOptions{}))(c)
	events := trial.Must(pods.Watch(ctx, metav1.ListOptions{ResourceVersion: none.ResourceVersion}))(c)
	w := &podWatch{changed: make(chan struct{}, 1)}
	go func() {
		defer events.Stop()
		for event := range events.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				break // an error
			}
			version, err := strconv.ParseInt(pod.ResourceVersion, 10, 64)
			if err != nil {
				c.Broken(err)
				return
			}
			w.note(podChange{at: time.Now(), version: version, gone: event.Type == watch.Deleted, pod: seenPod(pod)})
		}
		if ctx.Err() == nil {
			c.Broken(errors.New("the watch of pods has ended by itself"))
		}
	}()
	return w
}

func (w *podWatch) note(change podChange) {
	w.mu.Lock()
	w.history = append(w.history, change)
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default: // nobody has looked since the last change
	}
}

// before is how many changes there were before a time.
func (w *podWatch) before(at time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := slices.BinarySearchFunc(w.history, at, func(change podChange, at time.Time) int { return change.at.Compare(at) })
	return n
}

// until is how many changes there were up to a version of the store.
func (w *podWatch) until(version int64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := slices.BinarySearchFunc(w.history, version, func(change podChange, version int64) int { return cmp.Compare(change.version, version) })
	return n
}

// after returns the pods after the first n changes, by name.
func (w *podWatch) after(n int) []hpa.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	var pods []hpa.Pod
	for _, change := range w.history[:n] {
		i, there := slices.BinarySearchFunc(pods, change.pod.Name, func(pod hpa.Pod, name string) int { return cmp.Compare(pod.Name, name) })
		switch {
		case change.gone && there:
			pods = slices.Delete(pods, i, i+1)
		case there:
			pods[i] = change.pod
		case !change.gone:
			pods = slices.Insert(pods, i, change.pod)
		}
	}
	return pods
}

// serving are the names of the pods that requests go to now.
func (w *podWatch) serving() (names []string) {
	for _, pod := range w.after(w.before(time.Now())) {
		if pod.Ready == hpa.True && !pod.Terminating {
			names = append(names, pod.Name)
		}
	}
	return names
}

// seenPod is what an HPA controller sees of a pod whose metrics are not CPU: for
// that it would also look at times.
func seenPod(pod *corev1.Pod) hpa.Pod {
	seen := hpa.Pod{Name: pod.Name, Phase: hpa.Phase(pod.Status.Phase), Terminating: pod.DeletionTimestamp != nil}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			seen.Ready = hpa.Status(condition.Status)
		}
	}
	return seen
}
