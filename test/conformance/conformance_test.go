package conformance

import (
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

var (
	steps  = flag.Int("steps", 100_000, "how many syncs to compare")
	seed   = flag.Uint64("seed", 1, "of the first scenario, the others follow")
	replay = flag.String("replay", "", "one scenario, as a failure prints it")
)

// length is how many steps a scenario has.
const length = 400

func TestMirror(t *testing.T) {
	if err := checkMirror(); err != nil {
		t.Fatal(err)
	}
}

// TestDifferential compares the real controller and pkg/hpa over random
// scenarios: make conformance runs more of them.
func TestDifferential(t *testing.T) {
	profile := linked(t)
	if *replay != "" {
		s, err := parseScenario(*replay)
		if err != nil {
			t.Fatal(err)
		}
		if _, f := s.run(t, profile); f != nil {
			t.Fatalf("step %d: %s\n%s", s.steps[f.at], f.text, f.world)
		}
		return
	}
	var all tally
	for next := *seed; all.Steps < *steps; next++ {
		s := newScenario(next, length)
		counts, f := s.run(t, profile)
		if f != nil {
			if *shrinks {
				s, f = s.shrink(t, profile, f)
			}
			t.Fatalf("after %d equal steps: go test -run TestDifferential -replay %s\n%s\n%s", all.Steps, s, f.text, f.world)
		}
		all.merge(counts)
	}
	ran.steps = all.Steps
	t.Logf("%d steps, 0 differences (seeds from %d)\n%v\n%v\n%v", all.Steps, *seed, all.Outcomes, all.Reasons, all.Rules)
}

// linked is the profile of the Kubernetes that this module is built with. For
// another version GOFLAGS names another module file.
func linked(t *testing.T) hpa.Profile {
	t.Helper()
	list := exec.Command("go", "list", "-m", "-f", "{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}", "k8s.io/kubernetes")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	version := strings.TrimSpace(string(out))
	var minor int
	if _, err := fmt.Sscanf(version, "v1.%d", &minor); err != nil {
		t.Fatalf("version %q: %v", version, err)
	}
	profile, ok := hpa.Kubernetes(minor)
	if !ok {
		t.Fatalf("no profile for 1.%d", minor)
	}
	ran.version = version
	t.Logf("beside Kubernetes %s", version)
	return profile
}
