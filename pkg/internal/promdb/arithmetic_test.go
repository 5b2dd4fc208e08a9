package promdb

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

var seed = flag.Uint64("promdb.seed", 1, "seed of the generated cases")

func newRand(t *testing.T) *rand.Rand {
	t.Logf("-promdb.seed=%d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// awkward draws values on which summation algorithms and comparisons differ.
func awkward(rng *rand.Rand) float64 {
	switch rng.IntN(12) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1 - 2*rng.IntN(2))
	case 2:
		return math.MaxFloat64 * (1 - 2*float64(rng.IntN(2)))
	case 3:
		return math.SmallestNonzeroFloat64
	case 4:
		return math.Copysign(0, -1)
	case 5:
		return 1e100 * (1 - 2*float64(rng.IntN(2)))
	default:
		return rng.NormFloat64() * math.Pow(10, float64(rng.IntN(12)))
	}
}

func TestFoldsAreTheEnginesToTheLastBit(t *testing.T) {
	rng := newRand(t)
	for range 1000 {
		values := make([]float64, 1+rng.IntN(6))
		plain := rng.IntN(2) == 0
		for i := range values {
			values[i] = awkward(rng)
			for plain && (math.IsNaN(values[i]) || math.IsInf(values[i], 0)) {
				values[i] = awkward(rng)
			}
		}
		db := New(Options{})
		for i, v := range values {
			if err := db.Append(t0, labels.FromStrings("__name__", "x", "i", strconv.Itoa(i)), v); err != nil {
				t.Fatal(err)
			}
		}
		for _, fold := range []struct {
			name string
			of   func(...float64) float64
		}{{"sum", Sum}, {"max", Max}, {"avg", Avg}} {
			v, err := db.Query(t.Context(), fold.name+"(x)", t0)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fold.of(values...), v.Samples[0].Value; !isSame(got, want) {
				t.Errorf("%s of %v is %g, the engine says %g", fold.name, values, got, want)
			}
		}
	}
}

func TestFoldsOfNothingAreNotZero(t *testing.T) {
	for name, got := range map[string]float64{"sum": Sum(), "max": Max(), "avg": Avg(), "quantile": Quantile(0.5, nil)} {
		if !math.IsNaN(got) {
			t.Errorf("%s of nothing is %g", name, got)
		}
	}
}

func TestQuantileLeavesTheBucketsAlone(t *testing.T) {
	buckets := []Bucket{{math.Inf(1), 10}, {0.1, 5}, {0.1, 1}, {1, 4}}
	before := slices.Clone(buckets)
	if got := Quantile(0.5, buckets); math.IsNaN(got) {
		t.Errorf("quantile is %g", got)
	}
	if !slices.Equal(before, buckets) {
		t.Errorf("buckets are %v, were %v", buckets, before)
	}
}

// A generated case: the pods of one workload, each with a histogram.
type histogramCase struct {
	q      float64
	bounds []string // le, the last one "+Inf"
	pods   []histogramPod
}

type histogramPod struct {
	// paths share the pod's observations, each in a series of its own.
	paths int
	// perTick are the observations per bucket (not cumulative), path and 15 s.
	perTick []float64
	// missing marks buckets that this pod does not expose.
	missing []bool
	// broken pods count NaN.
	broken bool
}

func drawHistogramCase(rng *rand.Rand) histogramCase {
	c := histogramCase{q: []float64{0.5, 0.9, 0.95, 0.99, 1, 0, rng.Float64()}[rng.IntN(7)]}
	bound := 0.0
	if rng.IntN(10) == 0 {
		bound = -1
	}
	for range rng.IntN(12) {
		bound += math.Pow(10, float64(rng.IntN(4)-3)) * float64(1+rng.IntN(9))
		c.bounds = append(c.bounds, strconv.FormatFloat(bound, 'g', 6, 64))
	}
	c.bounds = append(c.bounds, "+Inf")
	idle, slow := rng.IntN(5) == 0, rng.IntN(5) == 0
	for range 1 + rng.IntN(8) {
		c.pods = append(c.pods, drawHistogramPod(rng, len(c.bounds), idle, slow))
	}
	return c
}

