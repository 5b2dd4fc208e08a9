package promdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

// t0 is when the traces of these tests begin.
var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// load appends a trace in Prometheus' notation, one sample per 15 s from t0:
//
//	http_requests_total{pod="a"} 0+10x4 _ stale
func load(t testing.TB, db *DB, trace string) {
	t.Helper()
	for line := range strings.Lines(trace) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		ls, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if v.Omitted {
				continue
			}
			if err := db.Append(t0.Add(time.Duration(i)*15*time.Second), ls, v.Value); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// show prints a Vector as a sorted list of "labels value".
func show(v instant.Vector) string {
	var lines []string
	for _, s := range v.Samples {
		lines = append(lines, fmt.Sprintf("%s %.9g", s.Labels, s.Value))
	}
	slices.Sort(lines)
	return strings.Join(append(lines, v.Warnings...), "\n")
}

func TestQuery(t *testing.T) {
	db := New(Options{})
	load(t, db, `
		http_requests_total{pod="a"} 0+15x20
		http_requests_total{pod="b"} 0+30x20
		gone{pod="a"} 1x10 stale
		short{pod="a"} 1x10
		not_a_number 0 NaN NaN
		latency_bucket{le="0.1"} 0+10x20
		latency_bucket{le="1.0"} 0+20x20
		latency_bucket{le="+Inf"} 0+20x20
	`)
	for _, tc := range []struct {
		name string
		expr string
		at   time.Duration
		want string
	}{
		{"an instant selector gives the last sample", `http_requests_total`, 300 * time.Second,
			"{__name__=\"http_requests_total\", pod=\"a\"} 300\n{__name__=\"http_requests_total\", pod=\"b\"} 600"},
		{"a rate", `rate(http_requests_total{pod="b"}[1m])`, 300 * time.Second, `{pod="b"} 2`},
		{"a sum", `sum(rate(http_requests_total[1m]))`, 300 * time.Second, `{} 3`},
		{"a quantile", `histogram_quantile(0.75, sum by (le) (rate(latency_bucket[1m])))`, 300 * time.Second, `{} 0.55`},
		{"a scalar is one sample without labels", `1 + 1`, 0, `{} 2`},
		{"no series is no sample", `nothing`, 0, ``},
		{"the lookback ends", `short`, 150*time.Second + 5*time.Minute, ``},
		{"the lookback holds", `short`, 150*time.Second + 5*time.Minute - time.Millisecond, `{__name__="short", pod="a"} 1`},
		{"a stale series is gone at once", `gone`, 165 * time.Second, ``},
		{"before the marker it is there", `gone`, 165*time.Second - time.Millisecond, `{__name__="gone", pod="a"} 1`},
		{"before the first sample there is nothing", `short`, -time.Millisecond, ``},
		{"NaN stays NaN", `not_a_number`, 30 * time.Second, `{__name__="not_a_number"} NaN`},
		{"a subquery without a step steps as Prometheus' default does", `count_over_time(short[4m:])`, 240 * time.Second, `{pod="a"} 4`},
		{"a negative offset and an @ modifier are allowed", `short offset -1m and short @ 1767225600`, 60 * time.Second, `{__name__="short", pod="a"} 1`},
		{"a regular expression over names", `{__name__=~"s.*|gone"}`, 60 * time.Second,
			"{__name__=\"gone\", pod=\"a\"} 1\n{__name__=\"short\", pod=\"a\"} 1"},
		{"two matchers on the name", `{__name__="short", __name__!~"s.*"}`, 60 * time.Second, ``},
		{"a matcher on an absent label", `short{zone=""}`, 60 * time.Second, `{__name__="short", pod="a"} 1`},
		{"a remark is no warning", `rate(short[1m])`, 60 * time.Second, `{pod="a"} 0`},
		{"a warning is one", `quantile(2, short)`, 60 * time.Second,
			"{} +Inf\nPromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"},
		{"warnings come in order", `quantile(5, short) + quantile(4, short) + quantile(3, short) + quantile(2, short)`, 60 * time.Second,
			"{} +Inf\nPromQL warning: quantile value should be between 0 and 1, got 2 (1:73)" +
				"\nPromQL warning: quantile value should be between 0 and 1, got 3 (1:52)" +
				"\nPromQL warning: quantile value should be between 0 and 1, got 4 (1:31)" +
				"\nPromQL warning: quantile value should be between 0 and 1, got 5 (1:10)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := db.Query(t.Context(), tc.expr, t0.Add(tc.at))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, show(v)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.expr, diff)
			}
			if want := t0.Add(tc.at); !v.At.Equal(want) {
				t.Errorf("at %s, want %s", v.At, want)
			}
		})
	}
}

