package promexpr_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// seeds adds each expression with four sets of data.
func seeds(f *testing.F, texts ...string) {
	for seed, text := range texts {
		for i := range 4 {
			f.Add(text, uint64(seed)<<8|uint64(i)*0x9e3779b97f4a7c15)
		}
	}
}

// FuzzLabelsAgainstEngine holds Labels against the real engine: whatever the
// data, no result has a label outside the set.
func FuzzLabelsAgainstEngine(f *testing.F) {
	seeds(f,
		`x`,
		`x{pod=""} or y{job=""}`,
		`sum by (namespace, pod) (rate(x[5m]))`,
		`sum without (pod) (x)`,
		`topk by (namespace) (1, x)`,
		`count_values without (pod) ("le", x)`,
		`histogram_quantile(0.9, x)`,
		`histogram_fraction(0, 1, sum by (pod, le) (x))`,
		`label_replace(x{pod=""}, "pod", "$1", "job", "(.*)")`,
		`label_join(sum by (pod) (x), "__name__", "-", "pod")`,
		`absent(z{namespace="a",pod=~"b",job!="c",job="d"})`,
		`absent(z{pod="a",pod="b"})`,
		`absent_over_time(z{pod="a"}[5m])`,
		`absent_over_time(z{pod="a"}[5m:])`,
		`last_over_time(x[5m])`,
		`last_over_time(rate(x[5m])[5m:1m])`,
		`max_over_time(x[5m:1m])`,
		`timestamp(x) + hour()`,
		`-x`,
		`+x`,
		`x > 0`,
		`x > bool 0`,
		`x / y`,
		`x >= y`,
		`x == bool on (pod, namespace, job, le) y`,
		`x >= on (pod, namespace, job, le) y`,
		`sum by (pod) (x) / ignoring (job) sum by (pod, job) (y)`,
		`x * on (pod, namespace) group_left (job) max by (pod, namespace) (y)`,
		`x * on (pod, namespace) group_left (job) max by (pod, namespace, job) (y{job="a"})`,
		`max by (pod) (x) * on (pod) group_right (namespace) y`,
		`x * ignoring (le, job) group_left () max by (pod, namespace) (y)`,
		`x and y`,
		`x and on (pod) y{pod=""}`,
		`x unless y{job="a"}`,
		`sum by (pod) (x) or vector(0)`,
		`vector(scalar(x))`,
		`sort_desc(round(x, 5))`,
		`predict_linear(x[5m], 60)`,
		`quantile by (__name__) (0.5, x)`,
	)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		e, err := promexpr.Parse(text)
		if err != nil || e.Window() > time.Hour {
			return
		}
		at := time.Unix(1_700_000_000, 0)
		db := promdb.New(promdb.Options{})
		fill(t, db, e.MetricNames(), seed, at)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		vector, err := db.Query(ctx, e.String(), at)
		if err != nil {
			return // such as a match of many to many: nothing is served
		}
		carried := e.Labels()
		for _, sample := range vector.Samples {
			sample.Labels.Range(func(l labels.Label) {
				if !carried.Has(l.Name) {
					t.Errorf("%s has %s in its result %s, but Labels says %s", e, l.Name, sample.Labels, carried)
				}
			})
		}
	})
}

// FuzzSampleTimesAgainstEngine holds SampleTimes against the real engine: to
// every result that is computed from samples alone belongs a time, and no time
// is later than the evaluation.
func FuzzSampleTimesAgainstEngine(f *testing.F) {
	seeds(f,
		`x`,
		`sum by (namespace, pod) (x)`,
		`sum by (namespace, pod) (rate(x[5m]))`,
		`sum without (pod, le) (x)`,
		`max by (namespace) (sum by (pod) (x))`,
		`topk by (namespace) (1, x)`,
		`count_values without (pod) ("pod", x)`,
		`histogram_quantile(0.9, x)`,
		`label_replace(x, "pod", "$1", "job", "(.*)")`,
		`label_join(sum by (pod) (x), "job", "-", "pod")`,
		`max_over_time(x[5m:1m] offset 1m)`,
		`x offset 2m`,
		`avg_over_time(x[3m])`,
		`sum by (pod) (x) / ignoring (job) sum by (pod, job) (y)`,
		`x * on (pod, namespace) group_left (job) max by (pod, namespace, job) (y{job="a"})`,
		`max by (pod) (x) * on (pod) group_right (namespace) y`,
		`x * ignoring (le, job) group_left () max by (pod, namespace) (y)`,
		`x and on (pod) y`,
		`x or y`,
		`x unless y{job="a"}`,
		`x / scalar(sum(y))`,
		`sum by (pod) (x) or vector(0)`,
		`absent(z)`,
	)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		e, err := promexpr.Parse(text)
		if err != nil || e.Window() > 5*time.Minute {
			return
		}
		times := e.SampleTimes()
		if times.Query != "" {
			if _, err := promexpr.Parse(times.Query); err != nil {
				t.Fatalf("the sample times of %s are no PromQL: %s: %v", e, times.Query, err)
			}
		}
		at := time.Unix(1_700_000_000, 0)
		db := promdb.New(promdb.Options{})
		fill(t, db, e.MetricNames(), seed, at)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results, err := db.Query(ctx, e.String(), at)
		if err != nil || times.Query == "" || times.Optional {
			return
		}
		taken, err := db.Query(ctx, times.Query, at)
		if err != nil {
			t.Fatalf("the sample times of %s: %s: %v", e, times.Query, err)
		}
		for _, result := range results.Samples {
			if !slices.ContainsFunc(taken.Samples, func(time instant.Sample) bool { return agree(result.Labels, time.Labels) }) {
				t.Errorf("%s has the result %s, to which no time belongs: %s", e, result.Labels, times.Query)
			}
		}
		for _, taken := range taken.Samples {
			if float64(at.Unix()) < taken.Value {
				t.Errorf("%s: a sample of %s is %gs in the future: %s", e, taken.Labels, taken.Value-float64(at.Unix()), times.Query)
			}
		}
	})
}

