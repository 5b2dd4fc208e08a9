package e2e

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	thousand      = 1000
	hangingHPAs   = 200
	hangingMetric = "hanging_jobs"
	// longestPeriod is what 99 of 100 periods stay within, at 15 s.
	longestPeriod = 18 * time.Second
	// observed is how long a bound is looked at.
	observed = 3*defaultSync + 5*time.Second
)

// thousandRules are the metrics of the HPAs that do not hang.
var thousandRules = []string{"red_jobs", "green_jobs", "blue_jobs"}

// A thousandHPA is one of them. Its queue has the same name.
type thousandHPA struct{ Queue, Metric string }

// path is what it reads.
func (h thousandHPA) path() string {
	return fmt.Sprintf("/apis/external.metrics.k8s.io/v1beta1/namespaces/thousand/%s?labelSelector=queue=%s", h.Metric, h.Queue)
}

// TestThousandHPAs is about what a thousand HPAs cost, and what some of them
// cost the others. The HPA controller has its default period and number of
// workers; only its limit of requests per second is raised, without which a
// thousand HPAs take 50 s whatever an adapter does. Nothing else runs.
func TestThousandHPAs(t *testing.T) {
	c := startCluster(t, built, defaultSync)
	c.farm = startFarm(c)
	c.defineTarget(t)
	c.pitot = startPitot(c, pitotSetup{
		config: "pitot-thousand.yaml",
		values: map[string]any{"Farm": c.farm.url, "Rules": thousandRules, "Hanging": hangingMetric},
		flags:  []string{"--refresh-interval=15s"},
	})
	c.setJobs(t)
	hpas := make([]thousandHPA, thousand)
	for i := range hpas {
		hpas[i] = thousandHPA{Queue: fmt.Sprintf("queue-%04d", i), Metric: thousandRules[i%len(thousandRules)]}
		if i < hangingHPAs {
			hpas[i].Metric = hangingMetric
		}
	}
	c.applyThousand(t, hpas)

	t.Run("a backend hangs", func(t *testing.T) { testHangingBackend(t, c, hpas) })
	for i := range hpas[:hangingHPAs] {
		hpas[i].Metric = thousandRules[i%len(thousandRules)]
	}
	t.Run("three rules", func(t *testing.T) { testThreeRules(t, c, hpas) })
}

// setJobs fills both backends: 30 jobs in every queue.
func (c *cluster) setJobs(t *testing.T) {
	t.Helper()
	for backend, metrics := range map[string][]string{"good": thousandRules, "hanging": {hangingMetric}} {
		var all []series
		for _, metric := range metrics {
			for i := range thousand {
				all = append(all, series{map[string]string{"__name__": metric, "namespace": "thousand", "queue": fmt.Sprintf("queue-%04d", i)}, 30})
			}
		}
		if err := c.farm.setSeries(c.Ctx, backend, all); err != nil {
			t.Fatal(err)
		}
	}
}

