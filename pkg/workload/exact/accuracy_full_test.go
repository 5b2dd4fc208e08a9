//go:build accuracy

package exact

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

var (
	update = flag.Bool("update", false, "write the results into docs/accuracy.md")
	noted  = flag.String("notes", "", "a file in which the referee's results are kept and looked up: for work on the models, as long as the referee stays the same")
)

const page = "../../../docs/accuracy.md"

// The bounds that Pitot promises.
var (
	steadyBounds   = bounds{median: 0.03, p90: 0.10, worst: 0.4}
	overloadBounds = bounds{median: 0.05, p90: 0.20, worst: math.Inf(1)} // where a backlog ends, seconds decide
)

// careful is the patience of the full grid: a standard error of 0.5 % where the
// requests suffice for that.
var careful = patience{doubt: 0.005, batch: 50_000, requests: 20_000_000}

// flownRequests is how many requests fly through an overload, in all replications.
const flownRequests = 30_000_000

// prefetching queues count among all cells, but do not keep the bounds by
// themselves: they are computed as if a free worker took the oldest task, and not
// one that waits at another pod.
const prefetching = "queue with prefetch"

// TestAccuracy measures the computed fleet over the full grid.
//
//	go test -tags accuracy -run TestAccuracy -v -timeout 60m ./pkg/workload/exact [-update]
func TestAccuracy(t *testing.T) {
	begin := time.Now()
	judgedCells, constantSharing := grid()
	notes := openNotes(t)
	results := measure(t, slices.Concat(judgedCells, constantSharing), func(c cell, seed uint64) truth {
		return notes.recall(fmt.Sprint(c, careful, seed), func() truth { return careful.observe(c, seed) })
	})
	t.Logf("steady loads took %v", time.Since(begin).Round(time.Second))
	passages := travel(t, flights, func(f flight) truth {
		return notes.recall(fmt.Sprint(f, flownRequests), func() truth { return f.replay(flownRequests) })
	})
	t.Logf("all took %v", time.Since(begin).Round(time.Second))
	if t.Failed() {
		return
	}

	steady, apart := results[:len(judgedCells)], results[len(judgedCells):]
	kinds, byKind := byGroup(steady, func(r result) string {
		if r.server.Prefetch > 0 {
			return prefetching
		}
		return string(r.server.Kind)
	})
	publish(t, "steady", func(w io.Writer) { printResults(w, steady) })
	publish(t, "constant", func(w io.Writer) { printResults(w, apart) })
	publish(t, "worst", func(w io.Writer) { printWorst(w, steady, 10) })
	publish(t, "overload", func(w io.Writer) { printPassages(w, passages) })
	publish(t, "referee", func(w io.Writer) { printDoubt(w, results, passages) })
	printByLoad(t.Output(), steady)

	steadyBounds.mustHold(t, "steady", offs(steady, judged))
	for _, kind := range kinds {
		if kind != prefetching {
			steadyBounds.mustHold(t, kind, offs(byKind[kind], judged))
		}
	}
	overloadBounds.mustHold(t, "overload", flown(passages))
}

// grid is every steady load that is judged, and async servers with constant work,
// which are not.
func grid() (judged, constantSharing []cell) {
	spreads := []struct {
		balancer workload.Balancer
		pods     int
	}{
		{workload.Random, 10},
		{workload.RoundRobin, 2},
		{workload.RoundRobin, 10},
		{workload.LeastRequests, 2},
		{workload.LeastRequests, 10},
	}
	loads := []float64{0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95}
	for _, scv := range []float64{0, 0.25, 1, 4} {
		for _, s := range spreads {
			for _, workers := range []int{1, 2, 4, 8, 16, 32} {
				for _, rho := range loads {
					judged = append(judged, cell{workload.Server{
						Kind: workload.Sync, Workers: workers, Service: serviceOf(scv), Balancer: s.balancer,
					}, s.pods, rho})
				}
			}
			for _, loops := range []int{1, 4} {
				for _, delay := range []time.Duration{0, 5 * serviceTime} {
					for _, rho := range loads[:5] {
						c := cell{workload.Server{
							Kind: workload.Async, Workers: loops, Service: serviceOf(scv), Balancer: s.balancer,
							Delay: workload.Time{Mean: delay, SCV: 1},
						}, s.pods, rho}
						if scv == 0 {
							constantSharing = append(constantSharing, c)
						} else {
							judged = append(judged, c)
						}
					}
				}
			}
		}
		for _, q := range []struct{ pods, workers, prefetch int }{{2, 2, 0}, {10, 1, 0}, {10, 4, 0}, {10, 4, 3}} {
			for _, rho := range loads {
				judged = append(judged, cell{workload.Server{
					Kind: workload.Queue, Workers: q.workers, Service: serviceOf(scv), Prefetch: q.prefetch,
				}, q.pods, rho})
			}
		}
	}
	return judged, constantSharing
}

