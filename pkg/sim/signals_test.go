package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// samples makes a series of (second, value) pairs.
func samples(pairs ...float64) *series {
	x := newSeries(len(pairs)/2+1, 1)
	for i := 0; i < len(pairs); i += 2 {
		x.push(int64(pairs[i] * 1000))[0] = pairs[i+1]
	}
	return x
}

// The cases are reckoned by the rules of Prometheus: an increase is extrapolated to
// the edges of the window, by half a distance where an edge is more than 1.1
// distances away, and not beyond a counter's zero.
func TestRatesAreThoseOfPrometheus(t *testing.T) {
	for name, c := range map[string]struct {
		series *series
		end    float64
		window float64
		want   float64 // per second; NaN where there is none
	}{
		"samples at both edges but the beginning is not part": {samples(0, 0, 15, 150, 30, 300, 45, 450, 60, 600), 60, 60, 10},
		"one sample":                         {samples(50, 600), 60, 60, math.NaN()},
		"none":                               {samples(), 60, 60, math.NaN()},
		"two samples":                        {samples(35, 1000, 50, 1150), 60, 60, 150. / 15 * (15 + 7.5 + 10) / 60}, // 35 s to the beginning: half of 15
		"a late end":                         {samples(5, 1000, 20, 1150, 35, 1300), 60, 60, 300. / 30 * (30 + 5 + 7.5) / 60},
		"a counter that begins":              {samples(35, 20, 50, 170), 60, 60, 150. / 15 * (15 + 2 + 10) / 60}, // zero was 2 s before
		"a counter that is zero at first":    {samples(20, 0, 35, 150, 50, 300), 60, 60, 300. / 30 * (30 + 0 + 10) / 60},
		"a counter that rests":               {samples(20, 70, 35, 70, 50, 70), 60, 60, 0},
		"samples after the end are not seen": {samples(20, 1000, 35, 1150, 50, 1300, 61, 9999), 60, 60, 300. / 30 * (30 + 7.5 + 10) / 60},
	} {
		var w window
		got := math.NaN()
		if w.over(c.series, int64((c.end-c.window)*1000), int64(c.end*1000)) {
			got = w.rate(0)
		}
		if !near(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestASeriesForgetsItsOldestSample(t *testing.T) {
	x := newSeries(3, 1)
	for s := range int64(8) {
		x.push(s * 1000)[0] = float64(s)
	}
	if x.n != 3 || x.time(0) != 5000 || x.time(2) != 7000 || x.row(x.index(1))[0] != 6 {
		t.Errorf("%d samples from %d to %d", x.n, x.time(0), x.time(2))
	}
}

func TestQuantilesAreThoseOfPrometheus(t *testing.T) {
	bounds := []float64{0.1, 0.5, 1}
	for name, c := range map[string]struct {
		q      float64
		counts []float64
		want   float64
	}{
		"in the first bucket, from zero":    {0.5, []float64{10, 10, 10, 10}, 0.05},
		"in the middle":                     {0.5, []float64{0, 10, 10, 10}, 0.3},
		"at a bound":                        {0.5, []float64{5, 10, 10, 10}, 0.1},
		"beyond the last bound":             {0.95, []float64{0, 0, 5, 10}, 1},
		"of nothing":                        {0.95, []float64{0, 0, 0, 0}, math.NaN()},
		"counts that fall by rounding":      {0.5, []float64{0, 10, 10 - 1e-13, 10}, 0.3},
		"counts that fall are made to rise": {1, []float64{0, 10, 5, 10}, 0.5},
	} {
		if got := bucketQuantile(c.q, bounds, c.counts); !near(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestDifferencesThatMayBeRoundingAreNone(t *testing.T) {
	counts := []float64{10, 10 + 1e-12, 9, 20, 20.1}
	level(counts)
	if want := []float64{10, 10, 10, 20, 20.1}; !cmp.Equal(want, counts) {
		t.Errorf("%v, want %v", counts, want)
	}
}

// A bench lets a pipeline look at a fleet, second by second.
type bench struct {
	t     *testing.T
	at    time.Time
	fleet *tub
	p     Pipeline
	scene Scene
	ids   []int
}

func newBench(t *testing.T, signals map[string]Signal, o SignalOptions, pods ...int) *bench {
	t.Helper()
	p, err := NewSignals(signals, o)
	if err != nil {
		t.Fatal(err)
	}
	f := newTub(1000)
	f.bounds = o.Bounds
	b := &bench{t: t, at: noon, fleet: f, p: p, scene: Scene{Fleet: f, Version: 1}}
	b.join(pods...)
	return b
}

func (b *bench) join(pods ...int) {
	for _, id := range pods {
		b.fleet.Join(id)
		b.ids = append(b.ids, id)
		b.scene.Pods = append(b.scene.Pods, ScenePod{ID: id, Name: fmt.Sprintf("web-%04d", id), Since: b.at})
	}
	b.scene.Version++
}

func (b *bench) leaveFirst() {
	b.fleet.Leave(b.ids[0])
	b.ids, b.scene.Pods = b.ids[1:], b.scene.Pods[1:]
	b.scene.Version++
}

func (b *bench) run(seconds int, rate float64) *bench {
	for range seconds {
		b.at = b.at.Add(time.Second)
		b.fleet.Advance(time.Second, rate)
		b.p.Observe(b.at, b.scene)
	}
	return b
}

func (b *bench) read(kind hpa.MetricType, name string) hpa.Reading {
	return b.p.Read(b.at, []hpa.Metric{{Type: kind, Name: name}}, b.ids)[0]
}

// want compares what a metric reads: milli, of pods in their order with -1 for none, or an error.
func (b *bench) want(what string, kind hpa.MetricType, name string, want ...int64) {
	b.t.Helper()
	r := b.read(kind, name)
	got := r.Values
	if kind == hpa.Pods {
		got = nil
		for _, s := range r.Pods {
			if s.Present {
				got = append(got, s.Milli)
			} else {
				got = append(got, -1)
			}
		}
	}
	if r.Err != nil || !cmp.Equal(got, want) {
		b.t.Errorf("%s: %s %s is %v (%v), want %v", what, kind, name, got, r.Err, want)
	}
}

func (b *bench) wantErr(what string, kind hpa.MetricType, name, text string) {
	b.t.Helper()
	r := b.read(kind, name)
	if r.Err == nil || !strings.Contains(r.Err.Error(), text) {
		b.t.Errorf("%s: %s %s fails with %v, want %q", what, kind, name, r.Err, text)
	}
}

var allKinds = map[string]Signal{
	"rate":    {Kind: Rate, Window: time.Minute},
	"arr":     {Kind: Arrivals, Window: time.Minute},
	"conc":    {Kind: Concurrency, Window: time.Minute},
	"infl":    {Kind: InFlight},
	"busy":    {Kind: Busy, Window: time.Minute},
	"backlog": {Kind: Backlog},
	"cores":   {Kind: Cores, Window: time.Minute},
	"p50":     {Kind: Latency, Window: time.Minute, Quantile: 0.5},
	"idle":    {Kind: Latency, Window: time.Minute, Quantile: 0.5, IdleIsZero: true},
}

// A tub with 40 requests per second at each of two pods, of 50 ms and 10 ms of
// processor time each: by Little's law two of them at a pod, of whose 4 workers half
// is busy.
func TestSignalsInASteadyState(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{0.04, 0.06, 1}}, 1, 2).run(180, 80)
	b.want("each", hpa.Pods, "rate", 40_000, 40_000)
	b.want("all", hpa.Object, "rate", 80_000)
	b.want("all", hpa.External, "arr", 80_000)
	b.want("each", hpa.Pods, "conc", 2000, 2000)
	b.want("all", hpa.Object, "conc", 4000)
	b.want("each", hpa.Pods, "busy", 500, 500)
	b.want("the mean", hpa.Object, "busy", 500)
	b.want("each", hpa.Pods, "cores", 400, 400)
	b.want("each", hpa.Pods, "infl", 0, 0)
	b.want("nothing in a queue that the pods do not share", hpa.External, "backlog", 0)
	b.want("the middle of its bucket", hpa.Pods, "p50", 50, 50)
	b.want("the same of all", hpa.Object, "p50", 50)
}

func TestIdleIsNotZero(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{0.04, 0.06, 1}}, 1, 2).run(180, 0)
	b.wantErr("of nothing", hpa.Pods, "p50", "none of the 2 objects has a value; web-0001: the query gave NaN")
	b.wantErr("of nothing", hpa.Object, "p50", "no observation in the window")
	b.want("as the rule says", hpa.Pods, "idle", 0, 0)
	b.want("as the rule says", hpa.Object, "idle", 0)
	b.want("a rate is zero", hpa.Pods, "rate", 0, 0)
}

func TestANewPodNeedsTwoScrapes(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{1}}, 1).run(180, 40)
	b.join(2)
	first, with := 0, 0
	for s := range 60 {
		b.run(1, 40)
		r := b.read(hpa.Pods, "rate")
		if r.Err != nil || !r.Pods[0].Present {
			t.Fatalf("after %d s: %+v", s, r)
		}
		if r.Pods[1].Present && with == 0 {
			with = s + 1
		}
		if i := b.read(hpa.Pods, "infl"); i.Pods[1].Present && first == 0 {
			first = s + 1
		}
	}
	if first == 0 || first > 30 || with <= first || with > 45 || with < 16 {
		t.Errorf("a gauge after %d s, a rate after %d s", first, with)
	}
}

