package hpa

import "time"

// An Observation is what one sync reads from the cluster.
type Observation struct {
	Replicas       int32 `json:"replicas,omitempty"`       // spec.replicas of the target's scale: what should run
	StatusReplicas int32 `json:"statusReplicas,omitempty"` // status.replicas of the scale: what exists

	// Pods are all pods of the target's selector: starting, running, finished
	// and terminating ones. The metrics tell them apart.
	Pods []Pod `json:"pods,omitempty"`

	// Readings are the answers for Spec.Metrics, one for each, in their order.
	Readings []Reading `json:"readings,omitempty"`

	// ScaleReadErr is why the scale could not be read. Nothing else counts then.
	ScaleReadErr error `json:"-"`

	// ScaleWriteErr is why a new count could not be written, should the
	// decision be to write one.
	ScaleWriteErr error `json:"-"`

	// Selector is empty for a good selector, ReasonInvalidSelector for none or
	// an unreadable one, ReasonAmbiguousSelector where another HPA's selector
	// matches some of the pods.
	Selector Reason `json:"selector,omitempty"`
}

// A Pod is what the controller reads of a pod.
type Pod struct {
	Name        string `json:"name,omitempty"`
	Phase       Phase  `json:"phase,omitempty"`
	Terminating bool   `json:"terminating,omitempty"` // it has a deletion timestamp

	Ready      Status    `json:"ready,omitempty"`     // status of its condition Ready; "" where it has none
	ReadySince time.Time `json:"readySince,omitzero"` // last transition of that condition
	Started    time.Time `json:"started,omitzero"`    // status.startTime; zero before a kubelet took it

	// Template tells what the pod requests. Pods may share one. Nil is a pod
	// without requests.
	Template *Template `json:"template,omitempty"`
}

// A Phase is the phase of a pod.
type Phase string

// The phases of a pod.
const (
	PodPending   Phase = "Pending"
	PodRunning   Phase = "Running"
	PodSucceeded Phase = "Succeeded"
	PodFailed    Phase = "Failed"
	PodUnknown   Phase = "Unknown"
)

// A Template is what a pod requests of resources.
type Template struct {
	// Containers are the containers, and the init containers that keep running
	// beside them (sidecars). Other init containers do not count.
	Containers []Container `json:"containers,omitempty"`

	// PodLevel is what the pod as a whole requests, where its spec.resources
	// requests anything: the requests of all containers and the overhead, with
	// spec.resources in place of what it names. Nil where it requests nothing.
	PodLevel Requests `json:"podLevel,omitempty"`
}

// A Container is what a container requests.
type Container struct {
	Name     string   `json:"name"`
	Requests Requests `json:"requests"`
}

// Requests are amounts in milli by the name of the resource.
type Requests map[string]int64

// A Reading is the answer of a metrics API for one metric. A reading without a
// sample and without an error is an empty answer: it fails the metric too.
type Reading struct {
	Err error `json:"-"` // the metric could not be read, nothing else counts

	// Pods are the samples of a Resource, ContainerResource or Pods metric:
	// those of Observation.Pods, in their order, zero where a pod has none.
	Pods []Sample `json:"pods,omitempty"`
	// Unlisted are samples of pods that are not in Observation.Pods, such as
	// one that ended a moment ago. The controller averages them in.
	Unlisted []Sample `json:"unlisted,omitempty"`

	// Values are the series of an External metric, or the one value of an
	// Object metric, in milli.
	Values []int64 `json:"values,omitempty"`
}

// A Sample is the value of a metric for one pod. The zero Sample is none.
type Sample struct {
	Present bool  `json:"present,omitempty"`
	Milli   int64 `json:"milli,omitempty"`
	// At and Window are read of CPU samples only, to see whether the window
	// began after the pod became ready.
	At     time.Time     `json:"at,omitzero"`
	Window time.Duration `json:"window,omitempty"`
}
