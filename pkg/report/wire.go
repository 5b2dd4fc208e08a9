package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// version is that of the lines and documents that this package writes. It rises
// where a field changes its meaning or goes; new fields do not raise it.
const version = 1

// The kinds of messages, as their lines name them.
const (
	kindBegin     = "begin"
	kindTick      = "tick"
	kindSync      = "sync"
	kindHappening = "happening"
	kindEnd       = "end"
)

// A number is a float that JSON may have no word for: not a number is null, and
// an infinite one is "+Inf" or "-Inf".
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	switch {
	case math.IsNaN(f):
		return []byte("null"), nil
	case math.IsInf(f, 0):
		return strconv.AppendQuote(nil, strconv.FormatFloat(f, 'g', -1, 64)), nil
	default:
		return json.Marshal(f)
	}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *number) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "null":
		*n = number(math.NaN())
	case `"+Inf"`:
		*n = number(math.Inf(1))
	case `"-Inf"`:
		*n = number(math.Inf(-1))
	default:
		return json.Unmarshal(text, (*float64)(n))
	}
	return nil
}

func numbers(values []float64) []number {
	if values == nil {
		return nil
	}
	out := make([]number, len(values))
	for i, v := range values {
		out[i] = number(v)
	}
	return out
}

func floats(values []number) []float64 {
	if values == nil {
		return nil
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// seconds is a duration as a number of seconds. Up to 104 days nothing of its
// nanoseconds is lost.
type seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *seconds) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	nanos := math.Round(f * 1e9)
	if math.Abs(nanos) >= math.MaxInt64 {
		return fmt.Errorf("%s seconds are more than 292 years", text)
	}
	*s = seconds(nanos)
	return nil
}

// What follows are the messages as JSON has them. Their durations are in seconds
// and say so. The spec and the trail of a decision are those of package hpa, whose
// durations are in nanoseconds.

type beginLine struct {
	Kind      string         `json:"kind"`
	Version   int            `json:"version"`
	Run       string         `json:"run"`
	Time      time.Time      `json:"time"`
	Length    seconds        `json:"lengthSeconds"`
	Step      seconds        `json:"stepSeconds"`
	Report    seconds        `json:"reportSeconds"`
	Replicas  int32          `json:"replicas"`
	Spec      *hpa.Spec      `json:"spec,omitempty"`
	Objective *objectiveLine `json:"objective,omitempty"`
	Seed      uint64         `json:"seed"`
	OpenLoop  bool           `json:"openLoop,omitempty"`
}

type objectiveLine struct {
	Quantile float64 `json:"quantile"`
	Limit    seconds `json:"limitSeconds"`
}

type tickLine struct {
	Kind      string    `json:"kind"`
	Run       string    `json:"run"`
	At        seconds   `json:"atSeconds"`
	Time      time.Time `json:"time"`
	Demand    number    `json:"demand"`
	Capacity  number    `json:"capacity"`
	Completed number    `json:"completed"`
	Failed    number    `json:"failed"`
	Dropped   number    `json:"dropped"`
	Waiting   number    `json:"waiting"`
	Desired   int32     `json:"desired"`
	Pods      int       `json:"pods"`
	Ready     int       `json:"ready"`
	Need      int       `json:"need"`
	P50       number    `json:"p50Seconds"`
	P95       number    `json:"p95Seconds"`
	P99       number    `json:"p99Seconds"`
	Objective number    `json:"objectiveSeconds"`
	Over      number    `json:"overSeconds"`
	True      []number  `json:"true,omitempty"`
}

type syncLine struct {
	Kind       string          `json:"kind"`
	Run        string          `json:"run"`
	At         seconds         `json:"atSeconds"`
	Time       time.Time       `json:"time"`
	Decision   hpa.Decision    `json:"decision"`
	Reason     hpa.Reason      `json:"reason"`
	Conditions []hpa.Condition `json:"conditions"`
	Observed   []observedLine  `json:"observed"`
}

type observedLine struct {
	Metric string `json:"metric"`
	Value  number `json:"value"`
	Target number `json:"target"`
	Pods   int    `json:"pods,omitempty"`
	Err    string `json:"error,omitempty"`
}

type happeningLine struct {
	Kind  string        `json:"kind"`
	Run   string        `json:"run"`
	At    seconds       `json:"atSeconds"`
	Time  time.Time     `json:"time"`
	Event sim.EventKind `json:"event"`
	Over  bool          `json:"over,omitempty"`
	Text  string        `json:"text"`
}

type endLine struct {
	Kind    string      `json:"kind"`
	Run     string      `json:"run"`
	At      seconds     `json:"atSeconds"`
	Summary summaryLine `json:"summary"`
}

