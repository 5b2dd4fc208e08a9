package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// promisedWindow is that of the rules of TestPromises: 15 scrapes.
const promisedWindow = 15 * time.Second

// TestPromises holds Pitot to its bounds in time, one after the other and with
// nothing beside them.
func TestPromises(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	startPrometheus(c, "main")
	c.page = servePage(c, "main")
	c.farm = startFarm(c)
	c.pitot = startPitot(c, pitotSetup{config: "pitot-promises.yaml", values: map[string]any{"Window": promisedWindow, "Farm": c.farm.url}})
	t.Run("a rollout", func(t *testing.T) { testRollout(t, c) })
	t.Run("Prometheus is away", func(t *testing.T) { testAway(t, c) })
	t.Run("a replica is killed", func(t *testing.T) { testReplicaKilled(t, c) })
}

const (
	// away is how long Prometheus is not there.
	away = 2 * time.Minute
	// recovery is the time from Prometheus' start to the first values that look
	// back on nothing.
	recovery = 20 * time.Second
)

// awayHPAs are those of testdata/away.yaml, with their metrics.
var awayHPAs = map[string]string{"instant": "page_load", "window": "page_requests_per_second"}

// While Prometheus is away the cluster does not notice, nothing scales, and when
// it is back, values are too.
func testAway(t *testing.T, c *cluster) {
	c.apply(t, "away.yaml", map[string]any{"Metrics": awayHPAs})
	c.Eventually(t, time.Minute, "six pods have their load", func(ctx context.Context) error {
		pods, err := c.client.CoreV1().Pods("away").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(pods.Items) != 6 {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		for _, pod := range pods.Items {
			c.page.set("away", pod.Name, 10)
		}
		return nil
	})
	for name := range awayHPAs {
		c.awaitScalingActive(t, "away", name, time.Minute, corev1.ConditionTrue)
	}
	c.Pass(t, promisedWindow+refreshInterval) // from here on every window is full

	t.Run("for two minutes", func(t *testing.T) {
		still := c.standstill(t)
		c.prometheus["main"].kill()
		c.Throughout(t, away/2, "without Prometheus nothing moves", still)
		for name := range awayHPAs {
			c.awaitScalingActive(t, "away", name, time.Second, corev1.ConditionFalse, `"main"`, "connection refused")
		}
		c.awaitNamespaceCanGo(t, "passing")
		c.Throughout(t, away/2, "nor has anything moved since", still)
		c.awaitRecovery(t)
		c.Throughout(t, promisedWindow, "with Prometheus nothing moves", still)
	})
	t.Run("when Pitot starts", func(t *testing.T) {
		still := c.standstill(t)
		c.prometheus["main"].kill()
		c.pitot.restart(t)
		for name := range awayHPAs {
			c.awaitScalingActive(t, "away", name, time.Minute, corev1.ConditionFalse, `"main"`, "connection refused")
		}
		c.awaitNamespaceCanGo(t, "passing-too")
		c.awaitRecovery(t)
		c.Throughout(t, promisedWindow, "with Prometheus nothing moves", still)
	})
}

// standstill returns a check that no replica changes from now on, and that
// Pitot's APIs have been available without a break.
func (c *cluster) standstill(t *testing.T) func(context.Context) error {
	t.Helper()
	since := c.availableSince(t)
	var checks []func(context.Context) error
	for name := range awayHPAs {
		checks = append(checks, c.steady(t, "away", name))
	}
	return func(ctx context.Context) error {
		for _, check := range checks {
			if err := check(ctx); err != nil {
				return err
			}
		}
		if now := c.availableSince(t); now != since {
			return fmt.Errorf("the APIs were available since %s, and are since %s", since, now)
		}
		return nil
	}
}

// availableSince is when each of Pitot's APIs became available: it changes when
// one was not for however short a time.
func (c *cluster) availableSince(t *testing.T) string {
	t.Helper()
	var all []string
	for _, gv := range groupVersions {
		service, err := c.dynamic.Resource(apiServices).Get(c.Ctx, gv.Version+"."+gv.Group, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, gv.Group+"/"+gv.Version+" "+transition(service, "Available"))
	}
	return fmt.Sprint(all)
}

// awaitRecovery starts Prometheus and waits until the HPAs have their values
// back, each as soon as it must.
func (c *cluster) awaitRecovery(t *testing.T) {
	t.Helper()
	began := time.Now()
	c.prometheus["main"].start()
	left := func(bound time.Duration) time.Duration { return time.Until(began.Add(bound)) }
	c.awaitScalingActive(t, "away", "instant", left(recovery), corev1.ConditionTrue)
	t.Logf("without a window: %s; load %s", time.Since(began).Round(100*time.Millisecond), loadAverage(t))
	c.awaitScalingActive(t, "away", "window", left(promisedWindow+recovery), corev1.ConditionTrue)
	t.Logf("with a window of %s: %s; load %s", promisedWindow, time.Since(began).Round(100*time.Millisecond), loadAverage(t))
}
