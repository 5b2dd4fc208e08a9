package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	v1beta1  = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/api/"
	v1beta2  = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/api/"
	external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/api/"
)

// The APIs as kube-apiserver's clients see them.
func testAPI(t *testing.T, c *cluster) {
	c.openPage(t)
	t.Run("reads", func(t *testing.T) { testReads(t, c) })
	t.Run("discovery", func(t *testing.T) { testDiscovery(t, c) })
	t.Run("errors", func(t *testing.T) { testErrors(t, c) })
	t.Run("authorization", func(t *testing.T) { testAuthorization(t, c) })
}

// openPage makes the objects of testdata/api.yaml with known rates, and waits
// until Prometheus knows these.
func (c *cluster) openPage(t *testing.T) {
	t.Helper()
	rates := map[string]float64{"front-1": 5, "front-2": 7, "back-1": 11}
	var pods []map[string]string
	for name, rate := range rates {
		pods = append(pods, map[string]string{"Name": name, "Tier": strings.TrimRight(name, "-12")})
		c.page.set("api", name, rate)
	}
	c.apply(t, "api.yaml", map[string]any{"Pods": pods})
	c.Eventually(t, 30*time.Second, "the store has two pods", func(ctx context.Context) error {
		pods, err := c.client.CoreV1().Pods("api").List(ctx, metav1.ListOptions{LabelSelector: "app=store"})
		if err != nil {
			return err
		}
		if len(pods.Items) != 2 {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		c.page.set("api", pods.Items[0].Name, 2)
		c.page.set("api", pods.Items[1].Name, 3)
		return nil
	})
	c.Eventually(t, time.Minute, "the window is full of the page's rates", func(ctx context.Context) error {
		got, err := c.read(ctx, v1beta1+"metrics/page_requests")
		if err == nil && !strings.HasSuffix(got, "= 28") {
			err = errors.New(got)
		}
		return err
	})
}

func testReads(t *testing.T, c *cluster) {
	for _, test := range []struct{ name, path, want string }{
		{"a pod by name", v1beta1 + "pods/front-1/page_requests_per_second",
			"v1 Pod api/front-1 page_requests_per_second = 5"},
		{"pods by label", v1beta1 + "pods/*/page_requests_per_second?labelSelector=tier%3Dfront",
			"v1 Pod api/front-1 page_requests_per_second = 5\nv1 Pod api/front-2 page_requests_per_second = 7"},
		{"pods by a set of labels", v1beta1 + "pods/*/page_requests_per_second?labelSelector=tier+in+(front,back)",
			"v1 Pod api/back-1 page_requests_per_second = 11\nv1 Pod api/front-1 page_requests_per_second = 5\nv1 Pod api/front-2 page_requests_per_second = 7"},
		{"a workload", v1beta1 + "deployments.apps/store/page_requests_per_second",
			"apps/v1 Deployment api/store page_requests_per_second = 5"},
		{"all workloads", v1beta1 + "deployments.apps/*/page_requests_per_second",
			"apps/v1 Deployment api/store page_requests_per_second = 5"},
		{"a service", v1beta1 + "services/front/page_requests_per_second",
			"v1 Service api/front page_requests_per_second = 12"},
		{"a namespace", v1beta1 + "metrics/page_requests",
			"v1 Namespace api page_requests = 28"},
		{"a namespace with a metric selector", v1beta1 + "metrics/page_requests?metricLabelSelector=name%3Dback-1",
			"v1 Namespace api page_requests = 11"},
		{"v1beta2: a pod by name", v1beta2 + "pods/front-1/page_requests_per_second",
			"v1 Pod api/front-1 page_requests_per_second = 5"},
		{"v1beta2: pods by label", v1beta2 + "pods/*/page_requests_per_second?labelSelector=tier%3Dfront",
			"v1 Pod api/front-1 page_requests_per_second = 5\nv1 Pod api/front-2 page_requests_per_second = 7"},
		{"v1beta2: a workload", v1beta2 + "deployments.apps/store/page_requests_per_second",
			"apps/v1 Deployment api/store page_requests_per_second = 5"},
		{"v1beta2: a namespace", v1beta2 + "metrics/page_requests",
			"v1 Namespace api page_requests = 28"},
		{"external: of each namespace its own", external + "page_requests_in_all", "{} page_requests_in_all = 28"},
		{"external: one series", external + "page_requests?labelSelector=name%3Dback-1",
			`{"name":"back-1","namespace":"api"} page_requests = 11`},
		{"external: a set of series", external + "page_requests?labelSelector=name+in+(front-1,front-2)",
			`{"name":"front-1","namespace":"api"} page_requests = 5` + "\n" + `{"name":"front-2","namespace":"api"} page_requests = 7`},
	} {
		t.Run(test.name, func(t *testing.T) {
			// A scrape that came late puts a rate off for a moment.
			c.Eventually(t, 5*time.Second, "GET "+test.path, func(ctx context.Context) error {
				got, err := c.read(ctx, test.path)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(strings.Split(test.want, "\n"), strings.Split(got, "\n")); diff != "" {
					return fmt.Errorf("(-want +got):\n%s", diff)
				}
				return nil
			})
		})
	}
	t.Run("all pods", func(t *testing.T) {
		got, err := c.read(c.Ctx, v1beta1+"pods/*/page_requests_per_second")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(got, "\n") + 1; n != 5 {
			t.Errorf("%d pods, want 5:\n%s", n, got)
		}
	})
}

// An item is a value as one of the metrics APIs gives it.
type item struct {
	DescribedObject struct{ APIVersion, Kind, Namespace, Name string }
	Metric          struct{ Name string } // v1beta2
	MetricName      string                // v1beta1 and external
	MetricLabels    map[string]string     // external
	Timestamp       time.Time
	Value           resource.Quantity
}

// items reads a path of the metrics APIs.
func (c *cluster) items(ctx context.Context, path string) ([]item, error) {
	result := c.client.Discovery().RESTClient().Get().RequestURI(path).Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err // with the Status that the HPA would show
	}
	body, err := result.Raw()
	if err != nil {
		return nil, err
	}
	var list struct{ Items []item }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%w in %s", err, body)
	}
	for _, item := range list.Items {
		if age := time.Since(item.Timestamp); age > time.Minute {
			return nil, fmt.Errorf("a value of %s ago in %s", age, body)
		}
	}
	return list.Items, nil
}

