package trace

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A csvReader reads rows into series.
type csvReader struct {
	name    string
	options Options
	rows    *csv.Reader
	columns columns
	line    int // of the last row

	builder Builder
	// groups are the series of a row by its labels, one per value column; for rows
	// that come with the labels of the row before, they are found at once.
	groups  map[string][]*Series
	key     []byte
	group   []*Series
	happens map[*Series][]int64 // times of events

	stamp string // the last one that was read, which is timed
	timed int64
	count int64 // of rows, for those an interval apart
}

func readCSV(name string, text *bufio.Reader, o Options) (*Set, error) {
	head, err := text.Peek(headLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(name, place{}, err)
	}
	rows := csv.NewReader(bufio.NewReader(&lineLimit{from: text}))
	rows.ReuseRecord = true
	rows.FieldsPerRecord = -1
	rows.Comma = delimiter(head)
	r := &csvReader{name: name, options: o, rows: rows, groups: map[string][]*Series{}, happens: map[*Series][]int64{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	r.sortEvents()
	notes, err := r.dropEmpty()
	if err != nil {
		return nil, err
	}
	return r.builder.set(name, CSV, notes), nil
}

// dropEmpty leaves out columns without any value, and says so. One that was asked
// for is missed.
func (r *csvReader) dropEmpty() ([]string, error) {
	var notes []string
	for _, s := range r.builder.order {
		if s.length > 0 {
			continue
		}
		if len(r.options.Values) > 0 {
			return nil, &Problem{File: r.name, Line: 1, Cause: fmt.Sprintf("column %s has no value in any row", quoted(s.Name)), Hint: "choose other columns, of " + listed(r.columns.names)}
		}
		notes = append(notes, fmt.Sprintf("Column %s has no value in any row and is left out.", quoted(s.Name)))
	}
	r.builder.order = slices.DeleteFunc(r.builder.order, func(s *Series) bool { return s.length == 0 })
	return notes, nil
}

// delimiter is the separator that the first line has most: a comma where none.
func delimiter(head []byte) rune {
	first, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte("\n"))
	best, most := ',', bytes.Count(first, []byte(","))
	for _, other := range ";\t" {
		if n := bytes.Count(first, []byte(string(other))); n > most {
			best, most = other, n
		}
	}
	return best
}

func (r *csvReader) read() error {
	first, places, err := r.firstRow()
	if err != nil {
		return err
	}
	second, err := r.row()
	if err != nil && !errors.Is(err, io.EOF) {
		return r.planned(first, nil, places, err)
	}
	if err := r.planned(first, second, places, nil); err != nil {
		return err
	}
	if !r.columns.header {
		if err := r.take(first, func(i int) place { return places[i] }); err != nil {
			return err
		}
	}
	for ; err == nil; second, err = r.row() {
		if err := r.take(second, r.place); err != nil {
			return err
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if r.count == 0 {
		return &Problem{File: r.name, Line: 1, Column: 1, Cause: "the file has no rows below its header " + listed(r.columns.names)}
	}
	return nil
}

// firstRow is the first row, and where its cells are.
func (r *csvReader) firstRow() ([]string, []place, error) {
	row, err := r.row()
	if err != nil {
		return nil, nil, err
	}
	places := make([]place, len(row))
	for i := range row {
		places[i] = r.place(i)
	}
	return slices.Clone(row), places, nil
}

// planned decides what the columns are for. A second row that cannot be read is
// told of only where the first begins a trace: a licence has quotes as well.
func (r *csvReader) planned(first, second []string, places []place, unread error) error {
	plan, m := planColumns(first, second, r.options)
	r.columns = plan
	if m == nil || unread != nil && kindsOf(first) {
		return unread
	}
	at := places[min(m.cell, len(places)-1)]
	if m.row == 1 && m.cell < len(second) {
		at = r.place(m.cell)
	}
	return r.problem(at, m.cause, m.hint)
}

// kindsOf reports whether a row has several cells, or something other than words.
func kindsOf(row []string) bool {
	return len(row) > 1 || kindOf(strings.TrimSpace(row[0])) != words
}

// row is the next row; its cells are valid until the one after.
func (r *csvReader) row() ([]string, error) {
	row, err := r.rows.Read()
	var wrong *csv.ParseError
	switch {
	case err == nil:
		r.line, _ = r.rows.FieldPos(0)
		return row, nil
	case errors.Is(err, io.EOF) && !errors.As(err, &wrong):
		return nil, io.EOF
	case errors.Is(err, errLongLine):
		return nil, &Problem{File: r.name, Line: max(r.line, 0) + 1, Cause: err.Error(), Hint: readable}
	case errors.As(err, &wrong):
		return nil, r.problem(place{line: wrong.Line, column: wrong.Column}, quoteTrouble(wrong), `write a quote inside of quotes twice, as in "say ""yes"""`)
	}
	return nil, unreadable(r.name, place{line: r.line + 1}, err)
}

func quoteTrouble(wrong *csv.ParseError) string {
	switch {
	case !errors.Is(wrong.Err, csv.ErrQuote):
		return "a quote stands in a cell that does not begin with one"
	case wrong.StartLine != wrong.Line:
		return fmt.Sprintf("a quoted cell of the row from line %d does not end, or goes on after its end", wrong.StartLine)
	}
	return "a quoted cell does not end, or goes on after its end"
}

func (r *csvReader) place(cell int) place {
	line, column := r.rows.FieldPos(cell)
	return place{line: line, column: column}
}

func (r *csvReader) problem(at place, cause, hint string) *Problem {
	return &Problem{File: r.name, Line: at.line, Column: at.column, Cause: cause, Hint: hint}
}

// take adds a row.
func (r *csvReader) take(row []string, at func(cell int) place) error {
	if len(row) != len(r.columns.names) {
		return r.problem(at(0), fmt.Sprintf("the row has %s, the first has %d", cells(len(row)), len(r.columns.names)), "quote cells that contain the separator, and cut off what is incomplete")
	}
	t, err := r.time(row, at)
	if err != nil {
		return err
	}
	r.count++
	group, err := r.seriesOf(row, at)
	if err != nil {
		return err
	}
	if r.options.Events {
		s := group[0]
		r.happens[s] = append(r.happens[s], t)
		return nil
	}
	nothing := r.allEmpty(row)
	for n, i := range r.columns.values {
		value, recorded, ok := parseCell(row[i])
		if !ok {
			return r.noNumber(row[i], i, at(i))
		}
		if !recorded && !nothing && len(r.columns.labels) == 0 {
			continue // others were recorded, this one was not there
		}
		if err := group[n].add(t, value, at(i)); err != nil {
			return r.problem(at(max(r.columns.time, 0)), fmt.Sprintf("series %s: %s", group[n], err), sortHint)
		}
	}
	return nil
}

func cells(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

// allEmpty reports whether a row has no value at all.
func (r *csvReader) allEmpty(row []string) bool {
	for _, i := range r.columns.values {
		if strings.TrimSpace(row[i]) != "" {
			return false
		}
	}
	return true
}

// parseCell reads a value, which is NaN where it is missing; of an empty cell,
// recorded is false.
func parseCell(cell string) (value float64, recorded, ok bool) {
	value, ok = parseNumber(cell)
	if ok {
		return value, true, true
	}
	cell = strings.TrimSpace(cell)
	if cell == "" {
		return nan, false, true
	}
	if missing(cell) {
		return nan, true, true
	}
	value, ok = parseNumber(cell)
	return value, true, ok
}

func (r *csvReader) noNumber(cell string, i int, at place) error {
	hint := "leave the cell empty where nothing was recorded, or choose other columns"
	if _, ok := parseNumber(strings.ReplaceAll(strings.TrimSpace(cell), ",", "")); ok {
		hint = "write decimals with a point, and thousands without a comma"
	}
	return r.problem(at, fmt.Sprintf("%s in column %s is no number", quoted(cell), quoted(r.columns.names[i])), hint)
}

// time is that of a row.
func (r *csvReader) time(row []string, at func(int) place) (int64, error) {
	if r.columns.time < 0 {
		return r.counted(at(0))
	}
	cell := row[r.columns.time]
	if cell == r.stamp && r.count > 0 {
		return r.timed, nil
	}
	var t int64
	var err error
	switch text := strings.TrimSpace(cell); {
	case r.columns.unit > 0:
		t, err = parseUnix(text, r.columns.unit)
	default:
		t, err = parseStamp(text)
	}
	if err != nil {
		return 0, r.problem(at(r.columns.time), err.Error(), r.timeHint())
	}
	r.stamp, r.timed = cell, t
	return t, nil
}

func (r *csvReader) timeHint() string {
	if r.columns.unit > 0 {
		return fmt.Sprintf("the times of this file are numbers of %s since 1970", r.columns.unit)
	}
	return "write times as 2006-01-02T15:04:05Z, as 2006-01-02 15:04:05 in UTC, or in Unix seconds or milliseconds, and all in one way"
}

// counted is the time of a row that has none of its own. Rows are counted, so that
// an empty line, which a CSV reader passes over, would shift all that follow.
func (r *csvReader) counted(at place) (int64, error) {
	first := int64(1)
	if r.columns.header {
		first = 2
	}
	if int64(at.line) != first+r.count {
		return 0, r.problem(place{line: int(first + r.count), column: 1}, "the line is empty or not one row, and rows are counted here", "write NaN where nothing was recorded")
	}
	begin := earliest
	if !r.options.Begin.IsZero() {
		begin = r.options.Begin
	}
	room := latest.Sub(begin)
	if r.count > int64(room/r.options.Interval) {
		return 0, r.problem(at, "the time of this row "+outOfRange, "give a shorter interval")
	}
	return begin.UnixNano() + r.count*int64(r.options.Interval), nil
}

// seriesOf are the series of a row, in the order of the value columns.
func (r *csvReader) seriesOf(row []string, at func(int) place) ([]*Series, error) {
	if len(r.columns.labels) == 0 && r.group != nil {
		return r.group, nil
	}
	r.key = r.key[:0]
	for _, i := range r.columns.labels {
		r.key = append(append(r.key, row[i]...), 0)
	}
	if group, ok := r.groups[string(r.key)]; ok {
		return group, nil
	}
	var labels []Label
	for _, i := range r.columns.labels {
		if value := strings.TrimSpace(row[i]); value != "" {
			labels = append(labels, Label{r.columns.names[i], value})
		}
	}
	names := []string{"events"}
	if !r.options.Events {
		names = names[:0]
		for _, i := range r.columns.values {
			names = append(names, r.columns.names[i])
		}
	}
	group := make([]*Series, len(names))
	for _, l := range labels {
		if !utf8.ValidString(l.Name + l.Value) {
			return nil, r.problem(at(r.columns.labels[0]), fmt.Sprintf("label %s=%s is not UTF-8", l.Name, quoted(l.Value)), "save the file as UTF-8")
		}
	}
	for n, name := range names {
		if !utf8.ValidString(name) {
			return nil, r.problem(place{line: 1, column: 1}, fmt.Sprintf("the name of column %s is not UTF-8", quoted(name)), "save the file as UTF-8")
		}
		all := labels
		if len(r.columns.labels) == 0 {
			var own []Label
			name, own = columnSeries(name)
			all = append(own, labels...)
		}
		group[n] = r.builder.series(name, all)
		group[n].events = r.options.Events
	}
	if len(r.builder.order) > mostSeries {
		return nil, r.problem(at(0), fmt.Sprintf("the file has more than %d series", mostSeries), "choose the label columns: one of them is different in each row")
	}
	r.groups[string(r.key)], r.group = group, group
	return group, nil
}

// columnSeries is the series of a wide column, which may be named as Prometheus
// names series.
func columnSeries(name string) (string, []Label) {
	if !strings.HasSuffix(name, "}") {
		return name, nil
	}
	metric, labels, rest, err := parseSeries(name)
	if err != nil || rest != "" {
		return name, nil
	}
	return metric, labels
}

// sortEvents makes samples of events, which may have come in any order.
func (r *csvReader) sortEvents() {
	for _, s := range r.builder.order {
		times := r.happens[s]
		slices.Sort(times)
		for _, t := range times {
			s.append(t, 1)
		}
	}
}

// A lineLimit ends a text with errLongLine where a line has no end: what is not
// meant to be CSV is not read into memory.
type lineLimit struct {
	from io.Reader
	size int // of the line so far
}

const longestLine = 1 << 20

var errLongLine = fmt.Errorf("a line is longer than %d bytes", longestLine)

// Read implements io.Reader.
func (l *lineLimit) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		l.size = n - end - 1
	} else {
		l.size += n
	}
	if l.size > longestLine {
		return 0, errLongLine
	}
	return n, err
}