func TestAPodThatLeftStaysInTheSumForAWindow(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{1}}, 1, 2).run(180, 80)
	b.leaveFirst()
	b.run(1, 40)
	b.want("gone from the pods at once", hpa.Pods, "rate", 40_000)
	if v := b.read(hpa.Object, "rate").Values[0]; v < 60_000 {
		t.Errorf("the sum falls to %d at once", v)
	}
	last := int64(math.MaxInt32)
	for range 100 {
		b.run(1, 40)
		v := b.read(hpa.Object, "rate").Values[0]
		if v > last+1 {
			t.Errorf("the share of the gone pod rises from %d to %d", last, v)
		}
		last = v
	}
	b.want("in the end it is forgotten", hpa.Object, "rate", 40_000)
	b.run(120, 40)
	if n := len(b.p.(*signals).all); n != 1 {
		t.Errorf("%d series are kept of one pod", n)
	}
}

func TestGaugesLoseAPodAtOnce(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{1}}, 1, 2)
	b.fleet.capacity = 10
	b.run(120, 60) // 40 more wait in each second
	before := b.read(hpa.Object, "infl").Values[0]
	b.leaveFirst()
	b.run(1, 0)
	if after := b.read(hpa.Object, "infl").Values[0]; after > before*6/10 {
		t.Errorf("%d after the pod left, %d before", after, before)
	}
}

