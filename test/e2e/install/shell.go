package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/test/e2e/node"
	"github.com/pitot-autoscaling/pitot/test/e2e/testbin"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

// chart is the folder of the chart.
const chart = "../../../charts/pitot"

// setEnv chooses another set of hack/testbin.sh with a helm in it: helm3.
const setEnv = "PITOT_TEST_HELM"

// A shell runs Helm and kubectl in one cluster, with nothing of the user's.
type shell struct {
	cluster     *node.Cluster
	helmProgram string
}

func newShell(c *node.Cluster) shell {
	set := os.Getenv(setEnv)
	if set == "" {
		set = "helm"
	}
	return shell{c, filepath.Join(trial.Must(testbin.Folder(set))(c), "helm")}
}

// tryHelm runs Helm and returns what it printed; an error has all that it said.
func (s shell) tryHelm(arguments ...string) (out string, err error) {
	return s.run(s.helmProgram, arguments...)
}

// helm runs Helm, which succeeds.
func (s shell) helm(t *testing.T, arguments ...string) (out string) {
	t.Helper()
	began := time.Now()
	out, err := s.tryHelm(arguments...)
	if err != nil {
		s.cluster.Explain(t)
		t.Fatal(err)
	}
	t.Logf("helm %s: %s", strings.Join(arguments, " "), time.Since(began).Round(100*time.Millisecond))
	return out
}

// kubectl runs kubectl and returns what it printed. The program ends with 1
// if diff finds a difference.
func (s shell) kubectl(arguments ...string) (out string, err error) {
	return s.run(s.cluster.Kubectl(), arguments...)
}

func (s shell) run(file string, arguments ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(s.cluster.Ctx, 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, file, arguments...)
	home := s.cluster.Data("home")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + s.cluster.AdminKubeconfig()}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := errors.Join(command.Run(), context.Cause(ctx)); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(file), strings.Join(arguments, " "), err, &stderr, &stdout)
	}
	return stdout.String(), nil
}
