package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/pitot-autoscaling/pitot/pkg/internal/certs"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/internal/telemetry"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A busyProcess has something to tell with every metric.
type busyProcess struct{}

func (busyProcess) Keys() []snapshot.KeyStatus {
	now := time.Now()
	return []snapshot.KeyStatus{
		{Key: snapshot.Key{Backend: "main", Metric: "load"}, AnsweredAt: now, SampledAt: now},
		{Key: snapshot.Key{Backend: "main", Metric: "load"}, ReadErr: &snapshot.PendingError{}},
	}
}

func (busyProcess) Backends() []snapshot.BackendStatus {
	return []snapshot.BackendStatus{{Name: "main", AnsweredAt: time.Now(), InFlight: 1}}
}

func (busyProcess) Len() int              { return 3 }
func (busyProcess) Ready() error          { return nil }
func (busyProcess) Err() error            { return nil }
func (busyProcess) Watched() (int, error) { return 2, nil }

// metricFamilies are those of pitot on the page of a process that has everything.
func metricFamilies(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	keepOnce(t)
	set := &rule.Set{}
	observeLoad(&configuration{loaded: set, served: set, at: time.Now()})
	m := telemetry.New(telemetry.Build{Version: "v1", Revision: "abc", Go: "go1"})
	m.Reads(provider.New(set, provider.Reader{}, provider.KnownKinds()), set, provider.KnownKinds())
	m.Refreshed(snapshot.Observation{Key: snapshot.Key{Backend: "main", Metric: "load"}})
	_, _ = m.Backend("main", &fakeClient{}).Query(t.Context(), "up", time.Time{})
	m.Watch(telemetry.Watched{Store: busyProcess{}, Pods: busyProcess{}, HPAs: busyProcess{}})

	page := httptest.NewRecorder()
	m.Handler(legacyregistry.DefaultGatherer, nil).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(families, func(name string, _ *dto.MetricFamily) bool { return !strings.HasPrefix(name, "pitot_") })
	return families
}

// keepOnce keeps a certificate until all is in order.
func keepOnce(t *testing.T) {
	t.Helper()
	api := httptest.NewServer(newTinyCluster(t))
	defer api.Close()
	keeper, err := newKeeper(certs.Options{
		Service:     types.NamespacedName{Namespace: "monitoring", Name: "pitot"},
		Secret:      types.NamespacedName{Namespace: "monitoring", Name: "pitot-ca"},
		APIServices: []string{"v1beta1.custom.metrics.k8s.io"},
		CALife:      certs.DefaultCALife, LeafLife: certs.DefaultLeafLife,
	}, &rest.Config{Host: api.URL}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keeper.Run(ctx); close(done) }()
	within(t, "a certificate", func() bool {
		report := keeper.Report()
		return keeper.Ready() == nil && len(report.APIServices) == 1 && report.APIServices[0].State == "in sync"
	})
	cancel()
	<-done
}

// TestMetricsPage compares docs/metrics.md with the metrics that there are: their
// names, labels, types and helps are what dashboards and alerts build on.
func TestMetricsPage(t *testing.T) {
	const name, begin, end = repository + "/docs/metrics.md", "-update. -->\n", "<!-- end -->"
	families := metricFamilies(t)
	table := "\n| metric | type | |\n|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(families)) {
		table += metricRow(families[name])
	}
	page := readText(t, name)
	head, rest, ok := strings.Cut(page, begin)
	if !ok {
		t.Fatal("docs/metrics.md has no place for the table")
	}
	_, tail, _ := strings.Cut(rest, end)
	want := head + begin + table + "\n" + end + tail
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(page, want); diff != "" {
		t.Errorf("docs/metrics.md (-documented +served)\n%s", diff)
	}
}

func metricRow(family *dto.MetricFamily) string {
	labels := map[string]bool{}
	for _, metric := range family.GetMetric() {
		for _, label := range metric.GetLabel() {
			labels[label.GetName()] = true
		}
	}
	of := ""
	if len(labels) > 0 {
		of = "{" + strings.Join(slices.Sorted(maps.Keys(labels)), ", ") + "}"
	}
	help := strings.TrimPrefix(family.GetHelp(), "[ALPHA] ")
	return fmt.Sprintf("| `%s%s` | %s | %s |\n", family.GetName(), of, strings.ToLower(family.GetType().String()), help)
}

func TestMetricsAreNamedAsPrometheusAdvises(t *testing.T) {
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(metricFamilies(t)))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// No label is one that grows with a cluster.
func TestLabelsAreOfTheConfiguration(t *testing.T) {
	allowed := []string{"api", "metric", "of", "state", "backend", "result", "kind", "apiservice", "version", "revision", "goversion", "le"}
	var errs []error
	for name, family := range metricFamilies(t) {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if !slices.Contains(allowed, label.GetName()) {
					errs = append(errs, fmt.Errorf("%s has the label %s", name, label.GetName()))
				}
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}
