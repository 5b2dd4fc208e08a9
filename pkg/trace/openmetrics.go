package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An openMetricsReader reads the lines of an OpenMetrics text.
type openMetricsReader struct {
	name    string
	wanted  []string
	builder Builder
	line    int

	text   string // of the series of the line before, which is often the same
	series *Series
	byText map[string]*Series // nil for series that are not wanted
	names  []string
}

func readOpenMetrics(name string, text *bufio.Reader, o Options) (*Set, error) {
	r := &openMetricsReader{name: name, wanted: o.Values, byText: map[string]*Series{}}
	ended := false
	for {
		line, err := text.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		r.line++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, r.problem(1, fmt.Sprintf("a line is longer than %d bytes", bufferLen), "")
		case err != nil && !errors.Is(err, io.EOF):
			return nil, unreadable(name, place{line: r.line}, err)
		case ended:
			return nil, r.problem(1, "the text goes on after # EOF", "give one dump per file")
		}
		body := strings.TrimRight(string(line), "\r\n")
		if !utf8.ValidString(body) {
			return nil, r.problem(1, "the line is not UTF-8", "save the file as UTF-8")
		}
		if ended, err = r.take(body); err != nil {
			return nil, err
		}
	}
	if !ended {
		return nil, &Problem{File: name, Line: r.line, Column: 1, Cause: "the text ends without # EOF, it is cut short", Hint: "dump it again"}
	}
	if missed, is := missingName(o.Values, r.names); is {
		return nil, noMetric(name, missed, r.names)
	}
	if len(r.builder.order) == 0 {
		return nil, &Problem{File: name, Cause: "the file has no samples"}
	}
	return r.builder.set(name, OpenMetrics, nil), nil
}

// noMetric is the Problem of a file without one of the wanted metrics.
func noMetric(file, missed string, names []string) *Problem {
	return &Problem{File: file, Cause: fmt.Sprintf("there is no metric %s", quoted(missed)), Hint: "there are " + listed(names)}
}

func (r *openMetricsReader) problem(column int, cause, hint string) *Problem {
	return &Problem{File: r.name, Line: r.line, Column: column, Cause: cause, Hint: hint}
}

// take reads a line and reports whether it is the last one.
func (r *openMetricsReader) take(line string) (end bool, err error) {
	switch {
	case line == "# EOF":
		return true, nil
	case strings.HasPrefix(line, "# TYPE "), strings.HasPrefix(line, "# HELP "), strings.HasPrefix(line, "# UNIT "):
		return false, nil
	case line == "":
		return false, r.problem(1, "the line is empty", "OpenMetrics has no empty lines")
	case line[0] == '#':
		return false, r.problem(1, fmt.Sprintf("%s is neither # TYPE, # HELP, # UNIT nor # EOF", quoted(line)), sampleHint)
	}
	rest, err := r.find(line)
	if err != nil {
		return false, err
	}
	return false, r.sample(line, rest)
}

// find sets the series of a line, and returns what follows it.
func (r *openMetricsReader) find(line string) (string, error) {
	if rest, ok := strings.CutPrefix(line, r.text); ok && r.text != "" && strings.HasPrefix(rest, " ") {
		return rest, nil
	}
	metric, labels, rest, err := parseSeries(line)
	if err != nil {
		return "", r.problem(1+len(line)-len(rest), err.Error(), sampleHint)
	}
	text := line[:len(line)-len(rest)]
	s, known := r.byText[text]
	if !known {
		if !slices.Contains(r.names, metric) {
			r.names = append(r.names, metric)
		}
		if len(r.wanted) == 0 || slices.Contains(r.wanted, metric) {
			s = r.builder.series(metric, labels)
		}
		if len(r.byText) >= mostSeries {
			return "", r.problem(1, fmt.Sprintf("the file has more than %d series", mostSeries), "dump fewer with --match")
		}
		r.byText[strings.Clone(text)] = s
	}
	r.text, r.series = strings.Clone(text), s
	return rest, nil
}

const sampleHint = `a line is name{label="value"} value timestamp`

