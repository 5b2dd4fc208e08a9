package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// defineTarget makes the kind Target, which an HPA can scale and which needs no pods.
func (c *cluster) defineTarget(t *testing.T) {
	t.Helper()
	c.apply(t, "target.yaml", nil)
	c.Eventually(t, probeTime, "the kind Target is served", func(context.Context) error {
		return c.applier.Serves(schema.GroupKind{Group: "e2e.pitot.dev", Kind: "Target"})
	})
}

// awaitReplicas waits until a Deployment has exactly n replicas, all Ready.
func (c *cluster) awaitReplicas(t *testing.T, namespace, name string, n int32) {
	t.Helper()
	what := fmt.Sprintf("Deployment %s/%s has %d replicas", namespace, name, n)
	c.Eventually(t, 2*time.Minute, what, func(ctx context.Context) error {
		deployment, err := c.client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if *deployment.Spec.Replicas == n && deployment.Status.ReadyReplicas == n {
			return nil
		}
		seen := fmt.Errorf("%d replicas, %d ready", *deployment.Spec.Replicas, deployment.Status.ReadyReplicas)
		return errors.Join(seen, c.describeHPA(ctx, namespace, name))
	})
}

// hpa reads a HorizontalPodAutoscaler.
func (c *cluster) hpa(ctx context.Context, namespace, name string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return c.client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, name, metav1.GetOptions{})
}

// describeHPA puts what an HPA says about itself into an error, for failures.
func (c *cluster) describeHPA(ctx context.Context, namespace, name string) error {
	hpa, err := c.hpa(ctx, namespace, name)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "HPA %s/%s: current %d, desired %d, metrics: %s", namespace, name,
		hpa.Status.CurrentReplicas, hpa.Status.DesiredReplicas, strings.Join(currentMetrics(hpa), ", "))
	for _, condition := range hpa.Status.Conditions {
		fmt.Fprintf(&text, "\n%s=%s %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message)
	}
	return errors.New(text.String())
}

// currentMetrics are the values that an HPA shows, such as "http_p95_seconds=395m".
func currentMetrics(hpa *autoscalingv2.HorizontalPodAutoscaler) []string {
	var shown []string
	show := func(name string, current autoscalingv2.MetricValueStatus) {
		value := current.Value
		if value == nil {
			value = current.AverageValue
		}
		shown = append(shown, fmt.Sprintf("%s=%s", name, value))
	}
	for _, metric := range hpa.Status.CurrentMetrics {
		switch {
		case metric.Pods != nil:
			show(metric.Pods.Metric.Name, metric.Pods.Current)
		case metric.Object != nil:
			show(metric.Object.Metric.Name, metric.Object.Current)
		case metric.External != nil:
			show(metric.External.Metric.Name, metric.External.Current)
		}
	}
	return shown
}

// scalingActive is the condition that says whether an HPA has its metrics.
func scalingActive(hpa *autoscalingv2.HorizontalPodAutoscaler) (corev1.ConditionStatus, string) {
	for _, condition := range hpa.Status.Conditions {
		if condition.Type == autoscalingv2.ScalingActive {
			return condition.Status, condition.Reason + ": " + condition.Message
		}
	}
	return corev1.ConditionUnknown, "no condition yet"
}
