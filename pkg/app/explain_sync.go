package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// An explainedSync is what an HPA sees and remembers at a sync, as people write
// it for "pitot explain --seen".
type explainedSync struct {
	At              time.Time                  `json:"at"`
	Replicas        *int32                     `json:"replicas"`
	Pods            []explainedPod             `json:"pods"`
	Metrics         map[string]explainedMetric `json:"metrics"`
	Window          metav1.Duration            `json:"window"`
	Recommendations []struct {
		Replicas int32           `json:"replicas"`
		Ago      metav1.Duration `json:"ago"`
	} `json:"recommendations"`
	Scalings []struct {
		Change int32           `json:"change"`
		Ago    metav1.Duration `json:"ago"`
	} `json:"scalings"`
	ScaledToZero bool `json:"scaledToZero"`
}

// An explainedPod is a pod with what decides about its samples.
type explainedPod struct {
	Name        string           `json:"name"`
	Phase       hpa.Phase        `json:"phase"`    // Running
	Ready       *bool            `json:"ready"`    // true while it runs
	Age         *metav1.Duration `json:"age"`      // an hour
	ReadyFor    *metav1.Duration `json:"readyFor"` // since Ready changed: its age
	Terminating bool             `json:"terminating"`
}

// An explainedMetric is a value of all pods or of the whole, or values by pod.
type explainedMetric struct {
	whole string
	pods  map[string]string
}

// unreadable is the value of a metric that has none.
const unreadable = "none"

// mostPods bounds the pods that are made up for a number of replicas.
const mostPods = 100_000

func newExplainedSync() *explainedSync {
	return &explainedSync{Metrics: map[string]explainedMetric{}, Window: metav1.Duration{Duration: 15 * time.Second}}
}

func (s *explainedSync) read(text []byte) error {
	if err := yaml.UnmarshalStrict(text, s); err != nil {
		return err
	}
	names := map[string]bool{}
	for i, pod := range s.Pods {
		switch {
		case pod.Name == "":
			return fmt.Errorf("pods[%d] has no name", i)
		case names[pod.Name]:
			return fmt.Errorf("two pods %s", pod.Name)
		case !slices.Contains([]hpa.Phase{"", hpa.PodPending, hpa.PodRunning, hpa.PodSucceeded, hpa.PodFailed, hpa.PodUnknown}, pod.Phase):
			return fmt.Errorf("pod %s: %q is no phase of a pod", pod.Name, pod.Phase)
		}
		names[pod.Name] = true
	}
	if s.Metrics == nil {
		s.Metrics = map[string]explainedMetric{}
	}
	return s.checkMemory()
}

// checkMemory refuses what no controller can remember.
func (s *explainedSync) checkMemory() error {
	for i, r := range s.Recommendations {
		if r.Ago.Duration < 0 || r.Replicas < 0 {
			return fmt.Errorf("recommendations[%d]: neither replicas nor ago can be negative", i)
		}
	}
	for i, one := range s.Scalings {
		if one.Ago.Duration < 0 || one.Change == 0 || one.Change > mostPods || one.Change < -mostPods {
			return fmt.Errorf("scalings[%d]: use a change of up to %d, below zero for scaling down, and when that was, as in ago: 90s", i, mostPods)
		}
	}
	return nil
}

// UnmarshalJSON reads a number, a text or an object of such by the names of pods.
func (m *explainedMetric) UnmarshalJSON(text []byte) error {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	pods, byPod := value.(map[string]any)
	if !byPod {
		m.whole = scalarText(value)
		return nil
	}
	m.pods = map[string]string{}
	for name, one := range pods {
		m.pods[name] = scalarText(one)
	}
	return nil
}

// scalarText is a value as it was written. What is no value is not a quantity either.
func scalarText(value any) string {
	if value == nil {
		return unreadable
	}
	return fmt.Sprint(value)
}

