// Package workload is what a service does under load: how requests arrive, and
// what its pods make of them.
//
//	demand := workload.Sine(100, 60, time.Hour).Over(24 * time.Hour)
//	fleet, err := workload.NewFleet(server, workload.Options{Quantiles: []float64{0.95}})
//	fleet.Join(1)
//	step := fleet.Advance(time.Second, demand.At(t))
//
// A Server describes one pod in the words of the Python server that runs in it,
// a Fleet is the pods while they serve. NewFleet computes with formulas; package
// exact has a Fleet that follows each request by itself and is the judge of this
// one.
//
// # Promises
//
// Requests are conserved: those that arrived have completed, failed, been
// dropped, or are still there. Overload carries a backlog from step to step;
// no utilization is ever clamped. A Fleet has no clock and no chance of its own:
// equal calls give equal answers.
package workload

import "time"

// A Kind is a way to serve.
type Kind string

// The kinds of servers.
const (
	// Sync has workers that each serve one request from beginning to end: gunicorn's
	// sync and gthread workers, uWSGI, mod_wsgi. Each pod has a queue of its own.
	Sync Kind = "sync"
	// Async has event loops: a request waits for others (a database) at no cost and
	// shares its loop's processor for the rest. uvicorn, hypercorn, gevent.
	Async Kind = "async"
	// Queue has workers that take tasks from one queue which all pods share:
	// Celery, RQ, Dramatiq.
	Queue Kind = "queue"
	// Linear serves everything at once in the same time, however much it is. It is
	// for signals that only follow the load, such as CPU.
	Linear Kind = "linear"
)

// A Balancer is how requests are spread over pods.
type Balancer string

// The balancers. A Queue has none, its pods fetch.
const (
	Random        Balancer = "random"         // each request to any pod: kube-proxy
	RoundRobin    Balancer = "round-robin"    // one pod after the other: one ingress-nginx
	LeastRequests Balancer = "least-requests" // to the pod with the fewest: Envoy, Istio
)

// A Time is a duration that varies.
type Time struct {
	Mean time.Duration
	// SCV is the squared coefficient of variation, variance over squared mean: 0 is
	// constant, 1 exponential. In between and above it is as Quantile says.
	SCV float64
}

// A Server is how one pod serves.
type Server struct {
	Kind Kind

	// Workers is the number of requests or tasks that a pod works on at a time
	// (Sync: processes × threads; Queue: concurrency), or of its event loops
	// (Async). Linear has none.
	Workers int

	// Service is the time that a request occupies a worker (Sync, Queue), or takes
	// (Linear). Of Async it is the time on the loop's processor.
	Service Time
	// Delay is the time a request of an Async server waits for others.
	Delay Time

	// CPU is the processor time of one request; of Async it is Service.Mean and not
	// given here. Background is the cores that a pod uses without requests.
	CPU        time.Duration
	Background float64

	// Balancer spreads requests over the pods; Random where it is empty.
	Balancer Balancer

	// Limit is the most requests that a loop (Async) or a pod (Sync: in service and
	// in the listen queue) takes in; more are dropped. 0 is no limit.
	Limit int
	// Timeout is the longest a request may take from arrival to end; longer ones
	// fail. 0 is forever.
	Timeout time.Duration
	// Prefetch is the tasks that a worker of a Queue holds besides the one it works
	// on: Celery's worker_prefetch_multiplier (4) minus one. What is held does not
	// show in the length of the queue.
	Prefetch int

	// WarmUp is how long a new pod takes to its full speed, from WarmUpSpeed (0 to
	// 1) of it. 0 is at once.
	WarmUp      time.Duration
	WarmUpSpeed float64
}

// Options say what a Fleet keeps besides its counts.
type Options struct {
	// Bounds are the upper bounds, in seconds and rising, of the histogram that
	// pods expose; none is no histogram. +Inf is implied.
	Bounds []float64
	// Quantiles are those of latency that each Step reports.
	Quantiles []float64
	// Seed is for fleets that draw lots.
	Seed uint64
}

// A Fleet is the pods of one workload while they serve. It is not safe for
// concurrent use. Counts are real numbers, as a computed fleet serves fractions.
type Fleet interface {
	// Join makes a pod ready: it comes empty. No pod comes twice.
	Join(pod int)
	// Drain ends the arrivals of a pod, which works on what it has.
	Drain(pod int)
	// Leave ends a pod, and reports how much it still had. That has failed; of a
	// Queue it is back in the queue.
	Leave(pod int) (left float64)

	// Advance lets time pass, in which requests arrive at a constant rate per
	// second. Without a pod that takes arrivals they are dropped, but a Queue keeps
	// them. It is meant for a second or less; the Step's slice is valid until the
	// next call.
	Advance(d time.Duration, rate float64) Step

	// Pod tells what a pod has counted since it joined. It reuses the slice of into.
	Pod(pod int, into *Counts)
	// Whole tells what the fleet has counted since it began, with all pods that
	// left; its Buckets stay empty.
	Whole() Totals
	// Latency is a quantile of all requests that ended so far, completed or timed
	// out, in seconds; NaN of none. Lapped is that since the last Lap.
	Latency(quantile float64) float64
	Lap()
	Lapped(quantile float64) float64
}

// A Step is what happened between two looks at a fleet.
type Step struct {
	Arrived, Completed, Failed, Dropped float64
	Waiting                             float64 // at the end, as in Totals

	// Latency has the quantiles that were asked for, of requests that completed or
	// timed out in this step, in seconds; NaN where none did.
	Latency []float64
	// Utilization is the load that arrived over what the taking pods can serve. It
	// is above 1 in overload, +Inf without pods, and 0 of Linear.
	Utilization float64
}

// Totals are requests by what became of them:
// Arrived = Completed + Failed + Dropped + Waiting + InService.
type Totals struct {
	Arrived, Completed float64
	Failed             float64 // timed out, or lost with their pod
	Dropped            float64 // refused on arrival
	Waiting, InService float64 // now
	// Ready is the part of Waiting that waits in a shared queue rather than at a pod:
	// what a broker reports.
	Ready float64
}

// Counts are what a pod has counted, and what it holds.
type Counts struct {
	Arrived, Completed, Failed float64
	Seconds                    float64   // sum of the latencies of completed requests
	Buckets                    []float64 // completed requests at or below each bound, +Inf last; as in a histogram
	InFlight                   float64   // now, waiting ones included
	CPU                        float64   // seconds of processor time
	Busy                       float64   // seconds of workers: two busy workers make two a second
}
