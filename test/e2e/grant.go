package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/pitot-autoscaling/pitot/test/e2e/testbin"
)

// grant makes what the chart makes for Pitot beside its pods: the service account
// pitot/pitot with its permissions, and the Secret that its replicas share. So no
// test passes with more than an installation gives.
func (c *cluster) grant() {
	text, err := renderChart("serviceaccount.yaml", "rbac.yaml", "certificates.yaml")
	c.Check(err)
	c.Check(c.applier.Apply(c.Ctx, "{apiVersion: v1, kind: Namespace, metadata: {name: pitot}}\n---\n"+text))
}

// renderChart renders templates of the chart, with all in use that needs permissions.
func renderChart(templates ...string) (string, error) {
	folder, err1 := testbin.Folder("helm")
	checkout, err2 := testbin.Checkout()
	if err1 != nil || err2 != nil {
		return "", fmt.Errorf("%w, %w", err1, err2)
	}
	arguments := []string{
		"template", "pitot", filepath.Join(checkout, "charts/pitot"), "--namespace=pitot",
		"--set=prometheus.url=http://127.0.0.1:9090,teamRules.enabled=true,apiService.external=true",
	}
	for _, name := range templates {
		arguments = append(arguments, "--show-only=templates/"+name)
	}
	text, err := exec.Command(filepath.Join(folder, "helm"), arguments...).Output()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output wraps nothing
		return "", fmt.Errorf("helm %q: %s", arguments, exit.Stderr)
	}
	return string(text), err
}
