package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/pitot-autoscaling/pitot/test/e2e/manifest"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

// examples is the folder of the applications that the documentation shows.
const examples = "../../examples/apps"

// apps is what kubelets and the Prometheus Operator would be for the applications
// of examples/apps: it runs the container of every pod in their namespaces by its
// manifest, command and environment, and lists those that answer as targets. A
// pod that is deleted is killed.
//
// It has no network of pods, so that each container gets a port of its own, and
// no images: a container runs in the folder of its example.
type apps struct {
	cluster *cluster
	// others are addresses in the manifests of what runs here, with where that is.
	others []string

	mu      sync.Mutex
	closed  bool
	folders map[string]string // of a namespace, the folder of its example
	running map[podKey]*container
	ending  sync.WaitGroup
}

// A container is the only one of its pod.
type container struct {
	key     podKey
	app     string // the pod's label app
	spec    corev1.Container
	folder  string
	volumes string // the folder of its volumes, which outlives its process
	address string // empty for one that has no port
	process *trial.Process
	answers bool
}

func openApps(c *cluster, others ...string) *apps {
	a := &apps{cluster: c, others: others, folders: map[string]string{}, running: map[podKey]*container{}}
	factory := informers.NewSharedInformerFactory(c.client, 0)
	trial.Must(factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { a.changed(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { a.changed(object.(*corev1.Pod)) },
		DeleteFunc: a.deleted,
	}))(c)
	factory.StartWithContext(c.Ctx)
	c.T.Cleanup(a.close)
	return a
}

// deploy applies manifests of an example in a namespace of its own, after a change.
func (a *apps) deploy(t *testing.T, namespace, example string, change func(*unstructured.Unstructured), files ...string) {
	t.Helper()
	a.mu.Lock()
	a.folders[namespace] = filepath.Join(examples, example)
	a.mu.Unlock()
	owner := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}}}
	objects := []*unstructured.Unstructured{owner}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(examples, example, file))
		if err != nil {
			t.Fatal(err)
		}
		some, err := manifest.Decode(string(text))
		if err != nil {
			t.Fatalf("%s/%s: %v", example, file, err)
		}
		for _, object := range some {
			object.SetNamespace(namespace)
			change(object)
		}
		objects = append(objects, some...)
	}
	for _, object := range objects {
		if err := a.cluster.applier.Object(a.cluster.Ctx, object); err != nil {
			t.Fatalf("%s: %v", example, err)
		}
	}
}

func (a *apps) changed(pod *corev1.Pod) {
	key := podKey{pod.Namespace, pod.Name}
	switch {
	case pod.DeletionTimestamp != nil:
		a.end(key)
	case pod.Status.Phase == corev1.PodRunning:
		a.begin(key, pod)
	}
}

func (a *apps) deleted(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod := object.(*corev1.Pod)
	a.end(podKey{pod.Namespace, pod.Name})
}

// begin starts a pod's container, unless it runs.
func (a *apps) begin(key podKey, pod *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	folder, ours := a.folders[key.namespace]
	if a.closed || !ours || a.running[key] != nil {
		return
	}
	c := &container{
		key: key, app: pod.Labels["app"], spec: pod.Spec.Containers[0], folder: folder,
		volumes: a.cluster.Data("volumes-" + string(pod.UID)),
	}
	if len(c.spec.Ports) > 0 {
		c.address = trial.Loopback(trial.FreePort())
	}
	a.running[key] = c
	a.start(c)
}

// start starts the process of a container, for the first time or again. The
// caller holds the lock.
func (a *apps) start(c *container) {
	c.answers = false
	var err error
	if c.process, err = a.run(c); err != nil {
		a.cluster.Broken(fmt.Errorf("pod %s/%s: %w", c.key.namespace, c.key.name, err))
		return
	}
	if c.address != "" {
		process := c.process
		a.ending.Go(func() { a.awaitAnswer(c, process) })
	}
}

// run starts a process as a container's manifest says.
func (a *apps) run(c *container) (*trial.Process, error) {
	inside := a.translation(c)
	command := trial.Command{
		Name: fmt.Sprintf("pod-%s-%s", c.key.namespace, c.key.name),
		Dir:  c.folder,
		Env:  []string{"PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"},
	}
	words := slices.Concat(c.spec.Command, c.spec.Args)
	if len(c.spec.Command) == 0 { // the image has one
		words = append([]string{"prometheus-redis-exporter"}, words...)
	}
	command.Path = "/usr/bin/" + words[0]
	for _, word := range words[1:] {
		command.Args = append(command.Args, inside.Replace(word))
	}
	for _, variable := range c.spec.Env {
		if variable.ValueFrom != nil {
			variable.Value = "a secret"
		}
		command.Env = append(command.Env, variable.Name+"="+inside.Replace(variable.Value))
	}
	if c.address != "" { // in the place of the port that the pod would have to itself
		command.Env = append(command.Env, "GUNICORN_CMD_ARGS=--bind="+c.address, "REDIS_EXPORTER_WEB_LISTEN_ADDRESS="+c.address)
	}
	for _, mount := range c.spec.VolumeMounts {
		if err := os.MkdirAll(filepath.Join(c.volumes, mount.Name), 0o755); err != nil {
			return nil, err
		}
	}
	return command.Start(a.cluster.Logs, a.cluster.Broken)
}

