package promtest_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

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
	// sampled is PromQL of when the newest sample behind the value was taken; ""
	// where every sample is young.
	sampled string
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
		proved := fmt.Sprintf(`0 * (max(probe{namespace=%q}) == 1)`, ns)
		pushed := fmt.Sprintf(`sum(pushed{namespace=%q})`, ns)
		reads = append(reads,
			or0(truthRead{metric: "ready_proved", namespace: ns, selector: "queue=none", by: "*", want: fmt.Sprintf(`label_replace(%s, "namespace", %q, "", "")`, proved, ns)}),
			or0(truthRead{metric: "ready_proved", resource: "namespaces", object: ns, selector: "queue=a", want: fmt.Sprintf(`sum(ready{namespace=%q,queue="a"}) or %s`, ns, proved)}),
			or0(truthRead{metric: "connections_proved", resource: "services", namespace: ns, object: "web", selector: "zone=south", want: fmt.Sprintf(`sum(connections{namespace=%q,service="web",zone="south"}) or %s`, ns, proved)}),
			truthRead{metric: "pushed", namespace: ns, by: "*", want: fmt.Sprintf(`sum by (namespace) (pushed{namespace=%q})`, ns), sampled: fmt.Sprintf(`max(timestamp(pushed{namespace=%q}))`, ns)},
			truthRead{metric: "pushed", resource: "namespaces", object: ns, want: pushed, sampled: fmt.Sprintf(`max(timestamp(pushed{namespace=%q}))`, ns)},
			truthRead{metric: "pushed_pod", resource: "pods", namespace: ns, object: "web-1", want: fmt.Sprintf(`pushed{namespace=%q}`, ns), sampled: fmt.Sprintf(`max(timestamp(pushed{namespace=%q}))`, ns)},
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
		probe(db, seed, begin, ns)
		push(db, seed, begin, "__name__", "pushed", "namespace", ns, "pod", "web-1")
		for _, queue := range []string{"a", "b", "c"} {
			gauge(db, seed, begin, "__name__", "ready", "namespace", ns, "queue", queue)
		}
	}
	return db
}

const truthStep = 3 * time.Second

func each(db *promdb.DB, begin time.Time, pairs []string, value func(step int) float64) {
	series := promlabels.FromStrings(pairs...)
	for step := range steps {
		if err := db.Append(stepTime(begin, step), series, value(step)); err != nil {
			panic(err)
		}
	}
}

const steps = int((episodeLength + 2*time.Minute) / truthStep)

func stepTime(begin time.Time, step int) time.Time {
	return begin.Add(-time.Minute + time.Duration(step)*truthStep)
}

// probe appends 1 and, for half a minute now and then, 0 or nothing.
func probe(db *promdb.DB, seed uint64, begin time.Time, namespace string) {
	each(db, begin, []string{"__name__", "probe", "namespace", namespace}, func(step int) float64 {
		switch spell := chance(seed, namespace, "probe", step/10); {
		case spell < 0.2:
			return 0
		case spell < 0.4:
			return promdb.StaleMarker()
		}
		return 1
	})
}

// proofs holds the probes alone.
func proofs(seed uint64, begin time.Time) *promdb.DB {
	db := promdb.New(promdb.Options{Retention: 2 * time.Hour})
	for _, ns := range []string{"shop", "bank"} {
		probe(db, seed, begin, ns)
	}
	return db
}

// push appends values that now and then stop for a minute and a half, without a
// marker that tells.
func push(db *promdb.DB, seed uint64, begin time.Time, pairs ...string) {
	series := promlabels.FromStrings(pairs...)
	for step := range steps {
		if chance(seed, fmt.Sprint(pairs), "silent", step/30) < 0.4 {
			continue
		}
		if err := db.Append(stepTime(begin, step), series, float64(mix(seed, "pushed", step)%4000)/4); err != nil {
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
