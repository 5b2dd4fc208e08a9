package trace

import (
	"bufio"
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"time"
)

// WriteCSV writes a set as CSV with a column for each series and a row for each
// time: NaN is a gap that was recorded, and an empty cell no sample. Read reads it
// back to the same series.
func WriteCSV(w io.Writer, set *Set) error {
	out := csv.NewWriter(w)
	row := []string{"time"}
	heads := make([]head, len(set.Series))
	for i, s := range set.Series {
		row = append(row, s.String())
		heads[i] = head{series: s, chunk: -1}
		heads[i].advance()
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for t, some := earliestOf(heads); some; t, some = earliestOf(heads) {
		row[0] = instant(t).Format(time.RFC3339Nano)
		for i := range heads {
			row[i+1] = heads[i].cell(t)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// A head is the sample of a series that is written next.
type head struct {
	series *Series
	chunk  int
	times  []int64
	at     int
}

// advance moves to the next sample.
func (h *head) advance() {
	if h.at++; h.at < len(h.times) {
		return
	}
	h.at, h.times = 0, h.times[:0]
	if h.chunk++; h.chunk < len(h.series.chunks) {
		h.times = h.series.chunks[h.chunk].times(h.times)
	}
}

// cell is the value at a time, which is then passed; empty where there is none.
func (h *head) cell(t int64) string {
	if len(h.times) == 0 || h.times[h.at] != t {
		return ""
	}
	value := h.series.chunks[h.chunk].values[h.at]
	h.advance()
	return numberText(value)
}

func earliestOf(heads []head) (int64, bool) {
	first, some := int64(math.MaxInt64), false
	for i := range heads {
		if h := &heads[i]; len(h.times) > 0 {
			first, some = min(first, h.times[h.at]), true
		}
	}
	return first, some
}

func numberText(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// WriteJSON writes a set as Prometheus answers query_range. Read reads it back to
// the same series. Times have as many digits as they need, where Prometheus' have
// three.
func WriteJSON(w io.Writer, set *Set) error {
	out := bufio.NewWriter(w)
	line := []byte(`{"status":"success","data":{"resultType":"matrix","result":[`)
	for i, s := range set.Series {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(appendMetric(append(line, "\n{\"metric\":"...), s), `,"values":[`...)
		first := true
		for t, v := range s.samples() {
			if !first {
				line = append(line, ',')
			}
			first = false
			line = append(unixText(append(line, '['), t), `,"`...)
			line = append(strconv.AppendFloat(line, v, 'g', -1, 64), `"]`...)
			if _, err := out.Write(line); err != nil {
				return err
			}
			line = line[:0]
		}
		line = append(line, "]}"...)
	}
	if _, err := out.Write(append(line, "]}}\n"...)); err != nil {
		return err
	}
	return out.Flush()
}

func appendMetric(line []byte, s *Series) []byte {
	labels := s.Labels
	if s.Name != "" {
		labels = append([]Label{{"__name__", s.Name}}, labels...)
	}
	line = append(line, '{')
	for i, l := range labels {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(appendJSONText(line, l.Name), ':')
		line = appendJSONText(line, l.Value)
	}
	return append(line, '}')
}
