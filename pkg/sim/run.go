package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// Run plays a Config from the beginning to the end of its demand, and tells the
// handler, which may be nil. It returns the last message.
//
// All that is wrong with the Config comes as one error. Other errors are those of
// ctx and of the handler, and of an HPA that no API server would let in.
//
// # The clock
//
// It goes by steps of a second. Pods change at full steps, which is as exact as
// Kubernetes writes their times down: what is due in between happens at the next
// one. Syncs have their own times between the steps and see the last full one.
func Run(ctx context.Context, c *Config, h Handler) (*End, error) {
	full := c.withDefaults()
	if err := full.check(); err != nil {
		return nil, err
	}
	r := newRun(&full, h)
	if err := r.tell(r.beginning()); err != nil {
		return nil, err
	}
	for r.at < r.length {
		if err := r.advance(ctx); err != nil {
			return nil, err
		}
	}
	end := &End{Run: c.Name, At: r.length, Summary: r.summary()}
	return end, r.tell(end)
}

// A run is what changes while a Config is played.
type run struct {
	Config
	handler Handler
	length  time.Duration
	at      time.Duration // the clock, since the beginning; negative in the lead-in
	most    float64       // requests per second in the lead-in

	workload deployment
	hpa      controller
	metrics  metricsServer
	pipeline pipeline
	seen     Scene // by the pipeline
	events   timetable

	tick  ticker
	tally tally
}

func newRun(c *Config, h Handler) *run {
	r := &run{Config: *c, handler: h, length: c.Demand.Length(), most: math.Inf(1)}
	r.at = -(c.LeadIn + c.Step - 1) / c.Step * c.Step
	r.workload = newDeployment(c)
	r.hpa = controller{spec: c.Spec, next: c.Cluster.Phase, chance: rand.New(rand.NewPCG(c.Seed, latencies))}
	r.metrics = newMetricsServer(c, r.at)
	r.pipeline = newPipeline(c.Pipeline)
	r.events = newTimetable(c.Events)
	r.tick.need = steady{of: c.Need}
	r.tally = newTally(c)
	return r
}

func (r *run) beginning() *Begin {
	_, open := r.Pipeline.(OpenLoop)
	return &Begin{
		Run: r.Name, Time: r.Begin, Length: r.length, Step: r.Step, Report: r.Report, Replicas: r.Replicas,
		Spec: r.Spec, Objective: r.Objective, Seed: r.Seed, OpenLoop: open,
	}
}

func (r *run) tell(m Message) error {
	if r.handler == nil {
		return nil
	}
	return r.handler.Handle(m)
}

// time is the virtual time of a moment of the run.
func (r *run) time(at time.Duration) time.Time { return r.Begin.Add(at) }

// advance plays one step: what is due at the clock, the syncs before the next
// step, and then the step itself.
func (r *run) advance(ctx context.Context) error {
	if r.at == 0 {
		r.countFromHere()
	}
	if err := r.workload.settle(r.at); err != nil {
		return err
	}
	if r.at >= 0 {
		if err := r.decide(); err != nil {
			return err
		}
	}
	d := min(r.Step, r.length-r.at)
	if err := r.serve(d); err != nil {
		return err
	}
	if r.at > 0 && (r.at >= r.tick.due || r.at == r.length) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("at %v of %v: %w", r.at, r.length, err)
		}
		return r.report()
	}
	return nil
}

// countFromHere forgets what was counted in the lead-in.
func (r *run) countFromHere() {
	before := r.Fleet.Whole()
	r.tally.before, r.tick.before, r.tick.due = before, before, r.Report
	r.Fleet.Lap()
	r.witness()
}

// decide lets events and syncs happen that are due before the next step.
func (r *run) decide() error {
	for !r.events.done() && r.events.next().at <= r.at {
		if err := r.happen(r.events.pop()); err != nil {
			return err
		}
	}
	for r.hpa.spec != nil && r.hpa.next < min(r.at+r.Step, r.length) {
		if err := r.sync(max(r.hpa.next, r.at)); err != nil {
			return err
		}
	}
	return nil
}

// serve lets requests arrive for the time d, and everybody look at it.
func (r *run) serve(d time.Duration) error {
	if r.at < 0 {
		r.leadIn(d)
	} else if err := r.play(d); err != nil {
		return err
	}
	r.at += d
	r.metrics.observe(r.at, &r.workload)
	r.pipeline.observe(r.time(r.at), r.scene())
	return nil
}

// play is a step of the demand.
func (r *run) play(d time.Duration) error {
	rate := r.Demand.At(r.at)
	step := r.Fleet.Advance(d, rate)
	return r.count(&step, rate, d)
}

// bearable is the share of what pods can serve that arrives in the lead-in where
// the demand begins with more than they can.
const bearable = 0.9

// leadIn is a step before the beginning.
func (r *run) leadIn(d time.Duration) {
	rate := min(r.Demand.At(0), r.most)
	if step := r.Fleet.Advance(d, rate); step.Utilization > 1 {
		r.most = bearable * rate / step.Utilization
	}
}

// scene is what the pipeline can see.
func (r *run) scene() Scene {
	if outage := r.events.outages > 0; r.seen.Version != r.workload.version || r.seen.Outage != outage {
		r.seen = Scene{Pods: r.workload.scene, Fleet: r.Fleet, Version: r.workload.version, Outage: outage}
	}
	return r.seen
}

// A pipeline is the Config's, or none.
type pipeline struct {
	Pipeline
	none []hpa.Reading
}

func newPipeline(p Pipeline) pipeline { return pipeline{Pipeline: p} }

func (p *pipeline) observe(at time.Time, scene Scene) {
	if p.Pipeline != nil {
		p.Observe(at, scene)
	}
}

// read is Read without entries to share: the caller changes them.
func (p *pipeline) read(at time.Time, metrics []hpa.Metric, pods []int) []hpa.Reading {
	p.none = append(p.none[:0], make([]hpa.Reading, len(metrics))...)
	if p.Pipeline != nil {
		copy(p.none, p.Read(at, metrics, pods))
	}
	return p.none
}

// Streams of chance besides those of the pods, which have their numbers.
const latencies = 1 << 63
