package trace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// read reads a text that is right.
func read(t testing.TB, text string, o Options) *Set {
	t.Helper()
	set, err := Read("f", strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// lines writes out a set: a line for each series, its samples as seconds:value.
func lines(set *Set) []string {
	out := make([]string, len(set.Series))
	for i, s := range set.Series {
		line := []byte(s.String())
		for t, v := range s.Samples() {
			line = append(unixText(append(line, ' '), t.UnixNano()), ":"+numberText(v)...)
		}
		out[i] = string(line)
	}
	return out
}

func TestHowFilesAreRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		text    string
		options Options
		want    []string
	}{
		{"wide, RFC 3339", "time,web-1,web-2\n1970-01-01T00:00:10Z,1,2\n1970-01-01T01:00:25+01:00,3,4\n", Options{},
			[]string{"web-1 10:1 25:3", "web-2 10:2 25:4"}},
		{"wide, columns as Prometheus names series", "time,\"rps{pod=\"\"web-1\"\",app=\"\"a b\"\"}\"\n10,1\n", Options{},
			[]string{`rps{app="a b",pod="web-1"} 10:1`}},
		{"an empty cell is no sample, NaN is a gap", "time,web-1,web-2\n10,1,\n20,NaN,0\n", Options{},
			[]string{"web-1 10:1 20:NaN", "web-2 20:0"}},
		{"a row of empty cells is a gap of all", "time,web-1,web-2\n10,1,2\n20,,\n", Options{},
			[]string{"web-1 10:1 20:NaN", "web-2 10:2 20:NaN"}},
		{"long, text columns are labels", "time,PodName,rps,cpu\n10,web-1,1,5\n10,web-2,2,6\n20,web-1,3,\n", Options{},
			[]string{`rps{PodName="web-1"} 10:1 20:3`, `cpu{PodName="web-1"} 10:5 20:NaN`, `rps{PodName="web-2"} 10:2`, `cpu{PodName="web-2"} 10:6`}},
		{"long, labels that are numbers", "time,shard,rps\n10,1,1\n10,2,2\n", Options{Labels: []string{"shard"}},
			[]string{`rps{shard="1"} 10:1`, `rps{shard="2"} 10:2`}},
		{"chosen values, by name and by number", "time,a,b,c\n10,1,2,3\n", Options{Values: []string{"c", "2"}},
			[]string{"c 10:3", "a 10:1"}},
		{"chosen time column", "time,arrived,a\n10,20,1\n", Options{Time: "arrived", Values: []string{"a"}},
			[]string{"a 20:1"}},
		{"dates win over numbers, other times are no values", "TimeStamp,Time,rps\n99,1970-01-01 00:00:10.5,1\n", Options{},
			[]string{"rps 10.5:1"}},
		{"Go's way to write time", "Time,rps\n1970-01-01 00:00:10.000000004 +0000 UTC m=+0.079858984,1\n1970-01-01 02:00:20 +0200 CEST m=+60.1,1\n", Options{},
			[]string{"rps 10.000000004:1 20:1"}},
		{"Python's ways to write time", "time,rps\n1970-01-01 00:00:10+00:00,1\n1970-01-01T00:00:20.25,1\n", Options{},
			[]string{"rps 10:1 20.25:1"}},
		{"Unix seconds with a fraction", "ts,rps\n1714521600.000000001,1\n", Options{}, []string{"rps 1714521600.000000001:1"}},
		{"Unix seconds with an exponent", "ts,rps\n1.7145216005e9,1\n", Options{}, []string{"rps 1714521600.5:1"}},
		{"Unix milliseconds by their size", "ts,rps\n1714521600123,1\n", Options{}, []string{"rps 1714521600.123:1"}},
		{"milliseconds by the column's name", "timestamp_ms,rps\n1500,1\n", Options{}, []string{"rps 1.5:1"}},
		{"minutes by the column's name", "time (mins),rps\n0.5,1\n", Options{}, []string{"rps 30:1"}},
		{"a time unit that is given", "time,rps\n5,1\n", Options{TimeUnit: time.Minute}, []string{"rps 300:1"}},
		{"no header", "1714521600,1,2\n1714521615,3,4\n", Options{}, []string{"column 2 1714521600:1 1714521615:3", "column 3 1714521600:2 1714521615:4"}},
		{"no header, one row", "1714521600,1\n", Options{}, []string{"column 2 1714521600:1"}},
		{"no header, labels", "1970-01-01T00:00:10Z,web-1,1\n1970-01-01T00:00:10Z,web-2,1\n", Options{},
			[]string{`column 3{"column 2"="web-1"} 10:1`, `column 3{"column 2"="web-2"} 10:1`}},
		{"a header of numbers", "time,0.5,0.95\n10,1,2\n", Options{}, []string{"0.5 10:1", "0.95 10:2"}},
		{"the index that pandas writes has no name", ",time,rps\n0,10,1\n1,20,2\n", Options{}, []string{"rps 10:1 20:2"}},
		{"one value per line", "5\n\nNaN\n", Options{Interval: time.Minute}, nil},
		{"one value per line, from a begin", "5\nNaN\n7\n", Options{Interval: time.Minute, Begin: time.Unix(600, 0)}, []string{"value 600:5 660:NaN 720:7"}},
		{"one value per line, with a header", "requests\n5\n6\n", Options{Interval: time.Second}, []string{"requests 0:5 1:6"}},
		{"one value per line, of two series", "a,b\n5,7\n6,8\n", Options{Interval: time.Second}, []string{"a 0:5 1:6", "b 0:7 1:8"}},
		{"semicolons", "time;rps\n10;1.5\n", Options{}, []string{"rps 10:1.5"}},
		{"tabs, carriage returns, a byte order mark, spaces", "\ufefftime\t rps\r\n10\t 1.5\r\n", Options{}, []string{"rps 10:1.5"}},
		{"numbers of every kind", "time,rps\n1,-1\n2,1e3\n3,+Inf\n4,.5\n5,null\n", Options{}, []string{"rps 1:-1 2:1000 3:+Inf 4:0.5 5:NaN"}},
		{"times that repeat", "time,count\n10,1\n10,2\n", Options{}, []string{"count 10:1 10:2"}},
		{"events in any order", "app,end_timestamp,duration\na,3.5,1\nb,1.5,1\na,1.5,2\n", Options{Events: true}, []string{"events 1.5:1 1.5:1 3.5:1"}},
		{"events by a label", "app,end_timestamp,duration\na,3.5,1\nb,1.5,1\na,1.5,2\n", Options{Events: true, Labels: []string{"app"}},
			[]string{`events{app="a"} 1.5:1 3.5:1`, `events{app="b"} 1.5:1`}},
		{"Prometheus JSON", `{"status":"success","data":{"resultType":"matrix","result":[
			{"metric":{"__name__":"up","pod":"web-\u0031"},"values":[[1714521600.123,"1"],[1714521615,"NaN"],[1714521630,"+Inf"]]},
			{"values":[],"metric":{}}],"stats":{"a":[1,true,null,"x"]}},"warnings":["one"]}`, Options{},
			[]string{`up{pod="web-1"} 1714521600.123:1 1714521615:NaN 1714521630:+Inf`}},
		{"Prometheus JSON, keys in the order of the alphabet", `{"data":{"result":[{"metric":{},"values":[[1,"2"]]}],"resultType":"matrix"},"status":"success"}`, Options{}, []string{"{} 1:2"}},
		{"Prometheus JSON, the data object alone", `{"resultType":"matrix","result":[{"metric":{"pod":"a"},"values":[[1,"2"]]}]}`, Options{}, []string{`{pod="a"} 1:2`}},
		{"Prometheus JSON, one metric of two", `{"resultType":"matrix","result":[{"metric":{"__name__":"a"},"values":[[1,"2"]]},{"metric":{"__name__":"b"},"values":[[1,"2"]]}]}`, Options{Values: []string{"b"}}, []string{"b 1:2"}},
		{"what promtool dumps", "my_bucket{job=\"a\",le=\"+Inf\"} 1.0267820369e+10 1700215884.373\nmy_bucket{job=\"a\",le=\"+Inf\"} 1.026872507e+10 1700215889.373\nup 1 1700226034.330\n# EOF\n", Options{},
			[]string{`my_bucket{job="a",le="+Inf"} 1700215884.373:1.0267820369e+10 1700215889.373:1.026872507e+10`, `up 1700226034.33:1`}},
		{"OpenMetrics, mixed series, comments, an exemplar, escapes", "# HELP a b\n# TYPE a counter\na{x=\"1\"} 1 1 # {trace=\"x\"} 0.5\na{x=\"\\\"\\\\\\n\"} 2 1\na{x=\"1\"} 3 2\n# EOF", Options{},
			[]string{`a{x="1"} 1:1 2:3`, `a{x="\"\\\n"} 1:2`}},
		{"OpenMetrics, labels in another order are the same series", "a{x=\"1\",y=\"2\"} 1 1\na{y=\"2\",x=\"1\",} 2 2\n# EOF\n", Options{}, []string{`a{x="1",y="2"} 1:1 2:2`}},
		{"OpenMetrics, a name that begins as the one before", "a 1 1\nab 2 1\na 3 2\n# EOF\n", Options{}, []string{"a 1:1 2:3", "ab 1:2"}},
		{"OpenMetrics, one metric of two", "a 1 1\nb 2 1\na 3 2\n# EOF\n", Options{Values: []string{"a"}}, []string{"a 1:1 2:3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil {
				if _, err := Read("f", strings.NewReader(c.text), c.options); err == nil {
					t.Error("it is read")
				}
				return
			}
			got := lines(read(t, c.text, c.options))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again := lines(read(t, string(zipped(t, c.text)), c.options))
			if len(again) != len(got) {
				t.Error("compressed, it is read otherwise")
			}
		})
	}
}

