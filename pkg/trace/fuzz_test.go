package trace

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// addBroken adds the broken texts of one kind as seeds.
func addBroken(f *testing.F, suffix string) {
	archive, err := txtar.ParseFile("testdata/broken.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, suffix) {
			f.Add(file.Data)
		}
	}
}

// judge reads any text, and checks what is true of every reading: that it is a set
// or a Problem, that a set is written and read back, and that a demand of it has
// no rate that cannot be.
func judge(t *testing.T, text []byte, o Options) {
	set, err := Read("f", bytes.NewReader(text), o)
	if err != nil {
		if set != nil {
			t.Error("a set and an error")
		}
		judgeProblem(t, err)
		return
	}
	if len(set.Series) == 0 {
		t.Fatal("a set without series")
	}
	for _, s := range set.Series {
		if s.Len() == 0 {
			t.Errorf("%s has no sample", s)
		}
		value, state := s.Cursor().At(s.End())
		if (state == Value) != (value == value) || state == Absent {
			t.Errorf("%s ends with %v, %s", s, value, state)
		}
	}
	judgeDemand(t, set)
	if !writable(set) {
		return
	}
	checkRoundTrip(t, set)
}

// writable reports whether the series of a set have names that a column can have
// and that say nothing of time.
func writable(set *Set) bool {
	if set.Series[0].length > 200 {
		return false
	}
	for _, s := range set.Series {
		column := s.String()
		name, labels := columnSeries(column)
		_, isTime := timeName(column)
		same := name == s.Name && len(labels) == len(s.Labels)
		if isTime || !same || column != strings.TrimSpace(column) || strings.ContainsAny(column, "\r") || kindOf(column) != words {
			return false
		}
	}
	return true
}

func judgeDemand(t *testing.T, set *Set) {
	for _, unit := range []Unit{Rate, Count, Counter, Events} {
		for _, gaps := range []Gaps{Refuse, Hold, Zero, Interpolate} {
			span := set.Series[0].End().Sub(set.Series[0].Begin())
			grid, err := Demand(GridOptions{Unit: unit, Gaps: gaps, Every: max(span/50, time.Second)}, set.Series[0])
			if err != nil {
				var p *Problem
				if !errors.As(err, &p) && !strings.Contains(err.Error(), "not finite") {
					t.Error(err)
				}
				continue
			}
			for i, rate := range grid.Rates {
				if !(rate >= 0) || math.IsInf(rate, 0) {
					t.Errorf("%s, %s: rate %d is %v", unit, gaps, i, rate)
				}
			}
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	addBroken(f, ".csv")
	addBroken(f, ".txt")
	f.Add([]byte("time,pod,rps\n10,web-1,1\n20,web-2,\n30,web-1,NaN\n"))
	f.Add([]byte("Time;a;b\n2022-08-22 03:51:19.573905004 +0000 UTC m=+0.079858984;1;\n2022-08-22 03:52:19 +0000 UTC;;2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, o := range []Options{{}, {Interval: time.Second}, {Events: true}} {
			judge(t, text, o)
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	addBroken(f, ".json")
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","a":"\u00e9"},"values":[[1.5,"1"],[2,"NaN"]]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) { judge(t, text, Options{}) })
}

func FuzzReadOpenMetrics(f *testing.F) {
	addBroken(f, ".om")
	f.Add([]byte("# TYPE a counter\na{x=\"\\\"\\n\"} 1 1\na{x=\"2\",} NaN 2.5 # {} 1\n# EOF\n"))
	f.Fuzz(func(t *testing.T, text []byte) { judge(t, text, Options{}) })
}

func FuzzParseUnix(f *testing.F) {
	for _, text := range []string{"1661140279.573905004", "1.5e9", "-1", "1e999", "NaN", "0.", ".5", "4102444800"} {
		f.Add(text, int64(time.Second))
	}
	f.Fuzz(func(t *testing.T, text string, unit int64) {
		if unit <= 0 {
			return
		}
		ns, err := parseUnix(text, time.Duration(unit))
		if err == nil && !inRange(instant(ns)) {
			t.Errorf("%q is %d", text, ns)
		}
		if err == nil && unit == 1e9 {
			if again, err := parseUnix(string(unixText(nil, ns)), time.Second); err != nil || again != ns {
				t.Errorf("%d is written as %s and read as %d, %v", ns, unixText(nil, ns), again, err)
			}
		}
	})
}