func TestQueryWithoutTimeAsksTheClock(t *testing.T) {
	now := t0.Add(time.Minute + 1500*time.Microsecond)
	db := New(Options{Now: func() time.Time { return now }})
	v, err := db.Query(t.Context(), `time()`, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if want := t0.Add(time.Minute + time.Millisecond); !v.At.Equal(want) {
		t.Errorf("at %s, want the clock cut to the millisecond: %s", v.At, want)
	}
	if want := 1767225660.001; v.Samples[0].Value != want {
		t.Errorf("time() = %f, want %f", v.Samples[0].Value, want)
	}
}

func TestQueryRefuses(t *testing.T) {
	db := New(Options{})
	load(t, db, "x{pod=\"a\"} 0+1x4\nx{pod=\"b\"} 0+1x4")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		expr string
		is   error
		says string
	}{
		{"text that is no PromQL", t.Context(), `sum(`, ErrBadQuery, "parse error"},
		{"a range vector", t.Context(), `x[1m]`, ErrBadQuery, "the answer is a matrix"},
		{"a string", t.Context(), `"x"`, ErrBadQuery, "the answer is a string"},
		{"an ambiguous match", t.Context(), `x + on() x`, nil, "found duplicate series"},
		{"an ended context", ended, `x`, context.Canceled, "canceled"},
		{"a passed deadline", late, `x`, context.DeadlineExceeded, "timed out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := db.Query(tc.ctx, tc.expr, t0)
			if err == nil {
				t.Fatalf("answered %v", v)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is not %v", err, tc.is)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q does not say %q", err, tc.says)
			}
		})
	}
}

func TestNativeHistogramsAreRefused(t *testing.T) {
	_, err := instantSamples(promql.Vector{{Metric: labels.FromStrings("__name__", "x"), H: &histogram.FloatHistogram{}}})
	if !errors.Is(err, ErrBadQuery) || !strings.Contains(err.Error(), "native histogram") {
		t.Errorf("error is %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	x := labels.FromStrings("__name__", "x")
	var twice labels.ScratchBuilder
	twice.Add("__name__", "x")
	twice.Add("__name__", "y")
	for _, tc := range []struct {
		name string
		at   time.Duration
		ls   labels.Labels
		says string
	}{
		{"an older sample", -time.Second, x, "not newer"},
		{"a second sample of the same millisecond", time.Microsecond, x, "not newer"},
		{"no labels", time.Second, labels.EmptyLabels(), "no metric name"},
		{"no metric name", time.Second, labels.FromStrings("pod", "a"), "no metric name"},
		{"a label twice", time.Second, twice.Labels(), "given twice"},
		{"a value that is not UTF-8", time.Second, labels.FromStrings("__name__", "x", "pod", "\xff"), "not valid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db := New(Options{})
			if err := db.Append(t0, x, 1); err != nil {
				t.Fatal(err)
			}
			err := db.Append(t0.Add(tc.at), tc.ls, 1)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v, want it to say %q", err, tc.says)
			}
			if got, want := errors.Is(err, ErrOutOfOrder), strings.Contains(tc.says, "newer"); got != want {
				t.Errorf("is ErrOutOfOrder: %v, want %v", got, want)
			}
			if got := len(db.MetricFamilies()); got != 1 {
				t.Errorf("%d families after the refusal, want 1", got)
			}
		})
	}
}

