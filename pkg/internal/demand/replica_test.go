package demand

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	metricsapi "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// slowPrometheus answers every query with one series, sampled just now, after
// three seconds: too late for a read that waits for it.
type slowPrometheus struct{}

func (slowPrometheus) Query(ctx context.Context, expr string, _ time.Time) (instant.Vector, error) {
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
		return instant.Vector{}, ctx.Err()
	}
	value := 7.0
	if strings.Contains(expr, "timestamp") {
		value = float64(time.Now().Unix())
	}
	return instant.Vector{At: time.Now(), Samples: []instant.Sample{
		{Labels: promlabels.FromStrings("namespace", "shop", "service", "web", "queue", "emails"), Value: value},
	}}, nil
}

const rules = `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends:
- {name: main, url: http://localhost:9090}
rules:
- {metric: load, type: Object, of: services, objectLabel: service, query: "sum by (namespace, service) (load)"}
- {metric: ready, type: External, selectable: [queue, stage], query: "sum by (namespace, queue) (ready)"}
`

// replica is a Pitot beside others: it reads both metrics when asked to.
func replica(t *testing.T, cluster *fakeCluster, watching bool) (read func() error) {
	t.Helper()
	set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: []byte(rules)})
	if err != nil {
		t.Fatal(err)
	}
	store := snapshot.NewStore(snapshot.Options{Backends: map[string]snapshot.Backend{"main": {Querier: slowPrometheus{}}}})
	t.Cleanup(store.Close)
	p := provider.New(set, provider.Reader{Store: store}, provider.KnownKinds())
	if watching {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { New(Options{Client: cluster, Keys: p, Store: store}).Run(ctx); close(done) }()
		t.Cleanup(func() { cancel(); <-done })
	}
	return func() error {
		service := metricsapi.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "services"}, Namespaced: true, Metric: "load"}
		if _, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, service, labels.Everything()); err != nil {
			return err
		}
		queue := labels.SelectorFromSet(labels.Set{"stage": "prod", "queue": "emails"})
		_, err := p.GetExternalMetric(t.Context(), "shop", queue, metricsapi.ExternalMetricInfo{Metric: "ready"})
		return err
	}
}

// Requests that were all answered by one replica go to another when it dies,
// however slow Prometheus is then.
func TestAReplicaAnswersItsFirstReadFromMemory(t *testing.T) {
	for _, watching := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cluster := newCluster(hpa("shop/web", cpu, ofObject("v1", "Service", "load", ""), external("ready", "queue=emails,stage=prod")))
			read := replica(t, cluster, watching)
			time.Sleep(time.Hour)
			start := time.Now()
			err := read()
			if watching && (err != nil || time.Since(start) != 0) {
				t.Errorf("the first read ended after %s with %v, want an answer at once", time.Since(start), err)
			}
			if !watching && (err == nil || time.Since(start) != time.Second) {
				t.Errorf("the first read of a replica that watches no HPA ended after %s with %v, want an error after its wait", time.Since(start), err)
			}
		})
	}
}
