package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// replicaHPAs read through two replicas of Pitot. They are not many: the five
// workers of the HPA controller, each waiting a second for what is not there yet,
// would reach none of a hundred twice.
const replicaHPAs = 20

// slowAnswer is how long the Prometheus behind them takes for a query, of which
// a value needs two. A replica that begins to ask with the first read fails for
// nine seconds: for two polls of each HPA and more.
const slowAnswer = 4500 * time.Millisecond

// When one of two replicas is killed under load, no HPA misses more than the
// poll that was under way: the other one, which nobody had read until then, has
// the values in memory, since it knows the HPAs.
func testReplicaKilled(t *testing.T, c *cluster) {
	var queues []string
	var all []series
	for i := range replicaHPAs {
		queues = append(queues, fmt.Sprintf("queue-%03d", i))
		all = append(all, series{map[string]string{"__name__": "jobs", "namespace": "replicas", "queue": queues[i]}, 30})
	}
	if err := errors.Join(c.farm.setSeries(c.Ctx, "slow", all), c.farm.setFault(c.Ctx, "slow", fault{Kind: "healthy", Delay: slowAnswer.String()})); err != nil {
		t.Fatal(err)
	}
	other := c.pitot.replica("pitot-other")
	c.register(openService(c, c.pitot.port, other.port).port, c.pitot.ca)
	c.defineTarget(t)
	c.apply(t, "replicas.yaml", map[string]any{"Queues": queues})
	c.Eventually(t, time.Minute, "every HPA has read its queue", func(context.Context) error { return c.polled(t, time.Time{}) })
	c.Eventually(t, time.Minute, "the other replica has an answer", func(ctx context.Context) error { return answered(ctx, other, "slow") })

	before := time.Now()
	c.pitot.Kill()
	c.Pass(t, 6*oftenSync)
	c.Eventually(t, time.Minute, "every HPA has read its queue since", func(context.Context) error { return c.polled(t, before) })
	failed := map[string]int{}
	polls := c.audit.polls(t, before)
	for _, poll := range polls {
		if poll.code != http.StatusOK && strings.Contains(poll.path, "/replicas/jobs?") {
			failed[poll.path]++
		}
	}
	t.Logf("%d polls since the kill; %d HPAs missed one; load %s", len(polls), len(failed), loadAverage(t))
	for path, n := range failed {
		if n > 1 {
			t.Errorf("%d polls of %s failed, want at most 1", n, path)
		}
	}
	if read, err := other.page(c.Ctx, "/metrics"); err != nil || !strings.Contains(string(read), "external.metrics.k8s.io") {
		t.Errorf("the other replica has not been read: %v", err)
	}
}

// polled says whether an HPA is still without a value since a time.
func (c *cluster) polled(t *testing.T, since time.Time) error {
	t.Helper()
	read := 0
	for path := range c.reads200(t, since) {
		if strings.Contains(path, "/replicas/jobs?") {
			read++
		}
	}
	if read < replicaHPAs {
		return fmt.Errorf("%d of %d have", read, replicaHPAs)
	}
	return nil
}

// answered says whether a replica has no answer of a backend in memory. It reads
// no metric for that.
func answered(ctx context.Context, replica *pitot, backend string) error {
	page, err := replica.page(ctx, "/statusz?format=json")
	if err != nil {
		return err
	}
	var status struct {
		Queries []struct {
			Backend    string
			AgeSeconds *float64 `json:"age_seconds"`
			Error      string
		}
	}
	if err := json.Unmarshal(page, &status); err != nil {
		return err
	}
	for _, query := range status.Queries {
		if query.Backend == backend && query.AgeSeconds != nil {
			return nil
		}
	}
	return fmt.Errorf("queries: %+v", status.Queries)
}
