package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A badAnswer is one way in which a Prometheus fails, and what an HPA shows of it.
type badAnswer struct {
	Name   string // of its backend and its namespace
	Metric string // first part of its metrics' names
	fault  fault
	cause  string // a regular expression that every HPA's condition matches
}

// badAnswers are those that make an HPA do harm where an adapter makes a number
// of them, or serves the last one on and on.
var badAnswers = []badAnswer{
	{Name: "nan", fault: fault{Kind: "not-a-number"}, cause: "the query gave NaN"},
	{Name: "plus-inf", fault: fault{Kind: "infinite", Value: "+Inf"}, cause: `the query gave \+Inf`},
	{Name: "minus-inf", fault: fault{Kind: "infinite", Value: "-Inf"}, cause: "the query gave -Inf"},
	{Name: "minus-1m", fault: fault{Kind: "negative", Value: "-0.001"}, cause: "the query gave -0.001"},
	{Name: "ceiling-plus-1m", fault: fault{Kind: "overflow", Value: "1000000000.001"}, cause: `beyond the ceiling of 1e\+09`},
	{Name: "ten-to-the-16", fault: fault{Kind: "overflow", Value: "1e16"}, cause: `beyond the ceiling of 1e\+09`},
	{Name: "max-int64", fault: fault{Kind: "overflow", Value: "9223372036854775807"}, cause: `beyond the ceiling of 1e\+09`},
	{Name: "empty", fault: fault{Kind: "empty"}, cause: "no series with|no matching series"},
	{Name: "absent", fault: fault{Kind: "absent"}, cause: "no series with|no matching series"},
	{Name: "duplicate", fault: fault{Kind: "duplicate"}, cause: "twice"},
	{Name: "ambiguous", fault: fault{Kind: "ambiguous"}, cause: "2 series"},
	{Name: "warning", fault: fault{Kind: "warned"}, cause: "partial answer"},
	{Name: "cut", fault: fault{Kind: "cut"}, cause: "answer is cut short"},
	{Name: "invalid-json", fault: fault{Kind: "garbage"}, cause: "answer (has|is)"},
	{Name: "wrong-type", fault: fault{Kind: "mistyped"}, cause: "answer (has|is)|expression answers"},
	{Name: "bomb", fault: fault{Kind: "bomb"}, cause: "larger than 1048576 bytes"},
	{Name: "status-429", fault: fault{Kind: "status", Code: 429}, cause: "answers 429|internal: out of luck"},
	{Name: "status-500", fault: fault{Kind: "status", Code: 500}, cause: "answers 500|internal: out of luck"},
	{Name: "status-503", fault: fault{Kind: "status", Code: 503}, cause: "answers 503|internal: out of luck"},
	{Name: "hang", fault: fault{Kind: "hang"}, cause: "no answer after 2"},
	{Name: "reset", fault: fault{Kind: "reset"}, cause: "reset by peer|cut short|malformed"},
	{Name: "redirect", fault: fault{Kind: "redirect"}, cause: "a redirect, which is not followed"},
	{Name: "stale-evaluation", fault: fault{Kind: "repeated"}, cause: "it repeats its last answer"},
	{Name: "stale-sample", fault: fault{Kind: "outdated"}, cause: "the newest sample is 10m"},
	{Name: "half-filled", fault: fault{Kind: "drop"}, cause: "connection closed without an answer"},
}

// Series is how a rule of this backend reads a series.
func (b badAnswer) Series(name string) string {
	if b.windowed() {
		return "rate(" + name + "_total[15s])"
	}
	return name
}

// windowed is the answer whose window is half filled.
func (b badAnswer) windowed() bool { return b.Name == "half-filled" }

// A way is how an HPA uses a metric, and what makes it want the replicas that it has.
type way struct {
	Name        string // of the HPA, and of what it reads
	Type        string
	Target      string
	Field       string // of the target
	MinReplicas int    // the least that Kubernetes allows
	good        float64
}

const (
	badAnswerReplicas    = 3
	badAnswerMaxReplicas = 6
)

var ways = []way{
	{Name: "pods", Type: "Pods", MinReplicas: 1, good: 10},
	{Name: "object-value", Type: "Object", Target: "Value", Field: "value", good: 10},
	{Name: "object-average", Type: "Object", Target: "AverageValue", Field: "averageValue", good: 30},
	{Name: "external-value", Type: "External", Target: "Value", Field: "value", good: 10},
	{Name: "external-average", Type: "External", Target: "AverageValue", Field: "averageValue", good: 30},
}

// A cell is one HPA of the matrix of answers and ways.
type cell struct {
	badAnswer
	way
}

func (c cell) String() string { return c.badAnswer.Name + "/" + c.way.Name }

// path is what its HPA reads.
func (c cell) path() string {
	const custom, external = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/", "/apis/external.metrics.k8s.io/v1beta1/namespaces/"
	switch c.Type {
	case "Pods":
		return fmt.Sprintf("%s%s/pods/*/%s_load", custom, c.badAnswer.Name, c.Metric)
	case "Object":
		return fmt.Sprintf("%s%s/services/%s/%s_connections", custom, c.badAnswer.Name, c.way.Name, c.Metric)
	default:
		return fmt.Sprintf("%s%s/%s_jobs?labelSelector=queue=%s", external, c.badAnswer.Name, c.Metric, c.way.Name)
	}
}