// state is what the controller remembers. Without any recommendation it is that
// of a controller that has just started.
func (s *explainedSync) state() hpa.State {
	var state hpa.State
	for _, r := range s.Recommendations {
		state.Recommendations = append(state.Recommendations, hpa.Recommendation{Replicas: r.Replicas, At: s.At.Add(-r.Ago.Duration)})
	}
	for _, one := range s.Scalings {
		at := s.At.Add(-one.Ago.Duration)
		if one.Change > 0 {
			state.ScaleUps = append(state.ScaleUps, hpa.ScaleEvent{Change: one.Change, At: at})
		} else {
			state.ScaleDowns = append(state.ScaleDowns, hpa.ScaleEvent{Change: -one.Change, At: at})
		}
	}
	if s.ScaledToZero {
		state.Conditions = []hpa.Condition{{Type: hpa.ScaledToZero, Status: hpa.True, Reason: hpa.ReasonScaledToZero}}
	}
	return state
}

// observation puts what is seen into the order of the spec.
func (s *explainedSync) observation(spec *hpa.Spec) (*hpa.Observation, error) {
	switch {
	case s.Replicas == nil:
		return nil, errors.New("no replicas: use --replicas N")
	case *s.Replicas < 0 || *s.Replicas > mostPods:
		return nil, fmt.Errorf("%d replicas: use 0 to %d", *s.Replicas, mostPods)
	}
	seen := &hpa.Observation{Replicas: *s.Replicas, StatusReplicas: *s.Replicas}
	template := templateFor(spec)
	for _, pod := range s.pods() {
		seen.Pods = append(seen.Pods, pod.observed(s.At, template))
	}
	if err := s.known(spec); err != nil {
		return nil, err
	}
	for i := range spec.Metrics {
		reading, err := s.reading(&spec.Metrics[i], seen.Pods)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", metricKey(&spec.Metrics[i]), err)
		}
		seen.Readings = append(seen.Readings, reading)
	}
	return seen, nil
}

// pods are those of the file or as many as there are replicas.
func (s *explainedSync) pods() []explainedPod {
	if s.Pods != nil {
		return s.Pods
	}
	made := make([]explainedPod, *s.Replicas)
	for i := range made {
		made[i].Name = "pod-" + strconv.Itoa(i+1)
	}
	return made
}

func (p *explainedPod) observed(now time.Time, template *hpa.Template) hpa.Pod {
	pod := hpa.Pod{Name: p.Name, Phase: p.Phase, Terminating: p.Terminating, Template: template}
	if pod.Phase == "" {
		pod.Phase = hpa.PodRunning
	}
	pod.Ready = hpa.False
	if p.Ready == nil && pod.Phase == hpa.PodRunning || p.Ready != nil && *p.Ready {
		pod.Ready = hpa.True
	}
	age := time.Hour
	if p.Age != nil {
		age = p.Age.Duration
	}
	pod.Started, pod.ReadySince = now.Add(-age), now.Add(-age)
	if p.ReadyFor != nil {
		pod.ReadySince = now.Add(-p.ReadyFor.Duration)
	}
	return pod
}

// request is what a container requests, in milli: of a target in percent only
// the ratio of usage and request counts, and so a percent is a unit.
const request = 100_000

// templateFor requests the same of every resource for every container that the
// metrics name.
func templateFor(spec *hpa.Spec) *hpa.Template {
	requests, containers := hpa.Requests{}, map[string]bool{}
	for i := range spec.Metrics {
		if m := &spec.Metrics[i]; m.Type == hpa.Resource || m.Type == hpa.ContainerResource {
			requests[m.Name] = request
			if m.Container != "" {
				containers[m.Container] = true
			}
		}
	}
	if len(containers) == 0 {
		containers["app"] = true
	}
	template := &hpa.Template{}
	for _, name := range slices.Sorted(maps.Keys(containers)) {
		template.Containers = append(template.Containers, hpa.Container{Name: name, Requests: requests})
	}
	return template
}

