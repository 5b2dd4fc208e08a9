package e2e

import (
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

// programs are the folders and files of what a cluster runs.
type programs struct {
	plane      string // folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok
	prometheus string // folder with prometheus
	pitot      string // file
	promtest   string // file
}

// A cluster is everything that the tests share. It ends with the test that
// started it.
type cluster struct {
	*trial.Trial
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
	c := &cluster{Trial: trial.New(t), programs: programs, prometheus: map[string]*prometheus{}}
	c.Explain = c.lastWords
	c.plane = startPlane(c, programs.plane, syncPeriod)
	t.Logf("control plane up after %s", time.Since(began).Round(time.Millisecond))
	return c
}

// lastWords shows what Pitot said last.
func (c *cluster) lastWords(t *testing.T) {
	t.Helper()
	if c.pitot != nil {
		t.Logf("the end of %s:\n%s", c.pitot.LogFile, trial.Tail(c.pitot.LogFile, 25))
	}
}
