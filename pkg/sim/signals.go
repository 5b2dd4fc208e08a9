package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// NewSignals makes a Pipeline that computes what Prometheus and Pitot would serve
// for the metrics of the given names, without either: targets are scraped at
// their own phases, counters become rates by Prometheus' extrapolation over the
// scrapes in the window, and the adapter evaluates at a phase of its own. It is
// exact, not an approximation, for queries of the form rate(counter[window]),
// their sum or mean over the pods, and histogram_quantile over the pods' buckets.
//
// A scrape or refresh that is due within a step happens at its end and is dated
// so. A pod needs two scrapes in a window. One that is gone leaves Pods metrics
// and gauges at once; the share that it had in a window stays in the sum or the
// quantile of the whole until the window has passed it.
//
// The error names all signals that cannot be.
func NewSignals(given map[string]Signal, options SignalOptions) (Pipeline, error) {
	o := options.withDefaults()
	if err := checkSignals(given, o); err != nil {
		return nil, err
	}
	s := &signals{
		SignalOptions: o, byName: map[string]*query{}, backend: backend{interval: o.Interval.Milliseconds()},
		held: -1, buckets: make([]total, len(o.Bounds)+1), counts: make([]float64, len(o.Bounds)+1),
	}
	columns := map[SignalKind]int{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		q := &query{Signal: given[name], name: name, phase: RefreshPhase(o.Seed, name, o.Refresh)}
		s.longest = max(s.longest, q.Window)
		if _, known := columns[q.Kind]; !known && !q.shared() {
			columns[q.Kind] = s.width
			if q.gauge() {
				s.held = s.width
			}
			s.columns = append(s.columns, q.Kind)
			s.width += s.wide(q.Kind)
		}
		q.column = columns[q.Kind]
		s.queries = append(s.queries, q)
		s.byName[name] = q
	}
	kept := s.longest + o.MaxAge + o.Refresh
	s.rows = int((kept+o.Interval-1)/o.Interval) + 2
	for _, q := range s.queries {
		if q.shared() {
			q.target = newSeries(s.rows, 1)
		}
	}
	return s, nil
}

// signals is the Pipeline of NewSignals.
type signals struct {
	SignalOptions
	queries []*query // by name
	byName  map[string]*query
	backend backend

	columns []SignalKind // of a pod's row, Latency with all its buckets
	width   int
	rows    int // of a series
	longest time.Duration

	now     int64 // of the last Observe
	away    bool  // in it
	version int
	all     []*series // of pods, by their numbers; also of gone ones while some window sees them
	gone    int       // how many of them
	ring    ring      // of the pods that answer
	free    []*series

	pod      workload.Counts
	window   window // that is looked at
	buckets  []total
	counts   []float64
	looked   int64     // when True looked last
	held     int       // the column that is no counter, or -1
	sums     []float64 // since then, of all pods
	scratch  []float64 // a row
	wrong    error     // of the fleet
	readings []hpa.Reading
	samples  [][]hpa.Sample
	values   []int64
}

func (s *signals) wide(k SignalKind) int {
	if k == Latency {
		return len(s.Bounds) + 1
	}
	return 1
}

// Observe implements Pipeline.
func (s *signals) Observe(at time.Time, scene Scene) {
	s.now, s.away = at.UnixMilli(), scene.Outage
	if s.version == 0 {
		s.start()
	}
	if scene.Version != s.version {
		s.version = scene.Version
		s.follow(scene.Pods)
	}
	s.scrape(&scene)
	for _, q := range s.queries {
		if q.shared() && s.now >= q.target.due {
			q.target.skip(s.now, s.Interval)
			if !scene.Outage {
				q.sampleWhole(s.now, scene.Fleet.Whole())
			}
		}
		if s.now >= q.due {
			q.refresh(s.now, &s.backend, s.away, s.Refresh)
		}
	}
	if s.gone > 0 {
		s.forget()
	}
}

// start sets the first scrapes and refreshes.
func (s *signals) start() {
	for _, q := range s.queries {
		q.due = nextAt(s.now, q.phase, s.Refresh)
		switch q.Kind {
		case Arrivals:
			q.target.due = s.firstScrape(Ingress, s.now)
		case Backlog:
			q.target.due = s.firstScrape(Broker, s.now)
		}
	}
}

// firstScrape is that of a target that answers since some time, and was not
// there a step ago.
func (s *signals) firstScrape(target int, since int64) int64 {
	since = max(since, s.now-defaultStep.Milliseconds())
	return nextAt(since-1, ScrapePhase(s.Seed, target, s.Interval), s.Interval)
}

