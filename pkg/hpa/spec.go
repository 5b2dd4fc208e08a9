package hpa

import "time"

// A Spec is what decides in an HPA object, with the API server's defaults
// filled in, and in the controller that reads it.
type Spec struct {
	MinReplicas int32    `json:"minReplicas"` // 0 needs an Object or External metric
	MaxReplicas int32    `json:"maxReplicas"` // at least 1 and MinReplicas
	Metrics     []Metric `json:"metrics"`     // at least one, in the order of the HPA

	// Behavior is nil where the HPA has none. That is not the default behavior:
	// the controller has an older path for it, with other limits and edges.
	Behavior *Behavior `json:"behavior,omitempty"`

	Controller Controller `json:"controller"`
}

// A MetricType names the source of a metric, as spec.metrics[].type does.
type MetricType string

// The types of metrics.
const (
	Resource          MetricType = "Resource"
	ContainerResource MetricType = "ContainerResource"
	Pods              MetricType = "Pods"
	Object            MetricType = "Object"
	External          MetricType = "External"
)

// CPU is the resource whose samples count only from pods that are ready. No
// other metric looks at readiness in this way.
const CPU = "cpu"

// A Metric is one entry of spec.metrics.
type Metric struct {
	Type      MetricType `json:"type"`
	Name      string     `json:"name"`                // of the metric or the resource
	Container string     `json:"container,omitempty"` // ContainerResource
	Kind      string     `json:"kind,omitempty"`      // Object: the kind of the described object
	Selector  string     `json:"selector,omitempty"`  // in the words of an event; "" is none
	Target    Target     `json:"target"`
}

// A TargetType says what a target is compared with.
type TargetType string

// The types of targets. The zero value is a target that the controller does
// not understand, such as an Object metric with type Value and only an
// averageValue: such a metric fails at every sync.
const (
	Utilization  TargetType = "Utilization"  // Resource, ContainerResource: percent of the request
	AverageValue TargetType = "AverageValue" // any type: per pod
	Value        TargetType = "Value"        // Object, External: the value as it is
)

// A Target is what the HPA steers a metric to.
type Target struct {
	Type    TargetType `json:"type"`
	Milli   int64      `json:"milli,omitempty"`   // AverageValue and Value: more than 0
	Percent int32      `json:"percent,omitempty"` // Utilization: at least 1
}

// A Behavior shapes both directions of scaling.
type Behavior struct {
	ScaleUp   Rules `json:"scaleUp"`
	ScaleDown Rules `json:"scaleDown"`
}

// Rules shape one direction of scaling.
type Rules struct {
	// StabilizationWindow is in whole seconds. Nil means none for scaling up and
	// Controller.DownscaleStabilization for scaling down.
	StabilizationWindow *time.Duration `json:"stabilizationWindow,omitempty"`
	SelectPolicy        SelectPolicy   `json:"selectPolicy"`
	Policies            []Policy       `json:"policies"`
	// Tolerance is a ratio: 0.05 is 5 %. Nil means Controller.Tolerance.
	Tolerance *float64 `json:"tolerance,omitempty"`
}

// A SelectPolicy says which of several policies counts.
type SelectPolicy string

// The ways to select a policy: the one that allows the largest change, the one
// that allows the smallest, or no scaling in this direction at all.
const (
	MaxChange SelectPolicy = "Max"
	MinChange SelectPolicy = "Min"
	Disabled  SelectPolicy = "Disabled"
)

// A PolicyType is the unit of a policy's value.
type PolicyType string

// The types of policies.
const (
	PodsPolicy    PolicyType = "Pods"
	PercentPolicy PolicyType = "Percent"
)

// A Policy bounds the change within a period.
type Policy struct {
	Type   PolicyType    `json:"type"`
	Value  int32         `json:"value"`
	Period time.Duration `json:"period"` // in whole seconds
}

// A Controller is the part of kube-controller-manager that decides. Clusters
// rarely change its flags, and managed ones do not show them.
type Controller struct {
	Tolerance               float64       `json:"tolerance"`               // --horizontal-pod-autoscaler-tolerance
	DownscaleStabilization  time.Duration `json:"downscaleStabilization"`  // --horizontal-pod-autoscaler-downscale-stabilization
	CPUInitializationPeriod time.Duration `json:"cpuInitializationPeriod"` // --horizontal-pod-autoscaler-cpu-initialization-period
	InitialReadinessDelay   time.Duration `json:"initialReadinessDelay"`   // --horizontal-pod-autoscaler-initial-readiness-delay
	Profile                 Profile       `json:"profile"`                 // what its version does
}

// DefaultController is kube-controller-manager without flags, in the newest
// version that the package knows.
func DefaultController() Controller {
	profile, _ := Kubernetes(Newest)
	return Controller{
		Tolerance:               0.1,
		DownscaleStabilization:  5 * time.Minute,
		CPUInitializationPeriod: 5 * time.Minute,
		InitialReadinessDelay:   30 * time.Second,
		Profile:                 profile,
	}
}

// String describes the metric in the words of the controller's events.
func (m Metric) String() string {
	switch m.Type {
	case Pods:
		return "pods metric " + m.Name
	case Object:
		if m.Target.Type == Value {
			return m.Kind + " metric " + m.Name
		}
		return "external metric " + m.Name + "(" + m.selector() + ")" // sic
	case External:
		return "external metric " + m.Name + "(" + m.selector() + ")"
	case ContainerResource:
		if m.Target.Type == Utilization {
			return m.Name + " container resource utilization (percentage of request)"
		}
	default:
		if m.Target.Type == Utilization {
			return m.Name + " resource utilization (percentage of request)"
		}
	}
	return m.Name + " resource"
}

func (m Metric) selector() string {
	if m.Selector == "" {
		return "nil"
	}
	return m.Selector
}

// perPod reports whether the metric has a sample for each pod.
func (m Metric) perPod() bool {
	return m.Type == Resource || m.Type == ContainerResource || m.Type == Pods
}

// wakes reports whether some metric has a value even without pods, so that the
// HPA may scale to zero and find its way back.
func (s *Spec) wakes() bool {
	for i := range s.Metrics {
		if t := s.Metrics[i].Type; t == Object || t == External {
			return true
		}
	}
	return false
}

// scaleDownWindow is how far back a higher recommendation keeps replicas.
func (s *Spec) scaleDownWindow() time.Duration {
	if w := s.Behavior.ScaleDown.StabilizationWindow; w != nil {
		return *w
	}
	return s.Controller.DownscaleStabilization.Truncate(time.Second)
}

// scaleUpWindow is how far back a lower recommendation holds replicas back.
func (s *Spec) scaleUpWindow() time.Duration {
	if w := s.Behavior.ScaleUp.StabilizationWindow; w != nil {
		return *w
	}
	return 0
}