// applyThousand makes or changes HPAs and waits until each has read its metric.
func (c *cluster) applyThousand(t *testing.T, hpas []thousandHPA) {
	t.Helper()
	began := time.Now()
	c.apply(t, "thousand.yaml", map[string]any{"HPAs": hpas})
	t.Logf("%d HPAs applied after %s", len(hpas), time.Since(began).Round(100*time.Millisecond))
	c.Eventually(t, 2*time.Minute, "every HPA has read its value", func(context.Context) error {
		read := c.reads200(t, began)
		var missing []string
		for _, hpa := range hpas {
			if read[hpa.path()] == 0 {
				missing = append(missing, hpa.Queue)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d have not, such as %s", len(missing), missing[0])
		}
		return nil
	})
}

// reads200 counts the reads with a value of each path.
func (c *cluster) reads200(t *testing.T, since time.Time) map[string]int {
	t.Helper()
	read := map[string]int{}
	for _, poll := range c.audit.polls(t, since) {
		if poll.code == http.StatusOK {
			read[poll.path]++
		}
	}
	return read
}

// 200 HPAs whose backend has stopped answering do not slow down the other 800.
func testHangingBackend(t *testing.T, c *cluster, hpas []thousandHPA) {
	began := time.Now()
	if err := c.farm.setFault(c.Ctx, "hanging", fault{Kind: "hang"}); err != nil {
		t.Fatal(err)
	}
	// Beyond the 30 s for which the last good answers are served.
	c.Eventually(t, time.Minute, "HPAs of the hanging backend have no value", func(context.Context) error {
		for _, poll := range c.audit.polls(t, began) {
			if poll.code != http.StatusOK {
				return nil
			}
		}
		return errors.New("all have")
	})
	c.wantPeriods(t, hpas[hangingHPAs:], began)

	// The worst time to start is now: nothing is in memory, and what is asked
	// first does not come.
	began = time.Now()
	c.pitot.restart(t)
	c.wantPeriods(t, hpas[hangingHPAs:], began)
	if err := c.farm.setFault(c.Ctx, "hanging", healthy); err != nil {
		t.Fatal(err)
	}
}

// wantPeriods watches the periods of HPAs for a while.
func (c *cluster) wantPeriods(t *testing.T, hpas []thousandHPA, since time.Time) {
	t.Helper()
	c.Pass(t, observed)
	paths := map[string]bool{}
	for _, hpa := range hpas {
		paths[hpa.path()] = true
	}
	polls := c.audit.polls(t, since)
	all := periods(polls, paths)
	p99 := percentile(all, 0.99)
	t.Logf("%d periods of %d HPAs: p50 %s, p99 %s, longest %s; slowest answer %s; load %s", len(all), len(paths),
		percentile(all, 0.5), p99, percentile(all, 1), slowest(polls), loadAverage(t))
	if least := len(paths) * int(time.Since(since)/longestPeriod-1); len(all) < least {
		t.Errorf("%d periods, want at least %d: some HPAs were left out", len(all), least)
	}
	if p99 > longestPeriod {
		t.Errorf("99 of 100 periods took up to %s, want at most %s", p99, longestPeriod)
	}
}

// periods are the times between two reads of the same path.
func periods(polls []event, paths map[string]bool) (all []time.Duration) {
	last := map[string]time.Time{}
	slices.SortFunc(polls, func(a, b event) int { return a.at.Compare(b.at) })
	for _, poll := range polls {
		if !paths[poll.path] {
			continue
		}
		if before, ok := last[poll.path]; ok {
			all = append(all, poll.at.Sub(before))
		}
		last[poll.path] = poll.at
	}
	return all
}

// percentile is the smallest duration that a share of them does not exceed.
func percentile(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(math.Ceil(share*float64(len(sorted))))-1].Round(time.Millisecond)
}

func slowest(polls []event) (longest time.Duration) {
	for _, poll := range polls {
		longest = max(longest, poll.took)
	}
	return longest.Round(time.Millisecond)
}

// loadAverage is what else the machine did: bounds are only worth something
// beside it.
func loadAverage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// Whatever the number of HPAs, a refresh of a rule is three queries at most, and
// the HPA controller's right to read is asked for less than once a second.
func testThreeRules(t *testing.T, c *cluster, hpas []thousandHPA) {
	c.applyThousand(t, hpas)
	before, began := c.askedPerRule(t), time.Now()
	c.Pass(t, observed)
	after, elapsed := c.askedPerRule(t), time.Since(began)
	polls, reviews := c.audit.polls(t, began), c.audit.reviews(t, began)
	t.Logf("%d reads in %s; load %s", len(polls), elapsed.Round(time.Millisecond), loadAverage(t))
	if least := int(thousand * (elapsed/longestPeriod - 1)); len(polls) < least {
		t.Errorf("%d reads, want at least %d", len(polls), least)
	}

	// A refresh comes up to a twentieth early, and one may fall on either end.
	const queries, interval = 3, 15 * time.Second
	refreshes := math.Floor(elapsed.Seconds()/(0.95*interval.Seconds())) + 1
	for _, rule := range thousandRules {
		asked := after[rule] - before[rule]
		t.Logf("%s: %d queries", rule, asked)
		if asked > queries*int(refreshes) {
			t.Errorf("%s: %d queries in %s, want at most %d in each of %g refreshes", rule, asked, elapsed, queries, refreshes)
		}
	}
	perSecond := float64(len(reviews)) / elapsed.Seconds()
	t.Logf("%d SubjectAccessReviews, %.2f a second", len(reviews), perSecond)
	if perSecond > 1 {
		t.Errorf("%.2f SubjectAccessReviews a second, want at most 1", perSecond)
	}
}

// askedPerRule counts the queries that the good backend was sent for each rule.
func (c *cluster) askedPerRule(t *testing.T) map[string]int {
	t.Helper()
	asked, err := c.farm.asked(c.Ctx, "good")
	if err != nil {
		t.Fatal(err)
	}
	perRule := map[string]int{}
	for query, n := range asked {
		for _, rule := range thousandRules {
			if strings.Contains(query, rule) {
				perRule[rule] += n
			}
		}
	}
	return perRule
}
