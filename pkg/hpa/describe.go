package hpa

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Describe says the decision in sentences, one to a line. With a Trail it says
// why.
func (d Decision) Describe() string {
	var s sentences
	s.add("%s", d.beginning())
	if d.Trail != nil {
		d.Trail.describe(&s, d.From)
	}
	s.add("%s", d.ending())
	return s.String()
}

// sentences are lines.
type sentences struct{ strings.Builder }

func (s *sentences) add(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); line != "" {
		s.WriteString(line)
		s.WriteByte('\n')
	}
}

func (d Decision) beginning() string {
	if d.Outcome == NoScale {
		return ""
	}
	return fmt.Sprintf("The target has %s.", replicas(d.From))
}

func (d Decision) ending() string {
	switch d.Outcome {
	case Rescaled:
		return fmt.Sprintf("The HPA scales from %d to %d%s.", d.From, d.To, d.because())
	case NotRescaled:
		return fmt.Sprintf("The HPA would scale from %d to %d%s, but the scale could not be written. It tries again at the next sync.", d.From, d.To, d.because())
	case Paused:
		return "The HPA is paused, as it is where somebody else scaled to zero."
	case NoScale:
		return "The scale of the target could not be read, so the HPA does nothing."
	case NoSelector:
		return "The selector of the target is missing, invalid or shared with another HPA, so the HPA does nothing."
	case NoProposal:
		return "The metrics that failed leave no count that may be acted on, so the HPA does nothing."
	default:
		return fmt.Sprintf("The HPA keeps %s.", replicas(d.To))
	}
}

func (d Decision) because() string {
	if d.Reason == "" {
		return ""
	}
	return " (" + d.Reason + ")"
}

func (t *Trail) describe(s *sentences, current int32) {
	switch t.Forced {
	case aboveMax:
		s.add("That is more than maxReplicas. No metric is asked, and no window or policy applies.")
	case belowMin:
		s.add("That is less than minReplicas. No metric is asked, and no window or policy applies.")
	}
	for i := range t.Metrics {
		t.Metrics[i].describe(s, current)
	}
	if t.Stabilization == nil {
		return
	}
	if len(t.Metrics) > 1 {
		s.add("The largest proposal counts: %d.", t.Want)
	}
	t.Stabilization.describe(s)
	t.Limit.describe(s, current)
	if t.Raised {
		s.add("From zero the HPA goes to minReplicas at least, whatever the policies allow.")
	}
}

func (n *MetricTrail) describe(s *sentences, current int32) {
	name := n.Metric.short()
	if n.Err != "" {
		s.add("%s fails: %s.", name, n.Err)
		return
	}
	s.add("%s %s.", name, n.measurement())
	if n.Pods != nil {
		s.add("%s", n.Pods.describe())
	}
	if n.Filled != nil {
		s.add("%s", n.guess())
	}
	s.add("%s", n.conclusion(current))
}

// short is a name for sentences.
func (m Metric) short() string {
	switch m.Type {
	case ContainerResource:
		return fmt.Sprintf("ContainerResource metric %s of container %s", m.Name, m.Container)
	case Object:
		return fmt.Sprintf("Object metric %s of %s", m.Name, m.Kind)
	default:
		return fmt.Sprintf("%s metric %s", m.Type, m.Name)
	}
}

func (n *MetricTrail) measurement() string {
	target := n.Metric.Target
	switch {
	case target.Type == AverageValue && !n.Metric.perPod():
		return n.division()
	case target.Type == Utilization:
		return fmt.Sprintf("is at %d %% of the requests, its target is %d %%: ratio %s", n.Utilization, target.Percent, n.Ratio)
	case target.Type == AverageValue:
		return fmt.Sprintf("averages %s, its target is %s: ratio %s", amount(n.Usage), amount(target.Milli), n.Ratio)
	default:
		return fmt.Sprintf("is %s, its target is %s: ratio %s", amount(n.Usage), amount(target.Milli), n.Ratio)
	}
}

// division is a total shared by the pods that exist.
func (n *MetricTrail) division() string {
	target := amount(n.Metric.Target.Milli)
	switch {
	case n.Total == math.MaxInt64:
		return "adds up to a negative number or overflows, which to the controller is the largest number there is"
	case n.Exist == 0:
		return fmt.Sprintf("is %s in total, its target is %s for each pod, and no pod exists", amount(n.Total), target)
	default:
		return fmt.Sprintf("is %s in total and %s for each of the %s that exist, its target is %s: ratio %s",
			amount(n.Total), amount(n.Usage), pods(int(n.Exist)), target, n.Ratio)
	}
}

