package promsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/scenario"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// sight is what a page can show.
type sight struct {
	pod   *workload.Counts
	fleet workload.Totals
}

// A pageSeries writes the samples of what is exposed.
type pageSeries struct {
	scenario.Exposed
	labels labels.Labels
	counts []int // of each bucket, its place among the counts of the fleet
}

// pages tells apart what pods and what the exporter of the queue shows.
func pages(exposed []scenario.Exposed, bounds []float64) (pod, exporter []pageSeries, err error) {
	var errs []error
	for _, s := range exposed {
		one, err := newPageSeries(s, bounds)
		switch {
		case err != nil:
			errs = append(errs, err)
		case s.Of == scenario.CountsBacklog:
			exporter = append(exporter, one)
		default:
			pod = append(pod, one)
		}
	}
	return pod, exporter, errors.Join(errs...)
}

// newPageSeries is of something that package scenario found to be right.
func newPageSeries(e scenario.Exposed, bounds []float64) (pageSeries, error) {
	var counts []int
	for _, bound := range e.Buckets {
		i := slices.Index(bounds, bound)
		if i < 0 {
			return pageSeries{}, fmt.Errorf("exposes: %s: the fleet does not count up to %g", e.Name, bound)
		}
		counts = append(counts, i)
	}
	return pageSeries{Exposed: e, labels: labels.FromMap(e.Labels), counts: append(counts, len(bounds))}, nil
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
	if s.Of != scenario.CountsLatency {
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
	case scenario.CountsLatency:
		for _, i := range s.counts {
			add(seen.pod.Buckets[i])
		}
		add(seen.pod.Seconds)
		add(seen.pod.Completed)
	case scenario.CountsCompleted:
		add(seen.pod.Completed)
	case scenario.CountsArrived:
		add(seen.pod.Arrived)
	case scenario.CountsFailed:
		add(seen.pod.Failed)
	case scenario.CountsInFlight:
		add(seen.pod.InFlight)
	case scenario.CountsCPU:
		add(seen.pod.CPU)
	case scenario.CountsBusy:
		add(seen.pod.Busy)
	case scenario.CountsBacklog:
		add(seen.fleet.Ready)
	default:
		panic("promsim: no such source: " + string(s.Of))
	}
}