// read reads a path of the metrics APIs, and returns a sorted line per item with
// the value rounded to whole numbers.
func (c *cluster) read(ctx context.Context, path string) (string, error) {
	items, err := c.items(ctx, path)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, item := range items {
		of := item.DescribedObject
		object := of.APIVersion + " " + of.Kind + " " + of.Namespace + "/" + of.Name
		if of.Namespace == "" {
			object = of.APIVersion + " " + of.Kind + " " + of.Name
		}
		if item.MetricLabels != nil {
			text, err := json.Marshal(item.MetricLabels)
			if err != nil {
				return "", err
			}
			object = string(text)
		}
		value := math.Round(item.Value.AsApproximateFloat64())
		lines = append(lines, fmt.Sprintf("%s %s = %g", object, item.MetricName+item.Metric.Name, value))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n"), nil
}

// Whoever asks for all resources of the cluster, as kubectl and the garbage
// collector do, gets them all.
func testDiscovery(t *testing.T, c *cluster) {
	client := c.client.Discovery()
	for _, gv := range groupVersions {
		resources, err := client.ServerResourcesForGroupVersion(gv.String())
		if err != nil {
			t.Errorf("%s: %v", gv, err)
		} else if len(resources.APIResources) == 0 {
			t.Errorf("%s: no resource; clients take that for an error", gv)
		}
	}
	if _, _, err := client.ServerGroupsAndResources(); err != nil {
		t.Errorf("aggregated discovery: %v", err)
	}
	legacy := discovery.NewDiscoveryClientForConfigOrDie(c.admin)
	legacy.UseLegacyDiscovery = true
	if _, _, err := legacy.ServerGroupsAndResources(); err != nil {
		t.Errorf("discovery group by group: %v", err)
	}
}

func testErrors(t *testing.T, c *cluster) {
	for _, test := range []struct {
		name, path string
		code       int32
		words      []string
	}{
		{"no such metric", v1beta1 + "pods/*/no_such_metric", http.StatusNotFound, []string{"no_such_metric", "no rule has this name"}},
		{"v1beta2: no such metric", v1beta2 + "pods/*/no_such_metric", http.StatusNotFound, []string{"no_such_metric", "no rule has this name"}},
		{"external: no such metric", external + "no_such_metric", http.StatusNotFound, []string{"no_such_metric", "no rule has this name"}},
		{"a metric of another kind", v1beta1 + "statefulsets.apps/store/page_requests_per_second", http.StatusNotFound, []string{"page_requests_per_second", "deployments.apps", "pods"}},
		{"no such pod", v1beta1 + "pods/absent/page_requests_per_second", http.StatusNotFound, []string{"absent"}},
		{"a selector that no pod has", v1beta1 + "pods/*/page_requests_per_second?labelSelector=tier%3Dside", http.StatusNotFound, []string{"tier=side"}},
		{"a label that is not selectable", external + "page_requests?labelSelector=colour%3Dred", http.StatusBadRequest, []string{"colour"}},
		{"a series that is not there", external + "page_requests?labelSelector=name%3Dabsent", http.StatusNotFound, []string{`no matching series in namespace "api"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			body, err := c.read(c.Ctx, test.path)
			var status apierrors.APIStatus
			if !errors.As(err, &status) {
				t.Fatalf("GET %s: %v %s, want status %d", test.path, err, body, test.code)
			}
			if got := status.Status(); got.Code != test.code {
				t.Errorf("GET %s: status %d, want %d: %s", test.path, got.Code, test.code, got.Message)
			}
			for _, word := range test.words {
				if !strings.Contains(status.Status().Message, word) {
					t.Errorf("GET %s: %q does not name %q", test.path, status.Status().Message, word)
				}
			}
		})
	}
}

// Both kube-apiserver and Pitot itself ask who may read: Pitot's own port is
// open to every pod of a cluster.
func testAuthorization(t *testing.T, c *cluster) {
	const path, other = v1beta1 + "pods/front-1/page_requests_per_second", v1beta1 + "deployments.apps/store/page_requests_per_second"
	users := map[string]*rest.Config{}
	for _, name := range []string{"reader", "narrow", "stranger"} {
		users[name] = c.control.User("user-"+name, name)
	}
	for _, test := range []struct {
		user, path string
		want       int
	}{
		{"reader", path, http.StatusOK},
		{"reader", other, http.StatusOK},
		{"narrow", path, http.StatusOK},
		{"narrow", other, http.StatusForbidden},
		{"stranger", path, http.StatusForbidden},
	} {
		for _, way := range []struct{ name, host, ca string }{
			{"through kube-apiserver", c.server, c.ca.CertFile()},
			{"at Pitot", c.pitot.address(), c.pitot.ca.CertFile()},
		} {
			t.Run(test.user+" reads "+strings.TrimPrefix(test.path, v1beta1)+" "+way.name, func(t *testing.T) {
				config := rest.CopyConfig(users[test.user])
				config.Host, config.CAFile = way.host, way.ca
				if got := code(t, c, config, test.path); got != test.want {
					t.Errorf("status %d, want %d", got, test.want)
				}
			})
		}
	}
	t.Run("a name in a header is worth nothing without the aggregator's certificate", func(t *testing.T) {
		request, err := http.NewRequestWithContext(c.Ctx, http.MethodGet, c.pitot.address()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Remote-User", "reader")
		request.Header.Set("X-Remote-Group", "system:masters")
		// Who the server is does not matter here.
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		defer client.CloseIdleConnections()
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden {
			t.Errorf("status %s, want 401 or 403: %s", response.Status, body)
		}
	})
}

// code is the HTTP status of a read.
func code(t *testing.T, c *cluster, config *rest.Config, path string) int {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var status int
	result := client.Discovery().RESTClient().Get().RequestURI(path).Do(c.Ctx).StatusCode(&status)
	if status == 0 {
		t.Fatal(result.Error())
	}
	return status
}
