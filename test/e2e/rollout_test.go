package e2e

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

const (
	rolloutPods = 10
	rolloutLoad = 100 // requests a second, whatever the number of pods
	// rolloutError is how far the served rate may be from the load.
	rolloutError = 0.05
)

const (
	rolloutRate = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/rollout/deployments.apps/shop/page_requests_per_second"
	rolloutEach = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/rollout/pods/*/page_requests_per_second"
)

// While a Deployment rolls out, the requests go on: the pods that go hand their
// share to those that come. The rate of the Deployment shows neither.
func testRollout(t *testing.T, c *cluster) {
	stop := c.spreadLoad(t, "rollout", rolloutLoad)
	defer stop()
	c.apply(t, "rollout.yaml", map[string]any{"Replicas": rolloutPods, "Revision": 0})
	c.awaitReplicas(t, "rollout", "shop", rolloutPods)
	c.Eventually(t, time.Minute, "the window is full of the load", func(ctx context.Context) error {
		rate, err := c.rate(ctx, rolloutRate)
		if err == nil && math.Abs(rate/rolloutLoad-1) > 0.01 {
			err = fmt.Errorf("%g", rate)
		}
		return err
	})

	const attempts = 3
	for revision := 1; ; revision++ {
		began := time.Now()
		least, most := c.rollOut(t, revision)
		if least >= rolloutLoad*(1-rolloutError) && most <= rolloutLoad*(1+rolloutError) {
			break
		}
		// What a pod counted before its first scrape and after its last one nobody
		// knows. That is little, unless Prometheus had no processor for seconds.
		gap := c.page.longestGap(began.Add(-promisedWindow))
		t.Logf("the longest time between two scrapes was %s", gap.Round(time.Millisecond))
		if gap < 2*scrapeInterval || revision == attempts {
			t.Fatalf("the Deployment's rate was between %g and %g, want %d, to %g %%", least, most, rolloutLoad, 100*rolloutError)
		}
	}

	t.Run("a pod that is scaled away", func(t *testing.T) { testScaledAway(t, c) })
}

// rollOut replaces all pods and watches the rate until they have left the window.
func (c *cluster) rollOut(t *testing.T, revision int) (least, most float64) {
	t.Helper()
	old := c.podNames(t, "rollout")
	c.apply(t, "rollout.yaml", map[string]any{"Replicas": rolloutPods, "Revision": revision})
	began, reads := time.Now(), 0
	least, most = math.Inf(1), math.Inf(-1)
	var done time.Time // when the last of them was gone
	for done.IsZero() || time.Since(done) < promisedWindow+2*refreshInterval {
		rate, err := c.rate(c.Ctx, rolloutRate)
		if err != nil {
			t.Fatalf("%s into the rollout: %v", time.Since(began).Round(time.Millisecond), err)
		}
		least, most, reads = min(least, rate), max(most, rate), reads+1
		if done.IsZero() && !slices.ContainsFunc(c.podNames(t, "rollout"), func(name string) bool { return slices.Contains(old, name) }) {
			done = time.Now()
			t.Logf("the rollout took %s", done.Sub(began).Round(100*time.Millisecond))
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatal("the rollout has not ended after two minutes")
		}
		c.Pass(t, 100*time.Millisecond)
	}
	t.Logf("%d reads between %g and %g of %d requests a second; load %s", reads, least, most, rolloutLoad, loadAverage(t))
	return least, most
}

// A pod that is gone is out of the metrics of pods with the next refresh.
func testScaledAway(t *testing.T, c *cluster) {
	before := c.podNames(t, "rollout")
	fewer := []byte(fmt.Sprintf(`{"spec":{"replicas":%d}}`, rolloutPods-1))
	if _, err := c.client.AppsV1().Deployments("rollout").Patch(c.Ctx, "shop", types.MergePatchType, fewer, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	var gone []string
	c.Eventually(t, time.Minute, "a pod is gone", func(context.Context) error {
		now := c.podNames(t, "rollout")
		gone = slices.DeleteFunc(slices.Clone(before), func(name string) bool { return slices.Contains(now, name) })
		if len(gone) == 0 {
			return errors.New("all are there")
		}
		return nil
	})
	began := time.Now()
	c.Eventually(t, refreshInterval, "Pitot does not serve "+gone[0], func(ctx context.Context) error {
		served, err := c.read(ctx, rolloutEach)
		if err == nil && strings.Contains(served, gone[0]) {
			err = errors.New(served)
		}
		return err
	})
	t.Logf("gone after %s; load %s", time.Since(began).Round(time.Millisecond), loadAverage(t))
}

// spreadLoad spreads a rate over the pods of a namespace, as they come and go.
func (c *cluster) spreadLoad(t *testing.T, namespace string, perSecond float64) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(c.Ctx)
	factory := informers.NewSharedInformerFactoryWithOptions(c.client, 0, informers.WithNamespace(namespace))
	pods := factory.Core().V1().Pods()
	spread := func(any) {
		all, _ := pods.Lister().List(labels.Everything())
		var ready []string
		for _, pod := range all {
			if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
				ready = append(ready, pod.Name)
			}
		}
		c.page.share(namespace, ready, perSecond)
	}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: spread, UpdateFunc: func(_, now any) { spread(now) }, DeleteFunc: spread,
	})
	if err != nil {
		t.Fatal(err)
	}
	factory.StartWithContext(ctx)
	return cancel
}

func (c *cluster) podNames(t *testing.T, namespace string) (names []string) {
	t.Helper()
	pods, err := c.client.CoreV1().Pods(namespace).List(c.Ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		names = append(names, pod.Name)
	}
	return names
}

// rate reads the only item of a path.
func (c *cluster) rate(ctx context.Context, path string) (float64, error) {
	items, err := c.items(ctx, path)
	if err != nil {
		return 0, err
	}
	if len(items) != 1 {
		return 0, fmt.Errorf("%d items", len(items))
	}
	return items[0].Value.AsApproximateFloat64(), nil
}
