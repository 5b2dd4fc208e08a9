package hpa

// A Profile is how a version of the controller differs from others where it
// decides. Stabilization, policies, scale events, the grouping of pods and the
// arithmetic of utilization are the same in all of them.
type Profile struct {
	// Tolerances obeys behavior.scaleUp.tolerance and scaleDown.tolerance: from
	// 1.35 (feature gate HPAConfigurableTolerance, off in 1.33 and 1.34).
	Tolerances bool `json:"tolerances"`

	// PodLevelRequests lets a pod's own requests precede those of its
	// containers: from 1.34 (PodLevelResources).
	PodLevelRequests bool `json:"podLevelRequests"`

	// SaturatingAverages makes the average of an External metric saturate where
	// its sum turns negative, which the controller takes for an overflow, and
	// where the count exceeds 2³¹-1: from 1.34.
	SaturatingAverages bool `json:"saturatingAverages"`

	// SaturatingValues makes the value of an Object or External metric saturate
	// where its count exceeds 2³¹-1, and the sum of an External metric at 2⁶³-1:
	// from 1.35.
	SaturatingValues bool `json:"saturatingValues"`

	// ContainersMustExist makes a ContainerResource metric fail where a pod has
	// no container of that name, instead of counting its request as zero: from 1.35.
	ContainersMustExist bool `json:"containersMustExist"`

	// Zero is what happens at zero replicas.
	Zero ZeroRule `json:"zero"`

	// SyncsAtOnce makes the controller sync a new or changed HPA, and any HPA
	// after its own start, at once instead of one period later: from 1.37
	// (HPAGeneration). Step has no use for it: it tells callers when to step.
	SyncsAtOnce bool `json:"syncsAtOnce"`
}

// A ZeroRule says what a controller does where the target has no replicas.
type ZeroRule string

// The rules for zero replicas.
const (
	// ZeroByMinimum pauses unless minReplicas is 0: to 1.35. With minReplicas 0
	// a target that a person scaled to zero comes back.
	ZeroByMinimum ZeroRule = "ByMinimum"
	// ZeroPauses always pauses: 1.36, where the feature gate HPAScaleToZero is off.
	ZeroPauses ZeroRule = "Pauses"
	// ZeroByCondition pauses unless the HPA itself scaled to zero, which its
	// condition ScaledToZero remembers: 1.37, and 1.36 with HPAScaleToZero on.
	ZeroByCondition ZeroRule = "ByCondition"
)

// Oldest and Newest are the minor versions of Kubernetes 1 that have a profile.
const (
	Oldest = 33
	Newest = 37
)

// Kubernetes returns the profile of Kubernetes 1.minor with its feature gates
// as they come. It is false for versions before Oldest and after Newest.
func Kubernetes(minor int) (Profile, bool) {
	if minor < Oldest || minor > Newest {
		return Profile{}, false
	}
	p := Profile{
		Tolerances:          minor >= 35,
		PodLevelRequests:    minor >= 34,
		SaturatingAverages:  minor >= 34,
		SaturatingValues:    minor >= 35,
		ContainersMustExist: minor >= 35,
		Zero:                ZeroByMinimum,
		SyncsAtOnce:         minor >= 37,
	}
	switch {
	case minor >= 37:
		p.Zero = ZeroByCondition
	case minor == 36:
		p.Zero = ZeroPauses
	}
	return p, true
}
