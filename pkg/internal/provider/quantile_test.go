package provider

import (
	stderrors "errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

const quantileCases = 1500

// TestServedQuantileIsPromQLs serves a quantile rule over generated counters of
// several pods and compares each value with the engine's histogram_quantile over
// the same pods' buckets, to the milli.
func TestServedQuantileIsPromQLs(t *testing.T) {
	const seed = 20261122
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]int{}
	for i := range quantileCases {
		c := newQuantileCase(rng)
		kind, err := c.compare(t)
		if err != nil {
			t.Fatalf("case %d (%s): %v", i, c, err)
		}
		seen[kind]++
	}
	t.Logf("%v", seen)
	for _, kind := range []string{"number", "highest finite bound", "idle", "not-a-number", "empty"} {
		if seen[kind] < 20 {
			t.Errorf("only %d cases of kind %q: the generator misses what it is for", seen[kind], kind)
		}
	}
}

// A quantileCase is the counters of some pods over a minute.
type quantileCase struct {
	quantile float64
	bounds   []float64
	pods     []string
	db       *promdb.DB
	at       time.Time
	nan      bool // some bucket is NaN
}

func (c *quantileCase) String() string {
	return fmt.Sprintf("q=%g bounds=%v pods=%v", c.quantile, c.bounds, c.pods)
}

// newQuantileCase scrapes k pods every 10s. Now and then pods are idle, lack a
// bound, restart, count NaN, have no series, or count only in the bucket +Inf.
func newQuantileCase(rng *rand.Rand) *quantileCase {
	c := &quantileCase{
		quantile: []float64{0.5, 0.9, 0.95, 0.99, rng.Float64()*0.98 + 0.01}[rng.IntN(5)],
		db:       promdb.New(promdb.Options{}),
		at:       time.Unix(1_700_000_000, 0),
	}
	bound := rng.Float64() / 10
	for range 1 + rng.IntN(12) {
		c.bounds = append(c.bounds, bound)
		bound += rng.Float64()
	}
	c.bounds = append(c.bounds, math.Inf(1))
	shape := rng.IntN(10)
	for p := range 1 + rng.IntN(6) {
		pod := fmt.Sprintf("pod-%d", p)
		c.pods = append(c.pods, pod)
		if shape == 0 {
			continue // no series at all
		}
		c.scrape(rng, pod, shape)
		c.scrapeForeignPod(rng, pod)
	}
	return c
}

func (c *quantileCase) scrape(rng *rand.Rand, pod string, shape int) {
	load := rng.Float64() * 50
	lacksBound := rng.IntN(len(c.bounds) * 3)
	nanBound := -1
	switch shape {
	case 1:
		load = 0 // idle
	case 2:
		nanBound = rng.IntN(len(c.bounds))
	}
	counts := make([]float64, len(c.bounds))
	for step := range 8 {
		if rng.IntN(20) == 0 {
			clear(counts) // the pod restarted
		}
		observed := 0.0
		for b := range c.bounds {
			if shape != 3 || b == len(c.bounds)-1 { // shape 3: slower than every finite bound
				observed += load * rng.Float64()
			}
			counts[b] += observed
			value := counts[b]
			if b == nanBound {
				value = math.NaN()
			}
			if b != lacksBound {
				c.append(step, "shop", pod, c.bounds[b], value)
				c.nan = c.nan || math.IsNaN(value)
			}
		}
	}
}

// scrapeForeignPod puts a pod of the same name into another namespace: it must
// never count.
func (c *quantileCase) scrapeForeignPod(rng *rand.Rand, pod string) {
	for step := range 8 {
		for _, bound := range c.bounds {
			c.append(step, "other", pod, bound, float64(step)*100*rng.Float64())
		}
	}
}

func (c *quantileCase) append(step int, namespace, pod string, bound, value float64) {
	series := labels.FromStrings("__name__", "x_bucket", "namespace", namespace, "pod", pod, "le", strconv.FormatFloat(bound, 'g', -1, 64))
	if err := c.db.Append(c.at.Add(time.Duration(step-8)*10*time.Second), series, value); err != nil {
		panic(err)
	}
}

// compare reads the value through the provider and from the engine, and names
// the kind of case it was.
func (c *quantileCase) compare(t *testing.T) (kind string, err error) {
	t.Helper()
	want, err := c.fromEngine(t)
	if err != nil {
		return "", err
	}
	p := newTestProvider(t, c.db, c.at, fmt.Sprintf(`
rules:
- metric: p
  type: Object
  of: deployments.apps
  quantile: %g
  buckets: sum by (namespace, pod, le) (rate(x_bucket[1m]))
`, c.quantile), c.pods...)
	value, err := p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web"}, custom("deployments", "apps", "p"), nil)
	if err != nil {
		var known errors.APIStatus
		if !stderrors.As(err, &known) {
			return "", err
		}
		state := known.Status().Details.Causes[0].Type
		if !math.IsNaN(want) && !c.nan {
			return "", fmt.Errorf("PromQL says %g, Pitot has no number: %w", want, err)
		}
		return string(state), nil
	}
	if math.IsNaN(want) || c.nan {
		return "", fmt.Errorf("PromQL says %g (a bucket is NaN: %t), Pitot serves %s", want, c.nan, value.Value.String())
	}
	if got := value.Value.MilliValue(); got != int64(math.Round(want*1000)) {
		return "", fmt.Errorf("PromQL says %g, Pitot serves %dm", want, got)
	}
	if want == c.bounds[len(c.bounds)-2] {
		return "highest finite bound", nil
	}
	return "number", nil
}

func (c *quantileCase) fromEngine(t *testing.T) (float64, error) {
	t.Helper()
	expr := fmt.Sprintf(`histogram_quantile(%g, sum by (le) (rate(x_bucket{namespace="shop"}[1m])))`, c.quantile)
	vector, err := c.db.Query(t.Context(), expr, c.at)
	if err != nil {
		return 0, err
	}
	if len(vector.Samples) == 0 {
		return math.NaN(), nil
	}
	return vector.Samples[0].Value, nil
}
