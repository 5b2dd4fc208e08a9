package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	manifests "github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A flight is an HPA under a changing load, to be recorded.
type flight struct {
	hpa     string // a file of testdata
	length  time.Duration
	period  time.Duration // of the controller's syncs
	window  time.Duration // of the rate
	startup time.Duration // of a pod, and its shutdown
	covers  []string      // what must have happened at some sync: see tally
}

// shortFlight has everything short. Pods change one and a half periods after
// the sync that asked for it: none is near another sync.
var shortFlight = flight{
	hpa:     "hpa-fidelity.yaml",
	length:  310 * time.Second,
	period:  oftenSync,
	window:  10 * time.Second,
	startup: 3 * time.Second,
	covers: []string{
		"SucceededRescale", "ReadyForNewScale", "ScaleUpStabilized", "ScaleDownStabilized",
		"ValidMetricFound", "FailedGetPodsMetric",
		"DesiredWithinRange", "TooFewReplicas", "TooManyReplicas", "ScaleUpLimit", "ScaleDownLimit",
		"scaled up", "scaled down", "forced", "held by tolerance",
		"pods pending", "pods terminating",
	},
}

// productionFlight is what Kubernetes does by default, over a time that
// PITOT_TEST_FIDELITY says.
func productionFlight(length time.Duration) flight {
	return flight{
		hpa:     "hpa-fidelity-production.yaml",
		length:  length,
		period:  defaultSync,
		window:  2 * time.Minute,
		startup: defaultSync * 3 / 2,
		covers:  []string{"SucceededRescale", "scaled up", "scaled down", "ScaleDownStabilized"},
	}
}

// load is the demand of a flight in requests per second: where it turns, each
// at a second of 310. Between them it changes evenly, or at once.
func (f flight) load() workload.Demand {
	turns := []struct{ at, perSecond float64 }{
		{0, 8}, {20, 8}, {50, 66}, {75, 66}, // below minReplicas, up, then a little below the target
		{75, 180}, {100, 180}, // beyond maxReplicas
		{100, 109}, {118, 109}, // 9 % below the target, for which one replica less would do
		{118, 45}, {155, 45}, // down
		{155, 80}, {162, 80}, {162, 45}, {168, 45}, // a short peak
		{180, 90}, {193, 45}, {206, 95}, {220, 50}, // to and fro
		{240, 8}, {265, 8}, {265, 40}, {310, 75}, // all the way down, and up
	}
	const every = 310
	demand := workload.Demand{Every: f.length / every}
	for i := range every {
		at, next := float64(i), 1
		for turns[next].at <= at {
			next++
		}
		from, to := turns[next-1], turns[next]
		demand.Rates = append(demand.Rates, from.perSecond+(to.perSecond-from.perSecond)*(at-from.at)/(to.at-from.at))
	}
	return demand
}

// recordingFile is for a recording that pkg/sim replays in its unit tests.
var recordingFile = flag.String("recording", "", "write what TestFidelity records to this file, as JSON lines")

// TestFidelity records what the real HPA controller decides under a changing
// load. Given the same times and values, the simulator has to decide the same;
// how near it comes without them, by itself, is printed.
func TestFidelity(t *testing.T) {
	f := shortFlight
	if length := os.Getenv("PITOT_TEST_FIDELITY"); length != "" {
		d, err := time.ParseDuration(length)
		if err != nil {
			t.Fatalf("PITOT_TEST_FIDELITY: %v", err)
		}
		f = productionFlight(d)
	}
	spec := f.spec(t)
	syncs, began := f.fly(t)
	f.replay(t, spec, syncs)
	f.simulate(t, spec, syncs.replicas(began, f.length))
}

// spec reads the manifest as the simulator does.
func (f flight) spec(t *testing.T) hpa.Spec {
	t.Helper()
	file, err := testdata.Open("testdata/" + f.hpa)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	autoscalers, err := manifests.Read(f.hpa, file)
	if err != nil {
		t.Fatal(err)
	}
	return autoscalers[0].Spec
}

// fly lets the real controller fly the HPA, and says when the load began.
func (f flight) fly(t *testing.T) (syncs recording, began time.Time) {
	c := startCluster(t, built, f.period)
	startPrometheus(c, "main")
	c.page = servePage(c, "main")
	c.pitot = startPitot(c, pitotSetup{config: "pitot-fidelity.yaml", values: map[string]any{"Window": f.window}})
	ctx, cancel := context.WithCancel(c.Ctx)
	defer cancel()
	pods := c.watchPods(ctx, "fidelity")
	recorder := c.record(tapPitot(c), pods)
	began = time.Now()
	go c.play(ctx, "fidelity", pods, f.load())
	c.apply(t, "fidelity.yaml", map[string]any{"Startup": f.startup})
	c.apply(t, f.hpa, nil)
	c.Pass(t, f.length+f.period)
	return recorder.recording(t), began
}

