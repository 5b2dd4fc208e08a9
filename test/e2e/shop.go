package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

const (
	// programLabel on a pod asks for a Python process behind it.
	programLabel = "e2e.pitot.dev/program"
	programShop  = "shop"
	// prometheusLabel on a pod names the Prometheus that scrapes it.
	prometheusLabel = "e2e.pitot.dev/prometheus"
)

// The programs that Debian's packages install. Another python3 may be first in
// PATH, without the libraries.
const (
	python   = "/usr/bin/python3"
	gunicorn = "/usr/bin/gunicorn"
)

// A shop is what kubelet and Prometheus' pod discovery would be: it runs one
// gunicorn with one worker for every Running pod labelled program=shop, and
// lists those that answer as targets with the labels namespace and pod. It ends
// the process of a pod that is being deleted.
type shop struct {
	cluster *cluster
	app     string // folder of app.py

	mu      sync.Mutex
	closed  bool
	servers map[podKey]*server
	ending  sync.WaitGroup
}

type podKey struct{ namespace, name string }

// A server is the process of one pod.
type server struct {
	app        string // the pod's label app
	prometheus string
	address    string
	process    *trial.Process
	answers    bool
}

func openShop(c *cluster) *shop {
	s := &shop{cluster: c, app: trial.Must(filepath.Abs("apps/shop"))(c), servers: map[podKey]*server{}}
	factory := informers.NewSharedInformerFactoryWithOptions(c.client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = programLabel + "=" + programShop
	}))
	pods := factory.Core().V1().Pods().Informer()
	trial.Must(pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { s.changed(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { s.changed(object.(*corev1.Pod)) },
		DeleteFunc: s.deleted,
	}))(c)
	factory.StartWithContext(c.Ctx)
	c.T.Cleanup(s.close)
	return s
}

func (s *shop) changed(pod *corev1.Pod) {
	key := podKey{pod.Namespace, pod.Name}
	switch {
	case pod.DeletionTimestamp != nil:
		s.end(key)
	case pod.Status.Phase == corev1.PodRunning:
		s.begin(key, pod.Labels)
	}
}

func (s *shop) deleted(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod := object.(*corev1.Pod)
	s.end(podKey{pod.Namespace, pod.Name})
}

// begin starts a pod's process, unless it runs.
func (s *shop) begin(key podKey, labels map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.servers[key] != nil {
		return
	}
	server, err := s.serve(key, labels)
	if err != nil {
		s.cluster.Broken(fmt.Errorf("pod %s/%s: %w", key.namespace, key.name, err))
		return
	}
	s.servers[key] = server
	s.ending.Go(func() { s.awaitAnswer(server) })
}

// serve starts gunicorn on a listener of the test's own, so that no other
// process can take the port in between.
func (s *shop) serve(key podKey, labels map[string]string) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	server := &server{app: labels["app"], prometheus: labels[prometheusLabel], address: listener.Addr().String()}
	if server.prometheus == "" {
		server.prometheus = "main"
	}
	server.process, err = trial.Command{
		Name:  fmt.Sprintf("pod-%s-%s", key.namespace, key.name),
		Path:  gunicorn,
		Args:  []string{"--bind=fd://3", "--workers=1", "--threads=8", "--keep-alive=30", "app:app"},
		Dir:   s.app,
		Env:   []string{"PYTHONDONTWRITEBYTECODE=1"},
		Files: []*os.File{socket},
		Grace: 5 * time.Second,
	}.Start(s.cluster.Logs, s.cluster.Broken)
	return server, err
}

// awaitAnswer lists the server as soon as it answers.
func (s *shop) awaitAnswer(server *server) {
	for {
		ctx, cancel := context.WithTimeout(s.cluster.Ctx, time.Second)
		response, err := get(ctx, "http://"+server.address+"/healthz")
		cancel()
		if err == nil {
			_ = response.Body.Close()
			break
		}
		select {
		case <-server.process.Ended():
			return
		case <-s.cluster.Ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	server.answers = true
	s.list(server.prometheus)
}

// end takes a pod's process from the lists, then ends it.
func (s *shop) end(key podKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := s.servers[key]
	if server == nil {
		return
	}
	delete(s.servers, key)
	s.list(server.prometheus)
	s.ending.Go(func() {
		if err := server.process.Stop(); err != nil {
			s.cluster.T.Log(err) // a request may have been cut short; that is not under test
		}
	})
}

// list writes the targets of one Prometheus. The caller holds the lock.
func (s *shop) list(prometheus string) {
	targets := []target{}
	for key, server := range s.servers {
		if server.answers && server.prometheus == prometheus {
			targets = append(targets, target{
				Targets: []string{server.address},
				Labels:  map[string]string{"namespace": key.namespace, "pod": key.name},
			})
		}
	}
	sort.Slice(targets, func(i, j int) bool { return targets[i].Labels["pod"] < targets[j].Labels["pod"] })
	server, ok := s.cluster.prometheus[prometheus]
	if !ok {
		s.cluster.Broken(fmt.Errorf("label %s: no Prometheus is called %q", prometheusLabel, prometheus))
		return
	}
	if err := server.scrape("shop", targets); err != nil {
		s.cluster.Broken(err)
	}
}

// addresses are those of an app's processes that answer, sorted.
func (s *shop) addresses(namespace, app string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addresses []string
	for key, server := range s.servers {
		if server.answers && key.namespace == namespace && server.app == app {
			addresses = append(addresses, server.address)
		}
	}
	sort.Strings(addresses)
	return addresses
}

// close ends every process.
func (s *shop) close() {
	s.mu.Lock()
	s.closed = true
	keys := make([]podKey, 0, len(s.servers))
	for key := range s.servers {
		keys = append(keys, key)
	}
	s.mu.Unlock()
	s.cluster.End()
	for _, key := range keys {
		s.end(key)
	}
	s.ending.Wait()
}
