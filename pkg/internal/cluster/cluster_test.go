package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
)

// A crowd is a cluster of HPAs that each read a queue of their own. It counts
// what it is asked.
type crowd struct {
	hpas int

	mu       sync.Mutex
	lists    int // pages of HPAs
	reads    map[string]int
	now, max int // requests under way
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.now++
	c.max = max(c.max, c.now)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now--
	}()
	const external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/"
	switch path := r.URL.Path; {
	case path == "/api":
		answer(w, metav1.APIVersions{Versions: []string{}})
	case path == "/apis":
		answer(w, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}})
	case path == "/apis/autoscaling/v2/horizontalpodautoscalers":
		answer(w, c.page(r))
	case strings.HasSuffix(path, "/v1beta1.external.metrics.k8s.io"):
		answer(w, map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
			"spec":   map[string]any{"group": doctor.ExternalGroup, "version": "v1beta1"},
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Available", "status": "True"}}},
		})
	case strings.HasPrefix(path, external):
		time.Sleep(time.Millisecond) // as a real one takes, so that requests meet
		c.mu.Lock()
		c.reads[strings.TrimPrefix(path, external)]++
		c.mu.Unlock()
		answer(w, map[string]any{"items": []any{map[string]any{"timestamp": time.Now(), "value": "1"}}})
	default:
		http.NotFound(w, r)
	}
}

// page is a part of the list of HPAs. The token is the first of the next.
func (c *crowd) page(r *http.Request) autoscalingv2.HorizontalPodAutoscalerList {
	c.mu.Lock()
	c.lists++
	c.mu.Unlock()
	list := autoscalingv2.HorizontalPodAutoscalerList{TypeMeta: metav1.TypeMeta{Kind: "HorizontalPodAutoscalerList", APIVersion: "autoscaling/v2"}}
	first, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	for i := first; i < min(c.hpas, first+limit); i++ {
		list.Items = append(list.Items, autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("web-%d", i)},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 3, Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ExternalMetricSourceType,
				External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: fmt.Sprintf("queue_%d", i)},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewQuantity(30, resource.DecimalSI)},
				},
			}}},
		})
	}
	if first+limit < c.hpas {
		list.Continue = strconv.Itoa(first + limit)
	}
	return list
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has gone
}

// HPAs are listed in pages, each metric is read once, and there are never more
// requests at once than agreed.
func TestThousandsOfHPAs(t *testing.T) {
	c := &crowd{hpas: 2300, reads: map[string]int{}}
	server := httptest.NewServer(c)
	defer server.Close()
	reader, err := New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	reader.Progress = func(what string, done, _ int) {
		if what == "metrics" {
			told = max(told, done)
		}
	}
	facts, err := reader.Read(t.Context(), Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.Autoscalers) != c.hpas || len(facts.Readings) != c.hpas || told != c.hpas {
		t.Errorf("%d HPAs, %d readings, %d told; want %d", len(facts.Autoscalers), len(facts.Readings), told, c.hpas)
	}
	if c.lists != 5 {
		t.Errorf("%d pages of HPAs, want 5", c.lists)
	}
	if c.max > atOnce {
		t.Errorf("%d requests at once", c.max)
	}
	for metric, n := range c.reads {
		if n != 1 {
			t.Errorf("%s was read %d times", metric, n)
		}
	}
}

// A cluster that does not answer is an error, and not one without HPAs.
func TestUnreachableCluster(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	reader, err := New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if facts, err := reader.Read(t.Context(), Scope{}); err == nil {
		t.Errorf("%+v", facts)
	}
}
