package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Without Prometheus nothing scales, the HPA says why, the APIs stay available,
// and when Prometheus is back, values are too, without a restart of Pitot.
func testOutage(t *testing.T, c *cluster) {
	c.openNamespace(t, "outage", "outage")
	c.apply(t, "hpa-outage.yaml", nil)
	load := c.startLoad("outage", "shop", fast, 17)
	defer load.Stop()
	c.awaitReplicas(t, "outage", "shop", 2)
	c.awaitScalingActive(t, "outage", "shop", time.Minute, corev1.ConditionTrue)

	prometheus := c.prometheus["outage"]
	steady := c.steady(t, "outage", "shop")
	if err := prometheus.stop(); err != nil {
		t.Fatal(err)
	}
	c.awaitScalingActive(t, "outage", "shop", time.Minute, corev1.ConditionFalse, `"outage"`, "connection refused")
	c.Throughout(t, 20*time.Second, "without Prometheus nothing moves", steady)
	c.awaitNamespaceCanGo(t, "passing")
	c.Throughout(t, time.Second, "nor has anything moved since", steady)

	prometheus.start()
	c.Eventually(t, 30*time.Second, "Prometheus is back", prometheus.ready)
	// rate() is too low until its window has passed the gap: Pitot does not serve it.
	c.awaitScalingActive(t, "outage", "shop", time.Minute, corev1.ConditionFalse, `"outage"`, "recovering")
	c.awaitScalingActive(t, "outage", "shop", time.Minute, corev1.ConditionTrue)
	c.Throughout(t, 5*time.Second, "with the first values nothing moves", steady)
	c.awaitCurrent(t, "outage", "outage_requests_per_second", func(perPod float64) bool { return perPod > 8 && perPod < 9 })
	c.awaitReplicas(t, "outage", "shop", 2)
	load.Stop()
	c.awaitReplicas(t, "outage", "shop", 1)
}

// steady returns a check that the Deployment is as it is now and that Pitot's
// APIs are available. A Deployment's generation grows with every change of its spec.
func (c *cluster) steady(t *testing.T, namespace, name string) func(context.Context) error {
	t.Helper()
	deployments := c.client.AppsV1().Deployments(namespace)
	before, err := deployments.Get(c.Ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) error {
		now, err := deployments.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if now.Generation != before.Generation {
			return fmt.Errorf("the Deployment went from %d to %d replicas: %w",
				*before.Spec.Replicas, *now.Spec.Replicas, c.describeHPA(ctx, namespace, name))
		}
		return c.available(ctx)
	}
}

// awaitScalingActive waits for the HPA's condition, with each of the words in its message.
func (c *cluster) awaitScalingActive(t *testing.T, namespace, name string, within time.Duration, want corev1.ConditionStatus, words ...string) {
	t.Helper()
	what := fmt.Sprintf("ScalingActive of %s/%s is %s %q", namespace, name, want, words)
	c.Eventually(t, within, what, func(ctx context.Context) error {
		hpa, err := c.hpa(ctx, namespace, name)
		if err != nil {
			return err
		}
		status, message := scalingActive(hpa)
		if status != want {
			return c.describeHPA(ctx, namespace, name)
		}
		for _, word := range words {
			if !strings.Contains(message, word) {
				return fmt.Errorf("%s does not say %s", message, word)
			}
		}
		t.Logf("ScalingActive=%s %s", status, message)
		return nil
	})
}

// awaitNamespaceCanGo makes a namespace and deletes it: that asks every API of
// the cluster, and one that is down holds it up for ever.
func (c *cluster) awaitNamespaceCanGo(t *testing.T, name string) {
	t.Helper()
	namespaces := c.client.CoreV1().Namespaces()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := namespaces.Create(c.Ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Delete(c.Ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Eventually(t, 10*time.Second, "a deleted namespace is gone", func(ctx context.Context) error {
		namespace, err := namespaces.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("conditions: %v", namespace.Status.Conditions)
	})
}
