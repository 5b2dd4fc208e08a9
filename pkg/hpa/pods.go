package hpa

import "time"

// PodCounts are the pods of one metric, each in the first group that fits.
type PodCounts struct {
	Ignored  int `json:"ignored"`  // terminating or failed: as if they were not there
	Unready  int `json:"unready"`  // pending, or with a CPU sample from before they were ready
	Missing  int `json:"missing"`  // without a sample
	Ready    int `json:"ready"`    // with a sample that counts
	Unlisted int `json:"unlisted"` // samples of pods that are not there; they count too
}

// A group is one of the groups that PodCounts counts.
type group uint8

const (
	ignored group = iota
	unready
	missing
	ready
)

// group says how a pod counts for a metric.
func (c *Controller) group(pod *Pod, sample *Sample, cpu bool, now time.Time) group {
	switch {
	case pod.Terminating || pod.Phase == PodFailed:
		return ignored
	case pod.Phase == PodPending:
		return unready
	case !sample.Present:
		return missing
	case cpu && !c.trusted(pod, sample, now):
		return unready
	default:
		return ready
	}
}

// trusted reports whether a CPU sample is that of a pod at work. While a pod
// may still be starting, its window must have begun after the pod became ready.
// Later only a pod that never was ready is left out. A readiness of Unknown is
// as good as True (groupPods in v1.37.2's replica_calculator.go).
func (c *Controller) trusted(pod *Pod, sample *Sample, now time.Time) bool {
	if pod.Ready == "" || pod.Started.IsZero() {
		return false
	}
	if pod.Started.Add(c.CPUInitializationPeriod).After(now) {
		return pod.Ready != False && !sample.At.Before(pod.ReadySince.Add(sample.Window))
	}
	neverReady := pod.Started.Add(c.InitialReadinessDelay).After(pod.ReadySince)
	return pod.Ready != False || !neverReady
}

// serving counts the pods that run and are ready, terminating ones included.
func serving(pods []Pod) int {
	n := 0
	for i := range pods {
		if pods[i].Phase == PodRunning && pods[i].Ready == True {
			n++
		}
	}
	return n
}
