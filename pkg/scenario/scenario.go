// Package scenario reads what a simulation is made of, and judges how it went.
//
// An App says how one pod of a service works, and what the HPA's metrics mean
// there: the file app.yaml, or the short forms of the command line.
//
//	app, err := scenario.ReadApp("app.yaml", file)
//	signal, ok := app.Signals["http_requests_per_second"]
//
// A scenario file names an HPA, an App, and tests: a demand, what happens
// meanwhile, and what is expected of it, in the manner of "promtool test rules".
//
//	cases, err := scenario.Read("shop.yaml", os.ReadFile)
//	for _, c := range cases {
//		judge := c.Judge()
//		// run it with judge as a sim.Handler
//		for _, result := range judge.Results() { … }
//	}
//
// Reading is strict and gathers: all mistakes of a file come back at once, as
// Problems that name file, line, column, cause and cure.
//
// # Limitations
//
// The package does not choose how pods are computed or how metrics are made of
// them: whoever runs a Case supplies workload.Fleet and sim.Pipeline.
package scenario

import (
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// APIVersion heads every file, and a Kind tells what it is.
const (
	APIVersion   = "pitot.dev/v1alpha1"
	AppKind      = "App"
	ScenarioKind = "Scenario"
)

// A Position is a place in a text.
type Position = place.Position

// A Problem is one mistake in a text.
type Problem = place.Problem

// Problems are all mistakes of a text, sorted by place: the error of everything
// here that reads one.
type Problems = place.Problems

// A Case is one test of a scenario file: everything that a run needs but the
// Fleet and the Pipeline, which are the caller's choice.
type Case struct {
	Position
	Name string

	Autoscaler manifest.Autoscaler // with the scenario's overrides
	App        *App
	Demand     Demand
	// Config is the file of Pitot's rules, "" for none. A Case with the PromQL
	// pipeline has one.
	Config   string
	Pipeline Pipeline

	Replicas  int32         // at the beginning; 0 is the HPA's minimum, or one
	Length    time.Duration // 0 is that of the demand
	Events    []sim.Event
	Objective *sim.Objective // nil is none
	Seed      uint64

	Expect []Expectation
	// Decisions is the file of the decisions that are expected, "" for none.
	Decisions string
}

// A Pipeline is how the metrics of the HPA are made.
type Pipeline string

// The pipelines.
const (
	// Signals computes them from the App's signals.
	Signals Pipeline = "signals"
	// PromQL scrapes what the App exposes and evaluates Pitot's rules.
	PromQL Pipeline = "promql"
)
