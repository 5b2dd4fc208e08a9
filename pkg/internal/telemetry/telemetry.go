// Package telemetry is what Pitot tells Prometheus about itself: the metrics of
// its reads, its backends, and what it keeps.
//
//	m := telemetry.New(telemetry.Build{Version: "v1.2.3"})
//	api := m.Reads(provider, provider.KnownKinds())        // counts reads
//	client = m.Backend("main", client)                      // counts queries
//	store := snapshot.NewStore(snapshot.Options{Observe: m.Refreshed})
//	m.Watch(telemetry.Watched{Store: store, Pods: index})   // looks when it is scraped
//	http.Handle("/metrics", m.Handler(others, log))
//
// # Promises
//
//   - The number of series is bounded by the configuration: by rules, backends
//     and causes, all of which are finite. No label holds a namespace, a pod, an
//     HPA, a selector, or the name of a metric that no rule serves.
//   - The series of a rule or a backend go when it goes.
//   - What is not known has no series. There is no zero that stands for it.
//   - A read costs two looks at the clock and three atomic additions more.
package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

const namespace = "pitot"

// A Build is what was built.
type Build struct {
	Version  string
	Revision string // of the source; "" if unknown
	Go       string // the version of Go
}

// Metrics are those of one process. Their methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry

	reads       *prometheus.CounterVec
	readTime    *prometheus.HistogramVec
	refreshes   *prometheus.CounterVec
	refreshTime *prometheus.HistogramVec
	queries     *prometheus.CounterVec
	queryTime   *prometheus.HistogramVec
	dropped     prometheus.Counter
}

// Histogram bounds in seconds. A read from memory takes microseconds, and ends
// within 2s whatever happens; a query ends with its backend's timeout.
var (
	readBounds  = []float64{0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 2}
	queryBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
)

// New returns metrics that know of nothing yet but the build.
func New(b Build) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "reads_total",
			Help: "Reads of metrics that have ended, by what they came to: value, or the cause why there is none. The metric is empty for those that no rule serves.",
		}, []string{"api", "metric", "of", "state"}),
		readTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "read_duration_seconds", Buckets: readBounds,
			Help: "Time that reads of metrics took, without authentication and transport.",
		}, []string{"api"}),
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "refreshes_total",
			Help: "Refreshes of kept queries that have ended, by the metric that first asked and by result: ok, skipped because the backend is away, or the cause of the failure.",
		}, []string{"backend", "metric", "result"}),
		refreshTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "refresh_duration_seconds", Buckets: queryBounds,
			Help: "Time that refreshes of kept queries took, with the wait for their turn.",
		}, []string{"backend"}),
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "backend", Name: "queries_total",
			Help: "Queries that backends were sent, by result: ok, or the kind of error. A refresh sends several.",
		}, []string{"backend", "result"}),
		queryTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "backend", Name: "query_duration_seconds", Buckets: queryBounds,
			Help: "Time until backends had answered queries in full, or the query failed.",
		}, []string{"backend"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "log_entries_dropped_total",
			Help: "Log entries that were left out since there were too many of their kind within a minute.",
		}),
	}
	m.registry.MustRegister(m.reads, m.readTime, m.refreshes, m.refreshTime, m.queries, m.queryTime, m.dropped, build(b))
	return m
}

// build is the gauge that says what runs.
func build(b Build) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "What runs. The value is 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.Go},
	})
	info.Set(1)
	return info
}

// LogEntryDropped counts an entry that the log left out.
func (m *Metrics) LogEntryDropped() { m.dropped.Inc() }

// Handler answers with these metrics and others. What cannot be gathered is left
// out and told to log, which may be nil.
func (m *Metrics) Handler(others prometheus.Gatherer, log promhttp.Logger) http.Handler {
	return promhttp.HandlerFor(m.with(others), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, ErrorLog: log})
}

func (m *Metrics) with(others prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.Gatherers{others, m.registry}
}

// forget drops the series of rules and backends that a set has no more.
func (m *Metrics) forget(last, now *rule.Set) {
	served := map[string]bool{}
	for _, r := range now.Rules {
		served[r.Metric] = true
	}
	for _, r := range last.Rules {
		if !served[r.Metric] {
			m.refreshes.DeletePartialMatch(prometheus.Labels{"metric": r.Metric})
		}
	}
	for _, b := range last.Backends {
		if _, ok := now.Backend(b.Name); ok {
			continue
		}
		gone := prometheus.Labels{"backend": b.Name}
		m.refreshes.DeletePartialMatch(gone)
		m.refreshTime.DeletePartialMatch(gone)
		m.queries.DeletePartialMatch(gone)
		m.queryTime.DeletePartialMatch(gone)
	}
}
