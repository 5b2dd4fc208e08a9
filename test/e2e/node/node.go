// Package node runs a Kubernetes cluster of one real node for a test: kubelet,
// containerd and kube-proxy beside a control plane, and real containers.
//
//	cluster := node.Start(t, node.Options{Images: []string{tar}})
//	cluster.Apply(t, manifest)
//
// All of it lives in mount, network, UTS, IPC and PID namespaces of its own. The
// only things outside are a pair of interfaces with two routes, so that the test
// reaches the API, pods and Services directly, and the cgroups of the pods. The
// kernel takes all processes with the first one, which ends with the test however
// that ends.
//
// There is no way out of the node's network, no registry, and no DNS: manifests
// name images that the test made (package image), never pull, and Services by
// addresses of ServiceRange.
package node

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/test/e2e/image"
	"github.com/pitot-autoscaling/pitot/test/e2e/plane"
	"github.com/pitot-autoscaling/pitot/test/e2e/testbin"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

// The addresses are of the range that RFC 2544 sets apart for tests of networks:
// no network that a machine is in has them.
const (
	Address      = "198.18.0.2" // of the node
	hostAddress  = "198.18.0.1" // of this end of the pair
	PodRange     = "198.18.1.0/24"
	ServiceRange = "198.18.2.0/24" // the first sixteen are for manifests to choose
	serviceHost  = "198.18.2.1"
)

// Name is the node's.
const Name = "node"

// link is this machine's end of the pair of interfaces.
const link = "pitot-e2e"

// namespaces are those that the node has of its own.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWPID

// socket is containerd's, in the node.
const socket = "/run/containerd/containerd.sock"

// pauseImage holds the namespaces of every pod.
const pauseImage = "local.test/pause:1"

//go:embed init.sh
var initScript string

//go:embed config
var configs embed.FS

// Options are what tests choose.
type Options struct {
	HPASync   time.Duration // how often the HPA controller looks at each HPA; 15 s if it is 0
	Images    []string      // archives to import
	APIServer []string      // more flags of kube-apiserver
}

// A Cluster ends with the test that started it.
type Cluster struct {
	*trial.Trial
	*plane.Plane

	init     *trial.Process
	programs string // folder of kubelet, kube-proxy and kubectl
}

// Start starts a cluster and returns when its node is Ready, which takes about
// ten seconds. Where the machine cannot, it skips the test and says why. There
// is one node per machine: another one waits.
func Start(t *testing.T, options Options) *Cluster {
	t.Helper()
	if err := Probe(); err != nil {
		t.Skipf("this machine runs no node:\n%v", err)
	}
	unlock, err := testbin.Lock("running-node")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
	began := time.Now()
	c := &Cluster{Trial: trial.New(t)}
	c.programs = trial.Must(testbin.Folder("node"))(c)
	pause := c.buildPause()
	c.startInit(pause)
	c.connect()
	c.startContainerd()
	imported := make(chan error, 1)
	archives := append([]string{c.pauseArchive(pause)}, options.Images...)
	go func() { imported <- c.importAll(archives) }() // it takes seconds, mostly of the disk
	c.startPlane(options)
	c.Check(<-imported)
	c.Explain = c.explain
	c.startKubelet()
	c.startProxy()
	c.Eventually(t, plane.ProbeTime, "the node is Ready", c.ready)
	t.Logf("cluster up after %s", time.Since(began).Round(time.Millisecond))
	return c
}

// buildPause builds the program that the node and each pod begin with.
func (c *Cluster) buildPause() string {
	c.Check(os.MkdirAll(c.Data("images"), 0o755))
	file := c.Data("pause")
	c.Check(testbin.Build(file, "test/e2e", "./node/pause"))
	return file
}

// startInit makes the namespaces.
func (c *Cluster) startInit(pause string) {
	removeCgroups() // of a node whose test was killed
	reader, writer, err := os.Pipe()
	c.Check(err)
	script := filepath.Join(c.Folder, "init.sh")
	c.Check(os.WriteFile(script, []byte(initScript), 0o644))
	c.T.Cleanup(removeCgroups)
	c.init = c.Start(trial.Command{
		Name: "init", Path: "/bin/bash", Args: []string{script, c.Data(""), c.Logs, pause},
		Files: []*os.File{writer}, Namespaces: namespaces,
	})
	said, err := io.ReadAll(reader)
	c.Check(err)
	if string(said) != "ready\n" {
		c.T.Fatalf("the node's file system: the end of %s:\n%s", c.init.LogFile, trial.Tail(c.init.LogFile, 10))
	}
}

