package detect

import (
	"strings"
	"testing"
	"time"
)

func TestParseObjective(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Objective
		back string // as it is written, "" for the text
		err  string
	}{
		{text: "p95=500ms", want: Objective{0.95, 500 * time.Millisecond}},
		{text: "p99.9=2s", want: Objective{0.999, 2 * time.Second}},
		{text: "p50=1m", want: Objective{0.5, time.Minute}},
		{text: "p99=1.5s", want: Objective{0.99, 1500 * time.Millisecond}},
		{text: "p95=60s", want: Objective{0.95, time.Minute}, back: "p95=1m"},
		{text: "500ms", err: "write it as p95=500ms"},
		{text: "95=500ms", err: "write it as p95=500ms"},
		{text: "p100=500ms", err: "no percentile"},
		{text: "p0=500ms", err: "no percentile"},
		{text: "pNaN=500ms", err: "no percentile"},
		{text: "p95=500", err: "no duration"},
		{text: "p95=-1s", err: "whole milliseconds"},
		{text: "p95=0s", err: "whole milliseconds"},
		{text: "p95=10us", err: "whole milliseconds"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseObjective(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, %v, want an error with %q", got, err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Fatalf("got %v, %v, want %v", got, err, tt.want)
			}
			back := tt.back
			if back == "" {
				back = tt.text
			}
			if got.String() != back {
				t.Errorf("written as %s, want %s", got, back)
			}
		})
	}
}

func FuzzParseObjective(f *testing.F) {
	for _, text := range []string{"p95=500ms", "p99.9=2s", "p0=1h", "p1e1=1s", "=", "p="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseObjective(text)
		if err != nil {
			return
		}
		if !(o.Quantile > 0 && o.Quantile < 1) || o.Limit < time.Millisecond {
			t.Errorf("%q is %+v", text, o)
		}
	})
}