type summaryLine struct {
	Arrived   number `json:"arrived"`
	Completed number `json:"completed"`
	Failed    number `json:"failed"`
	Dropped   number `json:"dropped"`
	Waiting   number `json:"waiting"`

	ReplicaHours number `json:"replicaHours"`
	Cost         number `json:"cost"`
	MeanReplicas number `json:"meanReplicas"`
	MaxReplicas  int    `json:"maxReplicas"`

	P50          number `json:"p50Seconds"`
	P95          number `json:"p95Seconds"`
	P99          number `json:"p99Seconds"`
	WorstLatency number `json:"worstLatencySeconds"`
	WorstBacklog number `json:"worstBacklog"`
	MinutesOver  number `json:"minutesOver"`

	ScaleUps   int `json:"scaleUps"`
	ScaleDowns int `json:"scaleDowns"`
	Reversals  int `json:"reversals"`

	LongestShort          seconds            `json:"longestShortSeconds"`
	UnderProvisionedHours number             `json:"underProvisionedHours"`
	OverProvisionedHours  number             `json:"overProvisionedHours"`
	PerfectForesight      number             `json:"perfectForesightHours"`
	Syncs                 int                `json:"syncs"`
	FailedSyncs           int                `json:"failedSyncs"`
	Reasons               map[hpa.Reason]int `json:"reasons"`
	MinutesAtMax          number             `json:"minutesAtMax"`
}

// line is a message as JSON has it.
func line(m sim.Message) (any, error) {
	switch m := m.(type) {
	case *sim.Begin:
		return lineOfBegin(m), nil
	case *sim.Tick:
		return lineOfTick(m), nil
	case *sim.Sync:
		return lineOfSync(m), nil
	case *sim.Happening:
		return &happeningLine{Kind: kindHappening, Run: m.Run, At: seconds(m.At), Time: m.Time, Event: m.Kind, Over: m.Over, Text: m.Text}, nil
	case *sim.End:
		return &endLine{Kind: kindEnd, Run: m.Run, At: seconds(m.At), Summary: lineOfSummary(&m.Summary)}, nil
	default:
		return nil, fmt.Errorf("report knows no message of type %T", m)
	}
}

func lineOfBegin(m *sim.Begin) *beginLine {
	l := &beginLine{
		Kind: kindBegin, Version: version, Run: m.Run, Time: m.Time,
		Length: seconds(m.Length), Step: seconds(m.Step), Report: seconds(m.Report),
		Replicas: m.Replicas, Spec: m.Spec, Seed: m.Seed, OpenLoop: m.OpenLoop,
	}
	if o := m.Objective; o != nil {
		l.Objective = &objectiveLine{Quantile: o.Quantile, Limit: seconds(o.Limit)}
	}
	return l
}

func (l *beginLine) message() (sim.Message, error) {
	if l.Version != version {
		return nil, fmt.Errorf("version %d of the messages is not known: this program reads version %d", l.Version, version)
	}
	m := &sim.Begin{
		Run: l.Run, Time: l.Time,
		Length: time.Duration(l.Length), Step: time.Duration(l.Step), Report: time.Duration(l.Report),
		Replicas: l.Replicas, Spec: l.Spec, Seed: l.Seed, OpenLoop: l.OpenLoop,
	}
	if o := l.Objective; o != nil {
		m.Objective = &sim.Objective{Quantile: o.Quantile, Limit: time.Duration(o.Limit)}
	}
	return m, nil
}

func lineOfTick(m *sim.Tick) *tickLine {
	return &tickLine{
		Kind: kindTick, Run: m.Run, At: seconds(m.At), Time: m.Time,
		Demand: number(m.Demand), Capacity: number(m.Capacity), Completed: number(m.Completed),
		Failed: number(m.Failed), Dropped: number(m.Dropped), Waiting: number(m.Waiting),
		Desired: m.Desired, Pods: m.Pods, Ready: m.Ready, Need: m.Need,
		P50: number(m.P50), P95: number(m.P95), P99: number(m.P99),
		Objective: number(m.Objective), Over: number(m.Over), True: numbers(m.True),
	}
}

func (l *tickLine) message() (sim.Message, error) {
	return &sim.Tick{
		Run: l.Run, At: time.Duration(l.At), Time: l.Time,
		Demand: float64(l.Demand), Capacity: float64(l.Capacity), Completed: float64(l.Completed),
		Failed: float64(l.Failed), Dropped: float64(l.Dropped), Waiting: float64(l.Waiting),
		Desired: l.Desired, Pods: l.Pods, Ready: l.Ready, Need: l.Need,
		P50: float64(l.P50), P95: float64(l.P95), P99: float64(l.P99),
		Objective: float64(l.Objective), Over: float64(l.Over), True: floats(l.True),
	}, nil
}

