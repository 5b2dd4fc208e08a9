package hpa

// A best is what the metrics agree on.
type best struct {
	replicas int32
	metric   int  // index of the metric that asked for it, -1 if there is no count to act on
	partial  bool // some metric failed
}

// propose asks each metric for a count and takes the largest. A metric that
// failed blocks a scale-down, whatever it might have said, and nothing else.
func (r *reconcile) propose() best {
	var top best
	var failed int
	var reason Reason
	for i := range r.spec.Metrics {
		replicas, err := r.proposal(i)
		if err != nil {
			if failed == 0 {
				reason = r.spec.Metrics[i].Type.failed()
			}
			failed++
			continue
		}
		// Zero gives way to anything, even to a later proposal below zero
		// (computeReplicasForMetrics in v1.37.2's horizontal.go).
		if top.replicas == 0 || replicas > top.replicas {
			top.replicas, top.metric = replicas, i
		}
	}
	top.partial = failed > 0
	if failed == len(r.spec.Metrics) || (failed > 0 && top.replicas < r.current) {
		r.set(ScalingActive, False, reason)
		return best{metric: -1}
	}
	r.set(ScalingActive, True, ReasonValidMetricFound)
	return top
}

// proposal asks one metric.
func (r *reconcile) proposal(i int) (int32, error) {
	var note *MetricTrail
	if r.trail != nil {
		r.trail.Metrics = append(r.trail.Metrics, MetricTrail{Metric: r.spec.Metrics[i]})
		note = &r.trail.Metrics[i]
	}
	replicas, err := r.ask(&r.spec.Metrics[i], &r.seen.Readings[i], note)
	if note != nil {
		note.conclude(replicas, err)
	}
	return replicas, err
}

func (r *reconcile) ask(m *Metric, reading *Reading, note *MetricTrail) (int32, error) {
	switch {
	case m.Target.Type == "":
		return 0, errNoTarget
	case reading.Err != nil:
		return 0, reading.Err
	case m.perPod():
		return r.perPod(m, reading, note)
	case len(reading.Values) == 0:
		return 0, errNoValue
	case m.Target.Type == AverageValue:
		return r.average(m, reading.Values, note), nil
	default:
		return r.value(m, reading.Values, note)
	}
}
