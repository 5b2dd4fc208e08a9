package promtest_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"
	promlabels "github.com/prometheus/prometheus/model/labels"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	metrics "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
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
	first, second := runEpisode(t, 1), runEpisode(t, 1)
	if first.digest != second.digest {
		t.Errorf("one seed, two courses:\n%s\n%s", first, second)
	}
}

const (
	episodeLength   = 3 * time.Minute
	readers         = 4
	readsPerEpisode = 4000
)

// truthRules has a rule of every shape.
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
- {metric: most, type: Object, of: deployments.apps, aggregate: max, query: "max by (namespace, pod) (load)"}
- {metric: mean, type: Object, of: deployments.apps, aggregate: avg, query: "avg by (namespace, pod) (load)"}
- {metric: path_total, type: Object, of: deployments.apps, aggregate: sum, query: "sum by (namespace, pod) (handled)", selectable: [path]}
- {metric: p90, type: Object, of: deployments.apps, quantile: 0.9, buckets: "sum by (namespace, pod, le) (rate(seconds_bucket[30s]))"}
- {metric: p50, type: Object, of: deployments.apps, quantile: 0.5, onIdle: zero, buckets: "sum by (namespace, pod, le) (rate(seconds_bucket[20s]))"}
- {metric: connections, type: Object, of: services, objectLabel: service, query: "sum by (namespace, service, zone) (connections)", selectable: [zone]}
- {metric: backlog, type: Object, of: namespaces, query: "sum by (namespace) (ready)"}
- {metric: ready, type: External, query: "sum by (namespace, queue) (ready)", selectable: [queue]}
- {metric: traffic, type: Pods, query: "sum by (namespace, pod, service) (traffic)"}
- {metric: traffic, type: Object, of: services, objectLabel: service, query: "sum by (namespace, pod, service) (traffic)"}
- {metric: ready_sure, type: External, onNaN: drop, query: "sum by (namespace, queue) (ready)"}
- {metric: zero_for_nan, type: Pods, onNaN: zero, query: "min by (namespace, pod) (load)"}
- {metric: clamped, type: Pods, clampMin: 100, clampMax: 600, query: "sum by (namespace, pod) (load)"}
- {metric: sure, type: Object, of: deployments.apps, aggregate: sum, onNaN: drop, query: "sum by (namespace, pod) (load)"}
- {metric: total_or_none, type: Object, of: deployments.apps, aggregate: sum, onEmpty: zero, query: "sum by (namespace, pod) (load)"}
- {metric: connections_or_none, type: Object, of: services, objectLabel: service, onEmpty: zero, query: "sum by (namespace, service, zone) (connections)", selectable: [zone]}
- {metric: ready_or_none, type: External, onEmpty: zero, query: "sum by (namespace, queue) (ready)", selectable: [queue]}
- {metric: everywhere, type: External, scope: cluster, query: "sum by (queue) (ready)", selectable: [queue]}
`

// A truthRead is one way to read a rule.
type truthRead struct {
	metric    string
	resource  string // "" for the external metrics API
	group     string
	namespace string
	object    string // "*" for all
	pods      string // label selector of objects
	selector  string // label selector of the metric
	// asks is the PromQL that the backend is asked, where a selector changes it.
	asks string

	// want is PromQL whose answer has a sample per item, told apart by the
	// label of that name; "" where there is one item, "*" for all labels.
	want, by string
	// orZero says that the rule serves zero where nothing has a series.
	orZero bool
	// idle is PromQL whose answer is 0 where the value is 0 for lack of events.
	idle string
}

func (r truthRead) String() string {
	return fmt.Sprintf("%s of %s %s/%s [%s] {%s}", r.metric, r.resource, r.namespace, r.object, r.pods, r.selector)
}

func truthReads() []truthRead {
	const deployments, apps = "deployments", "apps"
	var reads []truthRead
	for _, ns := range []string{"shop", "bank"} {
		for _, pod := range []string{"web-1", "web-2", "api-1", "gone-1", "new-1"} {
			reads = append(reads,
				truthRead{metric: "load", resource: "pods", namespace: ns, object: pod, want: fmt.Sprintf(`load{namespace=%q,pod=%q}`, ns, pod)},
				truthRead{metric: "zero_for_nan", resource: "pods", namespace: ns, object: pod, want: fmt.Sprintf(`load{namespace=%[1]q,pod=%[2]q} == load or 0 * count by (namespace, pod) (load{namespace=%[1]q,pod=%[2]q})`, ns, pod)},
				truthRead{metric: "traffic", resource: "pods", namespace: ns, object: pod, want: fmt.Sprintf(`traffic{namespace=%q,pod=%q}`, ns, pod)},
				truthRead{metric: "traffic", resource: "services", namespace: ns, object: "of-" + pod, want: fmt.Sprintf(`traffic{namespace=%q,pod=%q}`, ns, pod)},
				truthRead{metric: "clamped", resource: "pods", namespace: ns, object: pod, want: fmt.Sprintf(`clamp(load{namespace=%q,pod=%q} >= 0 <= 1e9, 100, 600)`, ns, pod)},
				truthRead{metric: "handled", resource: "pods", namespace: ns, object: pod, want: fmt.Sprintf(`sum by (handler) (handled{namespace=%q,pod=%q})`, ns, pod)},
				truthRead{metric: "handled", resource: "pods", namespace: ns, object: pod, selector: "handler=a", want: fmt.Sprintf(`sum by (handler) (handled{namespace=%q,pod=%q,handler="a"})`, ns, pod)},
				truthRead{metric: "handled", resource: "pods", namespace: ns, object: pod, selector: "path in (x,y),handler!=a", asks: `sum by (namespace, pod, handler) (handled{path=~"x|y"})`, want: fmt.Sprintf(`sum by (handler) (handled{namespace=%q,pod=%q,path=~"x|y",handler!="a"})`, ns, pod)},
			)
		}
		live := `pod=~"(web|api)-[123]|new-1"`
		reads = append(reads,
			truthRead{metric: "load", resource: "pods", namespace: ns, object: "*", by: "pod", want: fmt.Sprintf(`load{namespace=%q,%s}`, ns, live)},
			truthRead{metric: "load", resource: "pods", namespace: ns, object: "*", pods: "app=web", by: "pod", want: fmt.Sprintf(`load{namespace=%q,pod=~"web-[123]"}`, ns)},
			truthRead{metric: "rps", resource: "pods", namespace: ns, object: "*", by: "pod", want: fmt.Sprintf(`rate(requests_total{namespace=%q,%s}[1m])`, ns, live)},
			truthRead{metric: "handled", resource: "pods", namespace: ns, object: "*", by: "pod", selector: "handler=b", want: fmt.Sprintf(`sum by (pod) (handled{namespace=%q,%s,handler="b"})`, ns, live)},
			truthRead{metric: "total", resource: deployments, group: apps, namespace: ns, object: "*", by: "app",
				want: fmt.Sprintf(`sum by (app) (label_replace(load{namespace=%q,%s}, "app", "$1", "pod", "(.*)-.*"))`, ns, live)},
			truthRead{metric: "connections", resource: "services", namespace: ns, object: "*", by: "service", want: fmt.Sprintf(`connections{namespace=%q}`, ns)},
			truthRead{metric: "connections", resource: "services", namespace: ns, object: "*", by: "service", selector: "zone=north", want: fmt.Sprintf(`connections{namespace=%q,zone="north"}`, ns)},
			truthRead{metric: "total_or_none", resource: deployments, group: apps, namespace: ns, object: "gone", want: `load{pod="none"}`},
			truthRead{metric: "backlog", resource: "namespaces", object: ns, want: fmt.Sprintf(`sum(ready{namespace=%q})`, ns)},
			truthRead{metric: "ready", resource: "namespaces", object: ns, want: fmt.Sprintf(`sum(ready{namespace=%q} >= 0 or ready{namespace=%q} * NaN)`, ns, ns)},
			truthRead{metric: "ready", namespace: ns, by: "*", want: fmt.Sprintf(`sum by (namespace, queue) (ready{namespace=%q})`, ns)},
			truthRead{metric: "ready_sure", namespace: ns, by: "*", want: fmt.Sprintf(`sum by (namespace, queue) (ready{namespace=%q} == ready)`, ns)},
			truthRead{metric: "ready", namespace: ns, selector: "queue in (a,b)", by: "*", want: fmt.Sprintf(`sum by (namespace, queue) (ready{namespace=%q,queue=~"a|b"})`, ns)},
			truthRead{metric: "ready", namespace: ns, selector: "queue=none", by: "*", want: fmt.Sprintf(`ready{namespace=%q,queue="none"}`, ns)},
			truthRead{metric: "everywhere", namespace: ns, selector: "queue!=a", by: "*", want: `sum by (queue) (ready{queue!="a"})`},
		)
		for _, queue := range []string{"a", "none"} {
			one := fmt.Sprintf(`ready{namespace=%q,queue=%q}`, ns, queue)
			reads = append(reads, or0(truthRead{metric: "ready_or_none", namespace: ns, selector: "queue=" + queue, by: "*",
				want: fmt.Sprintf(`sum by (namespace, queue) (%s) or label_replace(vector(0) unless on () %s, "namespace", %q, "", "")`, one, one, ns)}))
		}
		for _, service := range []string{"web", "api", "none"} {
			reads = append(reads,
				or0(truthRead{metric: "connections_or_none", resource: "services", namespace: ns, object: service, selector: "zone=south", want: fmt.Sprintf(`sum(connections{namespace=%q,service=%q,zone="south"}) or vector(0)`, ns, service)}),
				truthRead{metric: "connections", resource: "services", namespace: ns, object: service, want: fmt.Sprintf(`connections{namespace=%q,service=%q}`, ns, service)},
				truthRead{metric: "connections", resource: "services", namespace: ns, object: service, selector: "zone=south", want: fmt.Sprintf(`connections{namespace=%q,service=%q,zone="south"}`, ns, service)})
		}
		for app, mine := range map[string]string{"web": `pod=~"web-[123]"`, "api": `pod=~"api-[123]"`, "new": `pod="new-1"`} {
			mine = fmt.Sprintf(`namespace=%q,%s`, ns, mine)
			of := truthRead{resource: deployments, group: apps, namespace: ns, object: app}
			with := func(metric, selector, want string) truthRead {
				r := of
				r.metric, r.selector, r.want = metric, selector, want
				return r
			}
			idle := with("p50", "", fmt.Sprintf(`histogram_quantile(0.5, sum by (le) (rate(seconds_bucket{%s}[20s])))`, mine))
			idle.idle = fmt.Sprintf(`sum(rate(seconds_bucket{%s,le="+Inf"}[20s]))`, mine)
			reads = append(reads, idle,
				with("total", "", fmt.Sprintf(`sum(load{%s})`, mine)),
				with("sure", "", fmt.Sprintf(`sum(load{%s} == load)`, mine)),
				or0(with("total_or_none", "", fmt.Sprintf(`sum(load{%s}) or vector(0)`, mine))),
				with("most", "", fmt.Sprintf(`max(load{%s})`, mine)),
				with("mean", "", fmt.Sprintf(`avg(load{%s})`, mine)),
				with("path_total", "", fmt.Sprintf(`sum(sum by (pod) (handled{%s}))`, mine)),
				asking(`sum by (namespace, pod) (handled{path="x"})`, with("path_total", "path=x", fmt.Sprintf(`sum(handled{%s,path="x"})`, mine))),
				asking(`sum by (namespace, pod) (handled{path!="x"})`, with("path_total", "path notin (x)", fmt.Sprintf(`sum(sum by (pod) (handled{%s,path!="x"}))`, mine))),
				with("p90", "", fmt.Sprintf(`histogram_quantile(0.9, sum by (le) (rate(seconds_bucket{%s}[30s])))`, mine)),
			)
		}
	}
	slices.SortFunc(reads, func(a, b truthRead) int { return strings.Compare(a.String(), b.String()) })
	return reads
}

// or0 marks a read of a rule that serves zero for no series.
func or0(r truthRead) truthRead {
	r.orZero = true
	return r
}

func asking(query string, r truthRead) truthRead {
	r.asks = query
	return r
}

// ceiling is the largest value that a rule serves by default.
const ceiling = 1e9

// mix is a number of chance that depends on its arguments alone.
func mix(seed uint64, what ...any) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, append([]any{seed}, what...)...)
	return rand.NewPCG(h.Sum64(), seed).Uint64()
}

// chance is 0…1 by chance.
func chance(seed uint64, what ...any) float64 { return float64(mix(seed, what...)>>11) / (1 << 53) }

// truthDB holds the true samples of an episode, from before begin to its end.
func truthDB(seed uint64, begin time.Time) *promdb.DB {
	db := promdb.New(promdb.Options{Retention: 2 * time.Hour})
	for _, ns := range []string{"shop", "bank"} {
		for _, pod := range []string{"web-1", "web-2", "web-3", "api-1", "api-2", "gone-1"} {
			gauge(db, seed, begin, "__name__", "load", "namespace", ns, "pod", pod)
			gauge(db, seed, begin, "__name__", "traffic", "namespace", ns, "pod", pod, "service", "of-"+pod)
			counter(db, seed, begin, "__name__", "requests_total", "namespace", ns, "pod", pod)
			for _, handler := range []string{"a", "b"} {
				for _, path := range []string{"x", "y", "z"} {
					gauge(db, seed, begin, "__name__", "handled", "namespace", ns, "pod", pod, "handler", handler, "path", path)
				}
			}
			for _, le := range []string{"0.1", "0.5", "2.5", "+Inf"} {
				counter(db, seed, begin, "__name__", "seconds_bucket", "namespace", ns, "pod", pod, "le", le)
			}
		}
		for _, service := range []string{"web", "api"} {
			for _, zone := range []string{"north", "south"} {
				gauge(db, seed, begin, "__name__", "connections", "namespace", ns, "service", service, "zone", zone)
			}
		}
		for _, queue := range []string{"a", "b", "c"} {
			gauge(db, seed, begin, "__name__", "ready", "namespace", ns, "queue", queue)
		}
	}
	return db
}

const truthStep = 3 * time.Second

func each(db *promdb.DB, begin time.Time, pairs []string, value func(step int) float64) {
	series := promlabels.FromStrings(pairs...)
	for step := range int((episodeLength + 2*time.Minute) / truthStep) {
		at := begin.Add(-time.Minute + time.Duration(step)*truthStep)
		if err := db.Append(at, series, value(step)); err != nil {
			panic(err)
		}
	}
}

// gauge appends values that change with every sample, quarters so that sums are
// exact. For half a minute now and then they are of no use, or gone.
func gauge(db *promdb.DB, seed uint64, begin time.Time, pairs ...string) {
	unusable := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, -0.25, 2e9, 1e300, 9.3e18, math.MaxInt64}
	name := fmt.Sprint(pairs)
	// Most series that share a query have to be well for it to have a value.
	often := 0.02
	if pairs[1] == "connections" {
		often = 0.3
	}
	each(db, begin, pairs, func(step int) float64 {
		switch spell := chance(seed, name, "spell", step/10); {
		case spell < often/2:
			return promdb.StaleMarker()
		case spell < often:
			return unusable[mix(seed, name, "sort", step/10)%uint64(len(unusable))]
		}
		if chance(seed, name, "zero", step/4) < 0.05 {
			return 0 // measured
		}
		return float64(mix(seed, name, step)%4000) / 4
	})
}

// counter appends what counts. For half a minute now and then it rests or nearly
// does, together with all others of its namespace, and sometimes it is reset.
func counter(db *promdb.DB, seed uint64, begin time.Time, pairs ...string) {
	pod := fmt.Sprint(pairs[3:6])
	count := 0.0
	each(db, begin, pairs, func(step int) float64 {
		pace := chance(seed, pairs[3], "pace", step/12)
		switch {
		case chance(seed, pod, "reset", step) < 0.01:
			count = 0
		case pace < 0.25: // rest
		case pace < 0.5: // next to nothing
			if step%8 == 0 {
				count++
			}
		default:
			// Wider buckets count more: each bound has its own share.
			count += math.Ceil(float64(mix(seed, pod, step)%50) * bucketShare(pairs))
		}
		return count
	})
}

func bucketShare(pairs []string) float64 {
	shares := map[string]float64{"0.1": 0.2, "0.5": 0.6, "2.5": 0.9}
	if share, ok := shares[pairs[len(pairs)-1]]; ok {
		return share
	}
	return 1
}

func truthPods() *pods.Index {
	var all []pods.Pod
	for _, ns := range []string{"shop", "bank"} {
		for _, name := range []string{"web-1", "web-2", "web-3", "api-1", "api-2", "new-1"} {
			app := name[:3]
			all = append(all, pods.Pod{Namespace: ns, Name: name, Labels: map[string]string{"app": app},
				Owner: pods.Workload{Group: "apps", Resource: "deployments", Name: app}})
		}
	}
	return pods.Static(all...)
}

// An episode is a few minutes of reads under one course of faults.
type episode struct {
	seed     uint64
	db       *promdb.DB
	server   *promtest.Server
	provider *provider.Provider
	rules    *rule.Set
	reads    []truthRead
	asked    []question // by each read
	store    snapshot.Options

	mu     sync.Mutex
	keys   map[string]*keyHistory
	wanted map[wantKey]items
	tally  tally
}

// A keyHistory is what readers did to a query.
type keyHistory struct {
	read time.Time // the last
	born time.Time // the first, or the first after so long that it may have been forgotten
}

type wantKey struct {
	read int
	at   time.Time
}

// items are the numbers of an answer in thousandths; nil where there is none.
type items map[string]int64

func runEpisode(t *testing.T, seed uint64) *tally {
	var result *tally
	synctest.Test(t, func(t *testing.T) {
		e := newEpisode(t, seed)
		store := snapshot.NewStore(e.store)
		defer store.Close()
		e.provider = provider.New(e.rules, provider.Reader{Store: store, Pods: truthPods()}, provider.KnownKinds())
		var all sync.WaitGroup
		for i := range readers {
			all.Go(func() { e.readOn(t, i) })
		}
		all.Wait()
		if n := e.server.Strays(); n > 0 {
			t.Errorf("%d queries followed a redirect", n)
		}
		result = &e.tally
	})
	return result
}

func newEpisode(t *testing.T, seed uint64) *episode {
	rules, err := rule.Load(rule.File{Name: "truth.yaml", Text: []byte(truthRules)})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	e := &episode{
		seed: seed, db: truthDB(seed, begin), rules: rules, reads: truthReads(),
		keys: map[string]*keyHistory{}, wanted: map[wantKey]items{},
	}
	e.asked = e.questions()
	e.server = promtest.New(promtest.Options{Truth: e.db, Script: e.script, Down: e.down, Seed: seed})
	t.Cleanup(e.server.Close)
	client, err := promapi.New(promapi.Config{
		URL: promtest.URL, Dial: e.server.Dial, MaxResponseBytes: 128 << 10,
		HTTP: config.HTTPClientConfig{FollowRedirects: true}, // not followed all the same
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	e.store = snapshot.Options{
		Backends: map[string]snapshot.Backend{"main": snapshot.Backend{Querier: client}.Default()},
		Interval: time.Duration(5+mix(seed, "interval")%11) * time.Second,
		Linger:   time.Duration(20+mix(seed, "linger")%100) * time.Second,
		Jitter: func(d time.Duration) time.Duration {
			return d - time.Duration(chance(seed, "jitter", time.Now().UnixNano())*float64(d)/20)
		},
		Concurrency: []int64{4, 100}[mix(seed, "concurrency")%2],
	}.Default()
	return e
}

// questions returns what each read asks of the backend.
func (e *episode) questions() []question {
	var questions []question
	for _, r := range e.reads {
		i := slices.IndexFunc(e.rules.Rules, func(one *rule.Rule) bool { return one.Metric == r.metric })
		expr := e.rules.Rules[i].Expr()
		q := question{query: expr.String(), windowed: expr.Window() > 0}
		if r.asks != "" {
			q.query = r.asks
		}
		questions = append(questions, q)
	}
	return questions
}

// A question is PromQL, and whether it looks back over a window.
type question struct {
	query    string
	windowed bool
}

func custom(resource, group, metric string) metrics.CustomMetricInfo {
	return metrics.CustomMetricInfo{GroupResource: schema.GroupResource{Group: group, Resource: resource}, Namespaced: resource != "namespaces", Metric: metric}
}

func parseSelector(text string) labels.Selector {
	s, err := labels.Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

// script decides what happens to a query. Some episodes have bad weather.
func (e *episode) script(r promtest.Request) promtest.Fault {
	about := func(what string) float64 { return chance(e.seed, what, r.Query, r.N) }
	var f promtest.Fault
	switch d := about("delay"); {
	case d < 0.5:
	case d < 0.95:
		f.Delay = time.Duration(about("how long") * 3e9)
	default:
		f.Delay = time.Duration(about("how long") * 13e9)
	}
	skews := []time.Duration{-time.Hour, -5 * time.Minute, 5 * time.Minute, time.Hour}
	if n := int(about("skew") * 16); n < len(skews) {
		f.Skew = skews[n]
	}
	weather := []float64{0.05, 0.3, 0.7}[e.seed%3]
	if about("fault") < weather {
		f.Kind = e.harm(r, about("kind"))
	}
	return f
}

// harm chooses a kind. It leaves out those that make a true answer to another
// question: of an External rule every series counts, buckets that are all equal
// are a histogram, and a rule may serve zero for NaN.
func (e *episode) harm(r promtest.Request, x float64) promtest.Kind {
	kinds := promtest.Kinds()
	kind := kinds[int(x*float64(len(kinds)))]
	external, buckets := strings.Contains(r.Query, "queue"), strings.Contains(r.Query, "_bucket")
	switch kind {
	case promtest.Ambiguous:
		if external || buckets {
			return promtest.Duplicate
		}
	case promtest.Negative, promtest.Overflow:
		if buckets {
			return promtest.NotANumber
		}
	case promtest.NotANumber:
		if strings.HasPrefix(r.Query, "min by") { // a rule with onNaN: zero
			return promtest.Infinite
		}
	}
	return kind
}

// down closes the port for ten seconds now and then.
func (e *episode) down(at time.Time) bool {
	return chance(e.seed, "down", at.Unix()/10) < []float64{0, 0.1, 0.3}[e.seed%3]
}

// readOn makes a reader's share of the reads at times of chance.
func (e *episode) readOn(t *testing.T, reader int) {
	rng := rand.New(rand.NewPCG(e.seed, uint64(reader)))
	const reads = readsPerEpisode / readers
	for n := range reads {
		time.Sleep(time.Duration(rng.Int64N(int64(2 * episodeLength / reads))))
		i := rng.IntN(len(e.reads))
		began := time.Now()
		born := e.noteRead(e.asked[i].query, began)
		got, at, err := e.read(t.Context(), e.reads[i])
		ended := time.Now()
		// Nothing moves at one instant of virtual time any more once it is over:
		// the server has noted by now what it answered.
		time.Sleep(time.Nanosecond)
		e.judge(t, i, observation{began: began, ended: ended, born: born, got: got, at: at, err: err}, n*readers+reader)
	}
}

// noteRead returns since when the query is being kept fresh, at the latest.
func (e *episode) noteRead(query string, now time.Time) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	h, ok := e.keys[query]
	if !ok {
		h = &keyHistory{born: now}
		e.keys[query] = h
	} else if now.Sub(h.read) > e.store.Linger {
		h.born = now
	}
	h.read = now
	return h.born
}

// read reads through the provider. It returns the items and their timestamp.
func (e *episode) read(ctx context.Context, r truthRead) (items, time.Time, error) {
	selector := parseSelector(r.selector)
	got := items{}
	var at time.Time
	switch {
	case r.resource == "":
		list, err := e.provider.GetExternalMetric(ctx, r.namespace, selector, metrics.ExternalMetricInfo{Metric: r.metric})
		if err != nil {
			return nil, at, err
		}
		for _, item := range list.Items {
			got[promlabels.FromMap(item.MetricLabels).String()] = item.Value.MilliValue()
			at = item.Timestamp.Time
		}
	case r.object == "*":
		list, err := e.provider.GetMetricBySelector(ctx, r.namespace, parseSelector(r.pods), custom(r.resource, r.group, r.metric), selector)
		if err != nil {
			return nil, at, err
		}
		for _, item := range list.Items {
			got[item.DescribedObject.Name] = item.Value.MilliValue()
			at = item.Timestamp.Time
		}
	default:
		value, err := e.provider.GetMetricByName(ctx, types.NamespacedName{Namespace: r.namespace, Name: r.object}, custom(r.resource, r.group, r.metric), selector)
		if err != nil {
			return nil, at, err
		}
		got[""], at = value.Value.MilliValue(), value.Timestamp.Time
	}
	return got, at, nil
}

// An observation is what a read came to.
type observation struct {
	began, ended time.Time
	born         time.Time
	got          items
	at           time.Time
	err          error
}

// judge holds a read against what it may have come to.
func (e *episode) judge(t *testing.T, i int, o observation, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if took := o.ended.Sub(o.began); took > 2*time.Second {
		t.Errorf("%s took %s", e.reads[i], took)
	}
	e.tally.note(o, n)
	if o.err != nil {
		if problem := notATypedError(o.err); problem != "" {
			t.Errorf("%s: %s: %v", e.reads[i], problem, o.err)
		}
	}
	usable, must := e.usable(i, o)
	for _, a := range usable {
		if e.fits(t, i, a, o) {
			return
		}
	}
	if o.err != nil && !must {
		return
	}
	t.Errorf("%s\n read at %s: %v of %s, %v\n could have used: %s", e.reads[i], clock(o.ended), o.got, clock(o.at), o.err, e.explain(t, i, usable))
}

// fits reports whether a read came to what an answer says.
func (e *episode) fits(t *testing.T, i int, a promtest.Answer, o observation) bool {
	if !a.Fault.Kind.True() && o.err != nil {
		return true
	}
	want := e.want(t, i, a.Arrived)
	if !a.Fault.Kind.True() && !want.none(e.reads[i]) {
		return false // all its values are wrong
	}
	return maps.Equal(want, o.got) && (want == nil || a.At.UnixMilli() == o.at.UnixMilli())
}

// none reports whether items are the zero that a read comes to for no series,
// which no fault of the values can change.
func (m items) none(r truthRead) bool {
	for _, v := range m {
		if v != 0 {
			return false
		}
	}
	return r.orZero && len(m) == 1
}

// usable returns the answers that a read may have used, and whether it must
// have used one of them. The newest that had come in before the read counts,
// and those that came in during it. Of a query with a window older ones do too:
// after an outage the store waits until its window is full again.
func (e *episode) usable(i int, o observation) (usable []promtest.Answer, must bool) {
	slack := time.Duration(0)
	if e.store.Concurrency < int64(len(e.reads)) {
		slack = e.store.Backends["main"].Timeout // a query may have waited before it was sent
	}
	var newest *promtest.Answer
	for _, a := range e.server.Answers(e.asked[i].query) {
		switch age := o.ended.Sub(a.Arrived); {
		case !a.Fault.Kind.WellFormed(), a.Done.IsZero(), a.Done.After(o.ended), age > e.store.MaxAge:
		case !a.Done.Before(o.began) || e.asked[i].windowed:
			usable = append(usable, a)
		default:
			newest = &a
			must = age <= e.store.MaxAge-slack && !a.Arrived.Before(o.born)
		}
	}
	if newest != nil {
		usable = append(usable, *newest)
	}
	return usable, must
}

// want is what a read should come to with the truth at a time.
func (e *episode) want(t *testing.T, i int, at time.Time) items {
	key := wantKey{read: i, at: at}
	want, known := e.wanted[key]
	if !known {
		want = e.reads[i].evaluate(t, e.db, at)
		e.wanted[key] = want
	}
	return want
}

// evaluate is nil where no number may be served.
func (r truthRead) evaluate(t *testing.T, db *promdb.DB, at time.Time) items {
	vector, err := db.Query(t.Context(), r.want, at)
	if err != nil {
		t.Fatalf("%s: %v", r.want, err)
	}
	want, seen := items{}, map[string]bool{}
	for _, s := range vector.Samples {
		value := s.Value
		if r.idle != "" && r.isIdle(t, db, at) {
			value = 0
		}
		item := r.item(s.Labels)
		switch {
		case seen[item]:
			return nil // two series where one is meant
		case math.IsNaN(value) && r.object == "*":
			// one object without a number among others
		case math.IsNaN(value), value < 0, value > ceiling:
			return nil
		default:
			want[item] = int64(math.Round(value * 1000))
		}
		seen[item] = true
	}
	if len(want) == 0 {
		return nil
	}
	return want
}

func (r truthRead) isIdle(t *testing.T, db *promdb.DB, at time.Time) bool {
	vector, err := db.Query(t.Context(), r.idle, at)
	if err != nil {
		t.Fatalf("%s: %v", r.idle, err)
	}
	return len(vector.Samples) == 1 && vector.Samples[0].Value == 0
}

func (r truthRead) item(series promlabels.Labels) string {
	if r.by == "*" {
		return series.String()
	}
	return series.Get(r.by)
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") }

func (e *episode) explain(t *testing.T, i int, usable []promtest.Answer) string {
	var b strings.Builder
	for _, a := range usable {
		fmt.Fprintf(&b, "\n  %s answer, asked %s, answered %s, dated %s: %v", a.Fault.Kind, clock(a.Arrived), clock(a.Done), clock(a.At), e.want(t, i, a.Arrived))
	}
	return b.String()
}

// notATypedError says what is wrong with the form of an error.
func notATypedError(err error) string {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		return "not a Status"
	}
	s := known.Status()
	switch {
	case s.Details == nil || len(s.Details.Causes) == 0:
		return "a Status without a cause"
	case s.Details.RetryAfterSeconds != 0:
		return "a Status that asks for a retry"
	case s.Code != http.StatusNotFound && s.Code != http.StatusUnprocessableEntity && s.Code != http.StatusServiceUnavailable:
		return "an unexpected code"
	}
	return ""
}

// A tally counts what reads came to.
type tally struct {
	mu      sync.Mutex
	reads   int
	numbers int
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
	for cause, n := range other.causes {
		y.count(cause, n)
	}
}

func (y *tally) String() string {
	return fmt.Sprintf("%d reads, %d with numbers, errors %v", y.reads, y.numbers, y.causes)
}

// wantVariety fails where the generator misses what it is for.
func (y *tally) wantVariety(t *testing.T) {
	if y.numbers < y.reads/5 || y.numbers > y.reads*4/5 {
		t.Errorf("%d of %d reads gave numbers", y.numbers, y.reads)
	}
	for _, cause := range []string{"unavailable", "empty", "not-a-number", "ambiguous", "negative", "out-of-range", "idle"} {
		if y.causes[cause] < 20 {
			t.Errorf("only %d reads ended as %s", y.causes[cause], cause)
		}
	}
}
