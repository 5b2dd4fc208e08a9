package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pitot-autoscaling/pitot/test/e2e/pki"
)

const (
	teamALoad   = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team-a/our_load"
	teamBLoad   = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team-b/our_load"
	teamBBroken = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team-b/broken"
	teamBShared = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team-b/operators_load"
	strangers   = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/our_load"
)

// Two teams bring rules of their own: each is served in its namespace and sees its
// series alone, a mistake is its own, and whatever happens to rights, the rules of
// others go on.
func TestTeamRules(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	startPrometheus(c, "main")
	c.page = servePage(c, "main")
	c.page.set("team-a", "web", 40)
	c.page.set("team-b", "api", 1000)
	c.pitot = startPitot(c, pitotSetup{config: "pitot-teams.yaml", flags: []string{"--team-rules"}})
	c.defineTarget(t)
	c.apply(t, "teams.yaml", map[string]any{"Query": "sum(page_load)"})

	t.Run("an HPA scales on a rule beside it", func(t *testing.T) {
		c.awaitTarget(t, 4)
		c.page.set("team-a", "web", 70)
		c.awaitTarget(t, 7)
	})
	t.Run("a team sees its own series", func(t *testing.T) {
		c.awaitRead(t, teamBLoad, "{} our_load = 1000")
		c.awaitRead(t, teamBShared, `{"namespace":"team-b"} operators_load = 1000`)
		c.awaitRead(t, teamBBroken, `503: metric "broken": the configuration is broken: team-b/api-rules/rules.yaml:5:`)
		c.awaitRead(t, strangers, `404: metric "our_load": no rule has this name`)
	})
	t.Run("events say what became of the ConfigMaps, once", func(t *testing.T) {
		c.pitot.replica("pitot-other")
		c.awaitEvent(t, "team-a", "web-rules", "Normal RulesLoaded", `1 rule of namespace "team-a": our_load (namespaces)`)
		c.awaitEvent(t, "team-b", "api-rules", "Warning RuleBroken", `rules.yaml:5:`)
		c.Pass(t, 15*time.Second) // longer than the other replica takes for its own
		for _, namespace := range []string{"team-a", "team-b"} {
			if events := c.eventsBy(t, namespace); len(events) != 1 {
				t.Errorf("%d events in %s, want 1 of both replicas: %v", len(events), namespace, events)
			}
		}
	})
	t.Run("a person of the team sees what is wrong", func(t *testing.T) {
		kubeconfig := filepath.Join(c.pki, "person.kubeconfig")
		c.Check(pki.WriteKubeconfig(kubeconfig, c.serviceAccount("team-b", "person")))
		out, err := exec.Command(c.programs.pitot, "rules", "-n", "team-b", "--kubeconfig", kubeconfig).CombinedOutput()
		t.Logf("%s", out)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("%v, want exit code 3", err)
		}
		for _, want := range []string{"our_load", `team-b/api-rules/rules.yaml:5:`, "unclosed left parenthesis", "not seen:"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("it does not say %s", want)
			}
		}
	})
	t.Run("a rule that breaks is served as it was", func(t *testing.T) {
		c.apply(t, "teams.yaml", map[string]any{"Query": "sum(page_load"})
		c.awaitEvent(t, "team-a", "web-rules", "Warning RuleBroken", `rules.yaml:4:`)
		c.page.set("team-a", "web", 30)
		c.awaitTarget(t, 3)
		c.apply(t, "teams.yaml", map[string]any{"Query": "sum(page_load) * 2"})
		c.awaitTarget(t, 6)
	})
	t.Run("without rights the operator's rules are served", func(t *testing.T) { testTeamRights(t, c) })
}