// translation is from what a container sees to where that is here.
func (a *apps) translation(c *container) *strings.Replacer {
	pairs := slices.Clone(a.others)
	for _, mount := range c.spec.VolumeMounts {
		pairs = append(pairs, mount.MountPath, filepath.Join(c.volumes, mount.Name))
	}
	for _, port := range c.spec.Ports {
		host, number, _ := strings.Cut(c.address, ":")
		pairs = append(pairs, "--host=0.0.0.0", "--host="+host, "--port="+strconv.Itoa(int(port.ContainerPort)), "--port="+number)
	}
	return strings.NewReplacer(pairs...)
}

// awaitAnswer lists a container as soon as its metrics can be read.
func (a *apps) awaitAnswer(c *container, process *trial.Process) {
	for {
		ctx, cancel := context.WithTimeout(a.cluster.Ctx, time.Second)
		response, err := get(ctx, c.metricsURL())
		cancel()
		if err == nil {
			_ = response.Body.Close()
			break
		}
		select {
		case <-process.Ended():
			return
		case <-a.cluster.Ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.process == process {
		c.answers = true
		a.list()
	}
}

func (c *container) metricsURL() string { return "http://" + c.address + "/metrics" }

// list writes the targets. A container that has answered once stays listed while
// its pod is there, whether it answers or not. The caller holds the lock.
func (a *apps) list() {
	targets := []target{}
	for key, c := range a.running {
		if c.answers {
			targets = append(targets, target{
				Targets: []string{c.address},
				Labels:  map[string]string{"namespace": key.namespace, "pod": key.name, "job": c.app},
			})
		}
	}
	sort.Slice(targets, func(i, j int) bool { return targets[i].Targets[0] < targets[j].Targets[0] })
	if err := a.cluster.prometheus["main"].scrape("apps", targets); err != nil {
		a.cluster.Broken(err)
	}
}

// end kills the process of a pod that goes.
func (a *apps) end(key podKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.running[key]
	if c == nil {
		return
	}
	delete(a.running, key)
	a.list()
	a.ending.Go(c.process.Kill)
}

// restart kills the process of a pod and starts it again, as a kubelet does with
// a container that crashed: pod, address and volumes stay.
func (a *apps) restart(key podKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.running[key]
	if c == nil {
		return errors.New("there is no such container")
	}
	c.process.Kill()
	a.start(c)
	return nil
}

// crash kills the processes of an app, which stay away.
func (a *apps) crash(namespace, app string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.running {
		if c.key.namespace == namespace && c.app == app {
			c.process.Kill()
		}
	}
}

// answering are the containers of an app that answer, sorted by their pods.
func (a *apps) answering(namespace, app string) []container {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []container
	for _, c := range a.running {
		if c.answers && c.key.namespace == namespace && c.app == app {
			all = append(all, *c)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].key.name < all[j].key.name })
	return all
}

// awaitAnswering waits until n containers of an app answer.
func (a *apps) awaitAnswering(t *testing.T, namespace, app string, n int) {
	t.Helper()
	a.cluster.Eventually(t, time.Minute, fmt.Sprintf("%d containers of %s/%s answer", n, namespace, app), func(context.Context) error {
		if all := a.answering(namespace, app); len(all) != n {
			return fmt.Errorf("%d do", len(all))
		}
		return nil
	})
}

// kill deletes a pod without any grace.
func (a *apps) kill(t *testing.T, key podKey) {
	t.Helper()
	now := int64(0)
	if err := a.cluster.client.CoreV1().Pods(key.namespace).Delete(a.cluster.Ctx, key.name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
}

// close kills every process.
func (a *apps) close() {
	a.mu.Lock()
	a.closed = true
	keys := make([]podKey, 0, len(a.running))
	for key := range a.running {
		keys = append(keys, key)
	}
	a.mu.Unlock()
	a.cluster.End()
	for _, key := range keys {
		a.end(key)
	}
	a.ending.Wait()
}
