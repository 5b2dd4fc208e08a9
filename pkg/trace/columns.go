package trace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// columns say what each cell of a CSV file is for.
type columns struct {
	names  []string
	header bool
	time   int // -1: the rows are an interval apart
	unit   time.Duration
	labels []int
	values []int // none of events
}

// A misfit is a Problem with one of the first two rows.
type misfit struct {
	row, cell   int
	cause, hint string
}

// A kind is what a cell looks like.
type kind int

const (
	empty kind = iota
	number
	stamp
	words
)

func kindOf(cell string) kind {
	switch _, isNumber := parseNumber(cell); {
	case cell == "":
		return empty
	case isNumber, missing(cell):
		return number
	case looksLikeStamp(cell):
		return stamp
	}
	return words
}

// missing reports whether a cell says that nothing was recorded, in the words of
// pandas, R, SQL and Grafana.
func missing(cell string) bool {
	switch strings.ToLower(cell) {
	case "nan", "null", "none", "na", "n/a":
		return true
	}
	return false
}

// planColumns decides what the cells are for, by the first two rows and the
// options. The second may be nil.
func planColumns(first, second []string, o Options) (columns, *misfit) {
	first, second = trimmed(first), trimmed(second)
	c := columns{time: -1, header: hasHeader(first, second)}
	sample, row := first, 0
	if c.header {
		c.names, sample, row = first, second, 1
	}
	for i := len(c.names); i < len(first); i++ {
		c.names = append(c.names, fmt.Sprintf("column %d", i+1))
	}
	if len(c.names) == 1 && !c.header {
		c.names[0] = "value"
	}
	kinds := make([]kind, len(first))
	for i, cell := range sample[:min(len(sample), len(first))] {
		kinds[i] = kindOf(cell)
	}
	if !slices.Contains(kinds, number) && !slices.Contains(kinds, stamp) {
		return c, nothing(c, first, second)
	}
	if m := c.chooseTime(kinds, sample, o); m != nil {
		m.row = min(m.row, row)
		return c, m
	}
	if m := c.chooseLabels(kinds, o); m != nil {
		return c, m
	}
	return c, c.chooseValues(kinds, o)
}

func trimmed(cells []string) []string {
	out := make([]string, len(cells))
	for i, cell := range cells {
		out[i] = strings.Clone(strings.TrimSpace(cell))
	}
	return out
}

// hasHeader reports whether a column has a name in the first row and a number or a
// time below it. Names may be numbers, as those of quantiles.
func hasHeader(first, second []string) bool {
	named := true
	for i, name := range first {
		named = named && (name == "" || kindOf(name) == words)
		if i < len(second) && kindOf(name) == words {
			if below := kindOf(second[i]); below == number || below == stamp {
				return true
			}
		}
	}
	return named
}

// nothing refuses a text whose beginning has neither numbers nor times.
func nothing(c columns, first, second []string) *misfit {
	if len(first) > 1 && len(second) == 0 {
		return &misfit{cause: "the file has no rows below its header " + listed(c.names)}
	}
	return &misfit{cause: quoted(strings.Join(first, ",")) + " begins no trace: the first lines hold neither numbers nor times", hint: readable}
}

// find is the column of a name, or of a number from 1.
func (c *columns) find(what, name string) (int, *misfit) {
	if i := slices.Index(c.names, name); i >= 0 {
		if second := slices.Index(c.names[i+1:], name); second >= 0 {
			return 0, &misfit{cell: i + 1 + second, cause: fmt.Sprintf("two columns are named %s", quoted(name)), hint: "choose one by its number, such as " + strconv.Itoa(i+1)}
		}
		return i, nil
	}
	if n, err := strconv.Atoi(name); err == nil && 1 <= n && n <= len(c.names) {
		return n - 1, nil
	}
	return 0, &misfit{cause: fmt.Sprintf("there is no column %s for %s", quoted(name), what), hint: "there are " + listed(c.names)}
}

// timeUnits are what the ends of column names say of numbers that are times.
var timeUnits = []struct {
	suffix string
	unit   time.Duration
}{
	{"_ms", time.Millisecond}, {"_millis", time.Millisecond}, {"_milliseconds", time.Millisecond}, {"(ms)", time.Millisecond},
	{"_us", time.Microsecond}, {"_ns", time.Nanosecond},
	{"_s", time.Second}, {"_sec", time.Second}, {"_seconds", time.Second}, {"(s)", time.Second},
	{"(min)", time.Minute}, {"(mins)", time.Minute},
}

// timeName reports whether a column's name says that it holds the time, and in
// which unit; 0 is not said.
func timeName(name string) (time.Duration, bool) {
	name = strings.ToLower(name)
	unit := time.Duration(0)
	for _, u := range timeUnits {
		if cut, ok := strings.CutSuffix(name, u.suffix); ok {
			name, unit = cut, u.unit
			break
		}
	}
	switch strings.TrimSpace(name) {
	case "time", "timestamp", "ts", "date", "datetime", "period", "unixtime", "unix", "epoch", "end_timestamp", "start_timestamp":
		return unit, true
	}
	return 0, false
}

