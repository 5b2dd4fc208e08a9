package trace

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDemand(t *testing.T) {
	unit := func(u Unit) GridOptions { return GridOptions{Unit: u} }
	const perMinute = "period,count\n1970-01-01 00:10:00,60\n1970-01-01 00:11:00,120\n1970-01-01 00:12:00,0\n"
	const holed = "time,v\n0,60\n60,120\n240,300\n300,60\n"
	for _, c := range []struct {
		name    string
		text    string
		read    Options
		options GridOptions
		begin   int64
		every   time.Duration
		rates   []float64
		notes   []string
	}{
		{"a rate is what it says", "time,rps\n0,0.1\n15,0.3\n", Options{}, unit(Rate), 0, 15 * time.Second, []float64{0.1, 0.3}, nil},
		{"without a unit, a rate is assumed and noted", "time,rps\n0,1\n15,2\n", Options{}, GridOptions{}, 0, 15 * time.Second, []float64{1, 2},
			[]string{"The values of rps are taken for requests per second: no unit was given."}},
		{"a count is divided by its interval", perMinute, Options{}, unit(Count), 600, time.Minute, []float64{1, 2, 0}, nil},
		{"a count in finer intervals", perMinute, Options{}, GridOptions{Unit: Count, Every: 30 * time.Second}, 600, 30 * time.Second, []float64{1, 1, 2, 2, 0, 0}, nil},
		{"a count in coarser intervals, the last of them short", perMinute, Options{}, GridOptions{Unit: Count, Every: 2 * time.Minute}, 600, 2 * time.Minute, []float64{1.5, 0},
			[]string{"The last interval of 2m0s was recorded for 1m0s only."}},
		{"counts of one time are added", "period,count\n0,60\n60,30\n60,30\n120,60\n", Options{}, unit(Count), 0, time.Minute, []float64{1, 1, 1}, nil},
		{"counts at uneven times keep their sum", "t,n\n0,10\n10,10\n18,16\n30,10\n", Options{Time: "t"}, GridOptions{Unit: Count, Every: 10 * time.Second}, 0, 10 * time.Second, []float64{1, (10 + 16.0/6) / 10, 16.0 / 12, 1}, nil},
		{"a rate is averaged over the interval", "time,rps\n0,1\n10,2\n20,6\n30,7\n", Options{}, GridOptions{Unit: Rate, Every: 20 * time.Second}, 0, 20 * time.Second, []float64{1.5, 6.5}, nil},
		{"a rate is averaged over the recorded part of the last interval", "time,rps\n0,1\n10,2\n20,6\n", Options{}, GridOptions{Unit: Rate, Every: 20 * time.Second}, 0, 20 * time.Second, []float64{1.5, 6},
			[]string{"The last interval of 20s was recorded for 10s only."}},
		{"jitter does not show in the interval", "time,rps\n0,5\n60.001,5\n119.998,5\n180,5\n", Options{}, unit(Rate), 0, time.Minute, []float64{5, 5, 5, 5}, nil},
		{"one sample needs an interval", "time,rps\n0,5\n", Options{}, GridOptions{Unit: Rate, Every: time.Minute}, 0, time.Minute, []float64{5}, nil},
		{"one count needs an interval", "time,n\n0,60\n", Options{}, GridOptions{Unit: Count, Every: time.Minute}, 0, time.Minute, []float64{1}, nil},
		{"a gap is held", holed, Options{}, GridOptions{Unit: Count, Gaps: Hold}, 0, time.Minute, []float64{1, 2, 2, 2, 5, 1},
			[]string{"The rate before each gap is assumed for what was not recorded: v has 1 gap of 2m0s in all; the first is 2m0s from 1970-01-01T00:02:00Z."}},
		{"a gap is zero", holed, Options{}, GridOptions{Unit: Count, Gaps: Zero}, 0, time.Minute, []float64{1, 2, 0, 0, 5, 1},
			[]string{"A rate of zero is assumed for what was not recorded: v has 1 gap of 2m0s in all; the first is 2m0s from 1970-01-01T00:02:00Z."}},
		{"a gap is bridged", holed, Options{}, GridOptions{Unit: Count, Gaps: Interpolate}, 0, time.Minute, []float64{1, 2, 2.75, 4.25, 5, 1},
			[]string{"A straight line is assumed for what was not recorded: v has 1 gap of 2m0s in all; the first is 2m0s from 1970-01-01T00:02:00Z."}},
		{"a recorded gap is one, too", "time,rps\n0,1\n10,NaN\n20,3\n30,4\n", Options{}, GridOptions{Unit: Rate, Gaps: Interpolate}, 0, 10 * time.Second, []float64{1, 2, 3, 4},
			[]string{"A straight line is assumed for what was not recorded: rps has 1 gap of 10s in all; the first is 10s from 1970-01-01T00:00:10Z."}},
		{"gaps at the ends are left out", "time,rps\n0,NaN\n10,1\n20,3\n30,NaN\n40,NaN\n", Options{}, unit(Rate), 10, 10 * time.Second, []float64{1, 3},
			[]string{"rps begins with a gap of 10s, which is left out.", "rps ends with a gap of 20s, which is left out."}},
		{"an absent series adds nothing", "time,a,b\n0,1,\n10,1,2\n20,1,2\n30,1,\n", Options{}, unit(Rate), 0, 10 * time.Second, []float64{1, 3, 3, 1},
			[]string{"1 series was absent for a part of the time and added nothing there: b for 20s."}},
		{"a series that was absent in between adds nothing", "time,a,b\n0,1,2\n10,1,2\n20,1,\n30,1,\n40,1,2\n50,1,2\n", Options{}, unit(Rate), 0, 10 * time.Second, []float64{3, 3, 1, 1, 3, 3},
			[]string{"1 series was absent for a part of the time and added nothing there: b for 20s."}},
		{"a time that nobody recorded is a gap of the sum", "time,a,b\n0,1,2\n10,1,2\n40,1,2\n50,3,2\n", Options{}, GridOptions{Unit: Rate, Gaps: Hold}, 0, 10 * time.Second, []float64{3, 3, 3, 3, 3, 5},
			[]string{"The rate before each gap is assumed for what was not recorded: the sum of a, b has 1 gap of 20s in all; the first is 20s from 1970-01-01T00:00:20Z."}},
		{"nothing between two series can be zero", "time,a,b\n0,1,\n10,1,\n40,,2\n50,,2\n", Options{}, GridOptions{Unit: Rate, Gaps: Zero}, 0, 10 * time.Second, []float64{1, 1, 0, 0, 2, 2},
			[]string{"A rate of zero is assumed for what was not recorded: the sum of a, b has 1 gap of 20s in all; the first is 20s from 1970-01-01T00:00:20Z.",
				"2 series were absent for a part of the time and added nothing there: a for 20s, b for 20s."}},
		{"events are counted", "time,size\n0.1,7\n0.9,7\n2.5,7\n", Options{Events: true}, GridOptions{}, 0, time.Second, []float64{2, 0, 1},
			[]string{"Events are counted in intervals of a second: no interval was given."}},
		{"events in given intervals", "time,size\n0,7\n1,7\n19,7\n", Options{Events: true}, GridOptions{Every: 10 * time.Second}, 0, 10 * time.Second, []float64{0.2, 0.1}, nil},
		{"events of one time", "time,size\n5,7\n5,7\n", Options{Events: true}, GridOptions{Every: time.Second}, 5, time.Second, []float64{2}, nil},
		{"rows of a value column are events if the unit says so", "time,size\n0,7\n1,7\n", Options{}, GridOptions{Unit: Events, Every: time.Second}, 0, time.Second, []float64{1, 1}, nil},
		{"a counter grows, and begins again", "time,n_total\n0,1000\n10,1020\n20,15\n30,15\n", Options{}, unit(Counter), 0, 10 * time.Second, []float64{2, 1.5, 0}, nil},
		{"a counter tells what came while nobody looked", "time,n_total\n0,0\n10,10\n20,NaN\n30,NaN\n40,70\n50,80\n", Options{}, unit(Counter), 0, 10 * time.Second, []float64{1, 2, 2, 2, 1}, nil},
		{"scaled", "time,rps\n0,1\n10,2\n", Options{}, GridOptions{Unit: Rate, Scale: 2.5}, 0, 10 * time.Second, []float64{2.5, 5}, []string{"The demand is scaled by 2.5."}},
		{"faster", "time,rps\n0,1\n60,2\n", Options{}, GridOptions{Unit: Rate, Speed: 60}, 0, time.Second, []float64{1, 2}, []string{"The time runs 60 times as fast as it was recorded."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			grid, err := Demand(c.options, read(t, c.text, c.read).Series...)
			if err != nil {
				t.Fatal(err)
			}
			want := Grid{Begin: time.Unix(c.begin, 0).UTC(), Every: c.every, Rates: c.rates, Notes: c.notes}
			if c.name == "events are counted" {
				want.Begin = time.Unix(0, 1e8).UTC()
			}
			if diff := cmp.Diff(want, grid, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoDemand(t *testing.T) {
	for _, c := range []struct {
		name    string
		text    string
		read    Options
		options GridOptions
		want    string
	}{
		{"gaps", "time,v\n0,6\n60,1\n240,3\n300,6\n360,NaN\n420,6\n", Options{}, GridOptions{Unit: Rate},
			`f: v has 2 gaps of 3m0s in all; the first is 2m0s from 1970-01-01T00:02:00Z (hint: choose what stands for them: hold (the rate before), zero, or interpolate)`},
		{"a rate twice", "time,v\n0,6\n60,1\n60,3\n60,4\n", Options{}, GridOptions{Unit: Rate},
			`f:4:4: series v: the time of this sample is there already, and a rate cannot be two (hint: if the values are counts, give the unit count: it adds them)`},
		{"a rate twice in JSON", "{\"resultType\":\"matrix\",\"result\":[\n{\"metric\":{},\"values\":[[1,\"1\"],[1,\"1\"]]}]}", Options{}, GridOptions{Unit: Rate},
			`f:2:35: result[0].values[1]: series {}: the time of this sample is there already, and a rate cannot be two (hint: if the values are counts, give the unit count: it adds them)`},
		{"below zero", "time,v\n0,6\n60,-1\n", Options{}, GridOptions{Unit: Count},
			`f: series v: -1 at 1970-01-01T00:01:00Z: a demand is not below zero (hint: choose the series of requests)`},
		{"infinite", "time,v\n0,6\n60,Inf\n", Options{}, GridOptions{Unit: Rate},
			`f: series v: +Inf at 1970-01-01T00:01:00Z: a demand is finite (hint: choose the series of requests)`},
		{"infinite as a sum", "time,v\n0,1e308\n0,1e308\n60,1\n", Options{}, GridOptions{Unit: Count},
			`the sum of the demand at 1970-01-01T00:00:00Z is not finite`},
		{"a counter as a rate", "time,requests_total\n0,6\n60,7\n", Options{}, GridOptions{Unit: Rate},
			`f: series requests_total: a name that ends in _total is that of a counter, and no rate (hint: give the unit counter, or count if the values are those of single intervals)`},
		{"events as a rate", "time,v\n0,6\n60,7\n", Options{Events: true}, GridOptions{Unit: Rate},
			`f: series events: the rows were read as events, which are no rate (hint: give the unit events)`},
		{"the rows of two columns", "time,v,w\n0,6,1\n60,7,1\n", Options{}, GridOptions{Unit: Events},
			`f: series w: it and v are columns of the same rows, which would be counted twice (hint: read the file as events, or choose one column)`},
		{"no interval", "time,v\n0,6\n", Options{}, GridOptions{Unit: Rate}, `f: series v: it has one time only, and no interval (hint: give the interval)`},
		{"no value", "time,v\n0,NaN\n", Options{}, GridOptions{Unit: Rate}, `f: series v: it has no value (hint: choose another series)`},
		{"a counter of one sample", "time,v\n0,6\n", Options{}, GridOptions{Unit: Counter}, `f: series v: it has no value (hint: choose another series)`},
		{"too fine", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Unit: Rate, Every: 1}, `f: series v: 2m0s in intervals of 1ns are more than 100000000 intervals (hint: give a longer interval)`},
		{"nobody", "time,a,b\n0,1,\n10,1,\n40,,2\n50,,2\n", Options{}, GridOptions{Unit: Rate, Gaps: Hold},
			`f: nothing was recorded for 20s from 1970-01-01T00:00:20Z, and no series is there before and after (hint: choose zero for the gaps, or cut the file there)`},
		{"an unknown unit", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Unit: "qps"}, `unit "qps": the units are rate, count, events and counter`},
		{"unknown gaps", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Gaps: "fill"}, `gaps "fill": the choices are error, hold, zero and interpolate`},
		{"a scale below zero", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Scale: -1}, `scale -1: it must be above zero`},
		{"a speed that is none", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Speed: math.NaN()}, `speed NaN: it must be above zero`},
		{"a speed beyond all time", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Speed: 1e300}, `speed 1e+300: nothing is left of an interval of 1m0s`},
		{"an interval below zero", "time,v\n0,6\n60,7\n", Options{}, GridOptions{Every: -1}, `an interval of -1ns: it must be above zero`},
	} {
		t.Run(c.name, func(t *testing.T) {
			grid, err := Demand(c.options, read(t, c.text, c.read).Series...)
			if err == nil || err.Error() != c.want {
				t.Errorf("grid %v\ngot  %v\nwant %s", grid, err, c.want)
			}
		})
	}
	if _, err := Demand(GridOptions{}); err == nil || err.Error() != "no series to make a demand of" {
		t.Error(err)
	}
	s := read(t, "time,v\n0,6\n60,7\n", Options{}).Series[0]
	if _, err := Demand(GridOptions{}, s, s); err == nil || !strings.Contains(err.Error(), "chosen twice") {
		t.Error(err)
	}
}

