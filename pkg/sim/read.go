package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// Read implements Pipeline. Ages are as of the last Observe.
func (s *signals) Read(_ time.Time, metrics []hpa.Metric, pods []int) []hpa.Reading {
	for len(s.samples) < len(metrics) {
		s.samples = append(s.samples, nil)
		s.values = append(s.values, 0)
	}
	s.readings = s.readings[:0]
	for i := range metrics {
		var reading hpa.Reading
		if m := &metrics[i]; !ofResource(m) {
			reading = s.read(m, pods, i)
		}
		s.readings = append(s.readings, reading)
	}
	return s.readings
}

// read answers for one metric, with the memory of its place.
func (s *signals) read(m *hpa.Metric, pods []int, place int) hpa.Reading {
	q, ok := s.byName[m.Name]
	if !ok {
		return hpa.Reading{Err: fmt.Errorf("no signal for the %s: %s", m, s.known())}
	}
	if q.good == 0 && q.failure == (failure{}) { // the first read waits for an answer
		q.refresh(s.now, &s.backend, s.away, s.Refresh)
	}
	err := q.readable(s.now, s.MaxAge.Milliseconds())
	switch {
	case err != nil:
	case s.wrong != nil && q.Kind == Latency:
		err = s.wrong
	case m.Type == hpa.Pods:
		s.samples[place], err = s.ofPods(q, pods, s.samples[place][:0])
		if err == nil {
			return hpa.Reading{Pods: s.samples[place]}
		}
	default:
		var v float64
		v, err = s.ofWhole(q, pods)
		if err == nil {
			s.values[place] = milli(v)
			return hpa.Reading{Values: s.values[place : place+1]}
		}
	}
	return hpa.Reading{Err: err}
}

// milli is the nearest, as Pitot serves it.
func milli(v float64) int64 { return int64(math.Round(v * 1000)) }

// errNaN is that of a quantile of nothing.
var errNaN = errors.New("the query gave NaN, as a division of nothing by nothing does")

// ofPods are the samples of pods, in their order. A pod without a number is left
// out, and none at all is an error.
func (s *signals) ofPods(q *query, pods []int, into []hpa.Sample) ([]hpa.Sample, error) {
	var cause error
	found := false
	each := walker{all: s.all}
	for _, id := range pods {
		into = append(into, hpa.Sample{})
		x := each.find(id)
		if x == nil {
			continue
		}
		v, err := s.ofPod(q, x)
		if err == nil {
			one := &into[len(into)-1]
			one.Present, one.Milli = true, milli(v)
			found = true
		} else if cause == nil {
			cause = fmt.Errorf("none of the %d objects has a value; %s: %w", len(pods), x.name, err)
		}
	}
	switch {
	case found:
		return into, nil
	case cause != nil:
		return into, cause
	default:
		return into, fmt.Errorf("none of the %d live pods has a series", len(pods))
	}
}

// A walker finds the series of pods that come in rising order.
type walker struct {
	all []*series
	i   int
}

func (w *walker) find(id int) *series {
	for w.i < len(w.all) && w.all[w.i].target < id {
		w.i++
	}
	if w.i < len(w.all) && w.all[w.i].target == id {
		return w.all[w.i]
	}
	return nil
}

// errNoSeries is that of a target without enough samples.
var errNoSeries = errors.New("no series")

// ofPod is the value of one pod as of the last good answer.
func (s *signals) ofPod(q *query, x *series) (v float64, err error) {
	w := &s.window
	switch {
	case !q.look(x, w):
		return 0, errNoSeries
	case q.Kind == Latency:
		for i := range s.counts {
			s.counts[i] = w.rate(q.column + i)
		}
		v, err = q.quantile(s.Bounds, s.counts, errNaN)
	default:
		v = s.value(q, w)
	}
	if err == nil {
		err = s.stale(q, x)
	}
	return v, err
}

// look makes a window of what a query sees of a series: of a gauge the last sample
// alone. It is false where that is nothing.
func (q *query) look(x *series, w *window) bool {
	if !q.gauge() {
		return w.over(x, q.good-q.Window.Milliseconds(), q.good)
	}
	n := x.upTo(q.good)
	if n == 0 || x.time(n-1) <= q.good-lookback {
		return false
	}
	w.last = x.row(x.index(n - 1))
	return true
}

// lookback is how old the sample of a gauge may be to Prometheus.
const lookback = int64(5 * time.Minute / time.Millisecond)

// value is that of one series, of all kinds but Latency.
func (s *signals) value(q *query, w *window) float64 {
	switch {
	case q.gauge():
		return w.last[q.column]
	case q.Kind == Busy:
		return w.rate(q.column) / float64(s.Workers)
	default:
		return w.rate(q.column)
	}
}

// quantile is that of counts. None is an error, or zero if that was said.
func (q *query) quantile(bounds, counts []float64, none error) (float64, error) {
	switch v := bucketQuantile(q.Quantile, bounds, counts); {
	case !math.IsNaN(v):
		return v, nil
	case q.IdleIsZero:
		return 0, nil
	default:
		return 0, none
	}
}