func TestWarningsOfAnAnswerAreKept(t *testing.T) {
	set := read(t, `{"status":"success","isPartial":true,"warnings":["a\nb"],"infos":["c"],"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"]]}]}}`, Options{})
	if diff := cmp.Diff([]string{"the answer says that it is partial", "a b", "c"}, set.Notes); diff != "" {
		t.Error(diff)
	}
}

// A Cursor tells a recorded zero, a gap and an absence apart.
func TestStates(t *testing.T) {
	set := read(t, `time,web-1,web-2
0,1,5
10,0,5
20,NaN,5
30,2,5
60,3,
70,4,6
80,,
90,5,7
`, Options{})
	for _, c := range []struct {
		at           float64
		web1, web2   string
		whyNotBefore string
	}{
		{-1, "gap", "gap", "before the recording"},
		{0, "1", "5", ""},
		{9.999, "1", "5", "a sample holds until the next"},
		{10, "0", "5", "a recorded zero"},
		{20, "gap", "5", "NaN"},
		{39, "2", "5", ""},
		{40, "gap", "gap", "nothing was recorded"},
		{60, "3", "absent", "an empty cell beside a value"},
		{70, "4", "6", ""},
		{80, "gap", "gap", "an empty row"},
		{90, "5", "7", ""},
		{99, "5", "7", "the last sample holds for an interval"},
		{100, "gap", "gap", "after the recording"},
	} {
		at := time.Unix(0, int64(c.at*1e9))
		for i, want := range []string{c.web1, c.web2} {
			value, state := set.Series[i].Cursor().At(at)
			got := state.String()
			if state == Value {
				got = numberText(value)
			} else if value == value {
				t.Errorf("%s has the value %v", state, value)
			}
			if got != want {
				t.Errorf("%s at %v is %s, want %s (%s)", set.Series[i], c.at, got, want, c.whyNotBefore)
			}
		}
	}
	if v, state := set.Series[0].Cursor().At(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)); state != Gap || v == v {
		t.Errorf("a time beyond all nanoseconds is %s", state)
	}
}

