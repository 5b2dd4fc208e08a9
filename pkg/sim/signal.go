package sim

import (
	"errors"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A SignalKind is what of a workload a metric tells.
type SignalKind string

// The kinds of signals. All but Arrivals and Backlog are scraped from each pod.
const (
	// Rate is the requests that complete, per second. In overload it stays at the
	// capacity, however many arrive.
	Rate SignalKind = "rate"
	// Arrivals is the requests that arrive, per second, as an ingress counts them:
	// of the whole workload, dropped ones included.
	Arrivals SignalKind = "arrivals"
	// Concurrency is the rate of the seconds that completed requests took. By
	// Little's law it is the mean number of requests at a pod, but it tells of those
	// that have ended.
	Concurrency SignalKind = "concurrency"
	// InFlight is the requests at a pod when it is scraped, waiting ones included.
	InFlight SignalKind = "inflight"
	// Busy is the share of a pod's workers that is busy: 0 to 1.
	Busy SignalKind = "utilization"
	// Backlog is what waits in a queue that all pods share, as its broker reports it
	// when it is scraped: without what workers have prefetched. Requests that wait at
	// pods are no backlog but InFlight: a broker does not see them.
	Backlog SignalKind = "backlog"
	// Cores is the processor time that a pod uses, per second.
	Cores SignalKind = "cpu"
	// Latency is a quantile in seconds, interpolated in the buckets that the pods
	// expose.
	Latency SignalKind = "latency"
)

// A Signal is what a metric tells, and how.
type Signal struct {
	Kind SignalKind
	// Window is that of the rate: required of all kinds but InFlight and Backlog,
	// which are as the last scrape found them and have none.
	Window time.Duration
	// Quantile is that of Latency, between 0 and 1.
	Quantile float64
	// IdleIsZero serves 0 for the Latency of no requests, instead of an error: onIdle
	// of a rule.
	IdleIsZero bool
}

// gauge reports whether a signal is as the last scrape found it.
func (s Signal) gauge() bool { return s.Kind == InFlight || s.Kind == Backlog }

// shared reports whether one target has the signal rather than each pod.
func (s Signal) shared() bool { return s.Kind == Arrivals || s.Kind == Backlog }

// SignalOptions are what all signals of a workload have in common. Zero values
// mean what the comments call default.
type SignalOptions struct {
	Seed uint64 // of the phases
	// Interval is the time between two scrapes of a target, 15s by default.
	Interval time.Duration
	// Refresh is the time between two evaluations in the adapter, 15s by default,
	// and MaxAge the age beyond which it serves none: 30s by default, and at least
	// two refreshes.
	Refresh time.Duration
	MaxAge  time.Duration
	// Workers of a pod are what Busy is a share of.
	Workers int
	// Bounds are those of the histogram that the fleet was made with.
	Bounds []float64
}

func (o SignalOptions) withDefaults() SignalOptions {
	setDefault(&o.Interval, 15*time.Second)
	setDefault(&o.Refresh, 15*time.Second)
	setDefault(&o.MaxAge, max(30*time.Second, 2*o.Refresh))
	return o
}

// checkSignals reports all that cannot be.
func checkSignals(signals map[string]Signal, o SignalOptions) error {
	var p problems
	p.add(o.Interval < shortest, "a scrape interval of %v: use %v or more", o.Interval, shortest)
	p.add(o.Refresh < shortest, "a refresh of %v: use %v or more", o.Refresh, shortest)
	p.add(o.MaxAge < 0, "a maximum age of %v", o.MaxAge)
	p.add(!slices.IsSorted(o.Bounds) || len(slices.Compact(slices.Clone(o.Bounds))) < len(o.Bounds) || slices.ContainsFunc(o.Bounds, notFinite),
		"the bounds of the histogram do not rise: %v", o.Bounds)
	for _, name := range slices.Sorted(maps.Keys(signals)) {
		signals[name].check(&p, name, o)
	}
	return errors.Join(p...)
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func (s Signal) check(p *problems, name string, o SignalOptions) {
	switch s.Kind {
	case Rate, Arrivals, Concurrency, InFlight, Busy, Backlog, Cores, Latency:
	default:
		p.add(true, "signal %s: %q is no kind of a signal: use %s, %s, %s, %s, %s, %s, %s or %s", name, s.Kind,
			Rate, Arrivals, Concurrency, InFlight, Busy, Backlog, Cores, Latency)
		return
	}
	p.add(s.gauge() && s.Window != 0, "signal %s: %s is as the last scrape found it and has no window", name, s.Kind)
	p.add(!s.gauge() && s.Window < 2*o.Interval,
		"signal %s: a window of %v holds fewer than two scrapes, one each %v", name, s.Window, o.Interval)
	p.add(s.Kind == Busy && o.Workers < 1, "signal %s: a share of how many workers?", name)
	p.add(s.Kind == Latency && !(s.Quantile > 0 && s.Quantile < 1), "signal %s: the quantile %v: use one between 0 and 1", name, s.Quantile)
	p.add(s.Kind == Latency && len(o.Bounds) == 0, "signal %s: the pods expose no histogram", name)
	p.add(s.Kind != Latency && (s.Quantile != 0 || s.IdleIsZero), "signal %s: only %s has a quantile and is idle", name, Latency)
}

// Check implements Checker.
func (s *signals) Check(metrics []hpa.Metric) error {
	var p problems
	for i := range metrics {
		m := &metrics[i]
		if ofResource(m) {
			continue
		}
		q, ok := s.byName[m.Name]
		switch {
		case !ok:
			p.add(true, "no signal for the %s: %s", m, s.known())
		case m.Type == hpa.Pods && q.shared():
			p.add(true, "the %s: %s is counted for the whole workload and not by pods: use an Object or External metric", m, q.Kind)
		}
	}
	return errors.Join(p...)
}

func (s *signals) known() string {
	if len(s.queries) == 0 {
		return "there are no signals"
	}
	var names []string
	for _, q := range s.queries {
		names = append(names, q.name)
	}
	return "there are signals for " + strings.Join(names, ", ")
}

// ScrapePhase is when within each interval of Unix time a pod is scraped. Pods
// have numbers from 1 on; Ingress and Broker are the targets of Arrivals and
// Backlog. Pipelines of equal phases see the same samples.
func ScrapePhase(seed uint64, target int, interval time.Duration) time.Duration {
	return phase(mix(seed, uint64(target)), interval)
}

// RefreshPhase is when within each interval of Unix time a metric is evaluated.
func RefreshPhase(seed uint64, metric string, interval time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(metric)) // never fails
	return phase(mix(seed, h.Sum64()), interval)
}

// The targets that are no pods.
const (
	Ingress = -1
	Broker  = -2
)

// phase is a share of an interval, in whole milliseconds.
func phase(random uint64, interval time.Duration) time.Duration {
	return time.Duration(random%uint64(max(1, interval.Milliseconds()))) * time.Millisecond
}

// mix makes one random number of two others (the finalizer of SplitMix64).
func mix(a, b uint64) uint64 {
	z := a ^ (b+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
