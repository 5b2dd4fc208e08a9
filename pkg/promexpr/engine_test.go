package promexpr_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// FuzzLabelsAgainstEngine holds Labels against the real engine: whatever the
// data, no result has a label outside the set.
func FuzzLabelsAgainstEngine(f *testing.F) {
	for seed, text := range []string{
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
	} {
		for i := range 4 {
			f.Add(text, uint64(seed)<<8|uint64(i)*0x9e3779b97f4a7c15)
		}
	}
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
			if e.IsScalar() && !sample.Labels.IsEmpty() {
				t.Errorf("%s is a scalar with labels %s", e, sample.Labels)
			}
		}
	})
}

// fill gives each metric up to eight series that rise over the last five
// minutes. The seed decides which labels they have.
func fill(t *testing.T, db *promdb.DB, metrics []string, seed uint64, now time.Time) {
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
				// A series drawn twice refuses its second samples, which is as well.
				_ = db.Append(now.Add(-time.Duration(minute)*time.Minute), series.Labels(), float64(10-minute)*float64(draw(5)))
			}
		}
	}
}
