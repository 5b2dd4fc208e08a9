package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
)

// A metric that nobody has read lately is asked for by the first read: it is
// pending until its backend answers.
const (
	pendingTries = 5
	pendingWait  = time.Second
)

// values reads the metrics of the HPAs.
func (r *reading) values(ctx context.Context) {
	questions := r.facts.Questions()
	answers := make([]doctor.Reading, len(questions))
	r.each("metrics", len(questions), func(i int) { answers[i] = r.value(ctx, questions[i]) })
	r.facts.Readings = map[string]doctor.Reading{}
	for i, q := range questions {
		r.facts.Readings[q.Path] = answers[i]
	}
}

func (r *reading) value(ctx context.Context, q doctor.Question) doctor.Reading {
	answer := r.patiently(ctx, q.Path)
	if f := answer.Failure; f != nil && q.Unselected != "" && f.Code == http.StatusNotFound && f.Cause != "unknown-metric" {
		answer.Unselected = r.patiently(ctx, q.Unselected).Failure == nil
	}
	if f := answer.Failure; f != nil && f.Code == http.StatusForbidden {
		r.missing(doctor.Gap{Resource: "values of " + q.Group, Namespace: q.Namespace, Why: "you have no right to read them"})
	}
	return answer
}

func (r *reading) patiently(ctx context.Context, path string) (answer doctor.Reading) {
	for range pendingTries {
		answer = r.ask(ctx, path)
		if answer.Failure == nil || answer.Failure.Cause != "pending" {
			return answer
		}
		select {
		case <-ctx.Done():
			return answer
		case <-time.After(pendingWait):
		}
	}
	return answer
}

func (r *reading) ask(ctx context.Context, path string) doctor.Reading {
	result := r.typed.Discovery().RESTClient().Get().RequestURI(path).SetHeader("Accept", "application/json").Do(ctx)
	if err := result.Error(); err != nil { // with the Status that an HPA would show
		return doctor.Reading{Failure: failureOf(err)}
	}
	body, err := result.Raw()
	if err != nil {
		return doctor.Reading{Failure: failureOf(err)}
	}
	// Both APIs, in all versions, have these fields.
	var list struct {
		Items []struct {
			Timestamp metav1.Time
			Value     resource.Quantity
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return doctor.Reading{Failure: &doctor.Failure{Message: "the answer cannot be read: " + err.Error()}}
	}
	if len(list.Items) == 0 {
		return doctor.Reading{Failure: &doctor.Failure{Code: http.StatusNotFound, Message: "the answer has no item"}}
	}
	var answer doctor.Reading
	for _, item := range list.Items {
		answer.Values = append(answer.Values, doctor.Value{Milli: item.Value.MilliValue(), At: item.Timestamp.Time})
	}
	return answer
}

func failureOf(err error) *doctor.Failure {
	f := &doctor.Failure{Message: err.Error()}
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		return f
	}
	status := known.Status()
	f.Code = int(status.Code)
	if d := status.Details; d != nil && len(d.Causes) > 0 && d.Causes[0].Type != metav1.CauseTypeUnexpectedServerResponse {
		f.Cause, f.Message = string(d.Causes[0].Type), status.Message
	}
	return f
}
