package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/testbin"

	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// built are the programs that TestMain built.
var built programs

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait most of the time: side by side they share the wait, even on two cores.
	_ = flag.Set("test.parallel", "8")
	if testing.Short() {
		fmt.Println("test/e2e: skipped with -short")
		return
	}
	if err := installed(); err != nil {
		fmt.Fprintf(os.Stderr, "test/e2e: %v\n", err)
		os.Exit(1)
	}
	bin, err := os.MkdirTemp("", "pitot-e2e-")
	if err == nil {
		built, err = build(bin)
	}
	status := 1
	if err != nil {
		fmt.Fprintf(os.Stderr, "test/e2e: %v\n", err)
	} else {
		status = m.Run()
	}
	_ = os.RemoveAll(bin)
	os.Exit(status)
}

// installed says which Debian packages are missing.
func installed() error {
	needs := []struct {
		pkg   string
		check []string
	}{
		{"python3-flask", []string{python, "-c", "import flask"}},
		{"python3-prometheus-client", []string{python, "-c", "import prometheus_client"}},
		{"python3-django-prometheus", []string{python, "-c", "import django_prometheus"}},
		{"python3-fastapi", []string{python, "-c", "import fastapi"}},
		{"python3-redis", []string{python, "-c", "import redis"}},
		{"celery", []string{python, "/usr/bin/celery", "--version"}},
		{"uvicorn", []string{"/usr/bin/uvicorn", "--version"}},
		{"gunicorn", []string{gunicorn, "--version"}},
		{"redis-server", []string{"/usr/bin/redis-server", "--version"}},
		{"prometheus-redis-exporter", []string{"/usr/bin/prometheus-redis-exporter", "--version"}},
	}
	var missing []string
	for _, need := range needs {
		if exec.Command(need.check[0], need.check[1:]...).Run() != nil {
			missing = append(missing, need.pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("these Debian packages are missing: %s; install them with `make deps`", strings.Join(missing, ", "))
	}
	return nil
}

// build builds Pitot from the checkout, and once per version what runs beside it:
// the control plane is the set of hack/testbin.sh that the environment variable
// PITOT_TEST_PLANE names, or plane.
func build(bin string) (programs, error) {
	plane, err1 := testbin.Folder(cmp.Or(os.Getenv("PITOT_TEST_PLANE"), "plane"))
	prometheus, err2 := testbin.Folder("prometheus")
	pitot := filepath.Join(bin, "pitot")
	promtest := filepath.Join(bin, "promtest")
	err3 := testbin.Build(pitot, ".", "./cmd/pitot")
	err4 := testbin.Build(promtest, ".", "./pkg/internal/promtest/cmd/promtest")
	return programs{plane: plane, prometheus: prometheus, pitot: pitot, promtest: promtest}, errors.Join(err1, err2, err3, err4)
}

// TestCluster runs tests side by side in one cluster. They share Pitot and
// nothing else: each has its own namespaces, and those that stop a Prometheus or
// count its queries have their own.
func TestCluster(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	for _, name := range []string{"main", "outage", "fleet"} {
		startPrometheus(c, name)
	}
	c.page = servePage(c, "main", "fleet")
	c.shop = openShop(c)
	c.redis = startRedis(c)
	c.pitot = startPitot(c, pitotSetup{config: "pitot.yaml"})
	for _, test := range []struct {
		name string
		run  func(*testing.T, *cluster)
	}{
		{"api", testAPI},
		{"request rate", testRequestRate},
		{"p95", testP95},
		{"queue depth", testQueueDepth},
		{"the larger of two metrics", testLargerOfTwo},
		{"a hundred HPAs on one rule", testFleet},
		{"Prometheus stops", testOutage},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, c)
		})
	}
}
