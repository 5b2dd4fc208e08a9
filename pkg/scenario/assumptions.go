package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// assumptions lists what the app rests on. A property that is zero unless it is
// wanted, such as a limit, is listed all the same: its absence shapes the result.
func (c *appConfig) assumptions() []Assumption {
	var all list
	s, kind := &c.server, c.server.kind.Value
	own := func(kinds ...workload.Kind) bool { return slices.Contains(kinds, kind) }

	all.add("server.kind", string(kind), true)
	if !own(workload.Linear) {
		all.add("server.workers", fmt.Sprint(s.workers.Value), s.workers.Given)
	}
	all.time("server.serviceTime", s.serviceTime)
	all.number("server.serviceSCV", s.serviceSCV)
	if own(workload.Async) {
		all.time("server.delay", s.delay)
		all.number("server.delaySCV", s.delaySCV)
	} else {
		all.add("server.cpuTime", cmp.Or(whenGiven(s.cpuTime), "unknown"), s.cpuTime.Given)
	}
	all.add("server.background", cores(s.background.Value), s.background.Given)
	if own(workload.Sync, workload.Async) {
		all.add("server.balancer", string(s.balancer.Value), s.balancer.Given)
		all.add("server.limit", orNone(s.limit.Value, fmt.Sprint(s.limit.Value)), s.limit.Given)
	}
	all.add("server.timeout", orNone(s.timeout.Value, duration(s.timeout.Value)), s.timeout.Given)
	if own(workload.Queue) {
		all.add("server.prefetch", fmt.Sprint(s.prefetch.Value), s.prefetch.Given)
	}
	all.add("server.warmUp", s.warmUp.String(), s.warmUp.given)

	all.time("startup.mean", c.startup.mean)
	all.number("startup.scv", c.startup.scv)
	all.time("startup.pending", c.startup.pending)
	all.time("shutdown", c.shutdown)
	quantiles := false
	for i := range c.signals {
		all.signal(&c.signals[i])
		quantiles = quantiles || c.signals[i].kind() == sim.Latency
	}
	if buckets, own := c.histogram(); quantiles {
		all.add("signals.buckets", fmt.Sprint(buckets), own)
	}
	all.time("scrapeInterval", c.scrapeInterval)
	all.time("refreshInterval", c.refreshInterval)
	return all
}

type list []Assumption

func (l *list) add(name, value string, given bool) {
	*l = append(*l, Assumption{Name: name, Value: value, Given: given})
}

func (l *list) time(name string, f place.Field[time.Duration]) {
	l.add(name, duration(f.Value), f.Given)
}

func (l *list) number(name string, f place.Field[float64]) {
	l.add(name, strconv.FormatFloat(f.Value, 'g', -1, 64), f.Given)
}

func (l *list) signal(s *signalConfig) {
	name := "signals." + s.metric
	l.add(name, signalName(s.signal.Value), true)
	if !gauge(s.kind()) {
		l.time(name+".window", s.window)
	}
	if s.kind() == sim.Latency {
		l.add(name+".onIdle", string(s.onIdle.Value), s.onIdle.Given)
	}
}

func (w warmUpConfig) String() string {
	if !w.given {
		return "none"
	}
	return fmt.Sprintf("%s from %g", duration(w.length.Value), w.from.Value)
}

func whenGiven(f place.Field[time.Duration]) string {
	if !f.Given {
		return ""
	}
	return duration(f.Value)
}

func orNone[T comparable](value T, text string) string {
	var zero T
	if value == zero {
		return "none"
	}
	return text
}

// cores is an amount of processors as Kubernetes writes it.
func cores(milli int64) string {
	if milli%1000 == 0 {
		return fmt.Sprint(milli / 1000)
	}
	return fmt.Sprintf("%dm", milli)
}