// randomSet is a set with everything that a set can have: many chunks, even and
// uneven times, times that repeat, gaps and absences.
func randomSet(r *rand.Rand) *Set {
	var b Builder
	series := 1 + r.IntN(4)
	grid := []int64{1e9, 15e9, 1e6, 1, 60e9 + 1}[r.IntN(5)]
	at := r.Int64N(1 << 60)
	jitter := []int64{1, 1, 1e6, 5e9}[r.IntN(4)]
	missing := []float64{0, 0, 0.1}[r.IntN(3)]
	lengths := []int{1, 2, 10, chunkLen - 1, chunkLen, chunkLen + 1, 3 * chunkLen}[r.IntN(7)]
	for range lengths {
		at += grid + r.Int64N(jitter)
		for i := range series {
			if r.Float64() < missing {
				continue
			}
			value := math.Round(r.NormFloat64()*1000) / 8
			if r.Float64() < missing/2 {
				value = math.NaN()
			}
			repeats := 1
			if r.Float64() < missing/5 {
				repeats = 2
			}
			for range repeats {
				_ = b.Append("rps", []Label{{"pod", fmt.Sprintf("web-%d", i)}, {"a", `"\,` + "\n"}}, instant(at), value)
			}
		}
	}
	return b.Set("random")
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for seed := range uint64(300) {
		set := randomSet(rand.New(rand.NewPCG(seed, 1)))
		if len(set.Series) == 0 {
			continue
		}
		checkRoundTrip(t, set)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkRoundTrip writes a set in both formats, and compares what is read back.
func checkRoundTrip(t *testing.T, set *Set) {
	t.Helper()
	want := lines(set)
	slices.Sort(want)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"CSV":  func(b *bytes.Buffer) error { return WriteCSV(b, set) },
		"JSON": func(b *bytes.Buffer) error { return WriteJSON(b, set) },
	} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		again, err := Read("again", bytes.NewReader(text.Bytes()), Options{})
		if err != nil {
			t.Errorf("%s: %v\n%.2000s", name, err, text.String())
			continue
		}
		got := lines(again)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%.3000s", name, diff)
		}
	}
}

