// Package trial runs the processes of one test in a folder of their own, waits
// for what they bring about, and keeps their logs when the test fails.
//
// No process outlives the test, however it ends: each is in a process group of
// its own, and the kernel kills it when the test's process ends.
package trial

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A Trial ends with the test that began it, newest process first.
type Trial struct {
	T      *testing.T
	Ctx    context.Context // ends with the test, or when a process fails
	Folder string          // of this run: artifacts/TIME-RANDOM
	Logs   string          // a folder in it, the only one that stays
	// Explain, if it is not nil, logs what helps to understand a wait that ended
	// without success.
	Explain func(*testing.T)

	fail context.CancelCauseFunc
}

// New begins a trial of the test, in the folder "artifacts" of its package.
func New(t *testing.T) *Trial {
	t.Helper()
	c := &Trial{T: t}
	c.Ctx, c.fail = context.WithCancelCause(context.Background())
	c.makeFolder()
	t.Cleanup(c.End)
	return c
}

// End ends every wait, as the end of the test does.
func (c *Trial) End() { c.fail(errors.New("the test is over")) }

// makeFolder makes the folder of this run. Data, keys and configurations are
// removed at the end; the logs only when the test passed.
func (c *Trial) makeFolder() {
	artifacts := Must(filepath.Abs("artifacts"))(c)
	c.Check(os.MkdirAll(artifacts, 0o755))
	c.Folder = Must(os.MkdirTemp(artifacts, time.Now().Format("0102-150405-")))(c)
	c.Logs = filepath.Join(c.Folder, "logs")
	c.Check(os.Mkdir(c.Logs, 0o755))
	c.Check(os.Mkdir(filepath.Join(c.Folder, "data"), 0o755))
	c.T.Cleanup(func() {
		if !c.T.Failed() {
			_ = os.RemoveAll(c.Folder)
			return
		}
		_ = os.RemoveAll(filepath.Join(c.Folder, "data"))
		c.T.Logf("logs are in %s", c.Logs)
	})
}

// Data names a folder for what a process stores. It does not make it.
func (c *Trial) Data(name string) string { return filepath.Join(c.Folder, "data", name) }

// Start runs a process until the end of the test. Its unexpected end fails the
// test and ends every wait.
func (c *Trial) Start(command Command) *Process {
	c.T.Helper()
	p := Must(command.Start(c.Logs, c.Broken))(c)
	c.T.Cleanup(func() {
		if err := p.Stop(); err != nil {
			c.T.Error(err)
		}
	})
	return p
}

// Broken fails the test and ends every wait. Any goroutine may call it.
func (c *Trial) Broken(err error) {
	c.T.Error(err)
	c.fail(err)
}

// Eventually polls until check returns nil. A check's error says what it saw
// instead: the last one is the failure's text.
func (c *Trial) Eventually(t *testing.T, within time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.Ctx, within)
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

// Pass lets time pass, for what is measured meanwhile.
func (c *Trial) Pass(t *testing.T, period time.Duration) {
	t.Helper()
	select {
	case <-time.After(period):
	case <-c.Ctx.Done():
		t.Fatal(context.Cause(c.Ctx))
	}
}

// Throughout polls for a period and fails at the first error.
func (c *Trial) Throughout(t *testing.T, period time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < period {
		if err := check(c.Ctx); err != nil {
			c.explain(t)
			t.Fatalf("not throughout %s, but only for %s: %s: %v", period, time.Since(began).Round(100*time.Millisecond), what, err)
		}
		select {
		case <-c.Ctx.Done():
			t.Fatalf("%s: %v", what, context.Cause(c.Ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Trial) explain(t *testing.T) {
	t.Helper()
	if c.Explain != nil {
		c.Explain(t)
	}
}

// Check ends the test on an error.
func (c *Trial) Check(err error) {
	c.T.Helper()
	if err != nil {
		c.T.Fatal(err)
	}
}

// A Checker ends the test on an error: a Trial, and what embeds one.
type Checker interface{ Check(err error) }

// Must is for the steps of starting up, whose errors end the test:
//
//	folder := trial.Must(os.MkdirTemp(…))(c)
func Must[T any](value T, err error) func(Checker) T {
	return func(c Checker) T {
		c.Check(err)
		return value
	}
}
