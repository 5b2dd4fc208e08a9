package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// Defaults of a Config and its Cluster.
const (
	defaultStep            = time.Second
	defaultSyncPeriod      = 15 * time.Second
	defaultSyncLatency     = 30 * time.Millisecond
	defaultControllerLag   = 200 * time.Millisecond
	defaultMetricsInterval = 15 * time.Second
)

// mostPods bounds the pods of a run: an HPA may ask for two billion.
const mostPods = 100_000

// shortest bounds what happens again and again.
const shortest = 100 * time.Millisecond

// withDefaults fills what is zero.
func (c Config) withDefaults() Config {
	setDefault(&c.Step, defaultStep)
	setDefault(&c.Cluster.SyncPeriod, defaultSyncPeriod)
	setDefault(&c.Cluster.SyncLatency, defaultSyncLatency)
	setDefault(&c.Cluster.ControllerLag, defaultControllerLag)
	setDefault(&c.Cluster.MetricsInterval, defaultMetricsInterval)
	setDefault(&c.Report, c.Cluster.SyncPeriod)
	if c.Spec != nil {
		setDefault(&c.Replicas, c.Spec.MinReplicas)
	}
	setDefault(&c.Replicas, 1)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// problems collects what is wrong with a Config.
type problems []error

func (p *problems) add(wrong bool, format string, args ...any) {
	if wrong {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

// check reports all that cannot be, with the defaults filled in.
func (c *Config) check() error {
	var p problems
	p.add(c.Fleet == nil, "no fleet serves the demand")
	p.add(c.Step < 0 || c.Step > time.Second, "step %v: use up to 1s", c.Step)
	p.add(c.Report < c.Step, "report %v: use the step of %v or more", c.Report, c.Step)
	p.add(c.LeadIn < 0, "a lead-in of %v is negative", c.LeadIn)
	p.add(c.Replicas < 0 || c.Replicas > mostPods, "%d replicas: use 0 to %d", c.Replicas, mostPods)
	p.add(!(c.Price >= 0) || math.IsInf(c.Price, 0), "a price of %v", c.Price)
	c.checkDemand(&p)
	c.Pods.check(&p)
	c.Cluster.check(&p)
	c.Objective.check(&p)
	c.checkSpec(&p, "the HPA", c.Spec)
	for i := range c.Events {
		c.checkEvent(&p, i)
	}
	return errors.Join(p...)
}

func (c *Config) checkDemand(p *problems) {
	p.add(c.Demand.Every <= 0, "the demand's rates hold for %v", c.Demand.Every)
	p.add(len(c.Demand.Rates) == 0, "the demand has no rates")
	for i, rate := range c.Demand.Rates {
		if !(rate >= 0) || math.IsInf(rate, 0) {
			p.add(true, "the demand at %v is %v requests per second", time.Duration(i)*c.Demand.Every, rate)
			return // one of them is enough
		}
	}
}

func (pods *Pods) check(p *problems) {
	p.add(pods.Startup.Mean < 0 || !(pods.Startup.SCV >= 0) || math.IsInf(pods.Startup.SCV, 0),
		"a startup of %v with a squared coefficient of variation of %v", pods.Startup.Mean, pods.Startup.SCV)
	p.add(pods.Pending < 0 || pods.Pending > pods.Startup.Mean,
		"pending for %v: it is the first part of the startup of %v", pods.Pending, pods.Startup.Mean)
	p.add(pods.Shutdown < 0, "a shutdown of %v is negative", pods.Shutdown)
}

func (cluster *Cluster) check(p *problems) {
	p.add(cluster.SyncPeriod < shortest, "a sync period of %v: use %v or more", cluster.SyncPeriod, shortest)
	p.add(cluster.Phase < 0, "a phase of %v is negative", cluster.Phase)
	p.add(cluster.SyncLatency < 0, "a sync latency of %v is negative", cluster.SyncLatency)
	p.add(cluster.ControllerLag < 0, "a controller lag of %v is negative", cluster.ControllerLag)
	p.add(cluster.MetricsInterval < shortest, "a metrics interval of %v: use %v or more", cluster.MetricsInterval, shortest)
}

func (o *Objective) check(p *problems) {
	if o == nil {
		return
	}
	p.add(!(o.Quantile > 0 && o.Quantile < 1), "an objective for the quantile %v: use one between 0 and 1", o.Quantile)
	p.add(o.Limit <= 0, "an objective of %v: use more than 0", o.Limit)
}

// checkSpec refuses an HPA that the pipeline cannot serve. What no API server
// would let in is refused by the first Step.
func (c *Config) checkSpec(p *problems, name string, spec *hpa.Spec) {
	if spec == nil {
		return
	}
	p.add(len(spec.Metrics) == 0, "%s has no metrics", name)
	p.add(spec.MinReplicas < 0 || spec.MaxReplicas < max(1, spec.MinReplicas),
		"%s has %d to %d replicas", name, spec.MinReplicas, spec.MaxReplicas)
	for i := range spec.Metrics {
		m := &spec.Metrics[i]
		if c.Pipeline == nil && !ofResource(m) {
			p.add(true, "%s: nothing serves the %s", name, m)
		}
	}
	if checker, ok := c.Pipeline.(Checker); ok {
		if err := checker.Check(spec.Metrics); err != nil {
			p.add(true, "%s: %w", name, err)
		}
	}
}

func (c *Config) checkEvent(p *problems, i int) {
	e := &c.Events[i]
	name := fmt.Sprintf("event %d (%s at %v)", i+1, e.Kind, e.At)
	p.add(e.At < 0 || e.At >= c.Demand.Length(), "%s: it is not within the run of %v", name, c.Demand.Length())
	p.add(c.Spec == nil && (e.Kind == Restart || e.Kind == Edit), "%s: there is no HPA", name)
	switch e.Kind {
	case Outage, StuckPods:
		p.add(e.For <= 0, "%s: it lasts %v", name, e.For)
	case Restart:
	case ManualScale:
		p.add(e.Replicas < 0 || e.Replicas > mostPods, "%s: %d replicas: use 0 to %d", name, e.Replicas, mostPods)
	case Edit:
		p.add(e.Spec == nil, "%s: no HPA after it", name)
		c.checkSpec(p, name, e.Spec)
	default:
		p.add(true, "%s: unknown kind: use %s, %s, %s, %s or %s", name, Outage, StuckPods, Restart, ManualScale, Edit)
	}
}

// ofResource reports whether the resource metrics API serves a metric.
func ofResource(m *hpa.Metric) bool { return m.Type == hpa.Resource || m.Type == hpa.ContainerResource }