// Whatever the times and the intervals are, the grid has as many requests as the
// counts.
func TestCountsAreConserved(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		var b Builder
		var want float64
		for _, pod := range []string{"a", "b"}[:1+r.IntN(2)] {
			at := time.Unix(1e9+r.Int64N(1000), 0)
			for range 1 + r.IntN(1200) {
				at = at.Add(time.Duration(r.IntN(4)*r.IntN(1e9)) * time.Duration(1+r.IntN(3)))
				n := float64(r.IntN(1000))
				want += n
				if err := b.Append("n", []Label{{"pod", pod}}, at, n); err != nil {
					t.Fatal(err)
				}
			}
		}
		every := time.Duration(1 + r.IntN(20e9))
		grid, err := Demand(GridOptions{Unit: Count, Gaps: Zero, Every: every}, b.Set("x").Series...)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got := total(grid); math.Abs(got-want) > 1e-9*want {
			t.Fatalf("seed %d: %v requests in the grid, %v in the series", seed, got, want)
		}
	}
}

func total(g Grid) float64 {
	sum := 0.0
	for _, rate := range g.Rates {
		sum += rate * g.Every.Seconds()
	}
	return sum
}

// TestDemandsOfRecordings makes demands of recordings that count requests.
func TestDemandsOfRecordings(t *testing.T) {
	needTraces(t)
	for _, c := range []struct {
		file    string
		read    Options
		options GridOptions
		length  int
		every   time.Duration
		sum     float64
		note    string
	}{
		{"worldcup98_requests_per_minute.csv.gz", Options{}, GridOptions{Unit: Count, Gaps: Zero}, 125310, time.Minute, 1352804107,
			"A rate of zero is assumed for what was not recorded: count has 7 gaps of 10m0s in all; the first is 1m0s from 1998-05-08T03:22:00Z."},
		{"nab/elb_request_count_8c0756.csv", Options{}, GridOptions{Unit: Count, Gaps: Zero}, 4040, 5 * time.Minute, 249327, "A rate of zero is assumed for what was not recorded: value has 8 gaps of 40m0s in all"},
		{"nab/nyc_taxi.csv", Options{}, GridOptions{Unit: Count, Every: time.Hour}, 5160, time.Hour, 156219716, ""},
		{"nab/Twitter_volume_AMZN.csv", Options{}, GridOptions{Unit: Count}, 15831, 5 * time.Minute, 843768, ""},
		{"azure-llm-2023/AzureLLMInferenceTrace_conv.csv.gz", Options{Events: true}, GridOptions{}, 3502, time.Second, 19366, "Events are counted"},
		{"azure-functions-2021-sample/Azure2021_200.csv", Options{Events: true}, GridOptions{Every: time.Minute}, 21, time.Minute, 199, ""},
		{"mooncake/conversation_trace.csv.gz", Options{Events: true}, GridOptions{Every: time.Second}, 3537, time.Second, 12031, ""},
		{"autothrottle/bursty.txt", Options{Interval: time.Second}, GridOptions{Unit: Rate}, 3600, time.Second, 587788, ""},
		{"nezha/2022-08-22_frontend-579b9bff58-t2dbm_metric.csv.gz", Options{Values: []string{"PodWorkload(Ops)"}}, GridOptions{Unit: Rate}, 1209, time.Minute, 619389, ""},
	} {
		t.Run(c.file, func(t *testing.T) {
			set, err := Open(filepath.Join(traces, c.file), c.read)
			if err != nil {
				t.Fatal(err)
			}
			grid, err := Demand(c.options, set.Series...)
			if err != nil {
				t.Fatal(err)
			}
			if len(grid.Rates) != c.length || grid.Every != c.every || math.Abs(total(grid)-c.sum) > 1e-4*c.sum {
				t.Errorf("%d intervals of %s with %v requests, want %d of %s with %v", len(grid.Rates), grid.Every, total(grid), c.length, c.every, c.sum)
			}
			if notes := strings.Join(grid.Notes, "\n"); !strings.HasPrefix(notes, c.note) || c.note == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
	set, err := Open(filepath.Join(traces, "nab/ec2_request_latency_system_failure.csv"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Demand(GridOptions{Unit: Rate, Gaps: Hold}, set.Series...); err == nil || !strings.Contains(err.Error(), "ec2_request_latency_system_failure.csv:") {
		t.Errorf("a rate with two values of one time: %v", err)
	}
}
