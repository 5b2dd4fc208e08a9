package exact

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// How well the computed fleet of package workload knows what this referee sees:
// the measuring, and a small part of the grid. TestAccuracy (with the build tag
// accuracy) measures all of it.

// A cell is a fleet under a steady load.
type cell struct {
	server workload.Server
	pods   int
	rho    float64 // the load over the capacity
}

func (c cell) rate() float64 { return c.rho * float64(c.pods) * c.server.Capacity() }

func (c cell) String() string {
	s := c.server
	name := fmt.Sprintf("%s, %d×%d", group(s), c.pods, s.Workers)
	if s.Delay.Mean > 0 {
		name += fmt.Sprintf(", delay %v", s.Delay.Mean)
	}
	return fmt.Sprintf("%s, SCV %v, load %.0f %%", name, s.Service.SCV, 100*c.rho)
}

// group is what results are summed up by.
func group(s workload.Server) string {
	switch {
	case s.Prefetch > 0:
		return fmt.Sprintf("%s with prefetch %d", s.Kind, s.Prefetch)
	case s.Kind == workload.Queue:
		return string(s.Kind)
	}
	return fmt.Sprintf("%s %s", s.Kind, s.Balancer)
}

// serviceTime is that of all cells. Errors are relative, so that it does not
// matter.
const serviceTime = 100 * time.Millisecond

func serviceOf(scv float64) workload.Time { return workload.Time{Mean: serviceTime, SCV: scv} }

// quantiles that are compared. The second is the one that is judged.
var quantiles = []float64{0.5, 0.95, 0.99}

const judged = 1

// A truth is what the referee says of something.
type truth struct {
	Observed []float64 // p95 and others, in seconds
	Doubt    []float64 // relative standard errors of p95s
	Runs     int       // of a flight
}

// A result is what both sides say of a cell: by quantile, in seconds.
type result struct {
	cell
	truth
	computed []float64
}

// off is the relative error of a quantile.
func (r result) off(i int) float64 { return r.computed[i]/r.Observed[i] - 1 }

// A patience is when the referee stops: when the standard error of its p95 is
// small enough, or it has seen enough requests.
type patience struct {
	doubt           float64
	batch, requests float64
}

// observe lets the referee watch a cell. Batches are several times as long as a
// queue remembers, so that their quantiles are nearly independent; from their
// spread follows how well the quantile of the whole is known.
func (p patience) observe(c cell, seed uint64) truth {
	f := newFleet(c.server.WithDefaults(), workload.Options{Seed: seed})
	for id := range c.pods {
		f.Join(id)
	}
	memory := c.memory()
	f.Advance(10*memory, c.rate())
	f.whole.reset()

	length := max(5*memory, time.Duration(p.batch/c.rate()*float64(time.Second)))
	var batches sample
	doubt := math.Inf(1)
	for len(batches.values) < 20 || doubt > p.doubt && float64(f.whole.n) < p.requests {
		f.Lap()
		f.Advance(length, c.rate())
		batches.add(f.Lapped(quantiles[judged]))
		if len(batches.values) > 1 {
			doubt = batches.standardError() / batches.mean()
		}
	}
	seen := truth{Doubt: []float64{doubt}}
	for _, q := range quantiles {
		seen.Observed = append(seen.Observed, f.Latency(q))
	}
	return seen
}

// memory is how long a queue remembers: the relaxation time of M/G/1, or that of
// the servers that share the queue.
func (c cell) memory() time.Duration {
	s := c.server
	slack := 1 - math.Sqrt(c.rho)
	together := 1.0
	if s.Kind != workload.Async {
		together = float64(s.Workers)
	}
	if s.Kind == workload.Queue || s.Balancer == workload.LeastRequests {
		together *= float64(c.pods)
	}
	times := (1+s.Service.SCV)/2/(slack*slack*together) + 5*(1+s.Service.SCV)
	return time.Duration(times*float64(s.Service.Mean)) + 5*s.Delay.Mean
}

// compute asks the fleet of package workload, once it is steady.
func compute(c cell) ([]float64, error) {
	f, err := workload.NewFleet(c.server.WithDefaults(), workload.Options{})
	if err != nil {
		return nil, err
	}
	for id := range c.pods {
		f.Join(id)
	}
	for range int(20*c.memory().Seconds()) + 60 {
		f.Advance(time.Second, c.rate())
	}
	f.Lap()
	for range 60 {
		f.Advance(time.Second, c.rate())
	}
	var values []float64
	for _, q := range quantiles {
		values = append(values, f.Lapped(q))
	}
	return values, nil
}

// measure compares both on all cells, on all processors.
func measure(t *testing.T, cells []cell, observe func(c cell, seed uint64) truth) []result {
	t.Helper()
	results := make([]result, len(cells))
	each(len(cells), func(i int) {
		computed, err := compute(cells[i])
		if err != nil {
			t.Errorf("%v: %v", cells[i], err)
		}
		results[i] = result{cells[i], observe(cells[i], uint64(i+1)), computed}
	})
	return results
}

// each does n things on all processors.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	todo := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range todo {
				do(i)
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	wg.Wait()
}