func TestAnOutageIsBridgedAndThenAnError(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{1}}, 1, 2).run(180, 80)
	b.scene.Outage = true
	b.run(14, 80)
	b.want("young enough", hpa.Pods, "rate", 40_000, 40_000)
	b.run(32, 80)
	b.wantErr("too old", hpa.Pods, "rate", `backend "prometheus": connection refused (last good answer`)
	b.wantErr("too old", hpa.External, "arr", "connection refused")
	b.wantErr("too old", hpa.Pods, "infl", "connection refused")
	b.scene.Outage = false
	b.run(25, 80)
	b.wantErr("the window has a gap", hpa.Pods, "rate", "recovering: it was away, and a window of 1m0s is full again at 12:0")
	b.want("a gauge looks back on nothing", hpa.Object, "infl", 0)
	b.run(70, 80)
	b.want("full again", hpa.Pods, "rate", 40_000, 40_000)
}

func TestBeforeTheFirstScrapesNothingIsKnown(t *testing.T) {
	b := newBench(t, allKinds, SignalOptions{Workers: 4, Bounds: []float64{1}}, 1, 2)
	b.p.Observe(b.at, b.scene)
	b.wantErr("at once", hpa.Pods, "rate", "none of the 2 objects has a value; web-0001: no series")
	b.run(15, 80)
	b.wantErr("one scrape", hpa.Pods, "rate", "no series")
	b.wantErr("one scrape", hpa.Object, "rate", "none of the 2 live pods has a series")
	b.ids, b.scene.Pods, b.scene.Version = nil, nil, 9
	b.wantErr("no pods", hpa.Object, "rate", "no live pod")
}

