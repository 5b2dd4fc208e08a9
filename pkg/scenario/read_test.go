package scenario

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the expected texts of testdata anew")

// TestBroken reads every archive of testdata/broken and compares the problems
// with those that the archive ends with.
func TestBroken(t *testing.T) {
	for _, c := range readArchives(t, "broken") {
		t.Run(c.name, func(t *testing.T) {
			cases, err := c.read()
			if err == nil {
				t.Fatalf("it is read: %v", cases)
			}
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error is a %T", err)
			}
			for _, p := range problems {
				if strings.Contains(p.Error(), "\n") {
					t.Errorf("more than one line: %q", p.Error())
				}
			}
			c.expect(t, "problems", err.Error()+"\n")
		})
	}
}

// TestGood reads every archive of testdata/good and compares what it means with
// what the archive ends with.
func TestGood(t *testing.T) {
	for _, c := range readArchives(t, "good") {
		t.Run(c.name, func(t *testing.T) {
			text, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			c.expect(t, "meaning", text)
		})
	}
}

// An archiveCase is an archive of files whose first one is read and whose last
// one is expected.
type archiveCase struct {
	name, path string
	archive    *txtar.Archive
}

func readArchives(t testing.TB, dir string) []archiveCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives in %s: %v", dir, err)
	}
	var cases []archiveCase
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, archiveCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, archive: archive})
	}
	return cases
}

// read reads the first file and describes what it means.
func (c archiveCase) read() (string, error) {
	first := c.archive.Files[0]
	if strings.HasPrefix(first.Name, "app") {
		app, err := ReadApp(first.Name, bytes.NewReader(first.Data))
		if err != nil {
			return "", err
		}
		return describeApp(app), nil
	}
	cases, err := Read(first.Name, c.files())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range cases {
		b.WriteString(describeCase(&cases[i]))
	}
	return b.String(), nil
}

func (c archiveCase) files() Files {
	return func(name string) ([]byte, error) {
		for _, f := range append([]txtar.File{{Name: "hpa.yaml", Data: []byte(webHPA)}, {Name: "app.yaml", Data: []byte(webApp)}}, c.archive.Files...) {
			if f.Name == name {
				return f.Data, nil
			}
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

// The files that archives need not have.
const (
	webHPA = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - type: Pods
    pods:
      metric: {name: http_requests_per_second}
      target: {type: AverageValue, averageValue: "20"}
`
	webApp = `apiVersion: pitot.dev/v1alpha1
kind: App
server: {kind: sync, workers: 4, serviceTime: 100ms}
startup: 20s
signals: {http_requests_per_second: rate}
`
)

func (c archiveCase) expect(t *testing.T, name, got string) {
	t.Helper()
	last := &c.archive.Files[len(c.archive.Files)-1]
	if last.Name != name {
		t.Fatalf("the last file of %s is %s, not %s", c.path, last.Name, name)
	}
	if *update {
		last.Data = []byte(got)
		if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(last.Data), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", c.path, diff)
	}
}

func describeApp(a *App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server %+v\npods %+v\n", a.Server, podsText(a))
	for _, name := range sortedNames(a.Signals) {
		fmt.Fprintf(&b, "signal %s idle is zero: %t\n", SignalText(name, a.Signals[name]), a.Signals[name].IdleIsZero)
	}
	fmt.Fprintf(&b, "buckets %v, exposed %v\n", a.Buckets, a.Bounds(PromQL))
	for _, e := range a.Exposes {
		fmt.Fprintf(&b, "exposes %s %s of %s %v %v\n", e.Position, e.Name, e.Of, e.Labels, e.Buckets)
	}
	for _, assumption := range a.Assumptions() {
		origin := "default"
		if assumption.Given {
			origin = "given"
		}
		fmt.Fprintf(&b, "%-40s %-12s %s\n", assumption.Name, assumption.Value, origin)
	}
	return b.String()
}

func podsText(a *App) string {
	text := fmt.Sprintf("startup %v pending %v shutdown %v", a.Pods.Startup, a.Pods.Pending, a.Pods.Shutdown)
	if a.Pods.Template != nil {
		text += fmt.Sprintf(" requests %v", a.Pods.Template.Containers)
	}
	return text
}

func describeCase(c *Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q\n", c.Position, c.Name)
	fmt.Fprintf(&b, "    HPA %s/%s %d to %d at %s\n", c.Autoscaler.Namespace, c.Autoscaler.Name, c.Autoscaler.Spec.MinReplicas, c.Autoscaler.Spec.MaxReplicas, c.Autoscaler.Position)
	if b1 := c.Autoscaler.Spec.Behavior; b1 != nil {
		fmt.Fprintf(&b, "    behavior down %v %v\n", *b1.ScaleDown.StabilizationWindow, b1.ScaleDown.Policies)
	}
	fmt.Fprintf(&b, "    %s server, config %q, pipeline %s\n", c.App.Server.Kind, c.Config, c.Pipeline)
	d := c.Demand
	fmt.Fprintf(&b, "    demand shape %q trace %q column %q unit %q gaps %q values %v each %s times %g\n", d.Shape, d.Trace, d.Column, d.Unit, d.Gaps, d.Values, d.Interval, d.Scale)
	fmt.Fprintf(&b, "    replicas %d length %s seed %d\n", c.Replicas, c.Length, c.Seed)
	if c.Objective != nil {
		fmt.Fprintf(&b, "    objective %+v\n", *c.Objective)
	}
	for _, e := range c.Events {
		fmt.Fprintf(&b, "    event %s at %s for %s replicas %d", e.Kind, e.At, e.For, e.Replicas)
		if e.Spec != nil {
			fmt.Fprintf(&b, " with %d to %d", e.Spec.MinReplicas, e.Spec.MaxReplicas)
		}
		b.WriteByte('\n')
	}
	for _, e := range c.Expect {
		fmt.Fprintf(&b, "    expect %s: %s\n", e.Position, e)
	}
	if c.Decisions != "" {
		fmt.Fprintf(&b, "    decisions %s\n", c.Decisions)
	}
	return b.String()
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func archiveOf(name string, text []byte) *txtar.Archive {
	return &txtar.Archive{Files: []txtar.File{{Name: name, Data: text}}}
}

// requireSensible fails unless the error is problems with a cause and a place
// that some file has.
func requireSensible(t *testing.T, err error, text string) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("error %T %v", err, err)
	}
	lines := len(regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`).Split(text, -1))
	for _, p := range problems {
		if p.Cause == "" || p.Line < 1 || p.Column < 1 || p.Line > max(lines, strings.Count(webHPA, "\n"))+1 {
			t.Fatalf("%d lines: %v", lines, p)
		}
	}
}
