package provider

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/pkg/internal/reading"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// A BadRequestError is a read that no answer can satisfy as it is written.
type BadRequestError struct{ Reason string }

func (e *BadRequestError) Error() string { return e.Reason }

// A NotReadyError says that the pod index is not complete, so that a workload's
// pods are unknown.
type NotReadyError struct{ Err error }

func (e *NotReadyError) Error() string { return "the pods are not known yet: " + e.Err.Error() }
func (e *NotReadyError) Unwrap() error { return e.Err }

// Causes that a Status names in details.causes[].type, beside the states of
// package reading and the causes of package snapshot.
const (
	causeUnknownMetric = "unknown-metric"
	causeBadRequest    = "bad-request"
	causeBrokenRule    = "broken-rule"
	causePodsUnknown   = "pods-unknown"
	causeUnavailable   = "unavailable" // for the rest, such as a request that was cut off
)

// status makes err a Status whose message tells an HPA's user what is wrong
// with which metric. The HPA shows it in its condition.
//
// No Status carries a Retry-After: the HPA's client would block on it.
func status(metric string, err error) error {
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		return err
	}
	code, reason, cause := classify(err)
	message := fmt.Sprintf("metric %q: %s", metric, err)
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    int32(code),
		Reason:  reason,
		Message: message,
		Details: &metav1.StatusDetails{
			Name:   metric,
			Causes: []metav1.StatusCause{{Type: metav1.CauseType(cause), Message: err.Error()}},
		},
	}}
}

func classify(err error) (code int, reason metav1.StatusReason, cause string) {
	var noValue *reading.NoValueError
	switch {
	case is[*UnknownMetricError](err):
		return http.StatusNotFound, metav1.StatusReasonNotFound, causeUnknownMetric
	case is[*BadRequestError](err):
		return http.StatusBadRequest, metav1.StatusReasonBadRequest, causeBadRequest
	case errors.As(err, &noValue) && noValue.State == reading.Empty:
		return http.StatusNotFound, metav1.StatusReasonNotFound, noValue.State.String()
	case errors.As(err, &noValue) && noValue.State == reading.Stale:
		return http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, noValue.State.String()
	case errors.As(err, &noValue):
		return http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, noValue.State.String()
	default:
		return http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, whyUnavailable(err)
	}
}

// whyUnavailable names what stands between a rule and its value.
func whyUnavailable(err error) string {
	switch {
	case is[*BrokenRuleError](err):
		return causeBrokenRule
	case is[*NotReadyError](err):
		return causePodsUnknown
	default:
		return cmp.Or(string(snapshot.CauseOf(err)), causeUnavailable)
	}
}

// is reports whether an error of type E is in err's chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
