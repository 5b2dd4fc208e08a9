package promexpr_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

func TestInputs(t *testing.T) {
	for _, test := range []struct {
		text string
		want string // each as it stands, its metric, and whether it is a counter
	}{
		{`sum by (pod) (rate(x{a="1"}[2m] offset 1m))`, `x{a="1"}[2m] offset 1m: x counter`},
		{`x / x + on (pod) y`, `x: x; y: y`},
		{`rate(x[1m]) + rate(x[2m])`, `x[1m]: x counter; x[2m]: x counter`},
		{`max_over_time(x[5m])`, `x[5m]: x`},
		{`max_over_time(rate(x[1m])[5m:1m])`, `x[1m]: x counter`},
		{`rate(sum(x)[5m:1m])`, `x: x`},
		{`sum({__name__=~"a|b"})`, `{__name__=~"a|b"}: `},
		{`vector(1)`, ``},
	} {
		e, err := promexpr.Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, in := range e.Inputs() {
			one := fmt.Sprintf("%s: %s", in, in.Metric())
			if in.Counter {
				one += " counter"
			}
			got = append(got, one)
		}
		if diff := cmp.Diff(test.want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s: %s", test.text, diff)
		}
	}
}

func TestAnInputWithMoreOrLonger(t *testing.T) {
	e, err := promexpr.Parse(`rate(x{a="1"}[2m] offset 1m)`)
	if err != nil {
		t.Fatal(err)
	}
	in := e.Inputs()[0]
	if got, want := in.At(labels.MustNewMatcher(labels.MatchNotEqual, "pod", "")), `x{a="1",pod!=""} offset 1m`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := in.Over(10*time.Minute), `x{a="1"}[10m] offset 1m`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