// play counts the requests of a demand at the pods that serve, until it is over.
// Each has an even share.
func (c *cluster) play(ctx context.Context, namespace string, pods *podWatch, demand workload.Demand) {
	began := time.Now()
	for {
		since := time.Since(began)
		if since >= demand.Length() {
			return
		}
		c.page.share(namespace, pods.serving(), demand.At(since))
		next := since.Truncate(demand.Every) + demand.Every
		select {
		case <-ctx.Done():
			return
		case <-pods.changed:
		case <-time.After(next - time.Since(began)):
		}
	}
}

// replay lets the simulator decide on what was recorded. It has to do the same.
func (f flight) replay(t *testing.T, spec hpa.Spec, syncs recording) {
	t.Helper()
	var seen []sim.Recorded
	var state hpa.State
	happened, unsure := tally{}, 0
	for i, sync := range syncs {
		if len(sync.seen) > 1 {
			unsure++
		}
		recorded, replayed, difference := sync.replay(t, &spec, state)
		if difference != "" {
			t.Fatalf("sync %d of %d at %s: the replay differs (-controller +replay):\n%s\nObserved: %s\n%s%s",
				i+1, len(syncs), sync.at.Format(time.StampMicro), difference, inJSON(t, recorded), replayed.Decision.Describe(), nearestEdge(&spec, syncs[:i+1]))
		}
		happened.note(replayed)
		seen, state = append(seen, recorded), replayed.State
	}
	t.Logf("%d syncs, all as the controller decided; in %d of them pods changed at that moment; %s", len(syncs), unsure, nearestEdge(&spec, syncs))
	t.Logf("what happened: %s", happened)
	for _, what := range f.covers {
		if happened[what] == 0 {
			t.Errorf("never: %s", what)
		}
	}
	if *recordingFile != "" {
		syncs.write(t, *recordingFile, seen)
	}
}

// replay lets the simulator decide on what a sync saw. Where that may have been
// one thing or the other, it is the one that agrees with the controller.
func (s recordedSync) replay(t *testing.T, spec *hpa.Spec, state hpa.State) (recorded sim.Recorded, replayed sim.Replayed, difference string) {
	t.Helper()
	for _, seen := range s.seen {
		recorded = sim.Recorded{At: s.at, Observation: seen}
		if s.did.Wrote != none {
			recorded.Wrote = s.until
		}
		all, err := sim.Replay(spec, state, []sim.Recorded{recorded})
		if err != nil {
			t.Fatal(err)
		}
		replayed = all[0]
		if difference = cmp.Diff(s.did, deedOf(replayed)); difference == "" {
			break
		}
	}
	return recorded, replayed, difference
}

// deedOf is what a replayed sync would have done to the cluster.
func deedOf(replayed sim.Replayed) deed {
	decision, after := replayed.Decision, replayed.State
	did := deed{Proposal: none, Wrote: none, Current: after.CurrentReplicas, Desired: after.DesiredReplicas}
	if decision.Outcome == hpa.Rescaled {
		did.Wrote, did.Reason = decision.To, decision.Reason
	}
	if proposed := decision.Outcome == hpa.Held || decision.Outcome == hpa.Rescaled; proposed && decision.Trail.Forced == "" {
		did.Proposal = decision.Trail.Want
	}
	for _, one := range after.Conditions {
		did.Conditions = append(did.Conditions, fmt.Sprintf("%s %s %s", one.Type, one.Status, one.Reason))
	}
	return did
}

// phases is how many times a flight is simulated, each with other times of
// scrapes, refreshes and syncs: nobody knows those of a cluster.
const phases = 50

// simulate closes the loop: the simulator flies the same HPA under the same load,
// and nothing else of the recording. It prints for how much of the time it has the
// replicas of the real one, give or take one.
func (f flight) simulate(t *testing.T, spec hpa.Spec, real replicas) {
	t.Helper()
	var shares []float64
	for seed := range uint64(phases) {
		shares = append(shares, within(1, f.simulated(t, spec, seed), real))
	}
	slices.Sort(shares)
	median := shares[phases/2]
	t.Logf("within one replica of the real ones: %.1f %% of the time (median of %d simulations; worst %.1f %%, best %.1f %%)",
		100*median, phases, 100*shares[0], 100*shares[phases-1])
	if median < 0.9 {
		t.Error("that is too little for a simulator of this cluster")
	}
}