// TestBadAnswers: whatever Prometheus answers that is no true number, through
// the real HPA controller no replica changes, every HPA says why, and when the
// answers are good again, each scales at once.
func TestBadAnswers(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	c.farm = startFarm(c)
	m := newMatrix(c)
	m.open(t)
	m.awaitGood(t)

	before := m.generations(t)
	began := time.Now()
	m.fail(t)
	m.awaitRefusals(t, began)
	m.halfFill(t)
	if after := m.generations(t); !m.equal(t, before, after) {
		t.Fatal("replicas changed")
	}

	m.heal(t)
}

// A matrix is all cells.
type matrix struct {
	*cluster
	answers []badAnswer
	cells   []cell
}

func newMatrix(c *cluster) *matrix {
	m := &matrix{cluster: c}
	for _, answer := range badAnswers {
		answer.Metric = strings.ReplaceAll(answer.Name, "-", "_")
		m.answers = append(m.answers, answer)
		for _, way := range ways {
			if way.Type == "External" && answer.Name == "ambiguous" {
				continue // an External metric has any number of series: the HPA adds them up
			}
			m.cells = append(m.cells, cell{answer, way})
		}
	}
	return m
}

// open makes the Deployments with their pods, the backends with good answers,
// Pitot and the HPAs.
func (m *matrix) open(t *testing.T) {
	t.Helper()
	values := map[string]any{"Answers": m.answers, "Ways": ways, "Farm": m.farm.url, "Replicas": badAnswerReplicas, "MaxReplicas": badAnswerMaxReplicas}
	m.apply(t, "badanswers.yaml", values)
	m.pitot = startPitot(m.cluster, pitotSetup{config: "pitot-badanswers.yaml", values: values})
	m.Eventually(t, 2*time.Minute, fmt.Sprintf("%d Deployments have their pods", len(m.cells)), func(ctx context.Context) error {
		pods, err := m.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Running"})
		if err == nil && len(pods.Items) != badAnswerReplicas*len(m.answers)*len(ways) {
			err = fmt.Errorf("%d pods", len(pods.Items))
		}
		return err
	})
	for _, answer := range m.answers {
		m.setLoad(t, answer, 1)
	}
	m.apply(t, "badanswers-hpas.yaml", values)
}

