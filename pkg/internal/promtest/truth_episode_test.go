package promtest_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	metrics "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promtest"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// An episode is a few minutes of reads under one course of faults.
type episode struct {
	seed     uint64
	db       *promdb.DB
	nothing  *promdb.DB // no series but what proves that
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
		seed: seed, db: truthDB(seed, begin), nothing: proofs(seed, begin), rules: rules, reads: truthReads(),
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
		// Of each key its own, so that no two are ever asked at one instant: which of
		// them were first would be the scheduler's choice.
		Jitter: func(key snapshot.Key, d time.Duration) time.Duration {
			return d - time.Duration(chance(seed, "jitter", key, time.Now().UnixNano())*float64(d)/20)
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
		if r.asks != "" {
			var err error
			if expr, err = promexpr.Parse(r.asks); err != nil {
				panic(err)
			}
		}
		times := expr.SampleTimes()
		q := question{query: expr.String(), windowed: expr.Window() > 0, times: times.Query, optional: times.Optional}
		if proof := e.rules.Rules[i].Proof(); proof != nil {
			q.proof = proof.String()
		}
		questions = append(questions, q)
	}
	return questions
}

// A question is PromQL, whether it looks back over a window, and what is asked
// beside it.
type question struct {
	query    string
	windowed bool
	times    string
	optional bool   // whether a value needs a time
	proof    string // "" where there is none
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
	external, buckets := strings.Contains(r.Query, "queue") || strings.Contains(r.Query, "by (namespace) (pushed)"), strings.Contains(r.Query, "_bucket")
	switch kind {
	case promtest.Repeated, promtest.Outdated:
		return promtest.Healthy // what is wrong with these is their age
	case promtest.Absent:
		if strings.HasPrefix(r.Query, "sum by (queue)") { // all namespaces count
			return promtest.Empty
		}
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
