package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// walkTime is how long a team may take from its page of metrics to a Deployment
	// that scales.
	walkTime = 5 * time.Minute
	// walkLoad is in reports per second: 15 of them are in flight, for which two
	// pods are not enough.
	walkLoad = 45
)

// TestWalk goes from "pitot detect" to a scaled Deployment as docs/detect.md does,
// for three stacks one after the other: rules and HPA are those that detect writes,
// with their usual windows. It takes some ten minutes and runs in make test-long.
func TestWalk(t *testing.T) {
	if os.Getenv("PITOT_TEST_WALK") == "" {
		t.Skip("PITOT_TEST_WALK is not set")
	}
	c := startCluster(t, built, defaultSync)
	startPrometheus(c, "main")
	applications := openApps(c)
	rules := filepath.Join(c.Folder, "rules")
	c.Check(os.Mkdir(rules, 0o755))
	c.pitot = startPitot(c, pitotSetup{
		config: "python.yaml", values: map[string]any{"Rules": []string{`{metric: targets, type: External, query: count by (namespace) (up)}`}},
		flags: []string{"--config=" + rules},
	})
	for _, example := range []string{"flask-gunicorn", "fastapi-uvicorn", "django-gunicorn"} {
		t.Run(example, func(t *testing.T) { testWalk(t, applications, example, rules) })
	}
}

func testWalk(t *testing.T, a *apps, example, rules string) {
	c := a.cluster
	a.deploy(t, example, example, func(*unstructured.Unstructured) {}, "deployment.yaml")
	a.awaitAnswering(t, example, "web", 1)
	load := a.sendCustomers(example, walkLoad/3, onlyReports)
	c.Pass(t, 5*time.Second) // there is something on the page
	load.Stop()

	began, hpa := time.Now(), filepath.Join(c.Folder, example+"-hpa.yaml")
	c.run(t, "detect", a.answering(example, "web")[0].metricsURL(), "--objective", "p95=500ms",
		"--name", "web", "--namespace", example, "--rules", filepath.Join(rules, "rules.yaml"), "--hpa", hpa)
	c.run(t, "check", filepath.Join(c.Folder, "pitot.yaml"), rules)
	text, err := os.ReadFile(hpa)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.applier.Apply(c.Ctx, string(text)); err != nil {
		t.Fatal(err)
	}
	load = a.sendCustomers(example, walkLoad, onlyReports)
	defer load.Stop()
	c.Eventually(t, walkTime, "the Deployment has more than two replicas", func(ctx context.Context) error {
		deployment, err := c.client.AppsV1().Deployments(example).Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if *deployment.Spec.Replicas <= 2 {
			return fmt.Errorf("%d replicas; %w", *deployment.Spec.Replicas, c.describeHPA(ctx, example, "web"))
		}
		return nil
	})
	t.Logf("from pitot detect to a scaled Deployment in %s", time.Since(began).Round(time.Second))
	if err := c.client.CoreV1().Namespaces().Delete(c.Ctx, example, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// run runs Pitot, which has to find nothing wrong.
func (c *cluster) run(t *testing.T, arguments ...string) {
	t.Helper()
	if out, err := exec.CommandContext(c.Ctx, c.programs.pitot, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("pitot %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}