// sample reads what follows the series of a line: a value, a time, and perhaps an
// exemplar, which no demand has a use for.
func (r *openMetricsReader) sample(line, rest string) error {
	column := func(rest string) int { return 1 + len(line) - len(rest) }
	if !strings.HasPrefix(rest, " ") {
		return r.problem(column(rest), "a space and the value are missing", sampleHint)
	}
	valueText, after, timed := strings.Cut(rest[1:], " ")
	value, ok := parseNumber(valueText)
	if !ok {
		return r.problem(column(rest)+1, fmt.Sprintf("%s is no number", quoted(valueText)), sampleHint)
	}
	if !timed {
		return r.problem(column(rest)+1, "the sample has no timestamp", "dump with promtool tsdb dump-openmetrics: a page of /metrics is one moment and no trace")
	}
	timeText, exemplar, more := strings.Cut(after, " ")
	if more && !strings.HasPrefix(exemplar, "# {") {
		return r.problem(column(exemplar), fmt.Sprintf("%s follows the timestamp", quoted(exemplar)), sampleHint)
	}
	t, err := parseUnix(timeText, time.Second)
	if err != nil {
		return r.problem(column(after), err.Error(), "timestamps of OpenMetrics are seconds since 1970, those of Prometheus' own text format are milliseconds")
	}
	if r.series == nil {
		return nil
	}
	if err := r.series.add(t, value, place{line: r.line, column: column(after)}); err != nil {
		return r.problem(column(after), fmt.Sprintf("series %s: %s", r.series, err), "sort the samples of each series by time")
	}
	return nil
}

// looksLikeOpenMetrics reports whether a text with this first line is OpenMetrics.
func looksLikeOpenMetrics(line string) bool {
	line = strings.TrimRight(line, "\r")
	for _, comment := range []string{"# TYPE ", "# HELP ", "# UNIT ", "# EOF"} {
		if strings.HasPrefix(line, comment) {
			return true
		}
	}
	if i := strings.IndexByte(line, '{'); i > 0 && classicName(line[:i], true) {
		return true
	}
	name, rest, _ := strings.Cut(line, " ")
	value, stamp, timed := strings.Cut(rest, " ")
	_, isNumber := parseNumber(value)
	stamp, _, _ = strings.Cut(stamp, " ")
	_, isTime := parseNumber(stamp)
	return classicName(name, true) && isNumber && (!timed || isTime)
}

// classicName reports whether a name needs no quotes in Prometheus.
func classicName(name string, colons bool) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || colons && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// parseSeries reads a name and labels, as in http_requests_total{pod="web-1"}, and
// returns what follows them; with an error, from where it is wrong.
func parseSeries(text string) (name string, labels []Label, rest string, err error) {
	end := strings.IndexAny(text, "{ ")
	if end < 0 {
		return "", nil, text[len(text):], errors.New("a value is missing")
	}
	name, rest = text[:end], text[end:]
	if rest[0] == ' ' {
		if name == "" {
			return "", nil, text, errors.New("the line begins with a space")
		}
		return name, nil, rest, nil
	}
	rest = rest[1:]
	for !strings.HasPrefix(rest, "}") {
		var l Label
		if l, rest, err = parseLabel(rest); err != nil {
			return "", nil, rest, err
		}
		if slices.ContainsFunc(labels, func(other Label) bool { return other.Name == l.Name }) {
			return "", nil, rest, fmt.Errorf("label %s is there twice", quoted(l.Name))
		}
		labels = append(labels, l)
		if after, ok := strings.CutPrefix(rest, ","); ok {
			rest = after
		} else if !strings.HasPrefix(rest, "}") {
			return "", nil, rest, errors.New("a comma or a closing brace is missing after a label")
		}
	}
	return name, sortedLabels(labels), rest[1:], nil
}

// parseLabel reads name="value".
func parseLabel(text string) (Label, string, error) {
	var name, rest string
	if strings.HasPrefix(text, `"`) {
		quotedName, err := strconv.QuotedPrefix(text)
		if err != nil {
			return Label{}, text, errors.New("the quotes of a label name do not end")
		}
		if name, err = strconv.Unquote(quotedName); err != nil {
			return Label{}, text, errors.New("a label name has an escape that does not exist")
		}
		rest = text[len(quotedName):]
	} else {
		end := strings.IndexByte(text, '=')
		if end < 0 || !classicName(text[:end], false) {
			return Label{}, text, fmt.Errorf("a label is expected, as in pod=\"web-1\"")
		}
		name, rest = text[:end], text[end:]
	}
	after, ok := strings.CutPrefix(rest, `="`)
	if !ok {
		return Label{}, rest, fmt.Errorf("label %s: =\" is expected", quoted(name))
	}
	quotedValue, err := strconv.QuotedPrefix(`"` + after)
	if err != nil {
		return Label{}, rest, fmt.Errorf("label %s: the quotes of its value do not end, or it has an escape that does not exist", quoted(name))
	}
	value, err := strconv.Unquote(quotedValue)
	if err != nil {
		return Label{}, rest, fmt.Errorf("label %s: its value has an escape that does not exist", quoted(name))
	}
	return Label{name, value}, after[len(quotedValue)-1:], nil
}
