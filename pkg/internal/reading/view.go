package reading

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A View is how an answer is read: which of its series, when, and with what
// proof beside it.
type View struct {
	// Filter narrows the series to those that a metric selector asks for.
	Filter []*labels.Matcher
	// Elapsed is the time since the answer was asked for: its samples have aged.
	Elapsed time.Duration
	// Proof is the answer to the rule's ZeroWhen; ProofErr says why there is none.
	Proof    []instant.Sample
	ProofErr error
}

// stale is a sample that is too old to be served.
func (v View) stale(r *rule.Rule, object instant.Object, s instant.Sample) (Reading, bool) {
	age := s.Age + v.Elapsed
	if s.Age == 0 || age <= r.MaxSampleAge {
		return Reading{}, false
	}
	return Reading{Object: object, State: Stale, Cause: fmt.Sprintf(
		"the newest sample is %s old, and %s is the bound: its exporter does not answer, or is scraped more rarely than the backend's scrapeInterval says (maxSampleAge of the rule)",
		age.Round(time.Second), r.MaxSampleAge)}, true
}

// none is an object without a series: zero if that is proved, or if the rule's
// policy says so in writing.
func (v View) none(r *rule.Rule, one Reading) Reading {
	switch {
	case r.ZeroWhen == nil:
		one.Cause += emptyHint
		return apply(r, r.OnEmpty, one)
	case v.ProofErr != nil:
		one.Cause += fmt.Sprintf("; whether that is zero cannot be asked: %s", v.ProofErr)
		return one
	case !v.proved(r, one.Object):
		one.Cause += fmt.Sprintf(", and nothing proves that this is zero: %s does not hold (zeroWhen)", r.ZeroWhen)
		return one
	default:
		return clamp(r, Reading{Object: one.Object, State: Idle})
	}
}

// proved reports whether the proof holds for an object: it agrees with the
// object on each of its labels.
func (v View) proved(r *rule.Rule, object instant.Object) bool {
	for _, s := range v.Proof {
		agrees := true
		s.Labels.Range(func(l labels.Label) {
			switch l.Name {
			case model.MetricNameLabel:
			case NamespaceLabel:
				agrees = agrees && l.Value == object.Namespace
			case r.ObjectLabel:
				agrees = agrees && l.Value == object.Name
			default:
				agrees = false
			}
		})
		if agrees {
			return true
		}
	}
	return false
}
