package conformance

import (
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func newTemplate(rng *rand.Rand) corev1.PodSpec {
	always := corev1.ContainerRestartPolicyAlways
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: newRequests(rng)}}}
	if chance(rng, 0.4) {
		spec.Containers = append(spec.Containers, corev1.Container{Name: "helper", Resources: newRequests(rng)})
	}
	if chance(rng, 0.3) {
		spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: "sidecar", RestartPolicy: &always, Resources: newRequests(rng)})
	}
	if chance(rng, 0.3) {
		spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: "migrate", Resources: newRequests(rng)})
	}
	if chance(rng, 0.15) {
		whole := newRequests(rng)
		spec.Resources = &whole
	}
	if chance(rng, 0.1) {
		spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}
	}
	return spec
}

func newRequests(rng *rand.Rand) corev1.ResourceRequirements {
	requests := corev1.ResourceList{}
	if chance(rng, 0.99) {
		requests[corev1.ResourceCPU] = resource.MustParse(pick(rng, "100m", "250m", "1", "1500m", "333m", "1m"))
	}
	if chance(rng, 0.99) {
		requests[corev1.ResourceMemory] = resource.MustParse(pick(rng, "64Mi", "128Mi", "1Gi", "100M", "1500m"))
	}
	return corev1.ResourceRequirements{Requests: requests}
}

// most is the largest number of pods that exist, however many are asked for.
const most = 14

// followScale makes and deletes pods, sooner or later.
func (w *world) followScale(rng *rand.Rand, now time.Time) {
	if chance(rng, 0.7) {
		want := min(int(w.replicas), most)
		for len(w.pods) < want {
			w.bear(rng, now)
		}
		for i := 0; i < len(w.pods)-want; i++ {
			if chance(rng, 0.5) {
				w.change(i).DeletionTimestamp = &metav1.Time{Time: now}
			}
		}
	}
	kept := w.pods[:0:0]
	for _, pod := range w.pods {
		if pod.DeletionTimestamp == nil || chance(rng, 0.7) {
			kept = append(kept, pod)
		}
	}
	if len(kept) != len(w.pods) {
		w.podsChanged = true
	}
	w.pods = kept
	w.statusReplicas = int32(len(w.pods))
	if chance(rng, 0.3) {
		w.statusReplicas = pick(rng, w.replicas, rng.Int32N(15))
	}
}

func (w *world) bear(rng *rand.Rand, now time.Time) {
	w.born++
	w.podsChanged = true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("web-", w.born), Labels: map[string]string{"app": "web"}},
		Spec:       w.templates[rng.IntN(len(w.templates))],
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	w.pods = append(w.pods, pod)
	if chance(rng, 0.5) {
		w.live(rng, len(w.pods)-1, now)
	}
}

// change gives a pod to change: the controller's informer may hold the old one.
func (w *world) change(i int) *corev1.Pod {
	w.podsChanged = true
	w.pods[i] = w.pods[i].DeepCopy()
	return w.pods[i]
}

// live lets something happen to a pod.
func (w *world) live(rng *rand.Rand, i int, now time.Time) {
	pod := w.change(i)
	earlier := func() metav1.Time {
		return metav1.NewTime(now.Add(-pick(rng, 0, 15*time.Second, 30*time.Second, 60*time.Second, time.Duration(rng.Int64N(int64(10*time.Minute))))))
	}
	if pod.Status.Phase == corev1.PodPending {
		pod.Status.Phase = corev1.PodRunning
		started := earlier()
		pod.Status.StartTime = &started
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: started}}
	}
	switch n := rng.IntN(100); {
	case n < 60:
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: earlier()},
		}
	case n < 75:
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: earlier()}}
	case n < 79:
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionUnknown, LastTransitionTime: earlier()}}
	case n < 82:
		pod.Status.Conditions = nil
	case n < 85:
		pod.Status.StartTime = nil
	case n < 88:
		pod.Status.Phase = corev1.PodFailed
	case n < 91:
		pod.Status.Phase = corev1.PodSucceeded
	case n < 93:
		pod.Status.Phase = corev1.PodUnknown
	case n < 95:
		pod.Status.Phase = corev1.PodPending
	case n < 97:
		pod.DeletionTimestamp = &metav1.Time{Time: now}
	}
}
