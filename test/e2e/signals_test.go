package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// The paths that the load asks for. Their times lie inside buckets of the
// application's histogram: (0, 0.05] and (0.3, 0.4] seconds.
const (
	fast = "/work?s=0.02"
	slow = "/work?s=0.33"
)

// openNamespace makes a namespace with the shop in it.
func (c *cluster) openNamespace(t *testing.T, namespace, prometheus string) {
	t.Helper()
	c.apply(t, "shop.yaml", map[string]any{"Namespace": namespace, "Prometheus": prometheus})
}

// 27 requests a second at 10 for each pod make 3 pods.
func testRequestRate(t *testing.T, c *cluster) {
	c.openNamespace(t, "rate", "main")
	c.apply(t, "hpa-rate.yaml", nil)
	load := c.startLoad("rate", "shop", fast, 27)
	defer load.Stop()
	c.awaitReplicas(t, "rate", "shop", 3)
	load.Stop()
	c.awaitReplicas(t, "rate", "shop", 1)
}

// A p95 of 0.4 s at a target of 0.2 s doubles the pods. Without requests there
// is no quantile: the rule's onIdle lets the HPA scale down all the same.
func testP95(t *testing.T, c *cluster) {
	c.openNamespace(t, "p95", "main")
	c.apply(t, "hpa-p95.yaml", nil)
	load := c.startLoad("p95", "shop", slow, 4)
	defer load.Stop()
	c.awaitReplicas(t, "p95", "shop", 2)
	hpa, err := c.hpa(c.Ctx, "p95", "shop")
	if err != nil {
		t.Fatal(err)
	}
	if p95, err := current(hpa, "http_p95_seconds"); err != nil || p95 < 0.3 || p95 > 0.5 {
		t.Errorf("the HPA reads a p95 of %g s (%v), the requests take 0.33 s", p95, err)
	}
	load.Stop()
	c.awaitReplicas(t, "p95", "shop", 1)
}

// 25 orders at 10 for each packer make 3 packers, 15 mails at 10 for each
// mailer make 2: each HPA reads its own queue of the one rule.
func testQueueDepth(t *testing.T, c *cluster) {
	c.apply(t, "hpa-queue.yaml", map[string]any{"Workers": []string{"packer", "mailer"}})
	for queue, jobs := range map[string]int{"orders": 25, "mails": 15} {
		if err := c.redis.push(c.Ctx, queue, jobs); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitReplicas(t, "queue", "packer", 3)
	c.awaitReplicas(t, "queue", "mailer", 2)
	for _, queue := range queues {
		if err := c.redis.drain(c.Ctx, queue); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitReplicas(t, "queue", "packer", 1)
	c.awaitReplicas(t, "queue", "mailer", 1)
}

// An HPA with two metrics takes the larger answer, whichever metric gives it.
func testLargerOfTwo(t *testing.T, c *cluster) {
	c.openNamespace(t, "two", "main")
	c.apply(t, "hpa-two.yaml", nil)

	// Many fast requests: 17 a second are for 2 pods, 0.05 s of 0.2 s for 1.
	load := c.startLoad("two", "shop", fast, 17)
	defer load.Stop()
	c.awaitReplicas(t, "two", "shop", 2)
	c.awaitCurrent(t, "two", "http_p95_seconds", func(p95 float64) bool { return p95 > 0 && p95 < 0.1 })
	load.Stop()

	// Few slow requests: 4 a second are for 1 pod, 0.4 s of 0.2 s for twice as many.
	load = c.startLoad("two", "shop", slow, 4)
	defer load.Stop()
	c.awaitReplicas(t, "two", "shop", 3)
	c.awaitCurrent(t, "two", "http_requests_per_second", func(perPod float64) bool { return perPod > 0 && perPod < 3 })
	c.awaitReplicas(t, "two", "shop", 3)
	load.Stop()
	c.awaitReplicas(t, "two", "shop", 1)
}

// awaitCurrent waits until the HPA shop of a namespace shows a value of a metric that satisfies want.
func (c *cluster) awaitCurrent(t *testing.T, namespace, metric string, want func(float64) bool) {
	t.Helper()
	c.Eventually(t, 30*time.Second, "HPA "+namespace+"/shop reads "+metric, func(ctx context.Context) error {
		hpa, err := c.hpa(ctx, namespace, "shop")
		if err != nil {
			return err
		}
		if value, err := current(hpa, metric); err != nil || !want(value) {
			return c.describeHPA(ctx, namespace, "shop")
		}
		return nil
	})
}

// current is the value of a metric that an HPA's status shows.
func current(hpa *autoscalingv2.HorizontalPodAutoscaler, metric string) (float64, error) {
	for _, status := range hpa.Status.CurrentMetrics {
		switch {
		case status.Pods != nil && status.Pods.Metric.Name == metric:
			return status.Pods.Current.AverageValue.AsApproximateFloat64(), nil
		case status.Object != nil && status.Object.Metric.Name == metric:
			return status.Object.Current.Value.AsApproximateFloat64(), nil
		}
	}
	return 0, fmt.Errorf("HPA %s/%s shows no value of %s", hpa.Namespace, hpa.Name, metric)
}