func TestSamplesTooOldAreNotServed(t *testing.T) {
	b := newBench(t, map[string]Signal{"infl": {Kind: InFlight}}, SignalOptions{}, 1).run(60, 80)
	s := b.p.(*signals)
	s.ring.series = nil // the pod answers no scrape any more, and nobody noticed
	b.run(65, 80)
	b.wantErr("too old", hpa.Object, "infl", "pod web-0001: the newest sample is")
	b.wantErr("too old", hpa.Pods, "infl", "none of the 1 objects has a value; web-0001: the newest sample is")
}

func TestPhasesAreSpread(t *testing.T) {
	var seen [15]int
	for pod := range 1500 {
		seen[ScrapePhase(7, pod, 15*time.Second)/time.Second]++
	}
	for s, n := range seen {
		if n < 60 || n > 140 {
			t.Errorf("%d of 1500 pods are scraped in second %d", n, s)
		}
	}
	if RefreshPhase(1, "a", time.Minute) == RefreshPhase(1, "b", time.Minute) || ScrapePhase(1, 1, time.Minute) == ScrapePhase(2, 1, time.Minute) {
		t.Error("phases are the same")
	}
}

// The ring scrapes each pod once in each interval, whatever comes and goes.
func TestEachPodIsScrapedOnceInAnInterval(t *testing.T) {
	b := newBench(t, map[string]Signal{"rate": {Kind: Rate, Window: time.Minute}}, SignalOptions{})
	chance := rand.New(rand.NewPCG(1, 1))
	born := 0
	for range 2000 {
		switch chance.IntN(10) {
		case 0:
			born++
			b.join(born)
		case 1:
			if len(b.ids) > 5 {
				b.leaveFirst()
			}
		}
		b.run(1, 10)
		for _, x := range b.p.(*signals).all {
			if !x.gone && x.n > 1 && x.time(x.n-1)-x.time(x.n-2) != 15_000 {
				t.Fatalf("pod %d is scraped after %d ms", x.target, x.time(x.n-1)-x.time(x.n-2))
			}
			if now := b.at.UnixMilli(); !x.gone && x.due <= now {
				t.Fatalf("pod %d was due at %d, and it is %d", x.target, x.due, now)
			}
		}
	}
}

func TestWhatNoSignalCanBe(t *testing.T) {
	_, err := NewSignals(map[string]Signal{
		"a": {Kind: "rps"}, "b": {Kind: Rate, Window: 20 * time.Second}, "c": {Kind: InFlight, Window: time.Minute},
		"d": {Kind: Busy, Window: time.Minute}, "e": {Kind: Latency, Window: time.Minute, Quantile: 95},
		"f": {Kind: Rate, Window: time.Minute, Quantile: 0.5},
	}, SignalOptions{})
	want := strings.TrimSpace(`
signal a: "rps" is no kind of a signal: use rate, arrivals, concurrency, inflight, utilization, backlog, cpu or latency
signal b: a window of 20s holds fewer than two scrapes, one each 15s
signal c: inflight is as the last scrape found it and has no window
signal d: a share of how many workers?
signal e: the quantile 95: use one between 0 and 1
signal e: the pods expose no histogram
signal f: only latency has a quantile and is idle
`)
	if err == nil || err.Error() != want {
		t.Error("-want +got\n", cmp.Diff(want, fmt.Sprint(err)))
	}
	_, err = NewSignals(nil, SignalOptions{Bounds: []float64{1, 1}, MaxAge: -1})
	if err == nil {
		t.Error("bounds that do not rise are no error")
	}
}