// drawHistogramPod draws a pod: one that observes nothing, one whose
// observations all lie beyond the last bound, or an ordinary one.
func drawHistogramPod(rng *rand.Rand, bounds int, idle, slow bool) histogramPod {
	p := histogramPod{paths: 1, perTick: make([]float64, bounds), missing: make([]bool, bounds), broken: rng.IntN(40) == 0}
	if rng.IntN(3) == 0 {
		p.paths = 1 + rng.IntN(4)
	}
	for i := range bounds {
		p.missing[i] = rng.IntN(15) == 0
		if !idle && (!slow || i == bounds-1) && rng.IntN(3) > 0 {
			p.perTick[i] = float64(rng.IntN(200))
			if rng.IntN(4) == 0 {
				p.perTick[i] *= rng.Float64()
			}
		}
	}
	return p
}

// load appends the case's counters, 15 s apart, over a minute and a half.
func (c histogramCase) load(t *testing.T, db *DB) {
	for n, pod := range c.pods {
		cumulative := 0.0
		for i, le := range c.bounds {
			cumulative += pod.perTick[i]
			if pod.missing[i] {
				continue
			}
			for path := range pod.paths {
				ls := labels.FromStrings("__name__", "x_bucket", "namespace", "shop", "pod", fmt.Sprint(n), "path", fmt.Sprint(path), "le", le)
				for tick := range 7 {
					v := cumulative * float64(tick) / float64(path+1)
					if pod.broken {
						v = math.NaN()
					}
					if err := db.Append(t0.Add(time.Duration(tick)*15*time.Second), ls, v); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// nested says that the case is summed over a pod's paths before it is summed
// over pods, which rounds once more than the engine's one sum does.
func (c histogramCase) nested() bool {
	return slices.ContainsFunc(c.pods, func(p histogramPod) bool { return p.paths > 1 })
}

// The promise: a quantile that Pitot folds from per-pod rates is the quantile
// that Prometheus gives for the workload, to the milli that the metrics APIs
// carry; and to the last bit where each pod has one series per bucket.
func TestQuantileOfSumsOverPodsIsTheEngines(t *testing.T) {
	const cases = 1500
	rng := newRand(t)
	at := t0.Add(90 * time.Second)
	kinds := map[string]int{}
	for n := range cases {
		c := drawHistogramCase(rng)
		db := New(Options{})
		c.load(t, db)
		q := strconv.FormatFloat(c.q, 'g', -1, 64)
		whole, err := db.Query(t.Context(), `histogram_quantile(`+q+`, sum by (le) (rate(x_bucket[1m])))`, at)
		if err != nil {
			t.Fatal(err)
		}
		perPod, err := db.Query(t.Context(), `sum by (namespace, pod, le) (rate(x_bucket[1m]))`, at)
		if err != nil {
			t.Fatal(err)
		}
		want := math.NaN()
		if len(whole.Samples) > 0 {
			want = whole.Samples[0].Value
		}
		totals := map[float64]*Total{}
		for _, s := range perPod.Samples {
			le, err := strconv.ParseFloat(s.Labels.Get("le"), 64)
			if err != nil {
				t.Fatal(err)
			}
			if totals[le] == nil {
				totals[le] = &Total{}
			}
			totals[le].Add(s.Value)
		}
		var buckets []Bucket
		for le, total := range totals {
			buckets = append(buckets, Bucket{UpperBound: le, Count: total.Sum()})
		}
		got := Quantile(c.q, buckets)
		if !isSame(got, want) && (!c.nested() || math.Round(got*1000) != math.Round(want*1000)) {
			t.Errorf("case %d: %g, the engine says %g: %+v", n, got, want, c)
		}
		kinds[kind(want)]++
		if !isSame(got, want) {
			kinds["other last bits"]++
		}
	}
	t.Logf("%d cases: %v", cases, kinds)
	if kinds["number"] < cases/2 || kinds["NaN"] < cases/20 {
		t.Errorf("the cases are one-sided: %v", kinds)
	}
}

func kind(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return "infinite"
	}
	return "number"
}

func BenchmarkQuantile(b *testing.B) {
	buckets := make([]Bucket, 11)
	for i := range buckets {
		buckets[i] = Bucket{UpperBound: float64(i), Count: float64(i * i)}
	}
	buckets[10].UpperBound = math.Inf(1)
	b.ReportAllocs()
	for b.Loop() {
		Quantile(0.95, buckets)
	}
}
