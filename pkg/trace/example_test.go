package trace_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/trace"
)

// A demand is made of the requests that a load balancer counted per minute, in one of
// which it counted none at all.
func ExampleDemand() {
	const text = `time,requests
2024-05-01 12:00:00,600
2024-05-01 12:01:00,660
2024-05-01 12:03:00,1200
`
	set, err := trace.Read("requests.csv", strings.NewReader(text), trace.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = trace.Demand(trace.GridOptions{Unit: trace.Count}, set.Series...)
	fmt.Println(err)

	grid, err := trace.Demand(trace.GridOptions{Unit: trace.Count, Gaps: trace.Hold}, set.Series...)
	fmt.Println(grid.Every, grid.Rates, err)
	fmt.Println(grid.Notes[0])

	// Output:
	// requests.csv: requests has 1 gap of 1m0s in all; the first is 1m0s from 2024-05-01T12:02:00Z (hint: choose what stands for them: hold (the rate before), zero, or interpolate)
	// 1m0s [10 11 11 20] <nil>
	// The rate before each gap is assumed for what was not recorded: requests has 1 gap of 1m0s in all; the first is 1m0s from 2024-05-01T12:02:00Z.
}

// What was recorded of each pod is looked up while time goes on.
func ExampleSeries_Cursor() {
	const text = `time,web-1,web-2
0,5,
15,0,7
30,NaN,8
`
	set, err := trace.Read("pods.csv", strings.NewReader(text), trace.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, series := range set.Series {
		cursor := series.Cursor()
		for s := int64(0); s <= 30; s += 15 {
			value, state := cursor.At(time.Unix(s, 0))
			fmt.Printf("%s at %ds: %v, %s\n", series, s, value, state)
		}
	}

	// Output:
	// web-1 at 0s: 5, value
	// web-1 at 15s: 0, value
	// web-1 at 30s: NaN, gap
	// web-2 at 0s: NaN, absent
	// web-2 at 15s: 7, value
	// web-2 at 30s: 8, value
}
