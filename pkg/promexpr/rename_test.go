package promexpr_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

func TestRenameReachesEveryPlaceThatNamesALabel(t *testing.T) {
	exported := map[string]string{"namespace": "exported_namespace", "exported_namespace": "namespace", "pod": "exported_pod", "exported_pod": "pod"}
	for _, test := range []struct{ name, text, want string }{
		{"grouping", `sum by (namespace, pod) (rate(x[2m]))`, `sum by (exported_namespace, exported_pod) (rate(x[2m]))`},
		{"what is dropped", `sum without (pod) (x)`, `sum without (exported_pod) (x)`},
		{"matcher", `x{namespace=~"a|b",pod!="p"}`, `x{exported_namespace=~"a|b",exported_pod!="p"}`},
		{"the other way", `x{exported_namespace!="",namespace="a"}`, `x{exported_namespace="a",namespace!=""}`},
		{"matching", `x * on (namespace, pod) group_left (exported_pod) y`, `x * on (exported_namespace, exported_pod) group_left (pod) y`},
		{"what does not match", `x / ignoring (pod) y`, `x / ignoring (exported_pod) y`},
		{"label_replace", `label_replace(x, "pod", "$1", "namespace", "(.*)")`, `label_replace(x, "exported_pod", "$1", "exported_namespace", "(.*)")`},
		{"values that look like labels", `label_replace(x{job="pod"}, "a", "pod", "b", "pod")`, `label_replace(x{job="pod"}, "a", "pod", "b", "pod")`},
		{"label_join", `label_join(x, "pod", "namespace", "job", "namespace", "pod")`, `label_join(x, "exported_pod", "namespace", "job", "exported_namespace", "exported_pod")`},
		{"count_values", `count_values by (pod) ("namespace", x)`, `count_values by (exported_pod) ("exported_namespace", x)`},
		{"metrics called so", `pod{pod="a"} + namespace`, `pod{exported_pod="a"} + namespace`},
		{"subquery", `max_over_time(sum by (pod) (rate(x[1m]))[5m:1m])`, `max_over_time(sum by (exported_pod) (rate(x[1m]))[5m:1m])`},
		{"absent", `absent(x{pod="a"})`, `absent(x{exported_pod="a"})`},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := promexpr.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Rename(exported).String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := e.Rename(exported).Rename(exported).String(); got != e.String() {
				t.Errorf("renamed twice it is %s", got)
			}
		})
	}
}

func TestRenameLeavesTheReceiverAlone(t *testing.T) {
	const text = `label_replace(sum by (pod) (x{pod="a"}), "pod", "$1", "pod", "(.*)") * on (pod) group_left (job) count_values by (job) ("pod", y)`
	e, err := promexpr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	before := e.LabelNames()
	e.Rename(map[string]string{"pod": "instance", "instance": "pod"})
	if diff := cmp.Diff(before, e.LabelNames()); diff != "" {
		t.Error(diff)
	}
}

func TestLabelNames(t *testing.T) {
	e, err := promexpr.Parse(`label_replace(sum by (a) (x{b="1"}), "c", "$1", "d", "(.*)") * on (e) group_left (f) count_values without (g) ("h", y)`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"__name__", "a", "b", "c", "d", "e", "f", "g", "h"}, e.LabelNames()); diff != "" {
		t.Error(diff)
	}
}

// FuzzRenameAgainstEngine holds Rename against the real engine: it commutes with
// the renaming of series.
func FuzzRenameAgainstEngine(f *testing.F) {
	seeds(f,
		`sum by (namespace, pod) (rate(x[5m]))`,
		`sum without (pod) (x{job!="a"})`,
		`x{namespace="a"} or y{pod=""}`,
		`label_replace(x, "pod", "$1", "job", "(.*)")`,
		`label_join(x, "job", "-", "pod", "namespace")`,
		`count_values without (pod) ("job", x)`,
		`x * on (pod, namespace) group_left (job) max by (pod, namespace, job) (y{job="a"})`,
		`sum by (pod) (x) / ignoring (job) sum by (pod, job) (y)`,
		`x unless on (pod) y`,
		`absent(z{namespace="a",pod=~"b"})`,
		`histogram_quantile(0.9, sum by (pod, le) (rate(x[5m])))`,
		`max_over_time(sum by (job) (x)[5m:1m])`,
		`x / scalar(sum(y))`,
	)
	cycle := map[string]string{"namespace": "job", "job": "pod", "pod": "namespace"}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		e, err := promexpr.Parse(text)
		if err != nil || e.Window() > 5*time.Minute || strings.Contains(e.String(), "topk") || strings.Contains(e.String(), "bottomk") {
			return // Of series that are equally large, these take those that come first.
		}
		at := time.Unix(1_700_000_000, 0)
		as, renamed := promdb.New(promdb.Options{}), promdb.New(promdb.Options{})
		fillWith(t, as, e.MetricNames(), seed, at, func(labels.Labels) bool { return true })
		copyRenamed(t, as, renamed, e.MetricNames(), cycle, at)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		want, wantErr := as.Query(ctx, e.String(), at)
		got, gotErr := renamed.Query(ctx, e.Rename(cycle).String(), at)
		if (wantErr == nil) != (gotErr == nil) && ctx.Err() == nil {
			t.Fatalf("%s: %v\n%s: %v", e, wantErr, e.Rename(cycle), gotErr)
		}
		if wantErr != nil || gotErr != nil {
			return
		}
		if diff := cmp.Diff(bySeries(want, cycle), bySeries(got, nil)); diff != "" {
			t.Errorf("%s and %s (-want +got)\n%s", e, e.Rename(cycle), diff)
		}
	})
}

// copyRenamed fills a database with the samples of another, their labels renamed.
func copyRenamed(t *testing.T, from, to *promdb.DB, metrics []string, names map[string]string, now time.Time) {
	t.Helper()
	for _, metric := range metrics {
		if metric == "" {
			continue
		}
		for minute := 5; minute >= 0; minute-- {
			at := now.Add(-time.Duration(minute) * time.Minute)
			found, err := from.Query(t.Context(), fmt.Sprintf(`{__name__=%q}`, metric), at)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range found.Samples {
				if err := to.Append(at, renameLabels(s.Labels, names), s.Value); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func renameLabels(ls labels.Labels, names map[string]string) labels.Labels {
	b := labels.NewScratchBuilder(ls.Len())
	ls.Range(func(l labels.Label) {
		if other, ok := names[l.Name]; ok {
			l.Name = other
		}
		b.Add(l.Name, l.Value)
	})
	b.Sort()
	return b.Labels()
}

// bySeries are the values of a vector, to nine digits: sums depend on the order of
// series.
func bySeries(v instant.Vector, names map[string]string) map[string]string {
	values := map[string]string{}
	for _, s := range v.Samples {
		value := s.Value
		if math.Abs(value) < 1e-9 {
			value = 0
		}
		values[renameLabels(s.Labels, names).String()] = fmt.Sprintf("%.9g", value)
	}
	return values
}