// nextAt is the first time after another that has a phase.
func nextAt(after int64, phase, interval time.Duration) int64 {
	p, every := phase.Milliseconds(), interval.Milliseconds()
	past := (after - p) % every
	if past < 0 {
		past += every
	}
	return after - past + every
}

// follow takes up new pods and lets go of those that are not there any more.
func (s *signals) follow(pods []ScenePod) {
	for _, x := range s.all {
		if _, there := slices.BinarySearchFunc(pods, x.target, byID); !there && !x.gone {
			x.gone = true
			s.gone++
			s.ring.remove(x)
		}
	}
	for i := range pods {
		at, known := slices.BinarySearchFunc(s.all, pods[i].ID, byTarget)
		if !known {
			x := s.series()
			x.reset(pods[i].ID, pods[i].Name, s.firstScrape(pods[i].ID, pods[i].Since.UnixMilli()))
			s.all = slices.Insert(s.all, at, x)
			s.ring.insert(x)
		}
	}
}

func byID(p ScenePod, id int) int    { return p.ID - id }
func byTarget(x *series, id int) int { return x.target - id }

// series is one that is free, or a new one.
func (s *signals) series() *series {
	if len(s.free) == 0 {
		return newSeries(s.rows, s.width)
	}
	x := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return x
}

// forget frees the series of gone pods that no window sees any more.
func (s *signals) forget() {
	kept := (s.longest + s.MaxAge + s.Refresh).Milliseconds()
	s.all = slices.DeleteFunc(s.all, func(x *series) bool {
		if !x.gone || x.n > 0 && s.now-x.time(x.n-1) <= kept {
			return false
		}
		s.gone--
		s.free = append(s.free, x)
		return true
	})
}

// scrape samples the pods that are due.
func (s *signals) scrape(scene *Scene) {
	for x := s.ring.due(s.now); x != nil; x = s.ring.due(s.now) {
		x.skip(s.now, s.Interval)
		s.ring.turn()
		if scene.Outage {
			continue
		}
		scene.Fleet.Pod(x.target, &s.pod)
		s.fill(x.push(s.now))
	}
}

// fill writes what a pod exposes into a row.
func (s *signals) fill(row []float64) {
	i := 0
	for _, kind := range s.columns {
		switch kind {
		case Rate:
			row[i] = s.pod.Completed
		case Concurrency:
			row[i] = s.pod.Seconds
		case InFlight:
			row[i] = s.pod.InFlight
		case Busy:
			row[i] = s.pod.Busy
		case Cores:
			row[i] = s.pod.CPU
		case Latency:
			if len(s.pod.Buckets) != len(s.Bounds)+1 {
				s.wrong = fmt.Errorf("the pods expose %d buckets and not the %d of the signals: make the fleet with the same bounds", len(s.pod.Buckets), len(s.Bounds)+1)
			}
			copy(row[i:i+len(s.Bounds)+1], s.pod.Buckets)
		}
		i += s.wide(kind)
	}
}

// sampleWhole samples a target that counts for all pods.
func (q *query) sampleWhole(now int64, whole workload.Totals) {
	q.target.push(now)[0] = q.ofWhole(whole)
}

func (q *query) ofWhole(whole workload.Totals) float64 {
	if q.Kind == Backlog {
		return whole.Ready
	}
	return whole.Arrived
}

// skip sets the scrape after one that is due.
func (x *series) skip(now int64, interval time.Duration) {
	for every := interval.Milliseconds(); x.due <= now; {
		x.due += every
	}
}

// A ring is the series of pods by their next scrape, from next on and around the
// end. All have the same interval, so a scrape takes the first to the last place.
type ring struct {
	series []*series
	next   int
}

// due is the series to scrape next, nil if that is not due.
func (r *ring) due(now int64) *series {
	if len(r.series) == 0 || r.series[r.next].due > now {
		return nil
	}
	return r.series[r.next]
}

func (r *ring) turn() {
	if r.next++; r.next == len(r.series) {
		r.next = 0
	}
}

func (r *ring) insert(x *series) {
	r.series = append(r.series, x)
	r.order()
}

func (r *ring) remove(x *series) {
	r.series = slices.DeleteFunc(r.series, func(other *series) bool { return other == x })
	r.order()
}

// order puts the ring in order after a change. Pods that are due together are
// scraped in the order of their numbers.
func (r *ring) order() {
	slices.SortFunc(r.series, func(a, b *series) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.target, b.target)) })
	r.next = 0
}
