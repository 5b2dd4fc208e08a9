package doctor

import (
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestPodsOf(t *testing.T) {
	var pods []corev1.Pod
	for name, set := range map[string]labels.Set{
		"web-1": {"app": "web", "tier": "front"}, "web-2": {"app": "web", "tier": "back"}, "api-1": {"app": "api", "tier": "front"},
	} {
		pods = append(pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: set}})
	}
	pods = append(pods,
		corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "web-3", Labels: labels.Set{"app": "web"}}},
		corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-4", Labels: labels.Set{"app": "web"}, DeletionTimestamp: &metav1.Time{}}},
	)
	for selector, want := range map[string][]string{
		"app=web":               {"web-1", "web-2"},
		"app=web,tier=front":    {"web-1"},
		"app!=web":              {"api-1"},
		"app in (web)":          {"web-1", "web-2"},
		"app in (web,api)":      {"api-1", "web-1", "web-2"},
		"tier":                  {"api-1", "web-1", "web-2"},
		"app notin (web)":       {"api-1"},
		"app=none":              nil,
		"tier notin (back),app": {"api-1", "web-1"},
	} {
		t.Run(selector, func(t *testing.T) {
			parsed, err := labels.Parse(selector)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, pod := range newPodIndex(pods).of(&Workload{Object: Object{Namespace: "shop"}, Selector: parsed}) {
				got = append(got, pod.Name)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// BenchmarkExamine judges 5,000 HPAs of one namespace with 50,000 pods.
func BenchmarkExamine(b *testing.B) {
	f := healthy(b)
	for i := range 5000 {
		name := "app-" + strconv.Itoa(i)
		hpa := f.hpa().DeepCopy()
		hpa.Name, hpa.Spec.ScaleTargetRef.Name = name, name
		f.Autoscalers = append(f.Autoscalers, *hpa)
		w := *f.web()
		w.Name, w.Selector = name, labels.SelectorFromSet(labels.Set{"app": name, "team": "shop"})
		f.Workloads[w.Object] = &w
		for n := range 10 {
			f.Pods = append(f.Pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: name + strconv.Itoa(n), Labels: labels.Set{"app": name, "team": "shop"},
			}})
		}
	}
	for b.Loop() {
		Examine(f)
	}
}
