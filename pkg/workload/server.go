package workload

import (
	"errors"
	"fmt"
	"math"
)

// WithDefaults is the server with what was left out: one worker, a Random
// balancer, and processor time that equals the service time.
func (s Server) WithDefaults() Server {
	if s.Workers == 0 && s.Kind != Linear {
		s.Workers = 1
	}
	if s.Balancer == "" && s.Kind != Queue {
		s.Balancer = Random
	}
	if s.Kind == Async {
		s.CPU = s.Service.Mean
	}
	return s
}

// Validate reports everything that is wrong with a server that has its defaults,
// each problem with its field and a cure.
func (s Server) Validate() error {
	problems := []error{
		s.validateKind(), s.validateBalancer(), s.validateWorkers(), s.validateTimes(), s.validateBounds(),
	}
	return errors.Join(problems...)
}

func (s Server) validateKind() error {
	switch s.Kind {
	case Sync, Async, Queue, Linear:
		return nil
	case "":
		return fmt.Errorf("kind: missing: give %q, %q, %q or %q", Sync, Async, Queue, Linear)
	}
	return fmt.Errorf("kind: %q is unknown: give %q, %q, %q or %q", s.Kind, Sync, Async, Queue, Linear)
}

func (s Server) validateBalancer() error {
	switch {
	case s.Kind == Queue && s.Balancer != "":
		return fmt.Errorf("balancer: %q: the pods of a queue fetch by themselves: leave it out", s.Balancer)
	case s.Kind == Queue, s.Balancer == Random, s.Balancer == RoundRobin, s.Balancer == LeastRequests:
		return nil
	}
	return fmt.Errorf("balancer: %q is unknown: give %q, %q or %q", s.Balancer, Random, RoundRobin, LeastRequests)
}

// maxWorkers bounds a pod. Nobody runs more, and tables stay small.
const maxWorkers = 10_000

func (s Server) validateWorkers() error {
	switch {
	case s.Kind == Linear && s.Workers != 0:
		return fmt.Errorf("workers: %d: a linear server has none: leave them out", s.Workers)
	case s.Kind != Linear && (s.Workers < 1 || s.Workers > maxWorkers):
		return fmt.Errorf("workers: %d: give a number from 1 to %d", s.Workers, maxWorkers)
	}
	return nil
}

func (s Server) validateTimes() error {
	problems := []error{s.Service.validate("service"), s.Delay.validate("delay")}
	if s.Service.Mean == 0 {
		problems = append(problems, errors.New("service: no mean: give the time that a request takes, such as 80ms"))
	}
	if s.Delay.Mean > 0 && s.Kind != Async {
		problems = append(problems, fmt.Errorf("delay: %v: only an async server waits without a worker: make it part of the service time", s.Delay.Mean))
	}
	if s.Kind == Async && s.CPU != s.Service.Mean {
		problems = append(problems, fmt.Errorf("cpu: %v: that of an async server is its service time (%v): leave it out", s.CPU, s.Service.Mean))
	}
	if s.CPU < 0 {
		problems = append(problems, fmt.Errorf("cpu: %v: give the processor time of one request, 0 or more", s.CPU))
	}
	if s.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout: %v: give a positive duration, or 0 for none", s.Timeout))
	}
	if s.WarmUp < 0 {
		problems = append(problems, fmt.Errorf("warmUp: %v: give a positive duration, or 0 for none", s.WarmUp))
	}
	return errors.Join(problems...)
}

func (s Server) validateBounds() error {
	var problems []error
	if !(s.Background >= 0) || math.IsInf(s.Background, 1) {
		problems = append(problems, fmt.Errorf("background: %v: give cores, 0 or more", s.Background))
	}
	switch {
	case s.Limit < 0:
		problems = append(problems, fmt.Errorf("limit: %d: give a number of requests, or 0 for none", s.Limit))
	case s.Limit > 0 && s.Kind != Sync && s.Kind != Async:
		problems = append(problems, fmt.Errorf("limit: %d: a %s server takes everything: leave it out", s.Limit, s.Kind))
	case s.Limit > 0 && s.Kind == Sync && s.Limit < s.Workers:
		problems = append(problems, fmt.Errorf("limit: %d: it counts requests in service too: give at least the workers (%d)", s.Limit, s.Workers))
	}
	switch {
	case s.Prefetch < 0:
		problems = append(problems, fmt.Errorf("prefetch: %d: give a number of tasks, 0 or more", s.Prefetch))
	case s.Prefetch > 0 && s.Kind != Queue:
		problems = append(problems, fmt.Errorf("prefetch: %d: only a queue is fetched from: leave it out", s.Prefetch))
	}
	if s.WarmUp > 0 && !(s.WarmUpSpeed > 0 && s.WarmUpSpeed <= 1) {
		problems = append(problems, fmt.Errorf("warmUpSpeed: %v: give the share of its speed that a new pod has, above 0 and up to 1", s.WarmUpSpeed))
	}
	return errors.Join(problems...)
}

// Capacity is the requests per second that one pod can serve for long, +Inf of
// Linear.
func (s Server) Capacity() float64 {
	if s.Kind == Linear || s.Service.Mean <= 0 {
		return math.Inf(1)
	}
	return float64(s.Workers) / s.Service.Seconds()
}