// removeCgroups removes those of pods that have ended.
func removeCgroups() {
	unified, _ := filepath.Glob("/sys/fs/cgroup/kubepods") // an error is one of the pattern
	each, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	for _, pods := range append(unified, each...) {
		var groups []string
		_ = filepath.WalkDir(pods, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		for i := len(groups) - 1; i >= 0; i-- {
			_ = os.Remove(groups[i]) // the kernel refuses those in use
		}
	}
}

// connect joins the node's network to this machine's. The pair vanishes with the
// node's network, and its routes with it.
func (c *Cluster) connect() {
	pid := strconv.Itoa(c.init.Pid())
	_ = exec.Command("ip", "link", "delete", link).Run() // the last node's, if the kernel has not come to it
	for _, line := range []string{
		"link add " + link + " type veth peer name eth0 netns " + pid,
		"address add " + hostAddress + "/30 dev " + link,
		"link set " + link + " up",
		"route add " + PodRange + " via " + Address,
		"route add " + ServiceRange + " via " + Address,
	} {
		c.run("ip", strings.Fields(line)...)
	}
	for _, line := range []string{
		"address add " + Address + "/30 dev eth0",
		"link set eth0 up",
		// A connection needs a route before kube-proxy's rules lead it elsewhere.
		"route add " + ServiceRange + " dev eth0 src " + Address,
	} {
		command := c.enter(trial.Command{Path: "/usr/sbin/ip", Args: strings.Fields(line)})
		c.run(command.Path, command.Args...)
	}
}

// enter makes a command one that runs in the node.
func (c *Cluster) enter(command trial.Command) trial.Command {
	command.Args = append([]string{
		"--target", strconv.Itoa(c.init.Pid()), "--mount", "--net", "--uts", "--ipc", "--pid", "--", command.Path,
	}, command.Args...)
	command.Path = "/usr/bin/nsenter"
	return command
}

// run runs a program to its end.
func (c *Cluster) run(path string, args ...string) {
	c.T.Helper()
	if out, err := exec.CommandContext(c.Ctx, path, args...).CombinedOutput(); err != nil {
		c.T.Fatalf("%s %s: %v: %s", path, strings.Join(args, " "), err, out)
	}
}

// pauseArchive makes the image that containerd begins each pod with.
func (c *Cluster) pauseArchive(program string) string {
	layer, archive := c.Data("images/pause.layer"), c.Data("images/pause.tar")
	c.Check(image.WriteLayer(layer, image.Copy{From: program, To: "/pause"}))
	c.Check(image.Image{Name: pauseImage, Layers: []string{layer}, Entrypoint: []string{"/pause"}}.Write(archive))
	return archive
}

func (c *Cluster) startContainerd() {
	config := c.config("containerd.toml", map[string]any{"Data": c.Data(""), "Config": filepath.Join(c.Folder, "config"), "Pause": pauseImage})
	c.config("cni/10-bridge.conflist", map[string]any{"PodRange": PodRange})
	c.Start(c.enter(trial.Command{Name: "containerd", Path: "/usr/bin/containerd", Args: []string{"--config", config}}))
	c.Eventually(c.T, plane.ProbeTime, "containerd answers", func(ctx context.Context) error { return c.ctr(ctx, "version") })
}

// importAll gives the images of archives to the node.
func (c *Cluster) importAll(archives []string) error {
	for _, archive := range archives {
		if err := c.ctr(c.Ctx, "images", "import", archive); err != nil {
			return err
		}
	}
	return nil
}

// ctr runs containerd's client in the node.
func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	command := c.enter(trial.Command{Path: "/usr/bin/ctr", Args: append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)})
	if out, err := exec.CommandContext(ctx, command.Path, command.Args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

func (c *Cluster) startPlane(options Options) {
	c.Plane = plane.Start(c.Trial, plane.Setup{
		Programs: trial.Must(testbin.Folder("plane"))(c),
		Address:  Address, ServiceRange: ServiceRange, ServiceHost: serviceHost,
		Enter: c.enter,
		APIServer: append([]string{
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--kubelet-preferred-address-types=InternalIP",
		}, options.APIServer...),
		Manager: []string{"--horizontal-pod-autoscaler-sync-period=" + cmp.Or(options.HPASync, 15*time.Second).String()},
	})
}

func (c *Cluster) startKubelet() {
	serving := trial.Must(c.CA.Server("kubelet-serving", Address, Name))(c)
	config := c.config("kubelet.yaml", map[string]any{"Address": Address, "CA": c.CA.CertFile(), "Serving": serving})
	c.Start(c.enter(trial.Command{Name: "kubelet", Path: filepath.Join(c.programs, "kubelet"), Args: []string{
		"--kubeconfig=" + c.Kubeconfig(c.User("kubelet", "system:node:"+Name, "system:nodes")),
		"--config=" + config,
		"--root-dir=" + c.Data("kubelet"),
		"--hostname-override=" + Name, "--node-ip=" + Address,
		"--v=2",
	}}))
}

func (c *Cluster) startProxy() {
	kubeconfig := c.Kubeconfig(c.User("kube-proxy", "system:kube-proxy"))
	config := c.config("kube-proxy.yaml", map[string]any{"Kubeconfig": kubeconfig, "PodRange": PodRange})
	c.Start(c.enter(trial.Command{Name: "kube-proxy", Path: filepath.Join(c.programs, "kube-proxy"), Args: []string{
		"--config=" + config, "--hostname-override=" + Name,
	}}))
}

// config writes a configuration file.
func (c *Cluster) config(name string, values map[string]any) (file string) {
	text := trial.Must(template.New("").Option("missingkey=error").ParseFS(configs, "config/"+name))(c)
	var out bytes.Buffer
	c.Check(text.ExecuteTemplate(&out, filepath.Base(name), values))
	file = filepath.Join(c.Folder, "config", name)
	c.Check(os.MkdirAll(filepath.Dir(file), 0o755))
	c.Check(os.WriteFile(file, out.Bytes(), 0o644))
	return file
}

// ready says why the node is not Ready.
func (c *Cluster) ready(ctx context.Context) error {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("conditions: %v", node.Status.Conditions)
}

// Apply applies a manifest.
func (c *Cluster) Apply(t *testing.T, text string) {
	t.Helper()
	if err := c.Applier.Apply(c.Ctx, text); err != nil {
		t.Fatal(err)
	}
}

// Kubectl is the file of kubectl, of the cluster's version.
func (c *Cluster) Kubectl() string { return filepath.Join(c.programs, "kubectl") }

// AdminKubeconfig is the file of a configuration that may do everything.
func (c *Cluster) AdminKubeconfig() string { return filepath.Join(c.PKI, "admin.kubeconfig") }

// AwaitDeployment waits until a Deployment has as many pods as it wants, all
// available and of its newest template.
func (c *Cluster) AwaitDeployment(t *testing.T, namespace, name string) {
	t.Helper()
	c.Eventually(t, 2*time.Minute, "Deployment "+namespace+"/"+name+" is available", func(ctx context.Context) error {
		d, err := c.Client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := d.Status
		if want := *d.Spec.Replicas; s.ObservedGeneration < d.Generation || s.UpdatedReplicas != want || s.AvailableReplicas != want || s.Replicas != want {
			return fmt.Errorf("of %d replicas: %d pods, %d updated, %d available", want, s.Replicas, s.UpdatedReplicas, s.AvailableReplicas)
		}
		return nil
	})
}

// explain logs the pods that are not ready, and what happened last.
func (c *Cluster) explain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, args := range []string{
		"get pods --all-namespaces --output=wide",
		"get events --all-namespaces --sort-by=.metadata.creationTimestamp",
	} {
		command := exec.CommandContext(ctx, c.Kubectl(), append([]string{"--kubeconfig", c.AdminKubeconfig()}, strings.Fields(args)...)...)
		out, err := command.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Logf("kubectl %s: %v\n\t%s", args, err, strings.Join(lines[max(0, len(lines)-30):], "\n\t"))
	}
}
