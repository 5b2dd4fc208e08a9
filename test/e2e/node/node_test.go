package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/test/e2e/node"
)

// pod needs no image but the one that every pod begins with.
const pod = `
apiVersion: v1
kind: Pod
metadata: {name: idle, namespace: default}
spec:
  containers:
  - {name: idle, image: "local.test/pause:1", imagePullPolicy: Never}
`

func TestNode(t *testing.T) {
	if err := node.Probe(); err != nil {
		t.Skipf("this machine runs no node:\n%v", err)
	}
	before := machine(t)
	before.Cgroups = nil // what a test left that was killed, a node removes
	t.Run("runs a pod", func(t *testing.T) {
		c := node.Start(t, node.Options{})
		c.Eventually(t, time.Minute, "the namespace has its service account", func(ctx context.Context) error {
			_, err := c.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
			return err
		})
		c.Apply(t, pod)
		c.Eventually(t, time.Minute, "the pod runs", func(ctx context.Context) error {
			pod, err := c.Client.CoreV1().Pods("default").Get(ctx, "idle", metav1.GetOptions{})
			if err != nil || pod.Status.Phase == corev1.PodRunning {
				return err
			}
			return fmt.Errorf("it is %s: %v", pod.Status.Phase, pod.Status.ContainerStatuses)
		})
		holdForever()
	})
	if diff := cmp.Diff(before, machine(t)); diff != "" {
		t.Errorf("what the node has changed (-before +after):\n%s", diff)
	}
}

// holdEnv makes the test print its process number and wait to be killed.
const holdEnv = "PITOT_TEST_HOLD_NODE"

const holding = "the node is up, in processes of "

func holdForever() {
	if os.Getenv(holdEnv) != "" {
		fmt.Printf("\n%s%d\n", holding, os.Getpid())
		select {}
	}
}

// A test that is killed ends nothing itself.
func TestAKilledTestLeavesNoProcess(t *testing.T) {
	if err := node.Probe(); err != nil {
		t.Skipf("this machine runs no node:\n%v", err)
	}
	before := machine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestNode$")
	command.Env = append(os.Environ(), holdEnv+"=1")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for up := false; !up; {
		if !lines.Scan() {
			t.Fatalf("the test has ended: %v", errors.Join(lines.Err(), command.Wait()))
		}
		up = strings.HasPrefix(lines.Text(), holding)
	}
	running := processes(t)
	for _, name := range programs {
		if running[name] <= before.Processes[name] {
			t.Errorf("before the test is killed, there is no %s: %v", name, running)
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed
	var diff string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		after := machine(t)
		after.Cgroups = before.Cgroups // the next node removes them
		if diff = cmp.Diff(before, after); diff == "" {
			return
		}
	}
	t.Errorf("30 s after the test was killed (-before +after):\n%s", diff)
}

// A state is what a node could leave behind on the machine.
type state struct {
	Links, Routes, Firewall, Mounts string
	Settings                        string
	Cgroups                         []string
	Processes                       map[string]int
}

func machine(t *testing.T) state {
	t.Helper()
	var settings strings.Builder
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"} {
		text, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&settings, "%s %s", name, text)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	cgroups, err := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	if err != nil {
		t.Fatal(err)
	}
	return state{
		Links:    output("ip", "-brief", "link"),
		Routes:   output("ip", "route"),
		Firewall: output("nft", "list", "ruleset"),
		Mounts:   string(mounts),
		Settings: settings.String(), Cgroups: cgroups, Processes: processes(t),
	}
}

// output is what a program says, or why it cannot.
func output(name string, args ...string) string {
	text, err := exec.Command(name, args...).CombinedOutput()
	return fmt.Sprintf("%s (%v)", text, err)
}

// programs are those of a node, by the names that the kernel has for them.
var programs = []string{
	"etcd", "kube-apiserver", "kube-controller", "kube-scheduler", "containerd", "containerd-shim", "kubelet", "kube-proxy", "pause",
}

// processes counts the programs of a node that run on this machine.
func processes(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	running := map[string]int{}
	for _, file := range files {
		text, _ := os.ReadFile(file) // of a process that has ended meanwhile there is none
		if name := strings.TrimSpace(string(text)); slices.Contains(programs, name) {
			running[name]++
		}
	}
	return running
}
