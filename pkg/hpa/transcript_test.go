package hpa

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestTranscripts plays the files of testdata. Each is a list of commands, in
// the order of their effect, with the answer below a line of dashes:
//
//	hpa min=2 max=10            an HPA, and no past
//	metric Pods rps target=100  one more metric; target=80% and target=value:100 too
//	up window=1m 4pods/1m       behavior; down likewise; select=Min tolerance=0.05
//	observe t=15s each=120      a sync; the replicas follow the HPA unless replicas= says otherwise
//	pod web-1 120 ready=2m      what is seen of one pod, instead of each=
//	reading 500 700             what is seen of one metric, in their order
//	observe t=15s pods=0        no pod is there, whatever the replicas
//	edit min=3                  a change of the HPA
//	restart                     the controller forgets
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(played), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(text), played); diff != "" {
				t.Errorf("%s (-says +is; go test -update rewrites it)\n%s", file, diff)
			}
		})
	}
}

// play returns a transcript with the answers as they are.
func play(t *testing.T, text string) string {
	p := &player{t: t}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		commands, _, asks := strings.Cut(block, "\n----")
		answer := p.block(strings.Split(commands, "\n"))
		if asks {
			block = commands + "\n----\n" + answer
		}
		out = append(out, strings.TrimSpace(block))
	}
	return strings.Join(out, "\n\n") + "\n"
}

// A player is an HPA and its past.
type player struct {
	t        *testing.T
	spec     Spec
	state    State
	replicas int32

	now  time.Time
	seen Observation
	each []int64 // the sample of each pod, by metric; nil: pods are given one by one
	read []Reading
}

func (p *player) block(commands []string) string {
	observes := false
	for _, command := range commands {
		words := strings.Fields(command)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		observes = observes || words[0] == "observe"
		p.command(words)
	}
	if !observes {
		return ""
	}
	return p.sync()
}

func (p *player) command(words []string) {
	switch words[0] {
	case "hpa":
		*p = player{t: p.t}
		p.spec.Controller = DefaultController()
		p.options(words[1:])
		p.replicas = p.spec.MinReplicas
	case "metric":
		p.spec.Metrics = append(p.spec.Metrics, p.metric(words[1:]))
	case "up", "down":
		if p.spec.Behavior == nil {
			p.spec.Behavior = &Behavior{
				ScaleUp:   Rules{SelectPolicy: MaxChange, Policies: []Policy{{PodsPolicy, 4, 15 * time.Second}, {PercentPolicy, 100, 15 * time.Second}}},
				ScaleDown: Rules{SelectPolicy: MaxChange, Policies: []Policy{{PercentPolicy, 100, 15 * time.Second}}},
			}
		}
		if words[0] == "up" {
			p.rules(&p.spec.Behavior.ScaleUp, words[1:])
		} else {
			p.rules(&p.spec.Behavior.ScaleDown, words[1:])
		}
	case "edit":
		p.options(words[1:])
	case "restart":
		p.state = p.state.Restarted()
	case "observe":
		p.seen, p.each, p.read = Observation{Replicas: p.replicas, StatusReplicas: -1}, nil, nil
		p.options(words[1:])
	case "pod":
		p.pod(words[1:])
	case "reading":
		p.read = append(p.read, p.reading(strings.Join(words[1:], " ")))
	default:
		p.t.Fatalf("unknown command %q", words)
	}
}

func (p *player) options(words []string) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "min":
			p.spec.MinReplicas = int32(p.number(value))
		case "max":
			p.spec.MaxReplicas = int32(p.number(value))
		case "kubernetes":
			profile, ok := Kubernetes(p.number(strings.TrimPrefix(value, "1.")))
			if !ok {
				p.t.Fatalf("no profile of %s", value)
			}
			p.spec.Controller.Profile = profile
		case "t":
			p.now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(p.span(value))
		case "replicas":
			p.seen.Replicas = int32(p.number(value))
		case "pods":
			p.seen.Pods = make([]Pod, p.number(value))
		case "exist":
			p.seen.StatusReplicas = int32(p.number(value))
		case "each":
			for one := range strings.SplitSeq(value, ",") {
				p.each = append(p.each, p.milli(one))
			}
		case "scale":
			p.seen.ScaleReadErr = errors.New(value)
		case "write":
			p.seen.ScaleWriteErr = errors.New(value)
		case "selector":
			p.seen.Selector = Reason(value)
		default:
			p.t.Fatalf("unknown option %q", word)
		}
	}
}

func (p *player) metric(words []string) Metric {
	m := Metric{Type: MetricType(words[0]), Name: words[1]}
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "container":
			m.Container = value
		case "kind":
			m.Kind = value
		case "target":
			m.Target = p.target(value)
		}
	}
	return m
}

func (p *player) target(value string) Target {
	if percent, ok := strings.CutSuffix(value, "%"); ok {
		return Target{Type: Utilization, Percent: int32(p.number(percent))}
	}
	if whole, ok := strings.CutPrefix(value, "value:"); ok {
		return Target{Type: Value, Milli: p.milli(whole)}
	}
	return Target{Type: AverageValue, Milli: p.milli(value)}
}