// A Cursor that goes forward says what one that starts anew says, and what a slow
// look over all samples says.
func TestACursorAgreesWithASlowLook(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		set := randomSet(r)
		if len(set.Series) == 0 {
			continue
		}
		s := set.Series[0]
		begin, end := s.Begin().UnixNano(), s.End().UnixNano()
		forward := s.Cursor()
		at := begin - 5
		for at < end+3*s.interval+10 {
			value, state := forward.At(instant(at))
			slowValue, slowState := slowAt(set, s, at)
			if state != slowState || value != slowValue && state == Value {
				t.Fatalf("seed %d: at %d %v %s, and slowly %v %s", seed, at, value, state, slowValue, slowState)
			}
			if r.IntN(20) == 0 {
				if v, st := forward.At(instant(begin + r.Int64N(end-begin+1))); st == Value && v != v {
					t.Fatal("a value that is none")
				}
			}
			at += 1 + r.Int64N(max(1, (end-begin)/100+s.interval/3))
		}
	}
}

func slowAt(set *Set, s *Series, at int64) (float64, State) {
	if v, told := slowTold(s, at); told {
		if v != v {
			return v, Gap
		}
		return v, Value
	}
	for _, other := range set.Series {
		if _, told := slowTold(other, at); told {
			return nan, Absent
		}
	}
	return nan, Gap
}

func slowTold(s *Series, at int64) (value float64, told bool) {
	last, lastValue, some := int64(0), 0.0, false
	judge := func(next int64) {
		until := last + s.interval
		if next-last <= s.interval+s.interval/2 {
			until = next
		}
		if last == at || last <= at && at < until {
			value, told = lastValue, true
		}
	}
	for t, v := range s.samples() {
		if some {
			judge(t)
		}
		last, lastValue, some = t, v, true
	}
	judge(math.MaxInt64)
	return value, told
}

func TestABuilderRefusesTimesThatFall(t *testing.T) {
	var b Builder
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(20, 0), ""},
		{time.Unix(20, 0), ""},
		{time.Unix(10, 0), `series rps{pod="a"}: time 1970-01-01T00:00:10Z is before 1970-01-01T00:00:20Z, the one that the series has last`},
		{time.Unix(-1, 0).UTC(), `time 1969-12-31 23:59:59 +0000 UTC is not between 1970 and 2099`},
	} {
		err := b.Append("rps", []Label{{"pod", "a"}}, c.at.UTC(), 1)
		if got := fmt.Sprint(err); err != nil && got != c.want || err == nil && c.want != "" {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	set := b.Set("x")
	if diff := cmp.Diff([]string{`rps{pod="a"} 20:1 20:1`}, lines(set)); diff != "" {
		t.Error(diff)
	}
	if set.Series[0].repeats != 1 {
		t.Errorf("%d repeats", set.Series[0].repeats)
	}
}

func TestAColumnWithoutValuesIsLeftOutAndNoted(t *testing.T) {
	const text = "time,web-1,web-2\n10,1,\n20,2,\n"
	set := read(t, text, Options{})
	if diff := cmp.Diff([]string{"web-1 10:1 20:2"}, lines(set)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`Column "web-2" has no value in any row and is left out.`}, set.Notes); diff != "" {
		t.Error(diff)
	}
	_, err := Read("f", strings.NewReader(text), Options{Values: []string{"web-2", "web-1"}})
	if want := `f:1: column "web-2" has no value in any row (hint: choose other columns, of "time", "web-1", "web-2")`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
