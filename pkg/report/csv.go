package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// CSV writes a table with a row for every tick, under a header with the unit of
// each column. Times are RFC 3339; what is not known is an empty field. The
// decisions of the HPA since the row before are in syncs (how many) and of the
// last one reason, metric_NAME (observed) and true_NAME (what it would be
// without scrapes and windows, in this tick).
//
// A table has one set of columns. It has the metrics of the specs that NewCSV got,
// and of the runs that began before the first tick; a run that has others is an
// error.
type CSV struct {
	out     *csv.Writer
	metrics []string
	started bool
	runs    map[string]*csvRun
}

// csvRun is what a row takes from other messages than its tick.
type csvRun struct {
	metrics  []string // names of columns, in the order of the HPA
	openLoop bool
	syncs    int // since the last row
	reason   hpa.Reason
	observed map[string]float64
}

// NewCSV returns a CSV that writes to w. It has columns for the metrics of specs.
func NewCSV(w io.Writer, specs ...*hpa.Spec) *CSV {
	c := &CSV{out: csv.NewWriter(w), runs: map[string]*csvRun{}}
	for _, spec := range specs {
		c.add(metricsOf(spec))
	}
	return c
}

// metricsOf are the columns of an HPA's metrics. The second of a name has a number.
func metricsOf(spec *hpa.Spec) []string {
	if spec == nil {
		return nil
	}
	var names []string
	for i := range spec.Metrics {
		names = append(names, nameOf(&spec.Metrics[i]).Name)
	}
	return distinct(names)
}

// distinct numbers what comes again: cpu, cpu_2.
func distinct(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		one := name
		for i := 2; slices.Contains(out, one); i++ {
			one = fmt.Sprintf("%s_%d", name, i)
		}
		out = append(out, one)
	}
	return out
}

func (c *CSV) add(metrics []string) {
	for _, m := range metrics {
		if !slices.Contains(c.metrics, m) {
			c.metrics = append(c.metrics, m)
		}
	}
}

// Handle implements sim.Handler.
func (c *CSV) Handle(m sim.Message) error {
	if begin, ok := m.(*sim.Begin); ok {
		return c.begin(begin)
	}
	run := c.runs[m.Of()]
	if run == nil {
		return fmt.Errorf("a message of run %q, which has not begun", m.Of())
	}
	switch m := m.(type) {
	case *sim.Sync:
		return run.sync(m, c.metrics)
	case *sim.Tick:
		return c.row(m, run)
	case *sim.End:
		delete(c.runs, m.Run)
	}
	return nil
}

func (c *CSV) begin(m *sim.Begin) error {
	metrics := metricsOf(m.Spec)
	if !c.started {
		c.add(metrics)
	}
	for _, name := range metrics {
		if !slices.Contains(c.metrics, name) {
			return fmt.Errorf("run %q has the metric %q, for which the table has no column", m.Run, name)
		}
	}
	c.runs[m.Run] = &csvRun{metrics: metrics, openLoop: m.OpenLoop}
	return nil
}

func (r *csvRun) sync(m *sim.Sync, columns []string) error {
	r.syncs++
	r.reason = m.Reason
	r.observed = map[string]float64{}
	names := make([]string, len(m.Observed))
	for i, o := range m.Observed {
		names[i] = o.Metric
	}
	for i, name := range distinct(names) {
		if !slices.Contains(columns, name) {
			return fmt.Errorf("run %q has the metric %q since an edit, for which the table has no column", m.Run, name)
		}
		r.observed[name] = m.Observed[i].Value
	}
	return nil
}

func (c *CSV) header() []string {
	names := []string{
		"run", "time", "at_seconds", "demand_per_second", "capacity_per_second",
		"completed", "failed", "dropped", "waiting",
		"desired", "pods", "ready", "need",
		"p50_seconds", "p95_seconds", "p99_seconds", "objective_seconds", "over_seconds",
		"syncs", "reason", "open_loop",
	}
	for _, m := range c.metrics {
		names = append(names, "metric_"+m, "true_"+m)
	}
	return names
}

func (c *CSV) row(m *sim.Tick, r *csvRun) error {
	if !c.started {
		c.started = true
		if err := c.out.Write(c.header()); err != nil {
			return err
		}
	}
	fields := []string{
		m.Run, m.Time.Format(time.RFC3339Nano), field(m.At.Seconds()), field(m.Demand), field(capacity(m)),
		field(m.Completed), field(m.Failed), field(m.Dropped), field(m.Waiting),
		strconv.Itoa(int(m.Desired)), strconv.Itoa(m.Pods), strconv.Itoa(m.Ready), field(need(m)),
		field(m.P50), field(m.P95), field(m.P99), field(m.Objective), field(m.Over),
		strconv.Itoa(r.syncs), string(r.reason), strconv.FormatBool(r.openLoop),
	}
	for _, name := range c.metrics {
		fields = append(fields, field(r.last(name)), field(r.truth(m, name)))
	}
	r.syncs, r.reason, r.observed = 0, "", nil
	return c.out.Write(fields)
}

// last is what the HPA observed last, NaN where it did not.
func (r *csvRun) last(name string) float64 {
	if v, ok := r.observed[name]; ok {
		return v
	}
	return math.NaN()
}

// truth is the true value of a metric, NaN where the run has none.
func (r *csvRun) truth(m *sim.Tick, name string) float64 {
	if i := slices.Index(r.metrics, name); i >= 0 && i < len(m.True) {
		return m.True[i]
	}
	return math.NaN()
}

// Close writes what is left.
func (c *CSV) Close() error {
	if !c.started {
		if err := c.out.Write(c.header()); err != nil {
			return err
		}
	}
	c.out.Flush()
	return c.out.Error()
}

// field writes a number, and of NaN nothing. It always has a point or an exponent,
// so that a column of whole numbers by chance has the type it has in other tables.
func field(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// capacity is what the ready pods can serve, NaN where it has no bound.
func capacity(m *sim.Tick) float64 {
	if m.Capacity == 0 && m.Ready > 0 {
		return math.NaN()
	}
	return m.Capacity
}

// need is the replicas that the demand needed, NaN where that is not known.
func need(m *sim.Tick) float64 {
	if m.Need == 0 {
		return math.NaN()
	}
	return float64(m.Need)
}