// longAgo is the number above which a time cannot be in seconds: the year 5138. In
// milliseconds it is 1973.
const longAgo = 1e11

func (c *columns) chooseTime(kinds []kind, sample []string, o Options) *misfit {
	if o.Interval > 0 && o.Time == "" {
		if i := slices.Index(kinds, stamp); i >= 0 {
			return &misfit{row: 1, cell: i, cause: fmt.Sprintf("column %s holds times already, an interval between rows is not needed", quoted(c.names[i])), hint: "leave the interval out"}
		}
		return nil
	}
	if o.Time != "" {
		i, m := c.find("the time", o.Time)
		if m != nil {
			return m
		}
		if o.Interval > 0 {
			return &misfit{cell: i, cause: "there is a time column and an interval between rows", hint: "give one of the two"}
		}
		c.time = i
	} else {
		c.time = c.likelyTime(kinds, sample)
	}
	if c.time < 0 && len(c.names) == 1 {
		return &misfit{cause: "the file has one value per line and no times", hint: "give the interval between the lines, such as 1s"}
	}
	if c.time < 0 {
		return &misfit{cause: "no column holds times; there are " + listed(c.names), hint: "name the time column, or give the interval between the rows, such as 1s"}
	}
	if kinds[c.time] == number {
		c.unit = o.TimeUnit
		if named, _ := timeName(c.names[c.time]); c.unit == 0 {
			c.unit = named
		}
		if c.unit == 0 {
			c.unit = time.Second
			if t, _ := parseNumber(sample[c.time]); t > longAgo {
				c.unit = time.Millisecond
			}
		}
	}
	return nil
}

// likelyTime is the first column with dates; or the first whose name says time; or,
// without names, the first column if its numbers can be Unix times. -1 is none.
func (c *columns) likelyTime(kinds []kind, sample []string) int {
	if i := slices.Index(kinds, stamp); i >= 0 {
		return i
	}
	for i, name := range c.names {
		if _, ok := timeName(name); ok && c.header && kinds[i] == number {
			return i
		}
	}
	const year1973 = 1e8
	if len(kinds) > 1 && kinds[0] == number && !c.header {
		if t, ok := parseNumber(sample[0]); ok && t > year1973 {
			return 0
		}
	}
	return -1
}

func (c *columns) chooseLabels(kinds []kind, o Options) *misfit {
	for _, name := range o.Labels {
		i, m := c.find("a label", name)
		if m != nil {
			return m
		}
		if i == c.time {
			return &misfit{cell: i, cause: fmt.Sprintf("column %s is the time and cannot be a label", quoted(c.names[i])), hint: "name another time column"}
		}
		c.labels = append(c.labels, i)
	}
	if len(o.Labels) > 0 || o.Events {
		return nil
	}
	for i, k := range kinds {
		if k == words && i != c.time && !slices.Contains(o.Values, c.names[i]) {
			c.labels = append(c.labels, i)
		}
	}
	return nil
}

func (c *columns) chooseValues(kinds []kind, o Options) *misfit {
	if o.Events {
		if len(o.Values) > 0 {
			return &misfit{cause: "events have no value columns, each row is one", hint: "leave out the values, or the events"}
		}
		if c.time < 0 {
			return &misfit{cause: "events need times", hint: "name the time column, of " + listed(c.names)}
		}
		return nil
	}
	for _, name := range o.Values {
		i, m := c.find("values", name)
		switch {
		case m != nil:
			return m
		case i == c.time:
			return &misfit{cell: i, cause: fmt.Sprintf("column %s is the time and cannot be a value", quoted(c.names[i])), hint: "choose one of " + listed(c.names)}
		case slices.Contains(c.labels, i):
			return &misfit{cell: i, cause: fmt.Sprintf("column %s is a label and cannot be a value", quoted(c.names[i])), hint: "choose one of " + listed(c.names)}
		}
		c.values = append(c.values, i)
	}
	if len(o.Values) == 0 {
		c.values = c.likelyValues(kinds)
	}
	if len(c.values) == 0 {
		return &misfit{cause: "no column holds values; there are " + listed(c.names), hint: "to count the rows, read them as events"}
	}
	for n, i := range c.values {
		for _, j := range c.values[:n] {
			if c.names[i] == c.names[j] {
				return &misfit{cell: i, cause: fmt.Sprintf("two columns are named %s", quoted(c.names[i])), hint: "rename one, or choose the values by their numbers, such as " + strconv.Itoa(j+1)}
			}
		}
	}
	return nil
}

// likelyValues are the columns that hold numbers, and those whose second row is
// empty: but not the times in other forms, and not columns without a name, as
// pandas writes its index.
func (c *columns) likelyValues(kinds []kind) []int {
	var values []int
	for i, k := range kinds {
		_, isTime := timeName(c.names[i])
		switch {
		case i == c.time, c.time >= 0 && isTime, c.names[i] == "", slices.Contains(c.labels, i):
		case k == number, k == empty:
			values = append(values, i)
		}
	}
	return values
}
