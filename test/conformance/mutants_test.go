package conformance

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	runMutants = flag.Bool("mutants", false, "see whether each deliberate error is found (minutes)")
	shrinks    = flag.Bool("shrink", true, "make a failing scenario short")
)

// mutants are errors that somebody could make who implements the HPA's decision
// from its documentation. The tests of this package must find each of them.
var mutants = []struct{ name, file, right, wrong string }{
	{"the edges of the tolerance act", "tolerance.go",
		"1-t.ScaleDown <= ratio && ratio <= 1+t.ScaleUp", "1-t.ScaleDown < ratio && ratio < 1+t.ScaleUp"},
	{"the tolerance as a distance from 1", "tolerance.go",
		"1-t.ScaleDown <= ratio && ratio <= 1+t.ScaleUp", "1-ratio <= t.ScaleDown && ratio-1 <= t.ScaleUp"},
	{"one tolerance for both directions", "tolerance.go",
		"t.ScaleUp = *own", "t.ScaleUp, t.ScaleDown = *own, *own"},
	{"an average that is not cut to milli", "usage.go",
		"float64(l.usage/l.pods) / float64(t.Milli)", "float64(l.usage) / float64(l.pods) / float64(t.Milli)"},
	{"a utilization that is not cut to percents", "usage.go",
		"float64(percent(l)) / float64(t.Percent)", "float64(l.usage) * 100 / float64(l.requests) / float64(t.Percent)"},
	{"missing pods use their request, whatever the target", "usage.go",
		"int64(max(100, t.Percent))", "100"},
	{"missing pods use their target", "usage.go",
		"int64(max(100, t.Percent))", "int64(t.Percent)"},
	{"unlisted samples do not count", "usage.go",
		"t.counted.pods += int64(len(samples))", "samples = nil"},
	{"readiness matters for every resource", "usage.go",
		"m.Type != Pods && m.Name == CPU", "m.Type != Pods"},
	{"an ignored pod needs no request", "usage.go",
		"if utilization {\n\t\t\trequest, err := q.of(pod)\n\t\t\tif err != nil {", "if utilization {\n\t\t\trequest, err := q.of(pod)\n\t\t\tif err != nil && !pod.Terminating {"},
	{"missing pods count at a ratio of 1", "replicas.go",
		"case ratio < 1:\n\t\tfilled", "case ratio <= 1:\n\t\tfilled"},
	{"unready pods count on the way down", "replicas.go",
		"raising := t.Unready > 0 && ratio > 1", "raising := t.Unready > 0"},
	{"the ratio times the replicas of the scale", "replicas.go",
		"ceil32(ratio * float64(ready))", "ceil32(ratio * float64(r.current))"},
	{"guesses may turn the direction", "replicas.go",
		"case first < 1 && second > 1, first > 1 && second < 1:", "case false:"},
	{"the count may contradict the ratio", "replicas.go",
		"case second < 1 && replicas > r.current, second > 1 && replicas < r.current:", "case false:"},
	{"pending pods are missing", "pods.go",
		"pod.Phase == PodPending:\n\t\treturn unready", "pod.Phase == PodPending:\n\t\treturn missing"},
	{"finished pods are ignored", "pods.go",
		"pod.Terminating || pod.Phase == PodFailed", "pod.Terminating || pod.Phase == PodFailed || pod.Phase == PodSucceeded"},
	{"a CPU sample needs no whole window", "pods.go",
		"pod.ReadySince.Add(sample.Window)", "pod.ReadySince"},
	{"a pod that was ready once is like one that never was", "pods.go",
		"pod.Ready != False || !neverReady", "pod.Ready != False || neverReady && false"},
	{"a Ready condition of Unknown is False", "pods.go",
		"return pod.Ready != False &&", "return pod.Ready == True &&"},
	{"terminating pods do not serve", "pods.go",
		"pods[i].Phase == PodRunning && pods[i].Ready == True", "pods[i].Phase == PodRunning && pods[i].Ready == True && !pods[i].Terminating"},
	{"a value times the replicas of the scale", "whole.go",
		"pods := serving(r.seen.Pods)", "pods := int(r.current)"},
	{"an average holds the replicas of the scale", "whole.go",
		"return exist\n", "return r.current\n"},
	{"a negative sum is a number", "whole.go",
		"Profile.SaturatingAverages && sum < 0", "Profile.SaturatingAverages && false"},
	{"the tolerance at zero", "whole.go",
		"case r.current == 0:", "case r.current == 0 && !tolerances.within(ratio):"},
	{"pod-level requests are not read", "requests.go",
		"t.PodLevel != nil &&", "false &&"},
	{"the metrics' sum instead of their maximum", "propose.go",
		"top.replicas, top.metric = replicas, i", "top.replicas, top.metric = top.replicas+replicas, i"},
	{"a failed metric blocks everything", "propose.go",
		"failed > 0 && top.replicas < r.current", "failed > 0"},
	{"a failed metric blocks nothing", "propose.go",
		"failed > 0 && top.replicas < r.current", "false"},
	{"no recommendation from the start", "reconcile.go",
		"r.state.Recommendations == nil", "false"},
	{"a person's zero is the HPA's", "reconcile.go",
		"return !wasZeroed || (r.min == 0 && !r.spec.wakes())", "return r.min != 0"},
	{"minReplicas does not raise from zero", "reconcile.go",
		"r.current == 0 && r.min != 0 && wasZeroed && to < r.min", "false"},
	{"a failure forgets what was desired", "reconcile.go",
		"r.state.CurrentReplicas = r.current\n", "r.state.CurrentReplicas, r.state.DesiredReplicas = r.current, r.current\n"},
	{"any zero is remembered", "reconcile.go",
		"to == 0 && r.current > 0 && r.min == 0 && r.spec.wakes()", "to == 0 || r.current == 0"},
	{"the edge of the older window does not count", "stabilize.go",
		"past.At.Before(cut)", "!past.At.After(cut)"},
	{"the edge of a window counts", "stabilize.go",
		"past.At.After(downCut)", "!past.At.Before(downCut)"},
	{"the stabilized count is remembered", "stabilize.go",
		"Recommendation{Replicas: want,", "Recommendation{Replicas: stable,"},
	{"recommendations are a log", "stabilize.go",
		"if slot < 0 {", "{"},
	{"slots that the scale-up window needs are reused", "stabilize.go",
		"if downCut.Before(upCut) {", "if true {"},
	{"the first free slot instead of the last", "stabilize.go",
		"past.At.Before(bothCut)", "slot < 0 && past.At.Before(bothCut)"},
	{"stabilization moves to the proposal, not from the current count", "stabilize.go",
		"min(max(r.current, lowest), highest)", "min(max(want, lowest), highest)"},
	{"the older path trebles", "limit.go",
		"math.Max(2*float64(r.current), 4)", "math.Max(3*float64(r.current), 4)"},
	{"the older path from 1 doubles", "limit.go",
		"math.Max(2*float64(r.current), 4)", "2*float64(r.current)"},
	{"a policy may scale down on the way up", "limit.go",
		"limit := max(r.current, r.policies(up))", "limit := r.policies(up)"},
	{"Min and Max exchanged", "limit.go",
		"(rules.SelectPolicy != MinChange) == (d == up)", "(rules.SelectPolicy == MinChange) == (d == up)"},
	{"only events of the own direction count", "limit.go",
		"r.current - changes(r.state.ScaleUps, cut) + changes(r.state.ScaleDowns, cut)", "r.current - changes(r.state.ScaleUps, cut)"},
	{"percentages of whole numbers on the way up", "limit.go",
		"return ceil32(float64(base) * (1 + share))", "return base + int32((int64(base)*int64(p.Value)+99)/100)"},
	{"percentages of whole numbers on the way down", "limit.go",
		"return truncate32(float64(base) * (1 - share))", "return int32(int64(base) * (100 - int64(p.Value)) / 100)"},
	{"percentages rounded up on the way down", "limit.go",
		"return truncate32(float64(base) * (1 - share))", "return ceil32(float64(base) * (1 - share))"},
	{"percentages rounded down on the way up", "limit.go",
		"return ceil32(float64(base) * (1 + share))", "return truncate32(float64(base) * (1 + share))"},
	{"the edge of a period counts", "events.go",
		"if events[i].At.After(cut) {", "if !events[i].At.Before(cut) {"},
	{"every event is kept", "events.go",
		"if next[i].Outdated {", "if false {"},
	{"an outdated event may come back", "events.go",
		"next[i].Outdated || next[i].At.Before(cut)", "next[i].At.Before(cut)"},
	{"events are kept without behavior", "events.go",
		"case behavior == nil:\n", "case behavior == nil:\n\t\tr.state.ScaleUps = append([]ScaleEvent{{Change: to, At: r.now}}, r.state.ScaleUps...)\n"},
}

func TestMutants(t *testing.T) {
	if !*runMutants {
		t.Skip("takes minutes: -mutants")
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			file, err := filepath.Abs(filepath.Join("..", "..", "pkg", "hpa", m.file))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), m.right); n != 1 {
				t.Fatalf("%s has %d times %q: bring the mutant up to date", m.file, n, m.right)
			}
			binary := build(t, file, strings.Replace(string(text), m.right, m.wrong, 1))
			out, err := exec.Command(binary, "-test.run", "TestDifferential|TestGrid", "-test.failfast", "-shrink=false").CombinedOutput()
			if err == nil {
				t.Fatal("survived")
			}
			t.Log(firstLine(string(out)))
		})
	}
}

// build compiles this package's tests with another text of one file.
func build(t *testing.T, file, text string) string {
	t.Helper()
	dir := t.TempDir()
	mutant, overlay, binary := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "conformance.test")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{mutant: []byte(text), overlay: replace} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "test", "-trimpath", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("the mutant does not compile: %v\n%s", err, out)
	}
	return binary
}

// firstLine is how the mutant was found.
func firstLine(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "_test.go") && !strings.Contains(line, "beside Kubernetes") {
			return strings.TrimSpace(line)
		}
	}
	return out
}