func lineOfSync(m *sim.Sync) *syncLine {
	l := &syncLine{
		Kind: kindSync, Run: m.Run, At: seconds(m.At), Time: m.Time,
		Decision: m.Decision, Reason: m.Reason, Conditions: m.Conditions,
	}
	for _, o := range m.Observed {
		l.Observed = append(l.Observed, observedLine{Metric: o.Metric, Value: number(o.Value), Target: number(o.Target), Pods: o.Pods, Err: o.Err})
	}
	return l
}

func (l *syncLine) message() (sim.Message, error) {
	m := &sim.Sync{
		Run: l.Run, At: time.Duration(l.At), Time: l.Time,
		Decision: l.Decision, Reason: l.Reason, Conditions: l.Conditions,
	}
	for _, o := range l.Observed {
		m.Observed = append(m.Observed, sim.Observed{Metric: o.Metric, Value: float64(o.Value), Target: float64(o.Target), Pods: o.Pods, Err: o.Err})
	}
	return m, nil
}

func (l *happeningLine) message() (sim.Message, error) {
	return &sim.Happening{Run: l.Run, At: time.Duration(l.At), Time: l.Time, Kind: l.Event, Over: l.Over, Text: l.Text}, nil
}

func (l *endLine) message() (sim.Message, error) {
	return &sim.End{Run: l.Run, At: time.Duration(l.At), Summary: l.Summary.summary()}, nil
}

func lineOfSummary(s *sim.Summary) summaryLine {
	return summaryLine{
		Arrived: number(s.Arrived), Completed: number(s.Completed), Failed: number(s.Failed),
		Dropped: number(s.Dropped), Waiting: number(s.Waiting),
		ReplicaHours: number(s.ReplicaHours), Cost: number(s.Cost), MeanReplicas: number(s.MeanReplicas), MaxReplicas: s.MaxReplicas,
		P50: number(s.P50), P95: number(s.P95), P99: number(s.P99),
		WorstLatency: number(s.WorstLatency), WorstBacklog: number(s.WorstBacklog), MinutesOver: number(s.MinutesOver),
		ScaleUps: s.ScaleUps, ScaleDowns: s.ScaleDowns, Reversals: s.Reversals,
		LongestShort: seconds(s.LongestShort), UnderProvisionedHours: number(s.UnderProvisionedHours),
		OverProvisionedHours: number(s.OverProvisionedHours), PerfectForesight: number(s.PerfectForesight),
		Syncs: s.Syncs, FailedSyncs: s.FailedSyncs, Reasons: s.Reasons, MinutesAtMax: number(s.MinutesAtMax),
	}
}

func (l *summaryLine) summary() sim.Summary {
	return sim.Summary{
		Arrived: float64(l.Arrived), Completed: float64(l.Completed), Failed: float64(l.Failed),
		Dropped: float64(l.Dropped), Waiting: float64(l.Waiting),
		ReplicaHours: float64(l.ReplicaHours), Cost: float64(l.Cost), MeanReplicas: float64(l.MeanReplicas), MaxReplicas: l.MaxReplicas,
		P50: float64(l.P50), P95: float64(l.P95), P99: float64(l.P99),
		WorstLatency: float64(l.WorstLatency), WorstBacklog: float64(l.WorstBacklog), MinutesOver: float64(l.MinutesOver),
		ScaleUps: l.ScaleUps, ScaleDowns: l.ScaleDowns, Reversals: l.Reversals,
		LongestShort: time.Duration(l.LongestShort), UnderProvisionedHours: float64(l.UnderProvisionedHours),
		OverProvisionedHours: float64(l.OverProvisionedHours), PerfectForesight: float64(l.PerfectForesight),
		Syncs: l.Syncs, FailedSyncs: l.FailedSyncs, Reasons: l.Reasons, MinutesAtMax: float64(l.MinutesAtMax),
	}
}

type runLine struct {
	Run       string         `json:"run"`
	Time      time.Time      `json:"time"`
	Length    seconds        `json:"lengthSeconds"`
	Objective *objectiveLine `json:"objective,omitempty"`
	OpenLoop  bool           `json:"openLoop,omitempty"`
	Summary   summaryLine    `json:"summary"`
}

// MarshalJSON writes the run with the names and units that JSONL has.
func (r Run) MarshalJSON() ([]byte, error) {
	l := runLine{Run: r.Name, Time: r.Time, Length: seconds(r.Length), OpenLoop: r.OpenLoop, Summary: lineOfSummary(&r.Summary)}
	if o := r.Objective; o != nil {
		l.Objective = &objectiveLine{Quantile: o.Quantile, Limit: seconds(o.Limit)}
	}
	return encoded(&l)
}
