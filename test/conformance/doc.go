// Package conformance proves pkg/hpa: it runs the HPA controller of Kubernetes,
// unmodified and on virtual time, beside Pitot's, and compares them sync by sync.
//
// The pieces, each in its own file:
//
//	world.go      a cluster that is made up at random, and what happens in it;
//	              world_hpa.go, world_pods.go and world_metrics.go: its parts
//	upstream.go   the real controller, fed from a world
//	stubs.go      the informers, clients and metrics that it talks to
//	memory.go     what it remembers between syncs
//	translate.go  a world in the words of pkg/hpa, by way of package translate
//	compare.go    the two side by side
//	scenario.go   many steps from one seed: run, shrink, replay
//
// More tests go with them: grid_test.go takes arithmetic cell by cell,
// loop_test.go lets both sides steer a workload for a day, mutants_test.go sees
// whether deliberate errors are found, speed_test.go says what a sync costs.
// record_test.go records upstream's own test cases for pkg/hpa, table_test.go
// writes what was run into docs/conformance.md.
//
// A scenario is a seed and a list of step numbers, and nothing else. That is
// what a failure prints, and what replays it.
//
// The controller's clock is the machine's, which has no place in a test: hence
// testing/synctest. Its unexported method for one sync is reached by linkname,
// and its memory by a mirror of its types; TestMirror fails when they change.
package conformance
