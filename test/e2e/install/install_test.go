package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"

	"github.com/pitot-autoscaling/pitot/test/e2e/node"
	"github.com/pitot-autoscaling/pitot/test/e2e/traffic"
)

const (
	// shopURL is the application's Service, as testdata/shop.yaml has it.
	shopURL = "http://198.18.2.10/work"
	// metricPath is the metric that its HPA reads, as the HPA reads it.
	metricPath = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second?labelSelector=app%3Dweb"
	// readsPerSecond are those of 750 HPAs.
	readsPerSecond = 50
	// reapplyInterval is how often a GitOps controller applies what it has.
	reapplyInterval = 15 * time.Second
	// reapplyEnv is how long it does, if not for two minutes.
	reapplyEnv = "PITOT_TEST_REAPPLY"
)

// TestInstall is the life of a release: each step begins where the one before
// it ended.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a cluster")
	}
	if err := node.Probe(); err != nil {
		t.Skipf("this machine runs no node:\n%v", err)
	}
	images, err := makeImages(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := node.Start(t, node.Options{HPASync: 5 * time.Second, Images: images.archives})
	for _, file := range []string{"monitoring.yaml", "shop.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		c.Apply(t, string(text))
	}
	repository, tag, _ := strings.Cut(images.pitot, ":")
	r := &release{Cluster: c, shell: newShell(c), values: []string{
		"--values=testdata/values.yaml", "--set=image.repository=" + repository, "--set=image.tag=" + tag, "--set=image.pullPolicy=Never",
	}}
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"helm install", r.install},
		{"helm test", r.test},
		{"the HPA scales pods", r.scale},
		{"a second install is refused", r.installTwice},
		{"helm upgrade under load", r.upgrade},
		{"helm rollback under load", r.rollback},
		{"applied again and again on the client's side", r.reapplyClientSide},
		{"applied again and again on the server's side", r.reapplyServerSide},
		{"helm uninstall", r.uninstall},
	} {
		if !t.Run(step.name, step.run) {
			break
		}
	}
}

// A release is Pitot in the cluster: pitot in namespace pitot.
type release struct {
	*node.Cluster
	shell  shell
	values []string // the flags by which it gets its values
}

func (r *release) install(t *testing.T) {
	r.shell.helm(t, append([]string{"install", "pitot", chart, "--namespace=pitot", "--create-namespace", "--wait"}, r.values...)...)
	r.AwaitDeployment(t, "monitoring", "prometheus")
	r.AwaitDeployment(t, "shop", "web")
	r.Eventually(t, time.Minute, "Pitot's APIs are available", r.available)
	r.Eventually(t, time.Minute, "the application's metric is served", func(ctx context.Context) error {
		body, err := r.Client.Discovery().RESTClient().Get().RequestURI(metricPath).DoRaw(ctx)
		if err != nil {
			return err
		}
		return hasValue(body)
	})
}

// test runs what the chart brings to look at itself.
func (r *release) test(t *testing.T) {
	t.Log(r.shell.helm(t, "test", "pitot", "--namespace=pitot"))
}

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// ours are the APIServices of the metrics APIs.
func (r *release) ours(ctx context.Context) (ours []unstructured.Unstructured, err error) {
	all, err := r.Dynamic.Resource(apiServices).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, service := range all.Items {
		if strings.HasSuffix(service.GetName(), ".metrics.k8s.io") {
			ours = append(ours, service)
		}
	}
	return ours, nil
}

// available says which of Pitot's APIs the aggregator does not reach.
func (r *release) available(ctx context.Context) error {
	services, err := r.ours(ctx)
	if err != nil {
		return err
	}
	if len(services) == 0 {
		return errors.New("there is no APIService")
	}
	var problems []error
	for _, service := range services {
		conditions, _, _ := unstructured.NestedSlice(service.Object, "status", "conditions")
		available := false
		for _, condition := range conditions {
			condition := condition.(map[string]any)
			available = available || condition["type"] == "Available" && condition["status"] == "True"
		}
		if !available {
			problems = append(problems, fmt.Errorf("APIService %s: %v", service.GetName(), conditions))
		}
	}
	return errors.Join(problems...)
}

// hasValue says what is wrong with an answer to metricPath.
func hasValue(body []byte) error {
	var list v1beta2.MetricValueList
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return fmt.Errorf("no values: %s", body)
	}
	return nil
}

func (r *release) scale(t *testing.T) {
	// A connection for each request, so that the Service spreads them.
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	load := traffic.Load(r.Ctx, client, 30, func(int) string { return shopURL })
	defer load.Stop()
	r.awaitReplicas(t, 4)
	load.Stop()
	r.awaitReplicas(t, 1)
}

// awaitReplicas waits until the HPA has scaled the application to n pods, which
// are ready.
func (r *release) awaitReplicas(t *testing.T, n int32) {
	t.Helper()
	r.Eventually(t, 2*time.Minute, fmt.Sprintf("Deployment shop/web has %d pods", n), func(ctx context.Context) error {
		deployment, err := r.Client.AppsV1().Deployments("shop").Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if *deployment.Spec.Replicas == n && deployment.Status.ReadyReplicas == n && deployment.Status.Replicas == n {
			return nil
		}
		hpa, err := r.Client.AutoscalingV2().HorizontalPodAutoscalers("shop").Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return err
		}
		return fmt.Errorf("%d replicas, %d ready; the HPA: %+v", *deployment.Spec.Replicas, deployment.Status.ReadyReplicas, hpa.Status)
	})
}

