package scenario

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// Check reports the metrics of an HPA that cannot be made of this app: nothing is
// guessed from the name of a metric. The error is Problems without places.
func (a *App) Check(pipeline Pipeline, metrics []hpa.Metric) error {
	var problems Problems
	for _, m := range metrics {
		report := place.Reporter{Subject: fmt.Sprintf("metric %q", m.Name), Problems: &problems}
		switch m.Type {
		case hpa.Resource, hpa.ContainerResource:
			a.checkResource(report, m)
		default:
			if pipeline == Signals {
				a.checkSignal(report, m)
			}
		}
	}
	if pipeline == PromQL && len(a.Exposes) == 0 && slices.ContainsFunc(metrics, served) {
		report := place.Reporter{Problems: &problems}
		report.Report(Position{}, "the app exposes nothing that Prometheus could scrape", "add what the pods' metrics pages show, as in exposes: [{name: http_requests_total, of: completed}]")
	}
	return problems.Err()
}

// served reports whether Pitot would serve a metric.
func served(m hpa.Metric) bool { return m.Type != hpa.Resource && m.Type != hpa.ContainerResource }

func (a *App) checkSignal(report place.Reporter, m hpa.Metric) {
	signal, ok := a.Signals[m.Name]
	switch {
	case !ok:
		hint := place.DidYouMean(m.Name, slices.Collect(maps.Keys(a.Signals)))
		if hint == "" {
			hint = fmt.Sprintf("say what it measures, as in signals: {%s: rate}, or --signal %s=rate", m.Name, m.Name)
		}
		report.Report(Position{}, "the app has no signal for it", hint)
	case m.Type == hpa.Pods && (signal.Kind == sim.Backlog || signal.Kind == sim.Arrivals):
		report.Report(Position{}, fmt.Sprintf("%s is counted for the whole workload and not by pods", signal.Kind), "read it as an Object or External metric")
	}
}

func (a *App) checkResource(report place.Reporter, m hpa.Metric) {
	if m.Name != hpa.CPU {
		report.Report(Position{}, "of resources only cpu is simulated", "take this metric out of the HPA for the simulation")
		return
	}
	a.checkCPU(report)
	var containers []hpa.Container
	if a.Pods.Template != nil {
		containers = a.Pods.Template.Containers
	}
	if m.Container != "" {
		containers = slices.DeleteFunc(slices.Clone(containers), func(c hpa.Container) bool { return c.Name != m.Container })
		if len(containers) == 0 {
			report.Report(Position{}, fmt.Sprintf("the app has no container %q", m.Container), fmt.Sprintf("add it, as in resources: {containers: {%s: {cpu: 500m}}}", m.Container))
			return
		}
	}
	if m.Target.Type != hpa.Utilization {
		return
	}
	if len(containers) == 0 {
		report.Report(Position{}, "its target is a percentage of what pods request, and the app requests nothing", "add it, as in resources: {requests: {cpu: 500m}}")
	}
	for _, c := range containers {
		if _, ok := c.Requests[m.Name]; !ok {
			report.Report(Position{}, fmt.Sprintf("its target is a percentage of what pods request, and container %q requests no %s", c.Name, m.Name), "the HPA would fail on it")
		}
	}
}

// checkCPU needs the processor time of a request to be known.
func (a *App) checkCPU(report place.Reporter) {
	if a.Server.Kind != workload.Async && a.Server.CPU == 0 && a.Server.Background == 0 {
		report.Report(Position{}, "the app does not say how much processor time a request takes", "add cpuTime to server")
	}
}
