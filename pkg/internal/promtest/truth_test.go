package promtest_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestEveryNumberWasTrue is the promise that Pitot stands on: whatever its
// backend does, every number that it serves was the rule's value at some time
// within the bound of age, and everything else is an error.
//
// Episodes of a few minutes run on virtual time: readers read rules of all
// shapes through the provider, the store and the HTTP client, and a promtest
// server answers, well or badly. Each read is compared with PromQL that was
// written by hand for it, evaluated over the true samples at the times of the
// answers that Pitot can have used.
//
// PITOT_TEST_ANSWERS sets how many reads are made, PITOT_TEST_SEED the seed of
// the first episode, which is its name too. To replay one alone:
//
//	PITOT_TEST_SEED=7 PITOT_TEST_ANSWERS=1 go test -run TestEveryNumberWasTrue .
func TestEveryNumberWasTrue(t *testing.T) {
	answers, seed := setting("PITOT_TEST_ANSWERS", defaultAnswers), setting("PITOT_TEST_SEED", 1)
	var total tally
	t.Run("episodes", func(t *testing.T) {
		for i := range (answers + readsPerEpisode - 1) / readsPerEpisode {
			t.Run(fmt.Sprintf("PITOT_TEST_SEED=%d", seed+i), func(t *testing.T) {
				t.Parallel()
				total.add(runEpisode(t, uint64(seed+i)))
			})
		}
	})
	t.Logf("%s", &total)
	if answers >= 50_000 {
		total.wantVariety(t)
	}
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestEpisodesReplay: a seed that failed once fails again.
func TestEpisodesReplay(t *testing.T) {
	for _, seed := range []uint64{1, 6, 22, 28} {
		first, second := runEpisode(t, seed), runEpisode(t, seed)
		if first.digest != second.digest {
			t.Errorf("seed %d has two courses:\n%s\n%s", seed, first, second)
		}
	}
}

const (
	episodeLength   = 3 * time.Minute
	readers         = 4
	readsPerEpisode = 4000
)

// truthRules has a rule of every shape. Matchers on a label that no series has
// tell the questions apart that go with different queries.
const truthRules = `
apiVersion: pitot.dev/v1alpha1
kind: Config
backends:
- {name: main, url: http://prometheus.promtest:9090}
rules:
- {metric: load, type: Pods, query: "sum by (namespace, pod) (load)"}
- {metric: rps, type: Pods, query: "sum by (namespace, pod) (rate(requests_total[1m]))"}
- {metric: handled, type: Pods, query: "sum by (namespace, pod, handler) (handled)", selectable: [handler, path]}
- {metric: total, type: Object, of: deployments.apps, aggregate: sum, query: "sum by (namespace, pod) (load)"}
- {metric: most, type: Object, of: deployments.apps, aggregate: max, query: "max by (namespace, pod) (load{of!='most'})"}
- {metric: mean, type: Object, of: deployments.apps, aggregate: avg, query: "avg by (namespace, pod) (load{of!='mean'})"}
- {metric: path_total, type: Object, of: deployments.apps, aggregate: sum, query: "sum by (namespace, pod) (handled)", selectable: [path]}
- {metric: p90, type: Object, of: deployments.apps, quantile: 0.9, buckets: "sum by (namespace, pod, le) (rate(seconds_bucket[30s]))"}
- {metric: p50, type: Object, of: deployments.apps, quantile: 0.5, onIdle: zero, buckets: "sum by (namespace, pod, le) (rate(seconds_bucket{of!='p50'}[20s]))"}
- {metric: connections, type: Object, of: services, objectLabel: service, query: "sum by (namespace, service, zone) (connections)", selectable: [zone]}
- {metric: backlog, type: Object, of: namespaces, query: "sum by (namespace) (ready)"}
- {metric: ready, type: External, query: "sum by (namespace, queue) (ready)", selectable: [queue]}
- {metric: traffic, type: Pods, query: "sum by (namespace, pod, service) (traffic)"}
- {metric: traffic, type: Object, of: services, objectLabel: service, query: "sum by (namespace, pod, service) (traffic)"}
- {metric: ready_sure, type: External, onNaN: drop, query: "sum by (namespace, queue) (ready)"}
- {metric: zero_for_nan, type: Pods, onNaN: zero, query: "min by (namespace, pod) (load{of!='least'})"}
- {metric: clamped, type: Pods, clampMin: 100, clampMax: 600, query: "sum by (namespace, pod) (load)"}
- {metric: sure, type: Object, of: deployments.apps, aggregate: sum, onNaN: drop, query: "sum by (namespace, pod) (load)"}
- {metric: total_or_none, type: Object, of: deployments.apps, aggregate: sum, onEmpty: zero, query: "sum by (namespace, pod) (load)"}
- {metric: connections_or_none, type: Object, of: services, objectLabel: service, onEmpty: zero, query: "sum by (namespace, service, zone) (connections)", selectable: [zone]}
- {metric: ready_or_none, type: External, onEmpty: zero, query: "sum by (namespace, queue) (ready)", selectable: [queue]}
- {metric: ready_proved, type: External, zeroWhen: "max by (namespace) (probe) == 1", query: "min by (namespace, queue) (ready{of!='proved'})", selectable: [queue]}
- {metric: connections_proved, type: Object, of: services, objectLabel: service, zeroWhen: "max by (namespace) (probe) == 1", query: "min by (namespace, service, zone) (connections{of!='proved'})", selectable: [zone]}
- {metric: pushed, type: External, query: "sum by (namespace) (pushed)"}
- {metric: pushed_pod, type: Pods, query: "sum by (namespace, pod) (pushed)"}
- {metric: everywhere, type: External, scope: cluster, query: "sum by (queue) (ready)", selectable: [queue]}
`

// A tally counts what reads came to.
type tally struct {
	mu      sync.Mutex
	reads   int
	numbers int
	proved  int // zeros for no series, or measured, of rules that ask for a proof
	causes  map[string]int
	digest  uint64 // of the course of an episode, whatever the order of equal times
}

func (y *tally) note(o observation, n int) {
	y.reads++
	outcome := ""
	if o.err == nil {
		y.numbers++
		outcome = fmt.Sprint(o.got)
	} else {
		var known apierrors.APIStatus
		if errors.As(o.err, &known) && known.Status().Details != nil && len(known.Status().Details.Causes) > 0 {
			outcome = string(known.Status().Details.Causes[0].Type)
		}
		y.count(outcome, 1)
	}
	y.digest ^= mix(uint64(n), o.began.UnixNano(), o.ended.UnixNano(), outcome)
}

func (y *tally) count(cause string, n int) {
	if y.causes == nil {
		y.causes = map[string]int{}
	}
	y.causes[cause] += n
}

func (y *tally) add(other *tally) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.reads += other.reads
	y.numbers += other.numbers
	y.proved += other.proved
	for cause, n := range other.causes {
		y.count(cause, n)
	}
}

func (y *tally) String() string {
	return fmt.Sprintf("%d reads, %d with numbers (%d zeros by proof), errors %v", y.reads, y.numbers, y.proved, y.causes)
}

// wantVariety fails where the generator misses what it is for.
func (y *tally) wantVariety(t *testing.T) {
	if y.numbers < y.reads/5 || y.numbers > y.reads*4/5 {
		t.Errorf("%d of %d reads gave numbers", y.numbers, y.reads)
	}
	if y.proved < y.reads/1000 {
		t.Errorf("only %d of %d reads gave a proved zero", y.proved, y.reads)
	}
	for _, cause := range []string{"failed", "partial", "recovering", "pending", "empty", "not-a-number", "ambiguous", "negative", "out-of-range", "idle", "stale"} {
		if y.causes[cause] < 20 {
			t.Errorf("only %d reads ended as %s", y.causes[cause], cause)
		}
	}
}
