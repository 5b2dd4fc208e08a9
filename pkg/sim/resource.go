package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A metricsServer serves the resource metrics API: the CPU that pods used between
// its last two samples of them. Prometheus has no part in it.
type metricsServer struct {
	interval time.Duration
	next     time.Duration
	used     bool // some HPA of the run asks it
	begin    time.Time
	samples  [][]hpa.Sample // of the metrics, reused
}

// A cpuUsage is what metrics-server knows of a pod.
type cpuUsage struct {
	samples int
	at      time.Duration // of the last sample
	window  time.Duration // since the one before
	seconds float64       // of processor time, up to the last sample
	cores   float64       // in the window
	tick    float64       // seconds at the last Tick
}

func newMetricsServer(c *Config, at time.Duration) metricsServer {
	phase := time.Duration(rand.New(rand.NewPCG(c.Seed, phases)).Int64N(int64(c.Cluster.MetricsInterval)))
	s := metricsServer{interval: c.Cluster.MetricsInterval, next: at + phase, begin: c.Begin}
	s.used = c.Spec != nil && slices.ContainsFunc(c.Spec.Metrics, isResource)
	for _, e := range c.Events {
		s.used = s.used || e.Spec != nil && slices.ContainsFunc(e.Spec.Metrics, isResource)
	}
	return s
}

func isResource(m hpa.Metric) bool { return ofResource(&m) }

// phases is the stream of chance that phases are drawn from.
const phases = latencies + 1

// observe samples all pods whose containers run, when that is due.
func (s *metricsServer) observe(now time.Duration, d *deployment) {
	if !s.used || now < s.next {
		return
	}
	for s.next <= now {
		s.next += s.interval
	}
	for i := range d.all {
		if p := &d.all[i]; p.stage != pending {
			p.usage.sample(now, d.seconds(p))
		}
	}
}

// seconds is the processor time of a pod. What it takes to start is not modelled.
func (d *deployment) seconds(p *pod) float64 {
	if p.stage < serving {
		return 0
	}
	d.fleet.Pod(p.id, &d.counts)
	return d.counts.CPU
}

func (u *cpuUsage) sample(now time.Duration, seconds float64) {
	if u.samples > 0 {
		u.window = now - u.at
		u.cores = (seconds - u.seconds) / u.window.Seconds()
	}
	u.samples++
	u.at, u.seconds = now, seconds
}

// errMemory says why there is no other resource than the CPU.
var errMemory = errors.New("only the cpu is modelled: what a pod keeps in memory does not follow from its requests")

// read answers for the resource metrics among some metrics.
func (s *metricsServer) read(metrics []hpa.Metric, readings []hpa.Reading, d *deployment) {
	for len(s.samples) < len(metrics) {
		s.samples = append(s.samples, nil)
	}
	for i := range metrics {
		m := &metrics[i]
		if !ofResource(m) {
			continue
		}
		if err := modelled(m, d.pods.Template); err != nil {
			readings[i] = hpa.Reading{Err: err}
			continue
		}
		s.samples[i] = s.sampled(s.samples[i][:0], d)
		readings[i] = hpa.Reading{Pods: s.samples[i]}
		if !slices.ContainsFunc(s.samples[i], func(one hpa.Sample) bool { return one.Present }) {
			readings[i] = hpa.Reading{Err: errors.New("no metrics returned from resource metrics API")}
		}
	}
}

// modelled refuses a metric that the simulated pods do not have.
func modelled(m *hpa.Metric, template *hpa.Template) error {
	switch {
	case m.Name != hpa.CPU:
		return errMemory
	case m.Container == "" || template == nil || len(template.Containers) == 0 || template.Containers[0].Name == m.Container:
		return nil
	default:
		return fmt.Errorf("what container %s uses is not modelled: the server is the first container, %s", m.Container, template.Containers[0].Name)
	}
}

// sampled are the samples of all pods. A pod has one from its second sample on:
// before that there is no usage to tell.
func (s *metricsServer) sampled(into []hpa.Sample, d *deployment) []hpa.Sample {
	for i := range d.all {
		var one hpa.Sample
		if u := &d.all[i].usage; u.samples > 1 {
			one = hpa.Sample{Present: true, Milli: milliCores(u.cores), At: s.begin.Add(u.at), Window: u.window}
		}
		into = append(into, one)
	}
	return into
}

// milliCores are those that an HPA reads: metrics-server serves whole nanocores,
// and a quantity rounds up to milli.
func milliCores(cores float64) int64 { return int64(math.Ceil(math.Floor(cores*1e9) / 1e6)) }

// requested is what a pod requests of a metric's resource, in milli; 0 where that
// is not known.
func requested(m *hpa.Metric, template *hpa.Template) int64 {
	if template == nil {
		return 0
	}
	var sum int64
	for i := range template.Containers {
		if c := &template.Containers[i]; m.Container == "" || m.Container == c.Name {
			sum += c.Requests[m.Name]
		}
	}
	if m.Container == "" && template.PodLevel != nil {
		return template.PodLevel[m.Name]
	}
	return sum
}