func (r *release) installTwice(t *testing.T) {
	_, err := r.shell.tryHelm(append([]string{"install", "other", chart, "--namespace=other", "--create-namespace"}, r.values...)...)
	if err == nil {
		t.Fatal("helm install has succeeded")
	}
	t.Log(err)
	if owner := "pitot/pitot (Helm release pitot)"; !strings.Contains(err.Error(), owner) {
		t.Errorf("it does not name the owner, %s", owner)
	}
	if err := r.available(r.Ctx); err != nil {
		t.Error(err)
	}
}

// upgrade replaces all pods.
func (r *release) upgrade(t *testing.T) {
	r.underLoad(t, func() {
		r.shell.helm(t, append([]string{
			"upgrade", "pitot", chart, "--namespace=pitot", "--wait", "--set=server.maxAge=1m", "--set=podLabels.generation=two",
		}, r.values...)...)
		r.AwaitDeployment(t, "pitot", "pitot")
	})
}

// rollback replaces all pods again.
func (r *release) rollback(t *testing.T) {
	r.underLoad(t, func() {
		r.shell.helm(t, "rollback", "pitot", "1", "--namespace=pitot", "--wait")
		r.AwaitDeployment(t, "pitot", "pitot")
	})
}

// settle is how long reads go on after the last pod has been replaced: it is
// still shutting down.
const settle = 35 * time.Second

// underLoad reads the metric while something happens and until its effects are
// over. No read may fail.
func (r *release) underLoad(t *testing.T, happen func()) {
	t.Helper()
	reads, err := traffic.Read(r.Ctx, r.Admin, metricPath, readsPerSecond, hasValue)
	if err != nil {
		t.Fatal(err)
	}
	defer reads.Stop(t)
	happen()
	r.Eventually(t, settle, "pods that were replaced are gone", func(ctx context.Context) error {
		pods, err := r.Client.CoreV1().Pods("pitot").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp != nil {
				return fmt.Errorf("%s is still there", pod.Name)
			}
		}
		return nil
	})
}

func (r *release) reapplyClientSide(t *testing.T) { r.reapply(t) }

func (r *release) reapplyServerSide(t *testing.T) { r.reapply(t, "--server-side", "--force-conflicts") }

// reapply does what a GitOps controller does: it renders the chart once, without
// a look at the cluster, and applies that every 15 seconds. Pitot serves on, and
// nobody undoes what another one did.
func (r *release) reapply(t *testing.T, flags ...string) {
	period := 2 * time.Minute
	if text := os.Getenv(reapplyEnv); text != "" {
		var err error
		if period, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", reapplyEnv, err)
		}
	}
	rendered := filepath.Join(t.TempDir(), "pitot.yaml")
	text := r.shell.helm(t, append([]string{"template", "pitot", chart, "--namespace=pitot", "--no-hooks"}, r.values...)...)
	if err := os.WriteFile(rendered, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r.underLoad(t, func() {
		began, times := time.Now(), 0
		for ; time.Since(began) < period; times++ {
			if _, err := r.shell.kubectl(append([]string{"apply", "--filename=" + rendered}, flags...)...); err != nil {
				t.Fatal(err)
			}
			if err := r.available(r.Ctx); err != nil {
				t.Error(err)
			}
			r.Pass(t, reapplyInterval)
		}
		t.Logf("applied %d times", times)
	})
	if _, err := r.shell.kubectl(append([]string{"diff", "--filename=" + rendered}, flags...)...); err != nil {
		t.Errorf("after that, there is a difference: %v", err)
	}
}

func (r *release) uninstall(t *testing.T) {
	r.shell.helm(t, "uninstall", "pitot", "--namespace=pitot", "--wait")
	r.Eventually(t, time.Minute, "nothing of Pitot is left", r.gone)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "passing"}}
	if _, err := r.Client.CoreV1().Namespaces().Create(r.Ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"passing", "pitot"} {
		if err := r.Client.CoreV1().Namespaces().Delete(r.Ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		r.Eventually(t, 30*time.Second, "namespace "+name+" is gone", func(ctx context.Context) error {
			namespace, err := r.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			return fmt.Errorf("conditions: %v", namespace.Status.Conditions)
		})
	}
}

// gone says what is left of the release.
func (r *release) gone(ctx context.Context) error {
	var problems []error
	services, err := r.ours(ctx)
	if err != nil {
		return err
	}
	for _, service := range services {
		problems = append(problems, fmt.Errorf("APIService %s", service.GetName()))
	}
	for _, kind := range []schema.GroupVersionResource{
		{Version: "v1", Resource: "secrets"},
		{Version: "v1", Resource: "configmaps"},
		{Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "serviceaccounts"},
		{Version: "v1", Resource: "pods"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	} {
		list, err := r.Dynamic.Resource(kind).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, object := range list.Items {
			if strings.Contains(object.GetName(), "pitot") || object.GetLabels()["app.kubernetes.io/name"] == "pitot" {
				problems = append(problems, fmt.Errorf("%s %s/%s", kind.Resource, object.GetNamespace(), object.GetName()))
			}
		}
	}
	return errors.Join(problems...)
}
