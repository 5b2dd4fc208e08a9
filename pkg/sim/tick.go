package sim

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A ticker gathers what the next Tick tells.
type ticker struct {
	due    time.Duration
	last   time.Duration
	before workload.Totals
	need   steady
	most   int     // need
	over   float64 // seconds
	each   float64 // capacity of a ready pod at its last arrival
	total  float64 // capacity of all of them
	load   load    // of the last step
	truth  []float64
	tick   Tick
}

// steady remembers the last answer of a function: rates hold for a while.
type steady struct {
	of    func(rate float64) int
	known bool
	rate  float64
	n     int
}

// at is the need for a rate, 0 where that is not known.
func (s *steady) at(rate float64) int {
	if s.of == nil {
		return 0
	}
	if !s.known || s.rate != rate {
		s.known, s.rate, s.n = true, rate, s.of(rate)
	}
	return s.n
}

var errNoQuantile = errors.New("the fleet reports no latency: make it with the quantile of the objective as its first one")

// count adds a step of length d to the Tick and to the Summary.
func (r *run) count(step *workload.Step, rate float64, d time.Duration) error {
	latency := math.NaN()
	if len(step.Latency) > 0 {
		latency = step.Latency[0]
	} else if r.Objective != nil {
		return errNoQuantile
	}
	need, seconds := r.tick.need.at(rate), d.Seconds()
	r.tick.most = max(r.tick.most, need)
	r.tick.capacity(step, r.workload.ready, seconds)
	over := r.Objective.missed(step, latency)
	if over {
		r.tick.over += seconds
	}
	r.tally.step(&second{
		length: d, seconds: seconds, pods: len(r.workload.all), ready: r.workload.ready, need: need,
		latency: latency, waiting: step.Waiting, over: over,
		atMax: r.hpa.spec != nil && r.workload.desired == r.hpa.spec.MaxReplicas,
	})
	return nil
}

// capacity follows what the ready pods can serve. A fleet tells it as the
// utilization of what arrives; where nothing does, a pod can serve as much as before.
func (t *ticker) capacity(step *workload.Step, ready int, seconds float64) {
	now := load{step.Arrived, step.Utilization, seconds, ready}
	if now == t.load {
		return
	}
	t.load = now
	t.total = t.each * float64(ready)
	if step.Utilization > 0 && !math.IsInf(step.Utilization, 0) && ready > 0 {
		t.total = step.Arrived / seconds / step.Utilization
		t.each = t.total / float64(ready)
	}
}

// A load is what a step tells of the capacity.
type load struct {
	arrived, utilization, seconds float64
	ready                         int
}

// missed reports whether a step missed the objective: its quantile was above the
// limit, more requests failed or were dropped than may be slower than the
// quantile, or requests waited and none ended.
func (o *Objective) missed(step *workload.Step, latency float64) bool {
	if o == nil {
		return false
	}
	bad := step.Failed + step.Dropped
	ended := bad + step.Completed
	if ended == 0 {
		return step.Waiting > 0
	}
	return latency > o.Limit.Seconds() || bad > (1-o.Quantile)*ended
}

// report tells the Tick that ends now.
func (r *run) report() error {
	t := &r.tick
	whole := r.Fleet.Whole()
	length := (r.at - t.last).Seconds()
	t.tick = Tick{
		Run: r.Name, At: r.at, Time: r.time(r.at),
		Demand: (whole.Arrived - t.before.Arrived) / length, Capacity: t.total,
		Completed: whole.Completed - t.before.Completed, Failed: whole.Failed - t.before.Failed,
		Dropped: whole.Dropped - t.before.Dropped, Waiting: whole.Waiting,
		Desired: r.workload.desired, Pods: len(r.workload.all), Ready: r.workload.ready, Need: t.most,
		P50: math.NaN(), P95: math.NaN(), P99: math.NaN(), Objective: math.NaN(),
		Over: t.over, True: r.witness(),
	}
	if r.handler != nil {
		t.tick.P50, t.tick.P95, t.tick.P99 = r.Fleet.Lapped(0.5), r.Fleet.Lapped(0.95), r.Fleet.Lapped(0.99)
		if r.Objective != nil {
			t.tick.Objective = r.Fleet.Lapped(r.Objective.Quantile)
		}
	}
	t.last, t.before, t.most, t.over = r.at, whole, 0, 0
	for t.due <= r.at {
		t.due += r.Report
	}
	r.Fleet.Lap()
	return r.tell(&t.tick)
}

// witness is what the metrics' signals were since the last Tick, nil without an HPA.
func (r *run) witness() []float64 {
	if r.hpa.spec == nil {
		return nil
	}
	metrics, t := r.hpa.spec.Metrics, &r.tick
	if w, ok := r.Pipeline.(Witness); ok {
		t.truth = w.True(r.time(r.at), r.scene(), metrics, t.truth[:0])
	} else {
		t.truth = append(t.truth[:0], slices.Repeat([]float64{math.NaN()}, len(metrics))...)
	}
	for i := range metrics {
		switch m := &metrics[i]; {
		case ofResource(m):
			t.truth[i] = r.metrics.truth(m, &r.workload, (r.at - t.last).Seconds())
		case m.Target.Type == hpa.AverageValue && m.Type != hpa.Pods:
			t.truth[i] = share(t.truth[i], float64(r.workload.active))
		}
	}
	r.metrics.lap(&r.workload)
	return t.truth
}

// truth is the mean of what ready pods used in the time since the last lap, in
// the unit of the metric.
func (s *metricsServer) truth(m *hpa.Metric, d *deployment, seconds float64) float64 {
	if d.ready == 0 || seconds == 0 || modelled(m, d.pods.Template) != nil {
		return math.NaN()
	}
	var used float64
	for i := range d.all {
		if p := &d.all[i]; p.stage == serving {
			used += d.seconds(p) - p.usage.tick
		}
	}
	cores := used / seconds / float64(d.ready)
	if m.Target.Type == hpa.Utilization {
		return share(100_000*cores, float64(requested(m, d.pods.Template)))
	}
	return cores
}

// lap begins the time that truth is about.
func (s *metricsServer) lap(d *deployment) {
	if !s.used {
		return
	}
	for i := range d.all {
		if p := &d.all[i]; p.stage >= serving {
			p.usage.tick = d.seconds(p)
		}
	}
}