// simulated are the replicas that one simulation asks for at the end of each second.
func (f flight) simulated(t *testing.T, spec hpa.Spec, seed uint64) replicas {
	t.Helper()
	server := workload.Server{Kind: workload.Linear, Service: workload.Time{Mean: time.Millisecond}, Balancer: workload.RoundRobin}
	fleet, err := workload.NewFleet(server, workload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := sim.NewSignals(
		map[string]sim.Signal{spec.Metrics[0].Name: {Kind: sim.Rate, Window: f.window}},
		sim.SignalOptions{Seed: seed, Interval: scrapeInterval, Refresh: refreshInterval},
	)
	if err != nil {
		t.Fatal(err)
	}
	var counts replicas
	_, err = sim.Run(t.Context(), &sim.Config{
		Seed: seed, Demand: f.load(), Spec: &spec, Replicas: 1,
		Pods:    sim.Pods{Startup: workload.Time{Mean: f.startup}, Pending: f.startup, Shutdown: f.startup},
		Cluster: sim.Cluster{SyncPeriod: f.period},
		Fleet:   fleet, Pipeline: pipeline,
		Report: time.Second,
	}, &counts)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// replicas are those that were asked for at the end of each second.
type replicas []int32

// Handle implements sim.Handler.
func (r *replicas) Handle(message sim.Message) error {
	if tick, ok := message.(*sim.Tick); ok {
		*r = append(*r, tick.Desired)
	}
	return nil
}

// replicas are those that the controller asked for at the end of each second.
func (r recording) replicas(began time.Time, length time.Duration) (counts replicas) {
	now := r[0].seen[0].Replicas
	for second := time.Second; second <= length; second += time.Second {
		for len(r) > 0 && !r[0].at.After(began.Add(second)) {
			if r[0].did.Wrote != none {
				now = r[0].did.Wrote
			}
			r = r[1:]
		}
		counts = append(counts, now)
	}
	return counts
}

// within is the share of the seconds in which two counts are at most so far apart.
func within(most int32, a, b replicas) float64 {
	n := 0
	for i := range b {
		if -most <= a[i]-b[i] && a[i]-b[i] <= most {
			n++
		}
	}
	return float64(n) / float64(len(b))
}

// A tally counts syncs by what happened in them.
type tally map[string]int

func (n tally) note(replayed sim.Replayed) {
	decision, after := replayed.Decision, replayed.State
	for _, one := range after.Conditions {
		n[string(one.Reason)]++
	}
	count := func(what string, is bool) {
		if is {
			n[what]++
		}
	}
	count("scaled up", decision.To > decision.From)
	count("scaled down", decision.To < decision.From)
	count("forced", decision.Trail.Forced != "")
	for _, metric := range decision.Trail.Metrics {
		count("held by tolerance", metric.Rule == hpa.WithinTolerance && metric.Ratio != 1)
		count("pods guessed", metric.Filled != nil)
		if metric.Pods != nil {
			count("pods pending", metric.Pods.Unready > 0)
			count("pods terminating", metric.Pods.Ignored > 0)
			count("pods without a sample", metric.Pods.Missing > 0)
			count("samples without a pod", metric.Pods.Unlisted > 0)
		}
	}
}

func (n tally) String() string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(n)) {
		all = append(all, fmt.Sprintf("%s %d", what, n[what]))
	}
	return strings.Join(all, ", ")
}

// nearestEdge says how near the age of a proposal came to the edge of a window,
// or that of a change to the edge of a period. The recorded times are exact to
// some microseconds: nearer than that, pkg/hpa may differ by right.
func nearestEdge(spec *hpa.Spec, syncs recording) string {
	nearest := time.Hour
	near := func(age, edge time.Duration) { nearest = min(nearest, (age - edge).Abs()) }
	for i, sync := range syncs {
		for _, before := range syncs[:i] {
			for _, rules := range []hpa.Rules{spec.Behavior.ScaleUp, spec.Behavior.ScaleDown} {
				if before.did.Proposal != none {
					near(sync.at.Sub(before.at), *rules.StabilizationWindow)
				}
				for _, policy := range rules.Policies {
					if before.did.Wrote != none {
						near(sync.at.Sub(before.until), policy.Period)
					}
				}
			}
		}
	}
	return fmt.Sprintf("no age came nearer than %s to an edge", nearest)
}

func inJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