var flights = []flight{
	{workload.Server{Kind: workload.Sync, Workers: 4, Service: serviceOf(1), Balancer: workload.Random}, 10},
	{workload.Server{Kind: workload.Sync, Workers: 8, Service: serviceOf(1), Balancer: workload.Random}, 3},
	{workload.Server{Kind: workload.Sync, Workers: 1, Service: serviceOf(1), Balancer: workload.Random}, 10},
	{workload.Server{Kind: workload.Sync, Workers: 32, Service: serviceOf(0), Balancer: workload.Random}, 3},
	{workload.Server{Kind: workload.Sync, Workers: 2, Service: serviceOf(0.25), Balancer: workload.Random}, 4},
	{workload.Server{Kind: workload.Sync, Workers: 2, Service: serviceOf(4), Balancer: workload.Random}, 4},
	{workload.Server{Kind: workload.Sync, Workers: 4, Service: serviceOf(1), Balancer: workload.RoundRobin}, 10},
	{workload.Server{Kind: workload.Sync, Workers: 1, Service: serviceOf(0.25), Balancer: workload.RoundRobin}, 2},
	{workload.Server{Kind: workload.Sync, Workers: 4, Service: serviceOf(1), Balancer: workload.LeastRequests}, 10},
	{workload.Server{Kind: workload.Sync, Workers: 1, Service: serviceOf(4), Balancer: workload.LeastRequests}, 2},
	{workload.Server{Kind: workload.Async, Workers: 1, Service: serviceOf(1), Balancer: workload.Random}, 10},
	{workload.Server{Kind: workload.Async, Workers: 4, Service: serviceOf(0.25), Balancer: workload.LeastRequests}, 3},
	{workload.Server{Kind: workload.Queue, Workers: 4, Service: serviceOf(1)}, 10},
	{workload.Server{Kind: workload.Queue, Workers: 2, Service: serviceOf(4)}, 2},
}

// notes remember what the referee saw, as its seeds make it see the same again.
type notes struct {
	mu    sync.Mutex
	known map[string]truth
	file  io.Writer
}

// A note is one line of the file.
type note struct {
	Of   string
	Seen truth
}

func openNotes(t *testing.T) *notes {
	t.Helper()
	n := &notes{known: map[string]truth{}, file: io.Discard}
	if *noted == "" {
		return n
	}
	file, err := os.OpenFile(*noted, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	n.file = file
	for lines := json.NewDecoder(file); ; {
		var line note
		if err := lines.Decode(&line); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatalf("%s: %v", *noted, err)
		}
		n.known[line.Of] = line.Seen
	}
}

// recall is what is noted, or else what it sees now.
func (n *notes) recall(of string, see func() truth) truth {
	n.mu.Lock()
	seen, found := n.known[of]
	n.mu.Unlock()
	if found {
		return seen
	}
	seen = see()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := json.NewEncoder(n.file).Encode(note{of, seen}); err != nil {
		panic(err)
	}
	return seen
}

// printDoubt says how sure the referee is.
func printDoubt(w io.Writer, results []result, passages []passage) {
	var steady, flown []float64
	for _, r := range results {
		steady = append(steady, r.Doubt[0])
	}
	for _, p := range passages {
		flown = append(flown, p.Doubt...)
	}
	var t table
	t.row("standard error of the referee's p95", "median", "90th percentile", "worst")
	for _, line := range []struct {
		name   string
		errors []float64
	}{{"steady loads", steady}, {"windows of the overload", flown}} {
		t.row(line.name, precise(sizes(line.errors, 0.5)), precise(sizes(line.errors, 0.9)), precise(sizes(line.errors, 1)))
	}
	t.print(w)
}

func precise(x float64) string { return fmt.Sprintf("%.2f %%", 100*x) }

// printByLoad is for whoever works on the models: it is not on the page.
func printByLoad(w io.Writer, results []result) {
	names, groups := byGroup(results, func(r result) string {
		return fmt.Sprintf("%s, SCV %v, load %v", group(r.server), r.server.Service.SCV, r.rho)
	})
	slices.SortStableFunc(names, func(a, b string) int {
		return int(math.Copysign(1, sizes(offs(groups[b], judged), 0.5)-sizes(offs(groups[a], judged), 0.5)))
	})
	for _, name := range names[:min(30, len(names))] {
		fmt.Fprintf(w, "%s: median %s, worst %s\n", name, percent(sizes(offs(groups[name], judged), 0.5)), percent(sizes(offs(groups[name], judged), 1)))
	}
}

// publish prints a table, and writes it between its markers on the page.
func publish(t *testing.T, name string, print func(io.Writer)) {
	t.Helper()
	var table strings.Builder
	print(&table)
	fmt.Fprintf(t.Output(), "\n%s\n%s", name, table.String())
	if !*update {
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), "<!-- "+name+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- /"+name+" -->")
	if !found || !closed {
		t.Fatalf("%s has no markers of %q", page, name)
	}
	text = []byte(before + "<!-- " + name + " -->\n" + table.String() + "<!-- /" + name + " -->" + after)
	if err := os.WriteFile(page, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
