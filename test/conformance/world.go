package conformance

import (
	"errors"
	"math/rand/v2"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// A world is a cluster with one HPA. What happens in it is drawn at random.
type world struct {
	hpa autoscalingv2.HorizontalPodAutoscalerSpec

	replicas, statusReplicas int32
	selector                 string
	scaleReadErr             error
	scaleWriteErr            error

	pods        []*corev1.Pod
	podsChanged bool // since the controller last saw them
	templates   []corev1.PodSpec
	born        int // pods so far, for their names

	readings map[string]reading // see metricsOf
	loads    map[string]float64 // behind a reading: how many pods would be at their target
	night    bool               // no load at all
}

// A reading is the answer of a metrics API.
type reading struct {
	err    error
	pods   metrics.PodMetricsInfo
	values []int64
}

var errDown = errors.New("the metrics API is down")

func chance(rng *rand.Rand, p float64) bool { return rng.Float64() < p }

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func newWorld(rng *rand.Rand, now time.Time) *world {
	w := &world{selector: selector, loads: map[string]float64{}}
	for range 1 + rng.IntN(3) {
		w.templates = append(w.templates, newTemplate(rng))
	}
	w.hpa = newHPA(rng)
	w.replicas = rng.Int32N(12)
	w.followScale(rng, now)
	return w
}

// step lets something happen before the next sync.
func (w *world) step(rng *rand.Rand, now time.Time) {
	w.edit(rng)
	w.mishap(rng)
	w.followScale(rng, now)
	for i := range w.pods {
		if chance(rng, 0.2) {
			w.live(rng, i, now)
		}
	}
	w.measure(rng, now)
}

// gap is the time until the next sync: the period and some latency, or exactly
// the period, so that windows and syncs meet at their edges, or an outage.
func gap(rng *rand.Rand) time.Duration {
	switch n := rng.IntN(100); {
	case n < 45:
		return syncPeriod + time.Duration(rng.Int64N(int64(300*time.Millisecond)))
	case n < 85:
		return syncPeriod
	case n < 95:
		return time.Duration(1+rng.Int64N(14)) * time.Second
	case n < 99:
		return time.Duration(1+rng.Int64N(40)) * syncPeriod
	default:
		return time.Duration(rng.Int64N(int64(2 * time.Hour)))
	}
}

// edit is what people do: change the HPA, or the scale past the HPA.
func (w *world) edit(rng *rand.Rand) {
	if chance(rng, 0.015) {
		next := newHPA(rng)
		switch rng.IntN(4) {
		case 0:
			w.hpa = next
		case 1:
			w.hpa.Behavior = next.Behavior
		case 2:
			w.hpa.Metrics = next.Metrics
		case 3:
			w.hpa.MaxReplicas = max(next.MaxReplicas, *w.hpa.MinReplicas)
		}
		if !wakes(w.hpa.Metrics) && *w.hpa.MinReplicas == 0 {
			w.hpa.MinReplicas, w.hpa.MaxReplicas = new(int32), max(1, w.hpa.MaxReplicas)
			*w.hpa.MinReplicas = 1
		}
	}
	if chance(rng, 0.01) && wakes(w.hpa.Metrics) {
		*w.hpa.MinReplicas = rng.Int32N(1 + min(3, w.hpa.MaxReplicas))
	}
	if chance(rng, 0.015) || (w.replicas == 0 && chance(rng, 0.1)) {
		w.replicas = pick(rng, 0, rng.Int32N(20), rng.Int32N(20), w.hpa.MaxReplicas, *w.hpa.MinReplicas)
	}
	if chance(rng, 0.02) {
		w.night = !w.night
	}
}

func (w *world) mishap(rng *rand.Rand) {
	w.scaleReadErr, w.scaleWriteErr, w.selector = nil, nil, selector
	switch n := rng.IntN(400); {
	case n < 4:
		w.scaleReadErr = errors.New("the API server is down")
	case n < 12:
		w.scaleWriteErr = errors.New("an admission webhook says no")
	case n < 14:
		w.selector = ""
	case n < 16:
		w.selector = "((("
	}
}

// writeErr is the answer to writing a count.
func (w *world) writeErr(replicas int32) error {
	if replicas < 0 {
		return errors.New("spec.replicas: must be greater than or equal to 0")
	}
	return w.scaleWriteErr
}
