package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pitot-autoscaling/pitot/test/e2e/manifest"
)

// TestRights lets two replicas of Pitot do everything that needs a permission, and
// holds what kube-apiserver noted of it against what the chart grants: nothing was
// refused, and nothing is granted that was not used. One of them lists what it
// watches by itself, as is needed where kube-apiserver cannot stream lists.
func TestRights(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	c.farm = startFarm(c)
	c.grant()
	c.pitot = newPitot(c, pitotSetup{
		config: "pitot-rights.yaml", values: map[string]any{"Farm": c.farm.url}, auto: true,
		flags: []string{"--certificates=auto", "--service=pitot/pitot", "--ca-secret=pitot/pitot-ca", "--team-rules"},
	})
	c.pitot.start()
	c.register(c.pitot.port, nil)
	lists := *c.pitot
	lists.env = []string{"KUBE_FEATURE_WatchListClient=false"}
	other := lists.replica("pitot-1")
	c.apply(t, "rights.yaml", nil)
	var pods []corev1.Pod
	c.Eventually(t, probeTime, "two pods run", func(ctx context.Context) error {
		list, err := c.client.CoreV1().Pods("rights").List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) != 2 {
			return fmt.Errorf("%d pods, %w", len(list.Items), err)
		}
		pods = list.Items
		return nil
	})
	var load []series
	for i := range pods {
		load = append(load, series{map[string]string{"__name__": "load", "namespace": "rights", "pod": pods[i].Name}, 5})
	}
	c.Check(c.farm.setSeries(c.Ctx, "main", load))
	c.Eventually(t, probeTime, "the HPA reads all of its metrics", func(ctx context.Context) error {
		seen, err := c.hpa(ctx, "rights", "web")
		if err != nil {
			return err
		}
		if got := strings.Join(currentMetrics(seen), ", "); len(seen.Status.CurrentMetrics) != 3 || strings.Contains(got, "unknown") {
			return c.describeHPA(ctx, "rights", "web")
		}
		return nil
	})
	for _, metric := range []string{"one", "two"} { // the second mistake follows the first within the rate of events
		c.apply(t, "rights-team.yaml", map[string]any{"Metric": metric})
		c.Eventually(t, probeTime, "the team is told of "+metric, func(ctx context.Context) error {
			events, err := c.client.CoreV1().Events("rights").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=rules"})
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(events.Items, func(e corev1.Event) bool { return strings.Contains(e.Message, metric) }) {
				return fmt.Errorf("%d events", len(events.Items))
			}
			return nil
		})
	}
	c.Check(errors.Join(c.pitot.Stop(), other.Stop())) // which ends its watches, and only then are they in the log

	var used, refused []string
	for _, deed := range c.audit.deeds(t) {
		one := deed.verb + " " + strings.TrimPrefix(deed.group+"/", "/") + deed.resource
		switch {
		case deed.resource == "":
			continue // discovery, which everybody may read
		case deed.code == http.StatusForbidden:
			refused = append(refused, one)
		default:
			used = append(used, one)
		}
	}
	if len(refused) > 0 {
		t.Errorf("refused: %q", compact(refused))
	}
	granted := c.granted(t)
	for _, one := range compact(used) {
		if !slices.Contains(granted, one) {
			t.Errorf("used, and not granted by the chart: %s", one)
		}
	}
	for _, one := range granted {
		if !slices.Contains(used, one) {
			t.Errorf("granted by the chart, and not used: %s", one)
		}
	}
	t.Logf("granted: %q", granted)
}

// granted are the permissions of the chart's own roles, and of those of Kubernetes
// that it binds as far as Pitot has a use for them.
func (c *cluster) granted(t *testing.T) (all []string) {
	t.Helper()
	text, err := renderChart("rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" {
			continue
		}
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						all = append(all, verb+" "+strings.TrimPrefix(group+"/", "/")+resource)
					}
				}
			}
		}
	}
	return compact(append(all,
		"create authorization.k8s.io/subjectaccessreviews", // system:auth-delegator
		"list configmaps", "watch configmaps", // extension-apiserver-authentication-reader, and those of teams
	))
}

func compact(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}
