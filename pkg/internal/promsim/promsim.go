// Package promsim is the way of a metric as it is in a cluster, for simulated
// pods: their pages are scraped into a PromQL engine, and Pitot's own provider
// serves the rules over it.
//
//	pipeline := promsim.New(promsim.Options{Rules: set, Autoscaler: &autoscaler, Page: page, …})
//	end, err := sim.Run(ctx, &sim.Config{Pipeline: pipeline, …}, handler)
//
// What a read of the metrics APIs answers here, with its rounding, its states and
// its errors, is what the adapter answers: rules, queries, ages, proofs, bridged
// failures and recovery are the adapter's code. Only the clock, the pods and the
// Prometheus that scrapes them are not real.
//
// # Limitations
//
// All pods and the exporter of the queue are in one namespace, belong to one
// workload, and are scraped at one interval. A rule of Services or of other objects
// over pods takes all of these pods for theirs.
package promsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// Options say what is scraped and served.
type Options struct {
	Rules      *rule.Set
	Autoscaler *manifest.Autoscaler // whose metrics are read, and whose target has the pods
	Page       []scenario.Exposed   // of each pod, and of the queue's exporter
	Bounds     []float64            // that the fleet counts up to, as in workload.Options

	ScrapeInterval time.Duration
	Refresh        time.Duration // between two queries of a rule
	Seed           uint64        // of the phases, which are those of package sim
}

// A Pipeline implements sim.Pipeline.
type Pipeline struct {
	opts     Options
	pages    []pageSeries // of a pod
	exporter []pageSeries // of the queue

	db       *promdb.DB
	store    *snapshot.Manual
	provider *provider.Provider
	mapper   meta.RESTMapper
	pods     *members

	keys    []snapshot.Key // that the autoscaler's metrics ask
	now     time.Time
	outage  bool
	targets map[int]*target // pods by their ids
	order   []*target       // the same by id
	queue   *target
	counts  workload.Counts
	err     error // the first sample that could not be kept
}

var (
	_ sim.Pipeline     = (*Pipeline)(nil)
	_ sim.Checker      = (*Pipeline)(nil)
	_ snapshot.Querier = (*Pipeline)(nil)
)

// New returns a Pipeline of a run that has not begun. The error says what of the
// page or the metrics cannot be.
func New(o Options) (*Pipeline, error) {
	p := &Pipeline{opts: o, mapper: provider.KnownKinds(), targets: map[int]*target{}}
	var err error
	if p.pages, p.exporter, err = pages(o.Page, o.Bounds); err != nil {
		return nil, err
	}
	if err := p.Check(o.Autoscaler.Spec.Metrics); err != nil {
		return nil, err
	}
	clock := func() time.Time { return p.now }
	p.db = promdb.New(promdb.Options{Now: clock, Retention: retention(o.Rules)})
	p.pods = &members{namespace: o.Autoscaler.Namespace, workload: o.Autoscaler.Target.Name}
	backends := make(map[string]snapshot.Backend)
	for _, b := range o.Rules.Backends {
		backends[b.Name] = snapshot.Backend{Querier: p, ScrapeInterval: o.ScrapeInterval}
	}
	names := map[snapshot.Key]string{}
	p.store = snapshot.NewManual(snapshot.Options{Backends: backends, Interval: o.Refresh}, func(key snapshot.Key) time.Duration {
		return sim.RefreshPhase(o.Seed, names[key], o.Refresh)
	})
	p.provider = provider.New(o.Rules, provider.Reader{Store: p.store, Pods: p.pods, Now: clock}, p.mapper)
	return p, p.want(names)
}

// retention is what the longest window of the rules needs, and the engine's own
// look back.
func retention(set *rule.Set) time.Duration {
	longest := 5 * time.Minute
	for _, r := range set.Rules {
		longest = max(longest, r.Expr().Window())
		if proof := r.Proof(); proof != nil {
			longest = max(longest, proof.Window())
		}
	}
	return 2 * longest
}

var errOutage = errors.New("connection refused (the outage is simulated)")

// Query implements snapshot.Querier.
func (p *Pipeline) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	if p.outage {
		return instant.Vector{}, errOutage
	}
	return p.db.Query(ctx, expr, at)
}