// FuzzWithMatchersSeesNothingElse holds that an expression with a matcher in each
// selector answers as if the data had no other series.
func FuzzWithMatchersSeesNothingElse(f *testing.F) {
	seeds(f,
		`x`,
		`sum(x)`,
		`sum(rate(x[5m])) or vector(1)`,
		`x{namespace="b"}`,
		`x{namespace=~".+"}`,
		`{__name__=~"x|y"}`,
		`label_replace(x, "namespace", "a", "", "")`,
		`sum(x) / scalar(sum(y))`,
		`x * on () group_left () sum(y)`,
		`absent(x)`,
		`absent(x{namespace="b"}) or count(y)`,
		`x unless y`,
		`max_over_time(sum(x)[5m:1m])`,
		`max_over_time(x[5m] offset 1m) + time()`,
		`count_values("namespace", x)`,
		`sum(x @ end()) - sum(x offset 2m)`,
		`topk(1, x) + ignoring (namespace) group_left () max(y)`,
		`{"x", namespace!="a"}`,
	)
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		e, err := promexpr.Parse(text)
		if err != nil || e.Window() > time.Hour {
			return
		}
		at := time.Unix(1_700_000_000, 0)
		own := labels.MustNewMatcher(labels.MatchEqual, "namespace", "a")
		everybodys, ours := promdb.New(promdb.Options{}), promdb.New(promdb.Options{})
		fill(t, everybodys, e.MetricNames(), seed, at)
		fillWith(t, ours, e.MetricNames(), seed, at, func(series labels.Labels) bool { return own.Matches(series.Get("namespace")) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		narrowed := e.WithMatchers(own).String()
		seen, err1 := everybodys.Query(ctx, narrowed, at)
		there, err2 := ours.Query(ctx, narrowed, at)
		if ctx.Err() != nil {
			return
		}
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("%s: errors %v and %v", narrowed, err1, err2)
		}
		if a, b := sorted(seen), sorted(there); !slices.Equal(a, b) {
			t.Errorf("%s sees %v, and its own is %v", narrowed, a, b)
		}
	})
}

// sorted are the samples of a vector as text, in an order.
func sorted(v instant.Vector) []string {
	var texts []string
	for _, s := range v.Samples {
		texts = append(texts, fmt.Sprintf("%s %g", s.Labels, s.Value))
	}
	slices.Sort(texts)
	return texts
}

// agree reports whether a sample time belongs to a result.
func agree(result, taken labels.Labels) bool {
	agree := true
	taken.Range(func(l labels.Label) {
		agree = agree && (l.Name == promexpr.InputLabel || result.Get(l.Name) == l.Value)
	})
	return agree
}

// fill gives each metric up to eight series that rise over the last five
// minutes. The seed decides which labels they have.
func fill(t *testing.T, db *promdb.DB, metrics []string, seed uint64, now time.Time) {
	t.Helper()
	fillWith(t, db, metrics, seed, now, func(labels.Labels) bool { return true })
}

// fillWith is fill, with those series alone that are wanted.
func fillWith(t *testing.T, db *promdb.DB, metrics []string, seed uint64, now time.Time, wanted func(labels.Labels) bool) {
	t.Helper()
	draw := func(n uint64) uint64 { // a linear congruential generator, for reproducible seeds
		seed = seed*6364136223846793005 + 1442695040888963407
		return (seed >> 33) % n
	}
	for _, metric := range metrics {
		if metric == "" || metric == "z" { // z is the metric that is absent
			continue
		}
		for range 1 + draw(8) {
			series := labels.NewBuilder(labels.FromStrings(model.MetricNameLabel, metric))
			for _, name := range []string{"namespace", "pod", "job"} {
				if v := draw(4); v > 0 {
					series.Set(name, string(rune('a'+v-1)))
				}
			}
			if v := draw(3); v > 0 {
				series.Set("le", []string{"1", "+Inf"}[v-1])
			}
			for minute := 5; minute >= 0; minute-- {
				value := float64(10-minute) * float64(draw(5))
				if wanted(series.Labels()) {
					// A series drawn twice refuses its second samples, which is as well.
					_ = db.Append(now.Add(-time.Duration(minute)*time.Minute), series.Labels(), value)
				}
			}
		}
	}
}
