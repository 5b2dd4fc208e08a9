package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A jsonReader reads an answer of Prometheus' query_range.
type jsonReader struct {
	*jsonText
	wanted  []string
	builder Builder
	names   []string
	seen    map[string]place // where each series is
	notes   []string

	status, errorType, errorText string
	hasResult                    bool
	hasType                      bool
	isData                       bool // the text is the data object alone
}

const onlyRanges = "save the answer of /api/v1/query_range, whose resultType is matrix"

func readJSON(name string, from io.Reader, o Options) (*Set, error) {
	r := &jsonReader{jsonText: newJSONText(name, from), wanted: o.Values, seen: map[string]place{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	if missed, is := missingName(o.Values, r.names); is {
		return nil, noMetric(name, missed, r.names)
	}
	if len(r.builder.order) == 0 {
		return nil, &Problem{File: name, Line: r.line, Cause: "the answer has no samples", Hint: "ask for a time in which the query has a result"}
	}
	return r.builder.set(name, JSON, r.notes), nil
}

func (r *jsonReader) read() error {
	if c, err := r.next(); err != nil {
		return err
	} else if c == '[' {
		return r.problem("the text is a list, and no answer of Prometheus", onlyRanges)
	}
	if err := r.object("an object", r.top); err != nil {
		return err
	}
	switch {
	case r.status != "" && r.status != "success":
		return r.problemAt(place{line: 1, path: "status"}, fmt.Sprintf("the query failed: %s: %s", r.errorType, r.errorText), "put the query right and save its answer")
	case r.status == "" && !r.isData, !r.hasType:
		return r.problemAt(place{line: 1}, "the text is no answer of Prometheus: status and data, or resultType and result, are missing", onlyRanges)
	case !r.hasResult:
		return r.problemAt(place{line: 1, path: "data"}, "the answer has no result", onlyRanges)
	}
	return r.end()
}

// top reads a field of the answer, or of the data object where that is alone.
func (r *jsonReader) top(key string) (err error) {
	switch key {
	case "status":
		r.status, err = r.text()
	case "errorType":
		r.errorType, err = r.text()
	case "error":
		r.errorText, err = r.text()
	case "warnings", "infos":
		err = r.remarks()
	case "isPartial": // VictoriaMetrics
		var word []byte
		if word, err = r.word(); err == nil && string(word) == "true" {
			r.notes = append(r.notes, "the answer says that it is partial")
		}
	case "data":
		if c, err := r.next(); err != nil {
			return err
		} else if c != '{' {
			return r.skip() // of an error, data is null
		}
		err = r.object("an object", r.data)
	case "resultType", "result":
		r.isData = true
		err = r.data(key)
	default:
		err = r.skip()
	}
	return err
}

func (r *jsonReader) remarks() error {
	return r.array("a list", func(int) error {
		text, err := r.text()
		r.notes = append(r.notes, strings.Join(strings.Fields(text), " "))
		return err
	})
}

func (r *jsonReader) data(key string) error {
	at, err := r.start()
	if err != nil {
		return err
	}
	switch key {
	case "resultType":
		kind, err := r.text()
		if err != nil {
			return err
		}
		if kind != "matrix" {
			return r.problemAt(at, fmt.Sprintf("resultType is %s: only a matrix tells of a time", quoted(kind)), onlyRanges)
		}
		r.hasType = true
	case "result":
		if r.hasResult {
			return r.problemAt(at, "the answer has two results", "")
		}
		r.hasResult = true
		return r.array("a list of series", r.seriesAt)
	default:
		return r.skip()
	}
	return nil
}

// seriesAt reads an element of the result. Its name may stand after its values.
func (r *jsonReader) seriesAt(int) error {
	at, err := r.start()
	if err != nil {
		return err
	}
	if len(r.builder.order) >= mostSeries {
		return r.problemAt(at, fmt.Sprintf("the answer has more than %d series", mostSeries), "ask for fewer")
	}
	var s Series
	var named, valued bool
	err = r.object("a series, as in {\"metric\": …, \"values\": …},", func(key string) error {
		at, err := r.start()
		switch {
		case err != nil:
			return err
		case key == "metric" && named, key == "values" && valued:
			return r.problemAt(at, "the series has this field twice", "")
		case key == "metric":
			named = true
			return r.metric(&s)
		case key == "values":
			valued = true
			return r.array("a list of samples", func(int) error { return r.sample(&s) })
		case key == "value":
			return r.problemAt(at, "the series has one value: it is of an instant query", onlyRanges)
		case key == "histograms":
			return r.problemAt(at, "the series has native histograms, which are not read", "ask for histogram_quantile or histogram_count of it")
		}
		return r.skip()
	})
	if err != nil {
		return err
	}
	if !named || !valued {
		return r.problemAt(at, "the series has no metric or no values", onlyRanges)
	}
	return r.keep(&s, at)
}

// keep adds a complete series, if it is wanted.
func (r *jsonReader) keep(s *Series, at place) error {
	key := string(appendKey(nil, s.Name, s.Labels))
	if other, twice := r.seen[key]; twice {
		return r.problemAt(at, fmt.Sprintf("series %s is there already, at %s of line %d", s, other.path, other.line), "give one answer per file")
	}
	at.path = pathText(r.path)
	r.seen[key] = at
	if !slices.Contains(r.names, s.Name) {
		r.names = append(r.names, s.Name)
	}
	if s.length > 0 && (len(r.wanted) == 0 || slices.Contains(r.wanted, s.Name)) {
		s.seal()
		s.open = nil // a series that is complete needs no room to grow
		r.builder.order = append(r.builder.order, s)
	}
	return nil
}

func (r *jsonReader) metric(s *Series) error {
	err := r.object("the labels of the series", func(key string) error {
		at, err := r.start()
		if err != nil {
			return err
		}
		value, err := r.text()
		switch {
		case err != nil:
			return err
		case key == "__name__":
			s.Name = value
			return nil
		case slices.ContainsFunc(s.Labels, func(l Label) bool { return l.Name == key }):
			return r.problemAt(at, "the series has this label twice", "")
		}
		s.Labels = append(s.Labels, Label{key, value})
		return nil
	})
	s.Labels = sortedLabels(s.Labels)
	return err
}

// sample reads [time, "value"].
func (r *jsonReader) sample(s *Series) error {
	if err := r.expect('[', `a sample, as in [1661140279, "12.5"],`); err != nil {
		return err
	}
	at, err := r.start()
	if err != nil {
		return err
	}
	word, err := r.word()
	if err != nil {
		return err
	}
	t, err := parseUnix(string(word), time.Second)
	if err != nil {
		return r.problemAt(at, err.Error(), "times are seconds since 1970")
	}
	if err := r.expect(',', "a comma"); err != nil {
		return err
	}
	if at, err = r.start(); err != nil {
		return err
	}
	token, err := r.bytes()
	if err != nil {
		return err
	}
	value, ok := parseNumber(string(token))
	if !ok {
		return r.problemAt(at, fmt.Sprintf("%s is no number", quoted(string(token))), `values are numbers in quotes, as in "12.5"`)
	}
	if err := s.add(t, value, at); err != nil {
		return r.problemAt(at, err.Error(), "samples of a series are in the order of time")
	}
	if s.repeats == 1 && s.repeated == at {
		s.repeated.path = pathText(r.path)
	}
	return r.expect(']', "the end of the sample")
}
