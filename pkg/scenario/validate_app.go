package scenario

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// The most that is believed. What is above is a slip of the unit or of a finger.
const (
	maxWorkers = 10_000
	maxSCV     = 100
	maxCores   = 1_000
	maxLimit   = 1_000_000
)

// An appCheck reports what is wrong with an app that was read.
type appCheck struct {
	*appConfig
	place.Reporter
}

func (c appCheck) all() {
	c.presence()
	c.applies()
	c.serverBounds()
	c.podBounds()
	for i := range c.signals {
		c.signalBounds(&c.signals[i])
	}
	for i := range c.exposes {
		c.exposedBounds(&c.exposes[i])
	}
	c.repeatedNames()
	c.oneHistogram()
}

// presence reports what only the user can know.
func (c appCheck) presence() {
	s := &c.server
	if s.at == (Position{}) {
		c.Report(c.at, `field "server" is missing`, "say how one pod serves, as in server: {kind: sync, workers: 8, serviceTime: 80ms}")
	} else {
		c.missing(!s.kind.Given, s.at, "kind", "write sync (gunicorn, uWSGI), async (uvicorn), queue (Celery) or linear")
		c.missing(!s.serviceTime.Given, s.at, "serviceTime", "the mean time that one request keeps a worker, or its event loop, busy")
		needed := s.kind.Valid && s.kind.Value != workload.Linear
		c.missing(needed && !s.workers.Given, s.at, "workers", "how many requests one pod works on at a time; of async, how many event loops it has")
	}
	switch {
	case !c.startup.given:
		c.Report(c.at, `field "startup" is missing`, "the time from a pod's creation until it is ready, as in startup: 20s")
	case !c.startup.mean.Given:
		c.missing(true, c.startup.at, "mean", "the time from a pod's creation until it is ready, as in mean: 20s")
	}
}

func (c appCheck) missing(is bool, at Position, name, hint string) {
	if is {
		c.Report(at, fmt.Sprintf("field %q is missing", name), hint)
	}
}

// applies reports fields that mean nothing for a kind of server: whoever wrote
// them has another one in mind.
func (c appCheck) applies() {
	s := &c.server
	if !s.kind.Valid {
		return
	}
	only := func(given bool, at Position, name, why string, kinds ...workload.Kind) {
		for _, kind := range kinds {
			if kind == s.kind.Value {
				return
			}
		}
		if given {
			c.Report(at, fmt.Sprintf("field %q means nothing for kind %s", name, s.kind.Value), why)
		}
	}
	only(s.workers.Given, s.workers.At, "workers", "a linear server takes everything at once", workload.Sync, workload.Async, workload.Queue)
	only(s.delay.Given, s.delay.At, "delay", "what a worker waits for is part of its serviceTime", workload.Async)
	only(s.delaySCV.Given, s.delaySCV.At, "delaySCV", "only async servers have a delay", workload.Async)
	only(s.cpuTime.Given, s.cpuTime.At, "cpuTime", "of async, serviceTime is the time on the processor", workload.Sync, workload.Queue, workload.Linear)
	only(s.balancer.Given, s.balancer.At, "balancer", "only sync and async servers have requests balanced to them", workload.Sync, workload.Async)
	only(s.limit.Given, s.limit.At, "limit", "only sync and async servers refuse requests", workload.Sync, workload.Async)
	only(s.prefetch.Given, s.prefetch.At, "prefetch", "only workers of a queue fetch ahead", workload.Queue)
}

func (c appCheck) serverBounds() {
	s := &c.server
	c.whole("workers", s.workers, 1, maxWorkers)
	c.whole("limit", s.limit, 0, maxLimit)
	c.whole("prefetch", s.prefetch, 0, maxWorkers)
	c.time("serviceTime", s.serviceTime, time.Microsecond, 24*time.Hour)
	c.time("delay", s.delay, 0, time.Hour)
	c.time("cpuTime", s.cpuTime, 0, 24*time.Hour)
	c.time("timeout", s.timeout, 0, 24*time.Hour)
	if s.background.Valid && s.background.Value > 1000*maxCores {
		c.Report(s.background.At, fmt.Sprintf(`field "background": %s is more than %d cores`, cores(s.background.Value), maxCores), "")
	}
	c.number("serviceSCV", s.serviceSCV, 0, maxSCV)
	c.number("delaySCV", s.delaySCV, 0, maxSCV)
	if !s.warmUp.given {
		return
	}
	c.missing(!s.warmUp.length.Given, s.warmUp.at, "for", "how long a new pod takes to its full speed")
	c.missing(!s.warmUp.from.Given, s.warmUp.at, "from", "the part of its full speed that a new pod begins with, such as 0.5")
	c.time("for", s.warmUp.length, 0, 24*time.Hour)
	c.number("from", s.warmUp.from, 0.01, 1)
}

