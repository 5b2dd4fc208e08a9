package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// Watched is what Metrics look at when they are scraped.
type Watched struct {
	Store Store
	Pods  Pods       // nil: there is no cluster
	HPAs  Autoscaler // nil: there is no cluster
}

// A Store tells what it keeps and whom it asks.
type Store interface {
	Keys() []snapshot.KeyStatus
	Backends() []snapshot.BackendStatus
}

// Pods tell how many are known.
type Pods interface {
	Len() int
	Ready() error // nil once all are known
	Err() error   // nil while what is known is up to date
}

// An Autoscaler tells how many HPAs are watched, and why they may be out of date.
type Autoscaler interface {
	Watched() (hpas int, err error)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	keptDesc       = desc("kept_queries", "Queries that are kept fresh, by the metric that first asked and by what a read of them gets now: value, or the cause why there is none.", "backend", "metric", "state")
	evaluationDesc = desc("evaluation_age_seconds", "Age of the oldest answer among the queries that are kept fresh.", "backend")
	sampleDesc     = desc("sample_age_seconds", "Age of the oldest sample behind the answers to the queries that are kept fresh, where their samples' times are known.", "backend")
	awayDesc       = desc("backend_away", "Whether the backend does not answer, and is asked by one query at a time until it does (1) or not (0).", "backend")
	answeredDesc   = desc("backend_last_answer_timestamp_seconds", "When the latest query that the backend answered was sent, in Unix time. Missing until it has answered.", "backend")
	inFlightDesc   = desc("backend_refreshes_in_flight", "Refreshes that the backend is being asked for at this moment.", "backend")
	podsDesc       = desc("pods_known", "Live pods of the cluster that are known.")
	podsSyncDesc   = desc("pods_in_sync", "Whether all pods are known and up to date (1) or not (0).")
	hpasDesc       = desc("autoscalers_watched", "HorizontalPodAutoscalers that read custom or external metrics, which are kept fresh for them.")
	hpasSyncDesc   = desc("autoscalers_in_sync", "Whether the HorizontalPodAutoscalers that are known are up to date (1) or not (0).")
)

// Watch adds what is looked at when the metrics are scraped. It may be called
// once.
func (m *Metrics) Watch(w Watched) { m.registry.MustRegister(w) }

// Describe implements prometheus.Collector.
func (w Watched) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		keptDesc, evaluationDesc, sampleDesc, awayDesc, answeredDesc, inFlightDesc, podsDesc, podsSyncDesc, hpasDesc, hpasSyncDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (w Watched) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, b := range w.Store.Backends() {
		gauge(awayDesc, truth(b.Away != nil), b.Name)
		gauge(inFlightDesc, float64(b.InFlight), b.Name)
		if !b.AnsweredAt.IsZero() {
			gauge(answeredDesc, unix(b.AnsweredAt), b.Name)
		}
	}
	keys := w.Store.Keys()
	for one, n := range countStates(keys) {
		gauge(keptDesc, float64(n), one.backend, one.metric, one.state)
	}
	now := time.Now()
	evaluated, sampled := oldest(keys)
	for backend, at := range evaluated {
		gauge(evaluationDesc, now.Sub(at).Seconds(), backend)
	}
	for backend, at := range sampled {
		gauge(sampleDesc, now.Sub(at).Seconds(), backend)
	}
	if w.Pods != nil {
		gauge(podsDesc, float64(w.Pods.Len()))
		gauge(podsSyncDesc, truth(w.Pods.Ready() == nil && w.Pods.Err() == nil))
	}
	if w.HPAs != nil {
		watched, err := w.HPAs.Watched()
		gauge(hpasDesc, float64(watched))
		gauge(hpasSyncDesc, truth(err == nil))
	}
}

type keyState struct{ backend, metric, state string }

// countStates counts keys by what a read of them gets. Of a metric that has keys
// there is always a number of values, if only 0.
func countStates(keys []snapshot.KeyStatus) map[keyState]int {
	counts := map[keyState]int{}
	for _, key := range keys {
		value := keyState{key.Key.Backend, key.Key.Metric, stateValue}
		if key.ReadErr == nil {
			counts[value]++
			continue
		}
		counts[value] += 0
		counts[keyState{key.Key.Backend, key.Key.Metric, string(Cause(key.ReadErr))}]++
	}
	return counts
}

// oldest returns, by backend, when the oldest answers were asked for and the
// oldest samples were taken, as far as there are any.
func oldest(keys []snapshot.KeyStatus) (evaluated, sampled map[string]time.Time) {
	evaluated, sampled = map[string]time.Time{}, map[string]time.Time{}
	earlier := func(of map[string]time.Time, backend string, at time.Time) {
		if known, ok := of[backend]; !at.IsZero() && (!ok || at.Before(known)) {
			of[backend] = at
		}
	}
	for _, key := range keys {
		earlier(evaluated, key.Key.Backend, key.AnsweredAt)
		earlier(sampled, key.Key.Backend, key.SampledAt)
	}
	return evaluated, sampled
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
