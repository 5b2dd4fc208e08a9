package install

import (
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

// A helm runs Helm in one cluster, with nothing of the user's.
type helm struct {
	cluster *node.Cluster
	file    string // the program
}

func newHelm(c *node.Cluster) helm {
	set := os.Getenv(setEnv)
	if set == "" {
		set = "helm"
	}
	return helm{c, filepath.Join(trial.Must(testbin.Folder(set))(c), "helm")}
}

// try runs Helm and returns all that it said.
func (h helm) try(arguments ...string) (out string, err error) {
	return h.command(h.file, arguments...)
}

// run runs Helm, which succeeds.
func (h helm) run(t *testing.T, arguments ...string) (out string) {
	t.Helper()
	began := time.Now()
	out, err := h.try(arguments...)
	if err != nil {
		h.cluster.Explain(t)
		t.Fatal(err)
	}
	t.Logf("helm %s: %s", strings.Join(arguments, " "), time.Since(began).Round(100*time.Millisecond))
	return out
}

// kubectl runs kubectl and returns what it printed. Its status 1 is what diff
// says where something differs.
func (h helm) kubectl(arguments ...string) (out string, err error) {
	return h.command(h.cluster.Kubectl(), arguments...)
}

func (h helm) command(file string, arguments ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(h.cluster.Ctx, 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, file, arguments...)
	home := h.cluster.Data("home")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + h.cluster.AdminKubeconfig()}
	text, err := command.CombinedOutput()
	if err != nil {
		return string(text), fmt.Errorf("%s %s: %w: %s", filepath.Base(file), strings.Join(arguments, " "), errors.Join(err, context.Cause(ctx)), text)
	}
	return string(text), nil
}