func (c appCheck) podBounds() {
	c.time("startup", c.startup.mean, 0, 24*time.Hour)
	c.number("scv", c.startup.scv, 0, maxSCV)
	c.time("pending", c.startup.pending, 0, 24*time.Hour)
	c.time("shutdown", c.shutdown, 0, 24*time.Hour)
	c.time("scrapeInterval", c.scrapeInterval, time.Second, time.Hour)
	c.time("refreshInterval", c.refreshInterval, time.Second, time.Hour)
	if mean, pending := c.startup.mean, c.startup.pending; mean.Valid && pending.Given && pending.Valid && pending.Value > mean.Value {
		c.Report(pending.At, fmt.Sprintf(`field "pending": %s is more than the whole startup, %s`, duration(pending.Value), duration(mean.Value)), "pending is the part of startup before the containers run")
	}
}

func (c appCheck) signalBounds(s *signalConfig) {
	c.Subject = fmt.Sprintf("signal %q", s.metric)
	if !metricName(s.metric) {
		c.Report(s.at, "this is not the name of a metric", "write the name as it is in the HPA")
	}
	c.missing(!s.signal.Given, s.at, "signal", "say what the metric measures, as in signal: rate")
	c.rising(s.buckets)
	if !s.signal.Valid {
		return
	}
	c.window(s)
	c.suits(s)
	if s.kind() == sim.Latency {
		return
	}
	if s.onIdle.Given {
		c.Report(s.onIdle.At, fmt.Sprintf(`field "onIdle" means nothing for %s`, s.kind()), "without requests it is zero; only a quantile is not")
	}
	if len(s.buckets) > 0 {
		c.Report(s.buckets[0].At, fmt.Sprintf(`field "buckets" means nothing for %s`, s.kind()), "only quantiles are estimated from buckets")
	}
}

// window refuses one in which a rate has not two samples.
func (c appCheck) window(s *signalConfig) {
	switch {
	case s.window.Given && gauge(s.kind()):
		c.Report(s.window.At, fmt.Sprintf(`field "window" means nothing for %s, a gauge`, s.kind()), "")
	case gauge(s.kind()) || !s.window.Valid || !c.scrapeInterval.Valid:
	case s.window.Value > 24*time.Hour:
		c.Report(s.window.At, fmt.Sprintf(`field "window": %s is more than a day`, duration(s.window.Value)), "")
	case s.window.Value < 2*c.scrapeInterval.Value:
		at := s.window.At
		if !s.window.Given {
			at = s.at
		}
		c.Report(at, fmt.Sprintf("a window of %s has no two scrapes, one each %s", duration(s.window.Value), duration(c.scrapeInterval.Value)), "give a longer window, such as 4 scrapeIntervals")
	}
}

// suits refuses what a kind of server does not have.
func (c appCheck) suits(s *signalConfig) {
	kind := c.server.kind
	switch {
	case !kind.Valid:
	case s.kind() == sim.Backlog && kind.Value != workload.Queue:
		c.Report(s.signal.At, fmt.Sprintf("a server of kind %s has no shared queue", kind.Value), "inflight has what waits at a pod")
	case s.kind() == sim.Busy && kind.Value == workload.Linear:
		c.Report(s.signal.At, "a linear server has no workers to be busy", "")
	case s.kind() == sim.Cores && !c.knowsCPU():
		c.Report(s.signal.At, "nothing says how much processor time a request takes", "add cpuTime to server")
	}
}

func (c *appConfig) knowsCPU() bool {
	s := &c.server
	return s.kind.Value == workload.Async || s.cpuTime.Given || s.background.Given
}

// oneHistogram reports buckets of signals that differ: the signals of an app are
// estimated from one histogram.
func (c appCheck) oneHistogram() {
	want, _ := c.histogram()
	for _, s := range c.signals {
		if !s.buckets.rise() {
			return // that is reported, and the order of the others means nothing
		}
	}
	for _, s := range c.signals {
		if len(s.buckets) > 0 && !slices.Equal(s.buckets.values(), want) {
			c.Subject = fmt.Sprintf("signal %q", s.metric)
			c.Report(s.buckets[0].At, "these buckets are not those of the signals before", fmt.Sprintf("all quantiles come from one histogram: write %v", want))
		}
	}
}

