package scenario

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// A Result is how an expectation came out.
type Result struct {
	Expectation Expectation `json:"expectation"`
	Passed      bool        `json:"passed"`
	// Got is what was found, in the unit of the expectation.
	Got string `json:"got"`
	// When is the time at which it was first violated; nil where it was not, or
	// only the whole run tells. Reason is that of the sync before, if there was one.
	When   *time.Duration `json:"when,omitempty"`
	Reason hpa.Reason     `json:"reason,omitempty"`
	// Text says what was found and, where that is not as expected, when it was first
	// seen, how things stood and what the HPA had decided.
	Text string `json:"text"`
}

func (t *trial) result(s *scene) Result {
	r := Result{Expectation: t.Expectation, Passed: s.ended && !t.broken, Got: t.found(s)}
	switch {
	case !s.ended:
		r.Text = "The run did not end."
	case !t.broken || !t.breach.seen:
		r.Text = fmt.Sprintf("Got %s.", r.Got)
	default:
		r.When = new(t.breach.at)
		r.Text = fmt.Sprintf("Got %s; first at %s, with %s.", r.Got, duration(t.breach.at.Round(time.Millisecond)), t.breach.standing())
		if t.breach.synced {
			r.Reason = t.breach.reason
			r.Text += " " + t.breach.because()
		}
	}
	return r
}

// found is what the trial found, for a person.
func (t *trial) found(s *scene) string {
	switch t.Form {
	case At, Between, ReasonAt:
		return t.foundThen(s)
	case For:
		if t.state.known == 0 {
			return "no time with a value to judge"
		}
		return fmt.Sprintf("%s%% of %s", rounded(t.got), duration(t.state.known))
	case Never, Always:
		return t.foundSyncs(s)
	}
	if t.Limit.Unit == PerTime {
		return fmt.Sprintf("%d within %s", t.state.worst, duration(t.Limit.Per))
	}
	return t.value(t.got)
}

func (t *trial) foundThen(s *scene) string {
	needed := max(t.From, t.Until)
	switch {
	case s.at < needed:
		return fmt.Sprintf("a run of only %s", duration(s.at))
	case t.Form != ReasonAt:
		return t.value(t.got)
	case t.breach.seen:
		return t.breach.word()
	case t.Op == Different:
		return "another reason"
	default:
		return string(t.Reason)
	}
}

// word is the reason of the last sync.
func (s *scene) word() string {
	if !s.synced {
		return "no sync so far"
	}
	return string(s.reason)
}

func (t *trial) foundSyncs(s *scene) string {
	with := t.state.unmet
	if t.Form == Always {
		with = s.syncs - with
	}
	return fmt.Sprintf("%s at %d of %d syncs", t.Reason, with, s.syncs)
}

// value is a number in the unit of the limit, not longer than people read.
func (t *trial) value(v float64) string {
	switch {
	case math.IsNaN(v) && (t.Figure == MinutesOver || t.Figure == LongestShort):
		return "no value: the run has no objective to tell it"
	case math.IsNaN(v):
		return "no value: no request ended"
	case math.IsInf(v, 1):
		return "no end in sight: requests waited and none ended"
	case t.Limit.Unit == Seconds:
		return duration(time.Duration(v * float64(time.Second)).Round(time.Millisecond))
	case t.Limit.Unit == Percent:
		return rounded(v) + "%"
	}
	return rounded(v)
}

// rounded has four digits where there are fractions, and does not round up to
// what would be as expected.
func rounded(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// standing is how many replicas there were.
func (s *scene) standing() string {
	text := fmt.Sprintf("%g replicas ready (%g wanted)", s.ready, s.replicas)
	if s.waiting >= 1 {
		text += fmt.Sprintf(" and %s waiting", rounded(math.Round(s.waiting)))
	}
	return text
}

// because is what the last sync had decided, and where to look.
func (s *scene) because() string {
	text := fmt.Sprintf("The sync at %s says %s", duration(s.sync.Round(time.Millisecond)), s.reason)
	if advice, ok := advices[s.reason]; ok {
		text += ": " + advice
	}
	return text + "."
}

// advices are what a reason means for whoever wants another outcome.
var advices = map[hpa.Reason]string{
	hpa.ReasonScaleUpLimit:        "behavior.scaleUp.policies, or the controller's doubling without them, allow no faster step",
	hpa.ReasonScaleDownLimit:      "behavior.scaleDown.policies allow no faster step",
	hpa.ReasonScaleUpStabilized:   "a lower count within behavior.scaleUp.stabilizationWindowSeconds holds it back",
	hpa.ReasonScaleDownStabilized: "a higher count within behavior.scaleDown.stabilizationWindowSeconds still holds",
	hpa.ReasonTooManyReplicas:     "maxReplicas stops it",
	hpa.ReasonTooFewReplicas:      "minReplicas stops it",
	hpa.ReasonDesiredWithinRange:  "the metrics ask for this count",
	hpa.ReasonReadyForNewScale:    "the metrics ask for this count",
	hpa.ReasonSucceededRescale:    "it follows the metrics; new replicas take their startup",
	hpa.ReasonScalingDisabled:     "with no replicas the HPA does nothing",

	hpa.ReasonFailedGetPodsMetric:              "the metric could not be read, and what could be may not be acted on",
	hpa.ReasonFailedGetObjectMetric:            "the metric could not be read, and what could be may not be acted on",
	hpa.ReasonFailedGetExternalMetric:          "the metric could not be read, and what could be may not be acted on",
	hpa.ReasonFailedGetResourceMetric:          "the metric could not be read, and what could be may not be acted on",
	hpa.ReasonFailedGetContainerResourceMetric: "the metric could not be read, and what could be may not be acted on",
}
