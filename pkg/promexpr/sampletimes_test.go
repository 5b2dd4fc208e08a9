package promexpr_test

import (
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

func TestSampleTimes(t *testing.T) {
	for _, c := range []struct{ name, expr, want string }{
		{"a selector keeps all labels", `x`, `timestamp(x)`},
		{"matchers stay", `x{queue="a"}`, `timestamp(x{queue="a"})`},
		{"an aggregation folds", `sum by (namespace, pod) (x)`, `max by (namespace, pod) (timestamp(x))`},
		{"buckets are sampled together", `sum by (namespace, pod, le) (rate(x[2m]))`, `max by (namespace, pod) (timestamp(x)) (optional)`},
		{"the label of a nested aggregation that reaches the result counts", `max by (namespace) (sum by (pod) (x))`, `max(timestamp(x))`},
		{"without", `sum without (instance) (x)`, `max without (instance) (timestamp(x))`},
		{"topk keeps series", `topk(3, x)`, `timestamp(x)`},
		{"count_values makes a label up", `count_values by (job) ("v", x)`, `max by (job) (timestamp(x))`},
		{"an input counts once", `rate(x[2m]) / rate(x[5m])`, `timestamp(x) (optional)`},
		{"several inputs are told apart", `sum by (job) (a) / sum by (job) (b)`,
			`label_replace(max by (job) (timestamp(a)), "__input__", "0", "", "") or label_replace(max by (job) (timestamp(b)), "__input__", "1", "", "")`},
		{"a pair shares what is matched on", `a / on (node) b`,
			`label_replace(max by (node) (timestamp(a)), "__input__", "0", "", "") or label_replace(max by (node) (timestamp(b)), "__input__", "1", "", "")`},
		{"the one side shares what is matched on", `a * on (node) group_left (zone) b`,
			`label_replace(max without (zone) (timestamp(a)), "__input__", "0", "", "") or label_replace(max by (node, zone) (timestamp(b)), "__input__", "1", "", "")`},
		{"the right of unless is in no result", `a unless b`, `timestamp(a)`},
		{"of and shares what is matched on", `a and on (job) b`,
			`label_replace(timestamp(a), "__input__", "0", "", "") or label_replace(max by (job) (timestamp(b)), "__input__", "1", "", "")`},
		{"a scalar has no labels", `a / scalar(sum(b))`,
			`label_replace(timestamp(a), "__input__", "0", "", "") or label_replace(max(timestamp(b)), "__input__", "1", "", "") (optional)`},
		{"an offset moves the time", `x offset 5m`, `timestamp(x offset 5m) + 300`},
		{"so does that of a subquery", `max_over_time(x[10m:1m] offset 1m)`, `timestamp(x offset 1m) + 60`},
		{"a window over a gauge does not outlive it", `avg_over_time(x[5m])`, `timestamp(x)`},
		{"a rewritten label does not lead back", `label_replace(x, "pod", "$1", "pod_name", "(.*)")`, `max without (pod) (timestamp(x))`},
		{"a quantile has no bucket", `histogram_quantile(0.9, x)`, `max without (le) (timestamp(x))`},
		{"absence reads nothing", `absent(x)`, ``},
		{"a default is no input", `sum(x) or vector(0)`, `max(timestamp(x)) (optional)`},
		{"a number reads nothing", `1 + time()`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := promexpr.Parse(c.expr)
			if err != nil {
				t.Fatal(err)
			}
			times := e.SampleTimes()
			got := times.Query
			if times.Optional {
				got += " (optional)"
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if times.Query == "" {
				return
			}
			if _, err := promexpr.Parse(times.Query); err != nil {
				t.Errorf("it is no PromQL: %v", err)
			}
		})
	}
}

func TestFresh(t *testing.T) {
	for text, want := range map[string]string{
		`max(redis_up) == 1`:                  `(max(redis_up) == 1) and on () (time() - max(timestamp(redis_up)) <= 60)`,
		`max by (namespace) (redis_up) == 1`:  `(max by (namespace) (redis_up) == 1) and on (namespace) (time() - max by (namespace) (timestamp(redis_up)) <= 60)`,
		`max(redis_up) == 1 and sum(up) >= 3`: `(max(redis_up) == 1 and sum(up) >= 3) and on () (time() - max(timestamp(redis_up)) <= 60) and on () (time() - max(timestamp(up)) <= 60)`,
		`absent(redis_down)`:                  `(absent(redis_down))`,
		`sum(up offset 1m) == 1`:              `(sum(up offset 1m) == 1) and on () (time() - (max(timestamp(up offset 1m)) + 60) <= 60)`,
	} {
		e, err := promexpr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		fresh := e.Fresh(time.Minute)
		again, err := promexpr.Parse(fresh.String())
		if err != nil || again.String() != fresh.String() {
			t.Errorf("%s is not printed as it is: %v", fresh, err)
		}
		if got := fresh.String(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}