// Observe scrapes what is due, and then asks the queries that are.
func (p *Pipeline) Observe(at time.Time, scene sim.Scene) {
	if p.now.IsZero() {
		p.begin(at)
	}
	p.now, p.outage = at, scene.Outage
	for i := range scene.Pods {
		t := p.meet(at, &scene.Pods[i])
		if t.isDue(at, p.opts.ScrapeInterval) && !scene.Outage {
			scene.Fleet.Pod(t.id, &p.counts)
			p.scrape(t, p.pages, sight{pod: &p.counts})
		}
	}
	p.part(at)
	p.scrapeQueue(at, scene)
	p.store.Advance(context.Background(), at)
}

// begin has the autoscaler's metrics asked before they are first read, as Pitot
// does for the HPAs of a cluster.
func (p *Pipeline) begin(at time.Time) {
	for _, key := range p.keys {
		p.store.Want(key, at)
	}
}

// meet returns the target of a pod, which is in the scene.
func (p *Pipeline) meet(at time.Time, pod *sim.ScenePod) *target {
	t := p.targets[pod.ID]
	if t == nil {
		t = &target{id: pod.ID, name: pod.Name, due: p.first(pod.ID, at)}
		p.targets[pod.ID] = t
		p.order = append(p.order, t)
	}
	t.seen = true
	return t
}

// first is when a target that answers from a time on is first scraped.
func (p *Pipeline) first(id int, since time.Time) time.Time {
	interval := p.opts.ScrapeInterval
	into := time.Duration(since.UnixNano()) % interval
	wait := sim.ScrapePhase(p.opts.Seed, id, interval) - into
	if wait < 0 {
		wait += interval
	}
	return since.Add(wait)
}

// part ends the series of the pods that are no longer in the scene.
func (p *Pipeline) part(at time.Time) {
	kept := p.order[:0]
	for _, t := range p.order {
		if t.seen {
			t.seen = false
			kept = append(kept, t)
			continue
		}
		p.pods.leave(t.name, at)
		delete(p.targets, t.id)
		if !p.outage {
			p.end(t)
		}
	}
	clear(p.order[len(kept):])
	p.order = kept
}

// scrapeQueue scrapes the exporter of the queue, which lives as long as the run.
func (p *Pipeline) scrapeQueue(at time.Time, scene sim.Scene) {
	if len(p.exporter) == 0 {
		return
	}
	if p.queue == nil {
		p.queue = &target{id: sim.Broker, name: "queue-exporter", due: p.first(sim.Broker, at)}
	}
	if p.queue.isDue(at, p.opts.ScrapeInterval) && !scene.Outage {
		p.scrape(p.queue, p.exporter, sight{fleet: scene.Fleet.Whole()})
	}
}

// A target is a page that is scraped.
type target struct {
	id    int
	name  string
	due   time.Time
	seen  bool            // in the scene of this step
	lines []labels.Labels // of the page's samples, in its order; none before the first scrape
}

// isDue reports whether a target is to be scraped, and if so when next.
func (t *target) isDue(at time.Time, interval time.Duration) bool {
	if at.Before(t.due) {
		return false
	}
	for !t.due.After(at) {
		t.due = t.due.Add(interval)
	}
	return true
}

func (p *Pipeline) scrape(t *target, page []pageSeries, seen sight) {
	if t.lines == nil {
		for i := range page {
			t.lines = append(t.lines, page[i].lines(p.opts.Autoscaler.Namespace, t.name)...)
		}
		t.lines = append(t.lines, labels.FromStrings(model.MetricNameLabel, "up", "namespace", p.opts.Autoscaler.Namespace, "pod", t.name))
	}
	i := 0
	add := func(v float64) {
		p.keep(p.db.Append(p.now, t.lines[i], v))
		i++
	}
	for s := range page {
		page[s].samples(seen, add)
	}
	add(1)
}

// end marks the series of a target as ended.
func (p *Pipeline) end(t *target) {
	for _, line := range t.lines {
		err := p.db.Append(p.now, line, promdb.StaleMarker())
		if !errors.Is(err, promdb.ErrOutOfOrder) { // scraped in this very step
			p.keep(err)
		}
	}
}

func (p *Pipeline) keep(err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("the simulated Prometheus: %w", err)
	}
}
