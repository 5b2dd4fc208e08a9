package workload_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

func TestParseShape(t *testing.T) {
	for _, c := range []struct {
		text string
		want workload.Demand
	}{
		{"50 for 3s", seconds(50, 50, 50)},
		{"constant 50 for 2s", seconds(50, 50)},
		{"5 for 1s, 7 for 2s", seconds(5, 7, 7)},
		{"ramp 0 to 40 over 4s", seconds(5, 15, 25, 35)},
		{"ramp 40 to 0 over 2s,8 for 1s", seconds(30, 10, 8)},
		{"sine 10 +- 4 every 4s for 4s", seconds(10+4/math.Sqrt2, 10+4/math.Sqrt2, 10-4/math.Sqrt2, 10-4/math.Sqrt2)},
		{"sine 0 +- 4 every 4s for 4s", seconds(4/math.Sqrt2, 4/math.Sqrt2, 0, 0)},
		{"burst 1 to 9 lasting 1s every 3s for 6s", seconds(1, 1, 9, 1, 1, 9)},
	} {
		got, err := workload.ParseShape(c.text, 1)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		same := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 1e-9 })
		if diff := cmp.Diff(c.want, got, same); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

func seconds(rates ...float64) workload.Demand {
	return workload.Demand{Every: time.Second, Rates: rates}
}

func TestShapesThatAreNone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `column 1: the text ends, want a rate, such as "constant 50 for 10m"`},
		{"sinus 5", `column 1: "sinus" is not constant, ramp, sine, burst or a rate, such as "50 for 10m"`},
		{"50", `column 3: the text ends, want "for", such as "constant 50 for 10m"`},
		{"50 for", `column 7: the text ends, want a duration, such as "constant 50 for 10m"`},
		{"50 for 10", `column 8: "10" is not a duration of whole seconds, up to a year, such as "constant 50 for 10m"`},
		{"50 for 1500ms", `column 8: "1500ms" is not a duration of whole seconds, up to a year, such as "constant 50 for 10m"`},
		{"50 for 1m 7 for 1m", `column 11: "7" is not a comma before the next piece, such as "50 for 5m, 200 for 10m"`},
		{"50 for 1m,", `column 11: the text ends, want a rate, such as "constant 50 for 10m"`},
		{"-5 for 1m", `column 1: "-5" is not a rate of requests per second from 0 to 1e9, such as "constant 50 for 10m"`},
		{"NaN for 1m", `column 1: "NaN" is not a rate of requests per second from 0 to 1e9, such as "constant 50 for 10m"`},
		{"ramp 1 to x over 5m", `column 11: "x" is not a rate of requests per second from 0 to 1e9, such as "ramp 10 to 200 over 30m"`},
		{"sine 5 ± 3 every 1m for 2m", `column 8: "±" is not "+-", such as "sine 100 +- 60 every 1h for 24h"`},
		{"burst 1 to 9 lasting 5m every 1m for 1h", `column 7: bursts of 5m0s do not fit into every 1m0s: write it like "burst 50 to 400 lasting 1m every 10m for 2h"`},
		{"50 for 1m, poisson, 7 for 1m", `column 19: "," after poisson: it is the last piece, such as "50 for 10m, poisson"`},
		{"poisson", `column 1: "poisson" is not constant, ramp, sine, burst or a rate, such as "50 for 10m"`},
		{"1 for 8000h, 1 for 8000h", `column 14: all pieces together are longer than 8784h0m0s: no shape is`},
	} {
		_, err := workload.ParseShape(c.text, 1)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestPoissonArrivals(t *testing.T) {
	for _, rate := range []float64{0.5, 7, 300} {
		d := workload.Constant(rate).Over(20_000 * time.Second).Poisson(1)
		var sum, squares float64
		for _, n := range d.Rates {
			sum += n
			squares += n * n
		}
		mean := sum / 20_000
		variance := squares/20_000 - mean*mean
		if math.Abs(mean/rate-1) > 0.03 || math.Abs(variance/rate-1) > 0.05 {
			t.Errorf("of rate %v: mean %v, variance %v", rate, mean, variance)
		}
		if diff := cmp.Diff(d, workload.Constant(rate).Over(20_000*time.Second).Poisson(1)); diff != "" {
			t.Error("the same seed gives other counts")
		}
		if cmp.Equal(d, workload.Constant(rate).Over(20_000*time.Second).Poisson(2)) {
			t.Error("another seed gives the same counts")
		}
	}
}

func TestDemand(t *testing.T) {
	d := workload.Concat(seconds(1, 2), seconds(3).Scale(2))
	if diff := cmp.Diff(seconds(1, 2, 6), d); diff != "" {
		t.Error(diff)
	}
	for at, want := range map[time.Duration]float64{-1: 0, 0: 1, 1500 * time.Millisecond: 2, 2 * time.Second: 6, 3 * time.Second: 0} {
		if got := d.At(at); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
}