// stale refuses samples that are older than three scrapes, or than a minute where
// that is more: maxSampleAge of a rule.
func (s *signals) stale(q *query, x *series) error {
	age, bound := s.now-x.time(x.upTo(q.good)-1), max(time.Minute, 3*s.Interval)
	if age <= bound.Milliseconds() {
		return nil
	}
	return fmt.Errorf("the newest sample is %s old, and %s is the bound", (time.Duration(age) * time.Millisecond).Round(time.Second), bound)
}

var errIdle = errors.New("no observation in the window, so there is no quantile (onIdle: zero serves 0 for this)")

// ofWhole is one value of the workload: the sum over its pods, the mean of Busy,
// and of Latency the quantile over all pods. Pods that are gone take part as long
// as the window sees them, but in gauges.
func (s *signals) ofWhole(q *query, pods []int) (float64, error) {
	if q.shared() {
		return s.ofTarget(q)
	}
	if len(pods) == 0 {
		return 0, errors.New("the workload has no live pod")
	}
	clear(s.buckets)
	found := 0
	live := finder{pods: pods}
	for _, x := range s.all {
		lives := live.has(x.target)
		if q.gauge() && !lives {
			continue
		}
		if !q.look(x, &s.window) {
			continue
		}
		if lives {
			if err := s.stale(q, x); err != nil {
				return 0, fmt.Errorf("pod %s: %w", x.name, err)
			}
		}
		found++
		s.addTo(q, &s.window)
	}
	if found == 0 {
		return 0, fmt.Errorf("none of the %d live pods has a series", len(pods))
	}
	return s.put(q, found)
}

// addTo adds a pod to the buckets, of which other kinds use the first.
func (s *signals) addTo(q *query, w *window) {
	if q.Kind != Latency {
		s.buckets[0].add(s.value(q, w))
		return
	}
	for i := range s.buckets {
		s.buckets[i].add(w.rate(q.column + i))
	}
}

// put makes one value of the buckets of so many pods.
func (s *signals) put(q *query, pods int) (float64, error) {
	switch q.Kind {
	case Latency:
		for i := range s.buckets {
			s.counts[i] = s.buckets[i].value()
		}
		return q.quantile(s.Bounds, s.counts, errIdle)
	case Busy:
		return s.buckets[0].value() / float64(pods), nil
	default:
		return s.buckets[0].value(), nil
	}
}

// ofTarget is the value of a target that counts for all pods.
func (s *signals) ofTarget(q *query) (float64, error) {
	if !q.look(q.target, &s.window) {
		return 0, errors.New("no matching series")
	}
	return s.value(q, &s.window), s.stale(q, q.target)
}

// A finder finds pods that are asked for in rising order.
type finder struct {
	pods []int
	i    int
}

func (f *finder) has(id int) bool {
	for f.i < len(f.pods) && f.pods[f.i] < id {
		f.i++
	}
	return f.i < len(f.pods) && f.pods[f.i] == id
}

// True implements Witness. Of pods that left since the last call nothing is known.
func (s *signals) True(at time.Time, scene Scene, metrics []hpa.Metric, into []float64) []float64 {
	seconds := float64(at.UnixMilli()-s.looked) / 1000
	s.looked = at.UnixMilli()
	s.increase(&scene)
	for i := range metrics {
		q := s.byName[metrics[i].Name]
		if ofResource(&metrics[i]) || q == nil {
			into = append(into, math.NaN())
			continue
		}
		into = append(into, s.truth(q, &scene, metrics[i].Type == hpa.Pods, seconds))
	}
	return into
}

// increase adds up what the pods counted since the last look, and what they hold.
func (s *signals) increase(scene *Scene) {
	if s.sums == nil {
		s.sums, s.scratch = make([]float64, s.width), make([]float64, s.width)
	}
	clear(s.sums)
	each := walker{all: s.all}
	for i := range scene.Pods {
		x := each.find(scene.Pods[i].ID)
		if x == nil { // not observed yet
			continue
		}
		scene.Fleet.Pod(x.target, &s.pod)
		s.fill(s.scratch)
		for c, now := range s.scratch {
			if c == s.held {
				s.sums[c] += now
			} else {
				s.sums[c] += now - x.truth[c]
			}
			x.truth[c] = now
		}
	}
}

// truth is a signal as it was in the seconds since the last look.
func (s *signals) truth(q *query, scene *Scene, each bool, seconds float64) float64 {
	pods := float64(len(scene.Pods))
	switch q.Kind {
	case Latency:
		return scene.Fleet.Lapped(q.Quantile)
	case Arrivals, Backlog:
		v := q.ofWhole(scene.Fleet.Whole())
		if q.Kind == Arrivals {
			v, q.counted = (v-q.counted)/seconds, v
		}
		return v
	}
	v := s.sums[q.column]
	if q.Kind != InFlight {
		v /= seconds
	}
	if q.Kind == Busy {
		v = share(v, pods*float64(s.Workers))
	} else if each {
		v = share(v, pods)
	}
	return v
}