// known refuses values of metrics that the HPA does not have.
func (s *explainedSync) known(spec *hpa.Spec) error {
	var names []string
	for i := range spec.Metrics {
		names = append(names, metricKey(&spec.Metrics[i]))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Metrics)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the HPA has no metric %q; it has %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// metricKey is how values name a metric.
func metricKey(m *hpa.Metric) string {
	if m.Container != "" {
		return m.Name + "/" + m.Container
	}
	return m.Name
}

func (s *explainedSync) reading(m *hpa.Metric, pods []hpa.Pod) (hpa.Reading, error) {
	given, ok := s.Metrics[metricKey(m)]
	switch {
	case !ok:
		return hpa.Reading{}, fmt.Errorf("no value: use --metric %s=VALUE, or %s for one that cannot be read", metricKey(m), unreadable)
	case given.whole == unreadable:
		return hpa.Reading{Err: errors.New("it cannot be read")}, nil
	case m.Type == hpa.Object || m.Type == hpa.External:
		if given.pods != nil {
			return hpa.Reading{}, fmt.Errorf("an %s metric has one value, not one for each pod", m.Type)
		}
		milli, err := milliOf(given.whole, m.Target)
		return hpa.Reading{Values: []int64{milli}}, err
	}
	for name := range given.pods {
		if !slices.ContainsFunc(pods, func(p hpa.Pod) bool { return p.Name == name }) {
			return hpa.Reading{}, fmt.Errorf("there is no pod %q", name)
		}
	}
	return s.samples(m, given, pods)
}

func (s *explainedSync) samples(m *hpa.Metric, given explainedMetric, pods []hpa.Pod) (hpa.Reading, error) {
	reading := hpa.Reading{Pods: make([]hpa.Sample, len(pods))}
	for i := range pods {
		text := given.whole
		if given.pods != nil {
			text = given.pods[pods[i].Name]
		}
		if text == unreadable || given.pods != nil && text == "" || given.pods == nil && pods[i].Phase != hpa.PodRunning {
			continue // A pod that does not run has no sample unless the file gives it one.
		}
		milli, err := milliOf(text, m.Target)
		if err != nil {
			return hpa.Reading{}, err
		}
		if m.Type == hpa.Resource && m.Target.Type == hpa.Utilization {
			milli *= int64(len(pods[i].Template.Containers))
		}
		reading.Pods[i] = hpa.Sample{Present: true, Milli: milli, At: s.At, Window: s.Window.Duration}
	}
	return reading, nil
}

// exponent finds those that the library would compute digit by digit, for minutes.
var exponent = regexp.MustCompile(`[eE][+-]?[0-9]{4,}`)

// milliOf reads a value in the unit of the target.
func milliOf(text string, target hpa.Target) (int64, error) {
	if target.Type == hpa.Utilization {
		text = strings.TrimSuffix(text, "%")
	}
	if exponent.MatchString(text) {
		return 0, fmt.Errorf("%s has an exponent that no amount needs", text)
	}
	value, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a quantity such as 300, 0.5 or 500m", text)
	}
	if math.Abs(value.AsApproximateFloat64()) >= math.MaxInt64/1000 {
		return 0, fmt.Errorf("%s is more than the controller can count", text)
	}
	if hint := scaleHint(text, target); hint != "" {
		return 0, errors.New(hint)
	}
	return value.MilliValue(), nil
}

var plainNumber = regexp.MustCompile(`^[0-9]{1,9}$`)

// scaleHint is about a value in thousandths of the target's unit: 500 for 500
// milliseconds, where the target is 500m because the metric is in seconds.
func scaleHint(text string, target hpa.Target) string {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !plainNumber.MatchString(text) || target.Milli == 0 || target.Milli >= 1000 {
		return ""
	}
	if number < 10 || number*1000 < 100*target.Milli {
		return ""
	}
	return fmt.Sprintf("%s is %d times the target of %dm (hint: did you mean %[1]sm? If not, write %[1]s.0)", text, number*1000/target.Milli, target.Milli)
}
