package hpa_test

import (
	"fmt"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

func ExampleExplain() {
	spec := hpa.Spec{
		MinReplicas: 2,
		MaxReplicas: 20,
		Metrics: []hpa.Metric{{
			Type: hpa.External, Name: "queue", Target: hpa.Target{Type: hpa.AverageValue, Milli: 30_000},
		}},
		Controller: hpa.DefaultController(),
	}
	seen := hpa.Observation{
		Replicas:       4,
		StatusReplicas: 4,
		Readings:       []hpa.Reading{{Values: []int64{450_000}}},
	}
	decision, _, err := hpa.Explain(&spec, hpa.State{}, &seen, time.Now())
	if err != nil {
		panic(err)
	}
	fmt.Print(decision.Describe())
	// Output:
	// The target has 4 replicas.
	// External metric queue is 450 in total and 112.5 for each of the 4 pods that exist, its target is 30: ratio 3.75.
	// That is beyond the tolerance of 0.90 to 1.10: the total over the target of each pod proposes 15.
	// Without behavior a scale-up at most doubles the replicas, or reaches 4: 8.
	// The HPA scales from 4 to 8 (external metric queue(nil) above target).
}