func (c appCheck) exposedBounds(e *exposedConfig) {
	c.Subject = ""
	if e.name.Given {
		c.Subject = fmt.Sprintf("metric %q", e.name.Value)
	}
	c.missing(!e.name.Given, e.at, "name", "the metric as it is on the page, as in http_requests_total")
	c.missing(!e.of.Given, e.at, "of", "what it counts, as in of: completed")
	if e.name.Valid && !metricName(e.name.Value) {
		c.Report(e.name.At, "this is not the name of a metric", "")
	}
	for _, label := range e.labelsAt {
		switch {
		case !labelName(label.Value):
			c.Report(label.At, fmt.Sprintf("%q is not the name of a label", label.Value), "")
		case label.Value == "namespace" || label.Value == "pod" || label.Value == "le":
			c.Report(label.At, fmt.Sprintf("the label %q is not the application's to set", label.Value), "leave it out: it is added")
		}
	}
	c.rising(e.buckets)
	if !e.of.Valid {
		return
	}
	if e.of.Value == CountsLatency {
		c.missing(len(e.buckets) == 0, e.at, "buckets", "those of prometheus_client are [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]")
		if base, found := strings.CutSuffix(e.name.Value, "_bucket"); found {
			c.Report(e.name.At, "a histogram is named without _bucket", fmt.Sprintf("write name: %s", base))
		}
	} else if len(e.buckets) > 0 {
		c.Report(e.bucketsAt, fmt.Sprintf(`field "buckets" means nothing for what shows %s`, e.of.Value), "only latency is a histogram")
	}
	if e.of.Value == CountsBacklog && c.server.kind.Valid && c.server.kind.Value != workload.Queue {
		c.Report(e.of.At, fmt.Sprintf("a server of kind %s has no shared queue", c.server.kind.Value), "of: inflight has what waits at a pod")
	}
}

// repeatedNames reports metrics that stand on the pages twice: a scrape would
// keep one of them. With other labels they are other series.
func (c appCheck) repeatedNames() {
	c.Subject = ""
	first := map[string]int{}
	for _, e := range c.exposes {
		if !e.name.Valid {
			continue
		}
		series := fmt.Sprint(e.name.Value, e.labels) // fmt sorts maps
		if line, twice := first[series]; twice {
			c.Report(e.name.At, fmt.Sprintf("metric %q is exposed twice with these labels: first in line %d", e.name.Value, line), "")
			continue
		}
		first[series] = e.name.At.Line
	}
}

// rising reports buckets that are no bounds. They come to a few dozen: a long
// list is a mistake, and costs memory in every pod.
func (c appCheck) rising(bounds bucketsConfig) {
	before := math.Inf(-1)
	for i, bound := range bounds {
		switch {
		case !bound.Valid:
			return
		case bound.Value <= before:
			c.Report(bound.At, fmt.Sprintf(`field "buckets": %g is not above %g`, bound.Value, before), "bounds rise")
			return
		case bound.Value <= 0:
			c.Report(bound.At, fmt.Sprintf(`field "buckets": %g is not above 0`, bound.Value), "bounds are seconds")
			return
		case i == 500:
			c.Report(bound.At, `field "buckets": more than 500 of them`, "")
			return
		}
		before = bound.Value
	}
}

// rise reports whether the bounds are valid and in order.
func (b bucketsConfig) rise() bool {
	for i, bound := range b {
		if !bound.Valid || i > 0 && bound.Value <= b[i-1].Value {
			return false
		}
	}
	return true
}

func (c appCheck) whole(name string, f place.Field[int64], least, most int64) {
	if f.Given && f.Valid && (f.Value < least || f.Value > most) {
		c.Report(f.At, fmt.Sprintf("field %q: %d is not between %d and %d", name, f.Value, least, most), "")
	}
}

func (c appCheck) number(name string, f place.Field[float64], least, most float64) {
	if f.Given && f.Valid && (f.Value < least || f.Value > most) {
		c.Report(f.At, fmt.Sprintf("field %q: %g is not between %g and %g", name, f.Value, least, most), "")
	}
}

func (c appCheck) time(name string, f place.Field[time.Duration], least, most time.Duration) {
	if f.Given && f.Valid && (f.Value < least || f.Value > most) {
		c.Report(f.At, fmt.Sprintf("field %q: %s is not between %s and %s", name, duration(f.Value), duration(least), duration(most)), "")
	}
}

// labelName reports whether a text is the name of a label that a page may show.
func labelName(text string) bool {
	return metricName(text) && !strings.Contains(text, ":") && !strings.HasPrefix(text, "__")
}
