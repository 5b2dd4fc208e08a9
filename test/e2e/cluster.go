package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// programs are the folders and files of what a cluster runs.
type programs struct {
	plane      string // folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok
	prometheus string // folder with prometheus
	pitot      string // file
	promtest   string // file
}

// A cluster is everything that the tests share. It ends with the test that
// started it, newest part first; its logs stay when that test failed.
type cluster struct {
	t      *testing.T
	ctx    context.Context // ends with the test, or when a part fails
	fail   context.CancelCauseFunc
	folder string
	logs   string
	programs

	*plane
	pitot *pitot
	// What else there is depends on the test.
	shop  *shop
	page  *page
	redis *redis
	farm  *farm
	// Prometheus servers by name: each test that stops one or counts its
	// queries has one to itself.
	prometheus map[string]*prometheus
}

// startCluster starts a control plane whose HPA controller looks at each HPA
// once per period. It takes about five seconds. What else a test needs it starts
// itself, Pitot last.
func startCluster(t *testing.T, programs programs, syncPeriod time.Duration) *cluster {
	t.Helper()
	began := time.Now()
	c := &cluster{t: t, programs: programs, prometheus: map[string]*prometheus{}}
	c.ctx, c.fail = context.WithCancelCause(context.Background())
	c.makeFolder()
	t.Cleanup(func() { c.fail(errors.New("the test is over")) })

	c.plane = startPlane(c, programs.plane, syncPeriod)
	t.Logf("control plane up after %s", time.Since(began).Round(time.Millisecond))
	return c
}

// makeFolder makes the folder of this run. Data, keys and configurations are
// removed at the end; the logs only when the test passed.
func (c *cluster) makeFolder() {
	artifacts := must(filepath.Abs("artifacts"))(c)
	c.must(os.MkdirAll(artifacts, 0o755))
	c.folder = must(os.MkdirTemp(artifacts, time.Now().Format("0102-150405-")))(c)
	c.logs = filepath.Join(c.folder, "logs")
	c.must(os.Mkdir(c.logs, 0o755))
	c.must(os.Mkdir(filepath.Join(c.folder, "data"), 0o755))
	c.t.Cleanup(func() {
		if !c.t.Failed() {
			_ = os.RemoveAll(c.folder)
			return
		}
		_ = os.RemoveAll(filepath.Join(c.folder, "data"))
		c.t.Logf("logs are in %s", c.logs)
	})
}

// data is a folder for what a process stores.
func (c *cluster) data(name string) string { return filepath.Join(c.folder, "data", name) }

// start runs a process until the end of the test. Its unexpected end fails the
// test and ends every wait.
func (c *cluster) start(command command) *process {
	c.t.Helper()
	p := must(command.start(c.logs, c.broken))(c)
	c.t.Cleanup(func() {
		if err := p.stop(); err != nil {
			c.t.Error(err)
		}
	})
	return p
}

// broken fails the test from any goroutine.
func (c *cluster) broken(err error) {
	c.t.Error(err)
	c.fail(err)
}

// eventually polls until check returns nil. A check's error says what it saw
// instead: the last one is the failure's text.
func (c *cluster) eventually(t *testing.T, within time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.ctx, within)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	var seen error
	for {
		err := check(ctx)
		if err == nil {
			t.Logf("%s after %s", what, time.Since(began).Round(100*time.Millisecond))
			return
		}
		if ctx.Err() == nil || seen == nil {
			seen = err // not the error of a check that the deadline cut short
		}
		select {
		case <-ctx.Done():
			c.explain(t)
			t.Fatalf("not within %s: %s (%v)\nlast seen: %v", within, what, context.Cause(ctx), seen)
		case <-ticker.C:
		}
	}
}

// pass lets time pass, for what is measured meanwhile.
func (c *cluster) pass(t *testing.T, period time.Duration) {
	t.Helper()
	select {
	case <-time.After(period):
	case <-c.ctx.Done():
		t.Fatal(context.Cause(c.ctx))
	}
}

// throughout polls for a period and fails at the first error.
func (c *cluster) throughout(t *testing.T, period time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < period {
		if err := check(c.ctx); err != nil {
			c.explain(t)
			t.Fatalf("not throughout %s, but only for %s: %s: %v", period, time.Since(began).Round(100*time.Millisecond), what, err)
		}
		select {
		case <-c.ctx.Done():
			t.Fatalf("%s: %v", what, context.Cause(c.ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// explain shows what Pitot said last.
func (c *cluster) explain(t *testing.T) {
	t.Helper()
	if c.pitot != nil {
		t.Logf("the end of %s:\n%s", c.pitot.logFile, tail(c.pitot.logFile, 25))
	}
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// must is for the steps of starting up, whose errors end the test:
//
//	folder := must(os.MkdirTemp(…))(c)
func must[T any](value T, err error) func(*cluster) T {
	return func(c *cluster) T {
		c.t.Helper()
		c.must(err)
		return value
	}
}
