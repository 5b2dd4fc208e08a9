package workload

import (
	"math"
	"testing"
	"time"
)

func FuzzParseShape(f *testing.F) {
	for _, text := range []string{"50 for 5m, 200 for 10m", "constant 50 for 10m, poisson", "ramp 10 to 200 over 30m",
		"sine 100 +- 60 every 1h for 24h", "burst 50 to 400 lasting 1m every 10m for 2h", ",", "50 for 1s,,", "1e9 for 1s,\tpoisson"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pieces, _, err := parsePieces(text)
		var length time.Duration
		for _, p := range pieces {
			length += p.length
		}
		if length > time.Hour {
			return // a year of seconds costs a second each time
		}
		d, again := ParseShape(text, 1)
		if (err == nil) != (again == nil) {
			t.Fatalf("%q: %v, then %v", text, err, again)
		}
		if err != nil {
			return
		}
		if d.Every <= 0 || len(d.Rates) == 0 {
			t.Errorf("%q is no demand: every %v, %d rates", text, d.Every, len(d.Rates))
		}
		for i, r := range d.Rates {
			if !(r >= 0) || math.IsInf(r, 0) {
				t.Errorf("%q: rate %d is %v", text, i, r)
			}
		}
	})
}