// setLoad lets a backend answer with factor times what keeps the replicas.
func (m *matrix) setLoad(t *testing.T, answer badAnswer, factor float64) {
	t.Helper()
	name := func(metric string) string {
		if answer.windowed() {
			return metric + "_total"
		}
		return metric
	}
	var all []series
	pods, err := m.client.CoreV1().Pods(answer.Name).List(m.Ctx, metav1.ListOptions{LabelSelector: "app=pods"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		all = append(all, series{map[string]string{"__name__": name("load"), "namespace": answer.Name, "pod": pod.Name}, factor * ways[0].good})
	}
	for _, way := range ways[1:] {
		all = append(all,
			series{map[string]string{"__name__": name("connections"), "namespace": answer.Name, "service": way.Name}, factor * way.good},
			series{map[string]string{"__name__": name("jobs"), "namespace": answer.Name, "queue": way.Name}, factor * way.good})
	}
	if err := m.farm.setSeries(m.Ctx, answer.Name, all); err != nil {
		t.Fatal(err)
	}
}

// each checks every cell's HPA and gathers what is wrong, the first few in full.
func (m *matrix) each(ctx context.Context, check func(cell, *autoscalingv2.HorizontalPodAutoscaler) error) error {
	list, err := m.client.AutoscalingV2().HorizontalPodAutoscalers("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	hpas := map[string]*autoscalingv2.HorizontalPodAutoscaler{}
	for i := range list.Items {
		hpas[list.Items[i].Namespace+"/"+list.Items[i].Name] = &list.Items[i]
	}
	var wrong []error
	for _, cell := range m.cells {
		hpa, ok := hpas[cell.String()]
		if !ok {
			return fmt.Errorf("no HPA %s", cell)
		}
		if err := check(cell, hpa); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", cell, err))
		}
	}
	if len(wrong) > 5 {
		wrong = append(wrong[:5], fmt.Errorf("and %d more", len(wrong)-5))
	}
	return errors.Join(wrong...)
}

// awaitGood waits until every HPA reads the good value and wants what it has.
func (m *matrix) awaitGood(t *testing.T) {
	t.Helper()
	m.Eventually(t, time.Minute, "every HPA has read its value and keeps its replicas", func(ctx context.Context) error {
		return m.each(ctx, func(_ cell, hpa *autoscalingv2.HorizontalPodAutoscaler) error {
			status, message := scalingActive(hpa)
			if status != corev1.ConditionTrue || hpa.Status.CurrentReplicas != badAnswerReplicas || hpa.Status.DesiredReplicas != badAnswerReplicas {
				return fmt.Errorf("%d replicas, wants %d, ScalingActive=%s %s", hpa.Status.CurrentReplicas, hpa.Status.DesiredReplicas, status, message)
			}
			return nil
		})
	})
}

// fail lets every backend answer badly.
func (m *matrix) fail(t *testing.T) {
	t.Helper()
	for _, answer := range m.answers {
		if err := m.farm.setFault(m.Ctx, answer.Name, answer.fault); err != nil {
			t.Fatal(err)
		}
	}
}

// reconciled is how often each HPA must have found no value.
const reconciled = 3

// awaitRefusals waits until every HPA has been refused a value often enough,
// after the last good one is too old to be served, and has said why.
func (m *matrix) awaitRefusals(t *testing.T, since time.Time) {
	t.Helper()
	m.awaitCauses(t, since, func(cell cell) string { return cell.cause })
}

// awaitCauses waits until every HPA for which there is a cause has been refused
// a value often enough, and its condition has said this cause.
func (m *matrix) awaitCauses(t *testing.T, since time.Time, cause func(cell) string) {
	t.Helper()
	said := map[string]string{}
	m.Eventually(t, 2*time.Minute, "every HPA says why it has no value", func(ctx context.Context) error {
		refused := m.refusals(t, since)
		return m.each(ctx, func(cell cell, hpa *autoscalingv2.HorizontalPodAutoscaler) error {
			if cause(cell) == "" || said[cell.String()] != "" {
				return nil
			}
			status, message := scalingActive(hpa)
			switch {
			case refused[cell.path()] < reconciled || status != corev1.ConditionFalse:
				return fmt.Errorf("refused %d times; ScalingActive=%s %s", refused[cell.path()], status, message)
			case !regexp.MustCompile(cause(cell)).MatchString(message):
				return fmt.Errorf("%q does not say %q", message, cause(cell))
			}
			said[cell.String()] = message
			return nil
		})
	})
	for _, cell := range m.cells {
		if message, ok := said[cell.String()]; ok {
			_, short, _ := strings.Cut(message, "metrics API: ")
			t.Logf("%-34s %s", cell, short)
		}
	}
}

// refusals counts, for each path, the reads that have been answered with an
// error since the last that was not.
func (m *matrix) refusals(t *testing.T, since time.Time) map[string]int {
	t.Helper()
	refused := map[string]int{}
	for _, poll := range m.audit.polls(t, since) {
		path, _, _ := strings.Cut(poll.path, "&")
		if strings.Contains(path, "/pods/*/") {
			path, _, _ = strings.Cut(path, "?")
		}
		if poll.code == 200 {
			refused[path] = 0
			continue
		}
		refused[path]++
	}
	return refused
}

// halfFill lets the backend that was away answer again, with half the true rate,
// as one does whose window spans the outage.
func (m *matrix) halfFill(t *testing.T) {
	t.Helper()
	began := time.Now()
	for _, answer := range m.answers {
		if !answer.windowed() {
			continue
		}
		m.setLoad(t, answer, 0.5)
		if err := m.farm.setFault(m.Ctx, answer.Name, healthy); err != nil {
			t.Fatal(err)
		}
		defer m.setLoad(t, answer, 1)
	}
	m.awaitCauses(t, began, func(cell cell) string {
		if cell.windowed() {
			return "recovering"
		}
		return ""
	})
}

// generations are those of all Deployments: one grows with every change of its spec.
func (m *matrix) generations(t *testing.T) map[string]int64 {
	t.Helper()
	deployments, err := m.client.AppsV1().Deployments("").List(m.Ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	generations := map[string]int64{}
	for _, one := range deployments.Items {
		generations[one.Namespace+"/"+one.Name] = one.Generation
	}
	return generations
}

// equal reports every Deployment that has been scaled in between.
func (m *matrix) equal(t *testing.T, before, after map[string]int64) bool {
	t.Helper()
	same := true
	for _, cell := range m.cells {
		if before[cell.String()] != after[cell.String()] {
			same = false
			t.Errorf("%s: %v", cell, m.describeHPA(m.Ctx, cell.badAnswer.Name, cell.way.Name))
		}
	}
	return same
}

// heal lets every backend answer well, with twice the load: each HPA then takes
// all that it may.
func (m *matrix) heal(t *testing.T) {
	t.Helper()
	for _, answer := range m.answers {
		m.setLoad(t, answer, 2)
		if err := m.farm.setFault(m.Ctx, answer.Name, healthy); err != nil {
			t.Fatal(err)
		}
	}
	// Some backends have asked to be left alone for a minute.
	m.Eventually(t, 2*time.Minute, "every HPA scales again", func(ctx context.Context) error {
		return m.each(ctx, func(_ cell, hpa *autoscalingv2.HorizontalPodAutoscaler) error {
			if status, message := scalingActive(hpa); hpa.Status.DesiredReplicas != badAnswerMaxReplicas {
				return fmt.Errorf("wants %d replicas, ScalingActive=%s %s", hpa.Status.DesiredReplicas, status, message)
			}
			return nil
		})
	})
}