func (p *player) rules(rules *Rules, words []string) {
	var policies []Policy
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		switch {
		case name == "window":
			window := p.span(value)
			rules.StabilizationWindow = &window
		case name == "select":
			rules.SelectPolicy = SelectPolicy(value)
		case name == "tolerance":
			tolerance, err := strconv.ParseFloat(value, 64)
			p.check(err)
			rules.Tolerance = &tolerance
		case !found:
			policies = append(policies, p.policy(word))
		default:
			p.t.Fatalf("unknown rule %q", word)
		}
	}
	if policies != nil {
		rules.Policies = policies
	}
}

func (p *player) policy(word string) Policy {
	value, period, _ := strings.Cut(word, "/")
	if percent, ok := strings.CutSuffix(value, "%"); ok {
		return Policy{PercentPolicy, int32(p.number(percent)), p.span(period)}
	}
	return Policy{PodsPolicy, int32(p.number(strings.TrimSuffix(value, "pods"))), p.span(period)}
}

// pod adds a pod that runs and was ready for an hour, unless words say else: its
// samples, pending, failed, terminating, unready=20s, ready=20s, started=1m.
func (p *player) pod(words []string) {
	pod := Pod{Name: words[0], Phase: PodRunning, Ready: True, ReadySince: p.now.Add(-time.Hour), Started: p.now.Add(-time.Hour), Template: oneCore}
	var samples []Sample
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "pending":
			pod.Phase, pod.Ready = PodPending, False
		case "failed":
			pod.Phase = PodFailed
		case "terminating":
			pod.Terminating = true
		case "unready":
			pod.Ready, pod.ReadySince = False, p.now.Add(-p.span(value))
		case "ready":
			pod.Ready, pod.ReadySince = True, p.now.Add(-p.span(value))
		case "started":
			pod.Started = p.now.Add(-p.span(value))
		case "-":
			samples = append(samples, Sample{})
		default:
			samples = append(samples, p.sample(p.milli(word)))
		}
	}
	if p.seen.Readings == nil {
		p.seen.Readings = make([]Reading, len(p.spec.Metrics))
	}
	p.seen.Pods = append(p.seen.Pods, pod)
	for i := range p.seen.Readings {
		one := Sample{}
		if i < len(samples) {
			one = samples[i]
		}
		p.seen.Readings[i].Pods = append(p.seen.Readings[i].Pods, one)
	}
}

var oneCore = &Template{Containers: []Container{{Name: "app", Requests: Requests{CPU: 1000}}}}

func (p *player) sample(milli int64) Sample {
	return Sample{Present: true, Milli: milli, At: p.now, Window: 30 * time.Second}
}

// reading is the series of a metric, or how it fails.
func (p *player) reading(text string) Reading {
	if cause, fails := strings.CutPrefix(text, "fails: "); fails {
		return Reading{Err: errors.New(cause)}
	}
	var r Reading
	for word := range strings.FieldsSeq(text) {
		r.Values = append(r.Values, p.milli(word))
	}
	return r
}

// complete makes the pods that each= or no pod at all asked for.
func (p *player) complete() {
	if p.seen.StatusReplicas < 0 {
		p.seen.StatusReplicas = p.seen.Replicas
	}
	if p.seen.Pods == nil {
		for i := range p.seen.Replicas {
			words := []string{fmt.Sprintf("web-%d", i+1)}
			for _, milli := range p.each {
				words = append(words, fmt.Sprintf("%dm", milli))
			}
			p.pod(words)
		}
	}
	if p.seen.Readings == nil {
		p.seen.Readings = make([]Reading, len(p.spec.Metrics))
	}
	for i, r := range p.read {
		p.seen.Readings[i].Values, p.seen.Readings[i].Err = r.Values, r.Err
	}
}

func (p *player) sync() string {
	p.complete()
	decision, state, err := Explain(&p.spec, p.state, &p.seen, p.now)
	if err != nil {
		return "refused: " + err.Error()
	}
	p.state = state
	p.replicas = p.seen.Replicas
	if decision.Outcome == Rescaled {
		p.replicas = decision.To
	}
	var conditions []string
	for _, c := range state.Conditions {
		conditions = append(conditions, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return decision.Describe() + strings.Join(conditions, " ")
}

func (p *player) number(text string) int {
	n, err := strconv.Atoi(text)
	p.check(err)
	return n
}

func (p *player) span(text string) time.Duration {
	d, err := time.ParseDuration(text)
	p.check(err)
	return d
}

// milli reads 1.5 or 1500m.
func (p *player) milli(text string) int64 {
	if milli, ok := strings.CutSuffix(text, "m"); ok {
		return int64(p.number(milli))
	}
	f, err := strconv.ParseFloat(text, 64)
	p.check(err)
	return int64(f * 1000)
}

func (p *player) check(err error) {
	if err != nil {
		p.t.Helper()
		p.t.Fatal(err)
	}
}
