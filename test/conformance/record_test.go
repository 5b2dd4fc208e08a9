package conformance

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var recordTo = flag.String("record", "", "run upstream's own unit tests and write each reconcile to this file")

// TestRecord records the vectors that pkg/hpa replays. It copies the controller's
// package with its tests out of the module cache, puts the recorder from testdata
// beside them and runs them. Only what it records is kept.
//
// Upstream's tests raise a constant that no cluster can change (the factor of
// the older path). Here it stays what it is, so some of their own assertions
// fail; what counts is what the controller did.
func TestRecord(t *testing.T) {
	if *recordTo == "" {
		t.Skip("writes pkg/hpa/testdata/upstream: -record")
	}
	output, err := filepath.Abs(*recordTo)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyPackage(t, dir)
	writeModule(t, dir, here)
	command := exec.Command("go", "test", "-trimpath", "-count=1", "-skip", "TestMultipleHPAs", ".")
	command.Dir = dir
	command.Env = append(os.Environ(), "PITOT_RECORD="+output)
	out, err := command.CombinedOutput()
	t.Logf("%v\n%s", err, out[max(0, len(out)-4000):])
	for _, file := range []string{output, output + ".calculator", output + ".skipped"} {
		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d lines, %d bytes", file, bytes.Count(written, []byte("\n")), len(written))
	}
}

func copyPackage(t *testing.T, dir string) {
	t.Helper()
	from := goOutput(t, ".", "list", "-f", "{{.Dir}}", "k8s.io/kubernetes/pkg/controller/podautoscaler")
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	renamed := []string{
		") reconcileAutoscaler(ctx context.Context, hpaShared", ") reconcileAutoscalerItself(ctx context.Context, hpaShared",
		"scaleUpLimitFactor = 8", "scaleUpLimitFactor = 2",
	}
	for _, name := range []string{"Resource", "Metric", "ObjectMetric", "ObjectPerPodMetric", "ExternalMetric", "ExternalPerPodMetric"} {
		renamed = append(renamed, "(c *ReplicaCalculator) Get"+name+"Replicas(", "(c *ReplicaCalculator) get"+name+"Replicas(")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, filepath.Base(file)), strings.NewReplacer(renamed...).Replace(string(text)))
	}
	for _, name := range []string{"record.go", "record_calculator.go"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), string(text))
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeModule makes a module with the dependencies of this one.
func writeModule(t *testing.T, dir, here string) {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	const self = "github.com/pitot-autoscaling/pitot/test/conformance"
	mod := strings.Replace(string(text), "module "+self, "module recorded", 1)
	mod = strings.Replace(mod, "=> ../..", "=> "+filepath.Join(here, "..", ".."), 1)
	mod += "\nrequire " + self + " v0.0.0\n\nreplace " + self + " => " + here + "\n"
	put(t, filepath.Join(dir, "go.mod"), mod)
	goOutput(t, dir, "mod", "tidy")
}

func goOutput(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("go", args...)
	command.Dir = dir
	command.Stderr = t.Output()
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}
