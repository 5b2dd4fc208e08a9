package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// A scene is what there is to see.
type scene struct {
	keys     []snapshot.KeyStatus
	backends []snapshot.BackendStatus
	pods     int
	podsErr  error
	hpas     int
	hpasErr  error
}

func (s scene) Keys() []snapshot.KeyStatus         { return s.keys }
func (s scene) Backends() []snapshot.BackendStatus { return s.backends }
func (s scene) Len() int                           { return s.pods }
func (s scene) Ready() error                       { return nil }
func (s scene) Err() error                         { return s.podsErr }
func (s scene) Watched() (int, error)              { return s.hpas, s.hpasErr }

// values are the samples of what is collected, without helps and types.
func values(t *testing.T, w Watched) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestWhatIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		now := time.Now()
		key := func(backend, metric string) snapshot.Key { return snapshot.Key{Backend: backend, Metric: metric} }
		failed := &snapshot.FailedError{Err: errors.New("down")}
		recovering := &snapshot.FailedError{Err: &snapshot.RecoveringError{}}
		s := scene{
			keys: []snapshot.KeyStatus{
				{Key: key("main", "load"), AnsweredAt: now.Add(-5 * time.Second), SampledAt: now.Add(-30 * time.Second)},
				{Key: key("main", "load"), AnsweredAt: now.Add(-7 * time.Second), SampledAt: now.Add(-20 * time.Second)},
				{Key: key("main", "load"), AnsweredAt: now.Add(-40 * time.Second), ReadErr: recovering},
				{Key: key("far", "depth"), ReadErr: failed},
			},
			backends: []snapshot.BackendStatus{
				{Name: "main", AnsweredAt: time.Unix(1700000000, 0), InFlight: 2},
				{Name: "far", Away: errors.New("down")},
			},
			pods: 12, hpas: 3, hpasErr: errors.New("forbidden"),
		}
		const cluster = `pitot_autoscalers_in_sync 0
pitot_autoscalers_watched 3
`
		const want = `pitot_backend_away{backend="far"} 1
pitot_backend_away{backend="main"} 0
pitot_backend_last_answer_timestamp_seconds{backend="main"} 1.7e+09
pitot_backend_refreshes_in_flight{backend="far"} 0
pitot_backend_refreshes_in_flight{backend="main"} 2
pitot_evaluation_age_seconds{backend="main"} 40
pitot_kept_queries{backend="far",metric="depth",state="failed"} 1
pitot_kept_queries{backend="far",metric="depth",state="value"} 0
pitot_kept_queries{backend="main",metric="load",state="recovering"} 1
pitot_kept_queries{backend="main",metric="load",state="value"} 2
`
		const pods = `pitot_pods_in_sync 1
pitot_pods_known 12
`
		const ages = `pitot_sample_age_seconds{backend="main"} 30
`
		if got := values(t, Watched{Store: s, Pods: s, HPAs: s}); got != cluster+want+pods+ages {
			t.Errorf("got\n%s", got)
		}
		if got := values(t, Watched{Store: s}); got != want+ages {
			t.Errorf("without a cluster: got\n%s", got)
		}
		if got := values(t, Watched{Store: scene{}}); got != "" {
			t.Errorf("of nothing: got\n%s", got)
		}
	})
}

// A fixedClient fails with err.
type fixedClient struct{ err error }

func (c fixedClient) Query(context.Context, string, time.Time) (instant.Vector, error) {
	return instant.Vector{}, c.err
}
func (fixedClient) Close() {}

func TestQueriesAndRefreshesGoWithTheirBackend(t *testing.T) {
	m := New(Build{})
	reads := m.Reads(&fixedProvider{}, load(t, loadOfPods), provider.KnownKinds())
	for _, err := range []error{nil, &promapi.Error{Kind: promapi.Timeout}, fmt.Errorf("tls: %w", &promapi.Error{Kind: promapi.Auth}), errors.New("new")} {
		_, _ = m.Backend("main", fixedClient{err}).Query(t.Context(), "up", time.Time{})
	}
	key := snapshot.Key{Backend: "main", Metric: "load"}
	for _, o := range []snapshot.Observation{
		{Key: key}, {Key: key, Err: errors.New("down")}, {Key: key, Err: errors.New("down"), Skipped: true}, {Key: key, Err: snapshot.ErrPartial},
	} {
		m.Refreshed(o)
	}
	expose(t, m, `# HELP pitot_backend_queries_total Queries that backends were sent, by result: ok, or the kind of error. A refresh sends several.
# TYPE pitot_backend_queries_total counter
pitot_backend_queries_total{backend="main",result="auth"} 1
pitot_backend_queries_total{backend="main",result="ok"} 1
pitot_backend_queries_total{backend="main",result="other"} 1
pitot_backend_queries_total{backend="main",result="timeout"} 1
# HELP pitot_refreshes_total Refreshes of kept queries that have ended, by the metric that first asked and by result: ok, skipped because the backend is away, or the cause of the failure.
# TYPE pitot_refreshes_total counter
pitot_refreshes_total{backend="main",metric="load",result="failed"} 1
pitot_refreshes_total{backend="main",metric="load",result="ok"} 1
pitot_refreshes_total{backend="main",metric="load",result="partial"} 1
pitot_refreshes_total{backend="main",metric="load",result="skipped"} 1
`, "pitot_backend_queries_total", "pitot_refreshes_total")

	other := load(t, loadOfPods)
	other.Backends[0].Name = "other"
	reads.SetRules(other)
	if n := testutil.CollectAndCount(m.registry, "pitot_backend_queries_total", "pitot_refreshes_total", "pitot_backend_query_duration_seconds", "pitot_refresh_duration_seconds"); n != 0 {
		t.Errorf("%d series of a backend that is gone", n)
	}
}

func TestThePageHoldsBothRegistries(t *testing.T) {
	m, others := New(Build{Version: "v1.2.3"}), prometheus.NewRegistry()
	others.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "others_total", Help: "Others."}))
	page := httptest.NewRecorder()
	m.Handler(others, nil).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"others_total 0\n", `version="v1.2.3"} 1`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, page.Body)
		}
	}
}