// describe is empty where every pod has a sample that counts.
func (p *PodCounts) describe() string {
	var parts []string
	for _, one := range []struct {
		n    int
		what string
	}{
		{p.Missing, "without a sample"},
		{p.Unready, "not ready"},
		{p.Ignored, "terminating or failed"},
		{p.Unlisted, "gone, but still with a sample"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("It counts %s; the others: %s.", pods(p.Ready), strings.Join(parts, ", "))
}

func (n *MetricTrail) guess() string {
	if n.Ratio == 1 {
		return "The pods without a sample stay out."
	}
	how := "With the pods that have no sample or are not ready as idle"
	if n.Ratio < 1 {
		how = "With the pods without a sample as busy as they may be"
	}
	return fmt.Sprintf("%s, the ratio over %s is %s.", how, pods(int(n.Filled.Pods)), n.Filled.Ratio)
}

func (n *MetricTrail) conclusion(current int32) string {
	switch n.Rule {
	case WithinTolerance:
		if n.Metric.Target.Type == AverageValue && !n.Metric.perPod() {
			return fmt.Sprintf("That is within the tolerance of %s, so it proposes the %s that exist.", n.Tolerances, pods(int(n.Exist)))
		}
		return fmt.Sprintf("That is within the tolerance of %s, so it proposes to keep %d.", n.Tolerances, current)
	case FromReadyPods:
		return fmt.Sprintf("That is beyond the tolerance of %s: %s times %s proposes %d.", n.Tolerances, pods(n.Pods.Ready), n.Ratio, n.Proposal)
	case FromFilledPods:
		return fmt.Sprintf("That is beyond the tolerance of %s: %s times %s proposes %d.", n.Tolerances, pods(int(n.Filled.Pods)), n.Filled.Ratio, n.Proposal)
	case DirectionTurned:
		return fmt.Sprintf("That would turn the direction around, so it proposes to keep %d.", current)
	case CountContradicts:
		return fmt.Sprintf("The count would move against the ratio, so it proposes to keep %d.", current)
	case FromServingPods:
		return fmt.Sprintf("That is beyond the tolerance of %s: %s that run and are ready times %s proposes %d.", n.Tolerances, pods(n.Serving), n.Ratio, n.Proposal)
	case FromTotal:
		if n.Exist == 0 {
			return fmt.Sprintf("Without pods no tolerance applies: the total over the target proposes %d.", n.Proposal)
		}
		return fmt.Sprintf("That is beyond the tolerance of %s: the total over the target of each pod proposes %d.", n.Tolerances, n.Proposal)
	default:
		return fmt.Sprintf("From zero the tolerance does not apply: it proposes %d.", n.Proposal)
	}
}

func (st *Stabilization) describe(s *sentences) {
	switch {
	case st.From == st.To || st.By == nil:
	case st.To > st.From:
		s.add("The recommendation of %d at %s keeps it at %d: it stays in the scale-down window of %s until %s.",
			st.By.Replicas, clock(st.By.At), st.To, span(st.Window), clock(st.Until))
	default:
		s.add("The recommendation of %d at %s holds it back at %d: it stays in the scale-up window of %s until %s.",
			st.By.Replicas, clock(st.By.At), st.To, span(st.Window), clock(st.Until))
	}
}

func (l *Limit) describe(s *sentences, current int32) {
	if l.From == l.To {
		return
	}
	switch l.Reason {
	case ReasonTooFewReplicas:
		s.add("minReplicas raises it to %d.", l.To)
	case ReasonTooManyReplicas:
		s.add("maxReplicas lowers it to %d.", l.To)
	default:
		l.describePolicies(s, current)
	}
}

func (l *Limit) describePolicies(s *sentences, current int32) {
	if l.Disabled {
		s.add("Scaling in this direction is disabled by selectPolicy, so %d stays.", current)
		return
	}
	if len(l.Policies) == 0 {
		s.add("Without behavior a scale-up at most doubles the replicas, or reaches 4: %d.", l.To)
		return
	}
	for i := range l.Policies {
		s.add("%s", l.Policies[i].describe(current))
	}
	s.add("So the policies limit it to %d.", l.To)
}

func (p *PolicyTrail) describe(current int32) string {
	unit := " %"
	if p.Policy.Type == PodsPolicy {
		unit = " pods"
		if p.Policy.Value == 1 {
			unit = " pod"
		}
	}
	text := fmt.Sprintf("The policy of %d%s in %s allows %d", p.Policy.Value, unit, span(p.Policy.Period), p.Allows)
	if len(p.Moves) == 0 {
		return text + "."
	}
	moves := make([]string, len(p.Moves))
	for i, m := range p.Moves {
		moves[i] = fmt.Sprintf("%+d at %s", m.Change, clock(m.At))
	}
	return fmt.Sprintf("%s, counted from %d (%d without %s).", text, p.Base, current, strings.Join(moves, ", "))
}

// String is the ratio as people read it: two or three digits behind the point,
// or as many as it takes to tell it from 1.
func (r Ratio) String() string {
	text := strings.TrimSuffix(strconv.FormatFloat(float64(r), 'f', 3, 64), "0")
	if text == "1.00" && r != 1 {
		return strconv.FormatFloat(float64(r), 'f', -1, 64)
	}
	return text
}

// String is the interval in which nothing happens.
func (t Tolerances) String() string {
	return fmt.Sprintf("%s to %s", Ratio(1-t.ScaleDown), Ratio(1+t.ScaleUp))
}

// amount is a number of milli in units: 1500 is 1.5.
func amount(milli int64) string {
	text := strconv.FormatInt(milli/1000, 10)
	if milli < 0 && milli > -1000 {
		text = "-0"
	}
	rest := milli % 1000
	if rest == 0 {
		return text
	}
	return text + strings.TrimRight(fmt.Sprintf(".%03d", max(rest, -rest)), "0")
}

func replicas(n int32) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

func clock(t time.Time) string { return t.Format("15:04:05") }

// span is a duration without its zeros: 5m, not 5m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