func TestMetricsWithoutASignalAreRefused(t *testing.T) {
	p := pipelineOf(t, map[string]Signal{"rate": {Kind: Rate, Window: time.Minute}, "arr": {Kind: Arrivals, Window: time.Minute}})
	err := p.(Checker).Check([]hpa.Metric{
		{Type: hpa.Resource, Name: hpa.CPU}, {Type: hpa.Pods, Name: "rate"}, {Type: hpa.Pods, Name: "arr"}, {Type: hpa.External, Name: "queue"},
	})
	want := strings.TrimSpace(`
the pods metric arr: arrivals is counted for the whole workload and not by pods: use an Object or External metric
no signal for the external metric queue(nil): there are signals for arr, rate
`)
	if err == nil || err.Error() != want {
		t.Error("-want +got\n", cmp.Diff(want, fmt.Sprint(err)))
	}
}

func TestOtherBoundsThanTheFleetsAreNoticed(t *testing.T) {
	b := newBench(t, map[string]Signal{"p50": {Kind: Latency, Window: time.Minute, Quantile: 0.5}}, SignalOptions{Bounds: []float64{1}}, 1)
	b.fleet.bounds = []float64{1, 2}
	b.leaveFirst()
	b.join(2)
	b.run(60, 10)
	b.wantErr("other bounds", hpa.Pods, "p50", "the pods expose 3 buckets")
}

// The truth is what happens now; what the HPA reads is what was scraped.
func TestTheTruthComesBeforeTheMetric(t *testing.T) {
	c := aRun(t, demand(100, 200, 200))
	c.Fleet.(*tub).capacity = 1000
	c.Spec.Metrics[0].Target.Milli = 1_000_000 // never scales
	c.Spec.MinReplicas = 2
	truth, read := math.NaN(), math.NaN()
	_, err := Run(t.Context(), c, handlerFunc(func(m Message) error {
		switch m := m.(type) {
		case *Tick:
			truth = m.True[0]
		case *Sync:
			read = m.Observed[0].Value
		}
		if b, ok := m.(*Tick); ok && b.At == 75*time.Second {
			if !near(truth, 100) || read > 60 {
				return fmt.Errorf("a quarter of a minute after the step the truth is %v, the metric %v", truth, read)
			}
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestResourceMetricsAreOfTheCPU(t *testing.T) {
	template := &hpa.Template{Containers: []hpa.Container{{Name: "app"}, {Name: "proxy"}}}
	for name, c := range map[string]struct {
		metric hpa.Metric
		want   string
	}{
		"the cpu of the pod":     {hpa.Metric{Type: hpa.Resource, Name: hpa.CPU}, ""},
		"memory":                 {hpa.Metric{Type: hpa.Resource, Name: "memory"}, "only the cpu is modelled"},
		"the server's container": {hpa.Metric{Type: hpa.ContainerResource, Name: hpa.CPU, Container: "app"}, ""},
		"a container beside it":  {hpa.Metric{Type: hpa.ContainerResource, Name: hpa.CPU, Container: "proxy"}, "what container proxy uses is not modelled"},
	} {
		got := ""
		if err := modelled(&c.metric, template); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
	for cores, want := range map[float64]int64{0: 0, 0.1: 100, 0.1000000001: 100, 0.100001: 101, 1.5: 1500} {
		if got := milliCores(cores); got != want {
			t.Errorf("%v cores are %d milli, want %d", cores, got, want)
		}
	}
	var usage cpuUsage
	usage.sample(15*time.Second, 1)
	usage.sample(30*time.Second, 4)
	if usage.samples != 2 || usage.window != 15*time.Second || usage.cores != 0.2 {
		t.Errorf("%+v", usage)
	}
}

func TestSamplesAfterATime(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		x := newSeries(1+chance.IntN(12), 1)
		at := chance.Int64N(1000)
		for range chance.IntN(30) {
			at += 1 + chance.Int64N(1+chance.Int64N(200))
			x.push(at)
		}
		for start := x.time(0) - 3; start < at+3; start++ {
			want := 0
			for want < x.n && x.time(want) <= start {
				want++
			}
			if got := x.after(start, x.n); got != want {
				t.Fatalf("%d samples at or before %d, want %d", got, start, want)
			}
		}
	}
}