// A flight is a fleet through an overload: the load rises from 55 % of its
// capacity to 125 %, falls to 60 % and stays there, five minutes each.
type flight struct {
	server workload.Server
	pods   int
}

func (f flight) String() string {
	return fmt.Sprintf("%s, %d×%d, SCV %v", group(f.server), f.pods, f.server.Workers, f.server.Service.SCV)
}

const (
	leadIn        = 2 * 60 // seconds at 55 % before it begins
	flightSeconds = 900
	windowSeconds = 15
	windows       = flightSeconds / windowSeconds
)

// load is that of a second of the flight.
func load(second int) float64 {
	x := (float64(second) + 0.5) / 300
	switch {
	case x < 0:
		return 0.55
	case x < 1:
		return 0.55 + 0.7*x
	case x < 2:
		return 1.25 - 0.65*(x-1)
	}
	return 0.6
}

// fly lets a fleet take the flight, and calls after each window.
func (f flight) fly(fleet workload.Fleet, landed func(window int)) {
	for id := range f.pods {
		fleet.Join(id)
	}
	capacity := float64(f.pods) * f.server.Capacity()
	for s := -leadIn; s < flightSeconds; s++ {
		if s == 0 {
			fleet.Lap()
		}
		fleet.Advance(time.Second, capacity*load(s))
		if s > 0 && (s+1)%windowSeconds == 0 {
			landed(s / windowSeconds)
			fleet.Lap()
		}
	}
}

// A passage is what both sides say of a flight: p95 by window.
type passage struct {
	flight
	truth
	computed []float64
}

func (p *passage) errors() []float64 {
	var errors []float64
	for w := range windows {
		errors = append(errors, p.computed[w]/p.Observed[w]-1)
	}
	return errors
}

// crews divide the replications of a flight, so that their spread tells the
// referee's doubt.
const crews = 10

// travel measures flights, on all processors.
func travel(t *testing.T, flights []flight, replay func(f flight) truth) []passage {
	passages := make([]passage, len(flights))
	each(len(flights), func(i int) {
		f := flights[i]
		passages[i] = passage{f, replay(f), make([]float64, windows)}
		computed, err := workload.NewFleet(f.server.WithDefaults(), workload.Options{})
		if err != nil {
			t.Errorf("%v: %v", f, err)
			return
		}
		f.fly(computed, func(w int) { passages[i].computed[w] = computed.Lapped(quantiles[judged]) })
	})
	return passages
}

// replay flies many times. The p95 of a window is that of its requests in all
// replications together: half of the histories are slower, half are faster.
func (f flight) replay(requests float64) truth {
	perFlight := 0.0
	for s := range flightSeconds {
		perFlight += load(s) * float64(f.pods) * f.server.Capacity()
	}
	each := int(math.Ceil(requests / perFlight / crews))
	seen := truth{Runs: each * crews}
	var all [windows]histogram
	var byCrew [windows]sample
	for crew := range crews {
		var own [windows]histogram
		for i := range each {
			fleet := newFleet(f.server.WithDefaults(), workload.Options{Seed: uint64(crew*each + i)})
			f.fly(fleet, func(w int) { own[w].merge(&fleet.lap) })
		}
		for w := range windows {
			byCrew[w].add(own[w].quantile(quantiles[judged]))
			all[w].merge(&own[w])
		}
	}
	for w := range windows {
		seen.Observed = append(seen.Observed, all[w].quantile(quantiles[judged]))
		seen.Doubt = append(seen.Doubt, byCrew[w].standardError()/byCrew[w].mean())
	}
	return seen
}

// sizes are the quantile q of the absolute values of errors.
func sizes(errors []float64, q float64) float64 {
	var all []float64
	for _, e := range errors {
		all = append(all, math.Abs(e))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return math.NaN()
	}
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

// byGroup keeps the order in which groups come first.
func byGroup[T any](all []T, name func(T) string) (names []string, groups map[string][]T) {
	groups = map[string][]T{}
	for _, v := range all {
		n := name(v)
		if groups[n] == nil {
			names = append(names, n)
		}
		groups[n] = append(groups[n], v)
	}
	return names, groups
}

// offs are the errors of one quantile.
func offs(results []result, i int) []float64 {
	var errors []float64
	for _, r := range results {
		errors = append(errors, r.off(i))
	}
	return errors
}

// worst sorts by the size of the error, the worst first.
func worst[T any](all []T, off func(T) float64) []T {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(math.Abs(off(b)), math.Abs(off(a))) })
	return all
}

// percent prints a share with one digit.
func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

// signed prints a relative error.
func signed(x float64) string { return fmt.Sprintf("%+.1f %%", 100*x) }

// printResults prints a table that is Markdown too.
func printResults(w io.Writer, results []result) {
	var t table
	t.row("fleet", "cells", "p95 median", "p95 90th percentile", "p95 worst", "p50 median", "p50 90th percentile", "p99 median", "p99 90th percentile")
	line := func(name string, of []result) {
		at := func(i int, q float64) string { return percent(sizes(offs(of, i), q)) }
		t.row(name, fmt.Sprint(len(of)), at(1, 0.5), at(1, 0.9), at(1, 1), at(0, 0.5), at(0, 0.9), at(2, 0.5), at(2, 0.9))
	}
	names, groups := byGroup(results, func(r result) string { return group(r.server) })
	for _, name := range names {
		line(name, groups[name])
	}
	line("all", results)
	t.print(w)
}