func TestRetentionHidesAndForgets(t *testing.T) {
	db := New(Options{Retention: time.Minute})
	old, young := labels.FromStrings("__name__", "old"), labels.FromStrings("__name__", "young")
	for s := range 600 {
		at := t0.Add(time.Duration(s) * time.Second)
		if s < 100 {
			if err := db.Append(at, old, 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Append(at, young, 1); err != nil {
			t.Fatal(err)
		}
	}
	v, err := db.Query(t.Context(), `count_over_time({__name__=~"old|young"}[1h])`, t0.Add(599*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := show(v), `{} 61`; got != want {
		t.Errorf("one hour back there are %s, want %s: the last minute, both ends included", got, want)
	}
	if got := len(db.store.byKey); got != 1 {
		t.Errorf("%d series kept, want 1", got)
	}
	if got := cap(db.store.byName["young"][0].points); got > 256 {
		t.Errorf("room for %d points, want what a minute needs", got)
	}
}

// A writer appends scrapes in which all series agree. A query that saw part of
// one would see them differ.
func TestQuerySeesAScrapeWholeOrNotAtAll(t *testing.T) {
	const pods = 20
	db := New(Options{})
	appendOne := func(i int) {
		var batch []sample
		for pod := range pods {
			batch = append(batch, sample{
				labels: labels.FromStrings("__name__", fmt.Sprintf("x%d", pod%2), "pod", fmt.Sprint(pod)),
				t:      t0.UnixMilli() + int64(i), v: float64(i),
			})
		}
		db.appendScrape(batch, nil)
	}
	appendOne(0)
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 2000 {
			appendOne(i + 1)
		}
	})
	for range 200 {
		v, err := db.Query(t.Context(), `max(x0) - min(x1) + 100 * (count(x0) + count(x1))`, t0.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := show(v), fmt.Sprintf("{} %d", 100*pods); got != want {
			t.Fatalf("the spread and the count are %s, want %s", got, want)
		}
	}
	writer.Wait()
}

func TestSeriesComeInTheOrderOfTheirFirstSample(t *testing.T) {
	db := New(Options{})
	load(t, db, "x{pod=\"b\"} 1\nx{pod=\"a\"} 1\na{pod=\"c\"} 1\nx{pod=\"0\"} 1")
	v, err := db.Query(t.Context(), `{__name__=~".+"}`, t0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range v.Samples {
		got = append(got, s.Labels.Get("pod"))
	}
	if diff := cmp.Diff([]string{"c", "b", "a", "0"}, got); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// bigDB holds pods × paths series of one counter, 20 samples each.
func bigDB(b *testing.B, pods, paths int) *DB {
	b.Helper()
	db := New(Options{})
	for i := range 20 {
		db.appendScrape(bigScrape(pods, paths, i), nil)
	}
	return db
}

func bigScrape(pods, paths, i int) []sample {
	var batch []sample
	for pod := range pods {
		for path := range paths {
			batch = append(batch, sample{
				labels: labels.FromStrings("__name__", "http_requests_total", "namespace", "shop", "pod", fmt.Sprintf("web-%d", pod), "path", fmt.Sprintf("/%d", path)),
				t:      t0.UnixMilli() + int64(i)*15_000, v: float64(i * (pod + path)),
			})
		}
	}
	return batch
}

func BenchmarkAppend(b *testing.B) {
	db := New(Options{})
	batch := bigScrape(1000, 10, 0)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := batch[i%len(batch)]
		s.t += int64(i/len(batch)) * 15_000
		if err := db.store.append(s); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func benchmarkQuery(b *testing.B, db *DB, expr string, want int) {
	b.ReportAllocs()
	for b.Loop() {
		v, err := db.Query(b.Context(), expr, t0.Add(5*time.Minute-15*time.Second))
		if err != nil {
			b.Fatal(err)
		}
		if len(v.Samples) != want {
			b.Fatalf("%d samples, want %d", len(v.Samples), want)
		}
	}
}

func BenchmarkRateOf10kSeries(b *testing.B) {
	benchmarkQuery(b, bigDB(b, 1000, 10), `sum by (namespace, pod) (rate(http_requests_total[1m]))`, 1000)
}

func BenchmarkRateOf100kSeries(b *testing.B) {
	benchmarkQuery(b, bigDB(b, 10_000, 10), `sum by (namespace, pod) (rate(http_requests_total[1m]))`, 10_000)
}

// The price of an index by metric name alone: 100k series are compared to find ten.
func BenchmarkSelectOnePod(b *testing.B) {
	benchmarkQuery(b, bigDB(b, 10_000, 10), `http_requests_total{pod="web-77"}`, 10)
}

func isSame(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || (math.IsNaN(a) && math.IsNaN(b))
}
