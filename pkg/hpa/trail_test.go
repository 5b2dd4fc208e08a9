package hpa

import (
	"encoding/json"
	"math"
	"testing"
)

func TestAmounts(t *testing.T) {
	for milli, want := range map[int64]string{
		0: "0", 1: "0.001", 1500: "1.5", 100_000: "100", -1: "-0.001", -2500: "-2.5", -3000: "-3",
		math.MinInt64: "-9223372036854775.808",
	} {
		if got := amount(milli); got != want {
			t.Errorf("amount(%d) = %s, want %s", milli, got, want)
		}
	}
}

func TestRatiosAsPeopleReadThem(t *testing.T) {
	for ratio, want := range map[Ratio]string{
		1: "1.00", 1.1: "1.10", 0.125: "0.125", 4. / 3: "1.333", 0.0004: "0.00", 10: "10.00", 1.0004: "1.0004", 0.9999: "0.9999", Ratio(math.Inf(1)): "+Inf",
	} {
		if got := ratio.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzRatioJSON(f *testing.F) {
	for _, x := range []float64{0, 1.1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 5e-324} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		text, err := json.Marshal(Ratio(x))
		if err != nil {
			t.Fatal(err)
		}
		var got Ratio
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if float64(got) != x && !(math.IsNaN(x) && math.IsNaN(float64(got))) {
			t.Errorf("%g became %s became %g", x, text, float64(got))
		}
	})
}
