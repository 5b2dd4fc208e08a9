package conformance

import (
	"context"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// reconcileKey is one sync of the real controller.
//
//nolint:revive // the receiver comes first
//go:linkname reconcileKey k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).reconcileKey
func reconcileKey(c *podautoscaler.HorizontalController, ctx context.Context, key string) (deleted bool, err error)

// recommendation and scaleEvent mirror the controller's own types.
type recommendation struct {
	recommendation int32
	timestamp      time.Time
}

type scaleEvent struct {
	replicaChange int32
	timestamp     time.Time
	outdated      bool
}

// memory is what a controller remembers of the one HPA, in the words of pkg/hpa.
func memory(c *podautoscaler.HorizontalController) hpa.State {
	var state hpa.State
	for _, one := range (*field[map[string][]recommendation](c, "recommendations"))[key] {
		state.Recommendations = append(state.Recommendations, hpa.Recommendation{Replicas: one.recommendation, At: one.timestamp})
	}
	state.ScaleUps = scaleEvents(c, "scaleUpEvents")
	state.ScaleDowns = scaleEvents(c, "scaleDownEvents")
	return state
}

func scaleEvents(c *podautoscaler.HorizontalController, name string) []hpa.ScaleEvent {
	var events []hpa.ScaleEvent
	for _, one := range (*field[map[string][]scaleEvent](c, name))[key] {
		events = append(events, hpa.ScaleEvent{Change: one.replicaChange, At: one.timestamp, Outdated: one.outdated})
	}
	return events
}

// field points to an unexported field of the controller through a type that
// has the same layout.
func field[T any](c *podautoscaler.HorizontalController, name string) *T {
	return (*T)(unsafe.Pointer(reflect.ValueOf(c).Elem().FieldByName(name).UnsafeAddr()))
}

// checkMirror reports where the controller's types are no longer those above.
func checkMirror() error {
	controller := reflect.TypeFor[podautoscaler.HorizontalController]()
	for name, mirror := range map[string]reflect.Type{
		"recommendations": reflect.TypeFor[recommendation](),
		"scaleUpEvents":   reflect.TypeFor[scaleEvent](),
		"scaleDownEvents": reflect.TypeFor[scaleEvent](),
	} {
		f, found := controller.FieldByName(name)
		if !found || f.Type.Kind() != reflect.Map || f.Type.Elem().Kind() != reflect.Slice {
			return fmt.Errorf("the controller's %s is no map of slices", name)
		}
		theirs := f.Type.Elem().Elem()
		if got, want := layout(theirs), layout(mirror); got != want {
			return fmt.Errorf("the controller's %s has %s, the mirror %s", name, got, want)
		}
	}
	return nil
}

func layout(t reflect.Type) string {
	var s string
	for i := range t.NumField() {
		f := t.Field(i)
		s += fmt.Sprintf("%s %s @%d; ", f.Name, f.Type, f.Offset)
	}
	return s
}
