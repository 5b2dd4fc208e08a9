package trace

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A month is a text that is made while it is read: 30 days at 15 s of 100 series, the
// size that must fit into 200 MB.
const (
	monthSeries = 100
	monthRows   = 30 * 24 * 60 * 4
)

// load is some number for a row and a series, with a few digits.
func load(row, series int) []byte {
	return strconv.AppendFloat(nil, float64((row*7919+series*104729)%100000)/100, 'f', -1, 64)
}

// jitter is the milliseconds that a scrape is late.
func jitter(row, series int) int { return (row*31 + series*17) % 13 }

func writeMonthCSV(w io.Writer, rows, late int) {
	line := []byte("time")
	for i := range monthSeries {
		line = fmt.Appendf(line, ",web-%d", i)
	}
	for row := range rows {
		line = fmt.Appendf(line, "\n%d.%03d", 1714521600+15*row, late*jitter(row, 0))
		for i := range monthSeries {
			line = append(append(line, ','), load(row, i)...)
		}
		fmt.Fprintf(w, "%s", line)
		line = line[:0]
	}
	fmt.Fprintln(w)
}

func writeMonthJSON(w io.Writer, rows, late int) {
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[`)
	for i := range monthSeries {
		if i > 0 {
			fmt.Fprint(w, ",\n")
		}
		fmt.Fprintf(w, `{"metric":{"__name__":"rps","pod":"web-%d"},"values":[`, i)
		for row := range rows {
			comma := ","
			if row == 0 {
				comma = ""
			}
			fmt.Fprintf(w, `%s[%d.%03d,"%s"]`, comma, 1714521600+15*row, late*jitter(row, i), load(row, i))
		}
		fmt.Fprint(w, "]}")
	}
	fmt.Fprint(w, "]}}\n")
}

func writeMonthOpenMetrics(w io.Writer, rows, late int) {
	for i := range monthSeries {
		for row := range rows {
			fmt.Fprintf(w, "rps{pod=\"web-%d\"} %s %d.%03d\n", i, load(row, i), 1714521600+15*row, late*jitter(row, i))
		}
	}
	fmt.Fprintln(w, "# EOF")
}

var months = []struct {
	name  string
	write func(w io.Writer, rows, late int)
}{
	{"CSV", writeMonthCSV},
	{"JSON", writeMonthJSON},
	{"OpenMetrics", writeMonthOpenMetrics},
}

func benchmarkRead(b *testing.B, text []byte, o Options) {
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	samples := 0
	for b.Loop() {
		set, err := Read("f", bytes.NewReader(text), o)
		if err != nil {
			b.Fatal(err)
		}
		samples = 0
		for _, s := range set.Series {
			samples += s.Len()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*samples), "ns/sample")
}

func BenchmarkRead(b *testing.B) {
	for _, m := range months {
		b.Run(m.name, func(b *testing.B) {
			var text bytes.Buffer
			m.write(&text, 4000, 1)
			benchmarkRead(b, text.Bytes(), Options{})
		})
	}
}

func monthSet(b *testing.B) *Set {
	b.Helper()
	var text bytes.Buffer
	writeMonthCSV(&text, 4000, 1)
	set, err := Read("f", &text, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return set
}

func BenchmarkDemand(b *testing.B) {
	set := monthSet(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Demand(GridOptions{Unit: Rate}, set.Series...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*4000*monthSeries), "ns/sample")
}

func BenchmarkCursor(b *testing.B) {
	s := monthSet(b).Series[0]
	cursor, at := s.Cursor(), s.Begin()
	b.ReportAllocs()
	for b.Loop() {
		if at = at.Add(15 * time.Second); at.After(s.End()) {
			at = s.Begin()
		}
		cursor.At(at)
	}
}

func BenchmarkDemandOfWorldCup98(b *testing.B) {
	needTraces(b)
	for b.Loop() {
		set, err := Open(filepath.Join(traces, "worldcup98_requests_per_minute.csv.gz"), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Demand(GridOptions{Unit: Count, Gaps: Zero}, set.Series...); err != nil {
			b.Fatal(err)
		}
	}
}