// A Pitot that may no longer list ConfigMaps starts, and serves what it knows; with
// the right it finds the teams' rules again by itself.
func testTeamRights(t *testing.T, c *cluster) {
	restore := c.revokeTeamRights(t)
	c.pitot.restart(t)
	c.Eventually(t, probeTime, "Pitot's APIs are available", c.available)
	c.awaitRead(t, teamBShared, `{"namespace":"team-b"} operators_load = 1000`)
	c.awaitRead(t, teamALoad, `404: metric "our_load": no rule has this name`)
	c.Eventually(t, probeTime, "/statusz says what to grant", func(ctx context.Context) error {
		page, err := c.pitot.page(ctx, "/statusz?format=json")
		if err == nil && !strings.Contains(string(page), "grant list and watch on configmaps in all namespaces") {
			err = errors.New(string(page))
		}
		return err
	})
	restore()
	c.awaitTarget(t, 6)
	c.awaitRead(t, teamBLoad, "{} our_load = 1000")
}

// revokeTeamRights takes from Pitot what it needs for the rules of teams, and
// returns how to give it back.
func (c *cluster) revokeTeamRights(t *testing.T) (restore func()) {
	t.Helper()
	roles := c.client.RbacV1().ClusterRoles()
	update := func(role *rbacv1.ClusterRole, rules []rbacv1.PolicyRule) {
		role = role.DeepCopy()
		role.ResourceVersion, role.Rules = "", rules
		if _, err := roles.Update(c.Ctx, role, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := roles.List(c.Ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	held := slices.DeleteFunc(list.Items, func(role rbacv1.ClusterRole) bool {
		return !strings.HasPrefix(role.Name, "pitot") || !slices.ContainsFunc(role.Rules, isOfTeams)
	})
	for _, role := range held {
		update(&role, slices.DeleteFunc(slices.Clone(role.Rules), isOfTeams))
	}
	return func() {
		for _, role := range held {
			update(&role, role.Rules)
		}
	}
}

func isOfTeams(rule rbacv1.PolicyRule) bool {
	return slices.Contains(rule.Resources, "configmaps") || slices.Contains(rule.Resources, "events")
}

// awaitTarget waits until the HPA has scaled its target to n.
func (c *cluster) awaitTarget(t *testing.T, n int64) {
	t.Helper()
	targets := c.dynamic.Resource(schema.GroupVersionResource{Group: "e2e.pitot.dev", Version: "v1", Resource: "targets"}).Namespace("team-a")
	c.Eventually(t, 2*time.Minute, fmt.Sprintf("the target has %d replicas", n), func(ctx context.Context) error {
		target, err := targets.Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if got, _, _ := unstructured.NestedInt64(target.Object, "spec", "replicas"); got != n {
			return errors.Join(fmt.Errorf("%d replicas", got), c.describeHPA(ctx, "team-a", "web"))
		}
		return nil
	})
}

// awaitRead waits until a path of the metrics APIs reads as wanted: a line of value,
// or the code and the beginning of an error.
func (c *cluster) awaitRead(t *testing.T, path, want string) {
	t.Helper()
	c.Eventually(t, time.Minute, path+" reads "+want, func(ctx context.Context) error {
		got, err := c.read(ctx, path)
		var status apierrors.APIStatus
		switch {
		case errors.As(err, &status):
			got = fmt.Sprintf("%d: %s", status.Status().Code, status.Status().Message)
		case err != nil:
			return err
		}
		if !strings.HasPrefix(got, want) {
			return errors.New(got)
		}
		return nil
	})
}

// eventsBy are the events that Pitot wrote in a namespace.
func (c *cluster) eventsBy(t *testing.T, namespace string) []corev1.Event {
	t.Helper()
	list, err := c.client.CoreV1().Events(namespace).List(c.Ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return e.Source.Component != "pitot" })
}

// awaitEvent waits until Pitot has said something of a ConfigMap.
func (c *cluster) awaitEvent(t *testing.T, namespace, name, what, text string) {
	t.Helper()
	c.Eventually(t, time.Minute, fmt.Sprintf("the event %s about %s/%s", what, namespace, name), func(context.Context) error {
		events := c.eventsBy(t, namespace)
		for _, e := range events {
			if e.InvolvedObject.Name == name && e.Type+" "+e.Reason == what && strings.Contains(e.Message, text) {
				t.Log(e.Message)
				return nil
			}
		}
		return fmt.Errorf("%d events: %v", len(events), events)
	})
}
