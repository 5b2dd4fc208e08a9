package promsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A Source is what a series of a page counts or measures.
type Source string

// The sources. Backlog is on the page of the queue's exporter, the others on that
// of each pod.
const (
	Completed Source = "completed" // counter of requests
	Arrived   Source = "arrived"   // counter of requests, finished or not
	Failed    Source = "failed"    // counter of requests
	Latency   Source = "latency"   // histogram of completed requests, in seconds
	InFlight  Source = "inflight"  // gauge of requests
	CPU       Source = "cpu"       // counter of seconds
	Busy      Source = "busy"      // counter of seconds that workers worked
	Backlog   Source = "backlog"   // gauge of tasks in the queue that no worker has taken
)

// Sources are all of them.
var Sources = []Source{Completed, Arrived, Failed, Latency, InFlight, CPU, Busy, Backlog}

// A Series is one metric of a page. A histogram is named without _bucket, _sum and
// _count.
type Series struct {
	Name   string
	Of     Source
	Labels map[string]string // besides namespace and pod
	// Buckets are the upper bounds of a histogram, without +Inf; they are among
	// Options.Bounds.
	Buckets []float64
}

// sight is what a page can show.
type sight struct {
	pod   *workload.Counts
	fleet workload.Totals
}

// A pageSeries writes the samples of a Series.
type pageSeries struct {
	Series
	labels labels.Labels
	counts []int // of each bucket, its place among the counts of the fleet
}

// pages tells apart what pods and what the exporter of the queue shows.
func pages(series []Series, bounds []float64) (pod, exporter []pageSeries, err error) {
	var errs []error
	for _, s := range series {
		one, err := newPageSeries(s, bounds)
		switch {
		case err != nil:
			errs = append(errs, err)
		case s.Of == Backlog:
			exporter = append(exporter, one)
		default:
			pod = append(pod, one)
		}
	}
	return pod, exporter, errors.Join(errs...)
}

func newPageSeries(s Series, bounds []float64) (pageSeries, error) {
	switch {
	case !model.UTF8Validation.IsValidMetricName(s.Name):
		return pageSeries{}, fmt.Errorf("exposes: %q is no name of a metric", s.Name)
	case !slices.Contains(Sources, s.Of):
		return pageSeries{}, fmt.Errorf("exposes: %s: there is no %q to expose; there is %s", s.Name, s.Of, joined(Sources))
	case s.Of == Latency && len(s.Buckets) == 0:
		return pageSeries{}, fmt.Errorf("exposes: %s: a histogram needs buckets", s.Name)
	}
	var counts []int
	for _, bound := range s.Buckets {
		i := slices.Index(bounds, bound)
		if i < 0 {
			return pageSeries{}, fmt.Errorf("exposes: %s: the fleet does not count up to %g", s.Name, bound)
		}
		counts = append(counts, i)
	}
	for _, reserved := range []string{"namespace", "pod", model.BucketLabel, model.MetricNameLabel} {
		if _, taken := s.Labels[reserved]; taken {
			return pageSeries{}, fmt.Errorf("exposes: %s: the label %s is not the application's to set", s.Name, reserved)
		}
	}
	return pageSeries{Series: s, labels: labels.FromMap(s.Labels), counts: append(counts, len(bounds))}, nil
}

func joined(sources []Source) string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// lines are the label sets of the samples, in the order of samples.
func (s *pageSeries) lines(namespace, pod string) []labels.Labels {
	line := func(suffix string, more ...string) labels.Labels {
		b := labels.NewBuilder(s.labels)
		b.Set(model.MetricNameLabel, s.Name+suffix).Set("namespace", namespace).Set("pod", pod)
		if len(more) == 1 {
			b.Set(model.BucketLabel, more[0])
		}
		return b.Labels()
	}
	if s.Of != Latency {
		return []labels.Labels{line("")}
	}
	var lines []labels.Labels
	for _, bound := range s.Buckets {
		lines = append(lines, line("_bucket", strconv.FormatFloat(bound, 'g', -1, 64)))
	}
	return append(lines, line("_bucket", "+Inf"), line("_sum"), line("_count"))
}

// samples adds the values of the series.
func (s *pageSeries) samples(seen sight, add func(float64)) {
	switch s.Of {
	case Latency:
		for _, i := range s.counts {
			add(seen.pod.Buckets[i])
		}
		add(seen.pod.Seconds)
		add(seen.pod.Completed)
	case Completed:
		add(seen.pod.Completed)
	case Arrived:
		add(seen.pod.Arrived)
	case Failed:
		add(seen.pod.Failed)
	case InFlight:
		add(seen.pod.InFlight)
	case CPU:
		add(seen.pod.CPU)
	case Busy:
		add(seen.pod.Busy)
	case Backlog:
		add(seen.fleet.Ready)
	default:
		panic("promsim: no such source: " + string(s.Of))
	}
}
