package hpa

import (
	"errors"
	"fmt"
)

// check refuses what no controller could meet: the API server would not have
// let the HPA in, or the reading does not belong to its metric.
func check(spec *Spec, state *State, seen *Observation) error {
	switch {
	case len(spec.Metrics) == 0:
		return errors.New("no metrics: the API server fills in one for the CPU")
	case spec.MinReplicas < 0:
		return fmt.Errorf("minReplicas %d is negative", spec.MinReplicas)
	case spec.MaxReplicas < 1 || spec.MaxReplicas < spec.MinReplicas:
		return fmt.Errorf("maxReplicas %d is less than 1 or than minReplicas %d", spec.MaxReplicas, spec.MinReplicas)
	case len(seen.Readings) != len(spec.Metrics):
		return fmt.Errorf("%d readings for %d metrics", len(seen.Readings), len(spec.Metrics))
	case seen.Replicas < 0 || seen.StatusReplicas < 0:
		return fmt.Errorf("the scale has %d replicas in its spec and %d in its status", seen.Replicas, seen.StatusReplicas)
	}
	if err := checkConditions(state.Conditions); err != nil {
		return err
	}
	for i := range spec.Metrics {
		if err := checkMetric(&spec.Metrics[i], &seen.Readings[i], len(seen.Pods)); err != nil {
			return fmt.Errorf("metric %d (%s): %w", i+1, spec.Metrics[i].Name, err)
		}
	}
	return nil
}

// checkConditions makes sure that there is room for all types.
func checkConditions(all []Condition) error {
	for i, one := range all {
		switch one.Type {
		case AbleToScale, ScalingActive, ScalingLimited, ScaledToZero:
		default:
			return fmt.Errorf("unknown condition %q", one.Type)
		}
		for _, other := range all[:i] {
			if other.Type == one.Type {
				return fmt.Errorf("two conditions %s", one.Type)
			}
		}
	}
	return nil
}

func checkMetric(m *Metric, reading *Reading, pods int) error {
	switch m.Type {
	case Resource, ContainerResource:
		if m.Target.Type == Value {
			return fmt.Errorf("a %s metric has no target of type %s", m.Type, Value)
		}
	case Pods:
		if m.Target.Type != AverageValue {
			return fmt.Errorf("a Pods metric has no target of type %q", m.Target.Type)
		}
	case Object, External:
		if m.Target.Type == Utilization {
			return fmt.Errorf("an %s metric has no target of type %s", m.Type, Utilization)
		}
	default:
		return fmt.Errorf("unknown type %q", m.Type)
	}
	switch m.Target.Type {
	case Utilization:
		if m.Target.Percent < 1 {
			return fmt.Errorf("a target of %d %%", m.Target.Percent)
		}
	case AverageValue, Value:
		if m.Target.Milli < 1 {
			return fmt.Errorf("a target of %dm", m.Target.Milli)
		}
	case "":
	default:
		return fmt.Errorf("unknown target type %q", m.Target.Type)
	}
	return checkReading(m, reading, pods)
}

func checkReading(m *Metric, reading *Reading, pods int) error {
	switch {
	case reading.Err != nil:
		return nil
	case m.perPod() && len(reading.Pods) != pods:
		return fmt.Errorf("samples for %d pods, there are %d", len(reading.Pods), pods)
	case m.Type == Object && len(reading.Values) > 1:
		return fmt.Errorf("%d values for one object", len(reading.Values))
	}
	return nil
}