// printWorst prints the cells with the largest errors.
func printWorst(w io.Writer, results []result, n int) {
	var t table
	t.row("fleet", "error of p95", "computed", "observed", "± referee")
	for _, r := range worst(results, func(r result) float64 { return r.off(judged) })[:min(n, len(results))] {
		t.row(r.String(), signed(r.off(judged)), duration(r.computed[judged]), duration(r.Observed[judged]), percent(r.Doubt[0]))
	}
	t.print(w)
}

// printPassages prints the flights.
func printPassages(w io.Writer, passages []passage) {
	var t table
	t.row("fleet", "p95 median", "p95 90th percentile", "worst window", "", "p95 at its peak", "± referee", "replications")
	for _, p := range passages {
		errors := p.errors()
		w := 0
		for i := range errors {
			if math.Abs(errors[i]) > math.Abs(errors[w]) {
				w = i
			}
		}
		t.row(p.String(), percent(sizes(errors, 0.5)), percent(sizes(errors, 0.9)), signed(errors[w]),
			fmt.Sprintf("at %d s: %s, not %s", w*windowSeconds, duration(p.computed[w]), duration(p.Observed[w])),
			duration(slices.Max(p.Observed)), percent(sizes(p.Doubt, 0.5)), fmt.Sprint(p.Runs))
	}
	t.row("all", percent(sizes(flown(passages), 0.5)), percent(sizes(flown(passages), 0.9)), "", "", "", "", "")
	t.print(w)
}

// flown are the errors of all windows.
func flown(passages []passage) (errors []float64) {
	for _, p := range passages {
		errors = append(errors, p.errors()...)
	}
	return errors
}

// A table is printed as Markdown. Its first row is the head.
type table [][]string

func (t *table) row(columns ...string) { *t = append(*t, columns) }

func (t table) print(w io.Writer) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for n, row := range t {
		for i, text := range row {
			fmt.Fprintf(w, "| %-*s ", widths[i], text)
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			fmt.Fprintln(w, strings.Repeat("|---", len(row))+"|")
		}
	}
}

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// bounds are what errors must keep. The worst is there to find what is broken
// rather than inexact.
type bounds struct{ median, p90, worst float64 }

func (b bounds) mustHold(t *testing.T, name string, errors []float64) {
	t.Helper()
	if median, p90, worst := sizes(errors, 0.5), sizes(errors, 0.9), sizes(errors, 1); !(median <= b.median && p90 <= b.p90 && worst <= b.worst) {
		t.Errorf("%s: median error %s, 90th percentile %s and worst %s, allowed are %s, %s and %s",
			name, percent(median), percent(p90), percent(worst), percent(b.median), percent(b.p90), percent(b.worst))
	}
}

// A part of the grid that takes seconds. Bounds are wider than those of
// TestAccuracy, as the referee is less sure here.
func TestTheComputedFleetIsNearTheReferee(t *testing.T) {
	skipLong(t)
	var cells []cell
	for _, rho := range []float64{0.5, 0.7, 0.9} {
		for _, scv := range []float64{0, 1, 4} {
			for _, b := range []workload.Balancer{workload.Random, workload.RoundRobin, workload.LeastRequests} {
				for _, c := range []int{1, 4, 16} {
					cells = append(cells, cell{workload.Server{Kind: workload.Sync, Workers: c, Service: serviceOf(scv), Balancer: b}, 10, rho})
				}
				if scv > 0 {
					cells = append(cells, cell{workload.Server{Kind: workload.Async, Workers: 1, Service: serviceOf(scv), Balancer: b}, 10, min(rho, 0.85)})
				}
			}
			cells = append(cells, cell{workload.Server{Kind: workload.Queue, Workers: 4, Service: serviceOf(scv)}, 10, rho})
		}
	}
	results := measure(t, cells, patience{doubt: 0.01, batch: 10_000, requests: 500_000}.observe)
	if t.Failed() {
		return
	}
	printResults(t.Output(), results)
	bounds{0.04, 0.12, 0.4}.mustHold(t, "steady", offs(results, judged))

	flights := []flight{
		{workload.Server{Kind: workload.Sync, Workers: 4, Service: serviceOf(1), Balancer: workload.Random}, 10},
		{workload.Server{Kind: workload.Sync, Workers: 4, Service: serviceOf(1), Balancer: workload.LeastRequests}, 10},
		{workload.Server{Kind: workload.Queue, Workers: 4, Service: serviceOf(1)}, 5},
	}
	passages := travel(t, flights, func(f flight) truth { return f.replay(3_000_000) })
	printPassages(t.Output(), passages)
	bounds{0.06, 0.25, math.Inf(1)}.mustHold(t, "overload", flown(passages))
}
