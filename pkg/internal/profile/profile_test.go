package profile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// rulesOf loads rules on a backend called main.
func rulesOf(t *testing.T, fields ...string) []*rule.Rule {
	t.Helper()
	text := "apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends: [{name: main, url: http://localhost:9090}]\nrules:\n"
	for _, one := range fields {
		text += "- {" + one + "}\n"
	}
	set, err := rule.Load(rule.File{Name: "rules", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules
}

func requests(t *testing.T) []*rule.Rule {
	return rulesOf(t, `metric: requests, type: Pods, query: "sum by (namespace, pod) (requests)"`)
}

// store fills a database with samples of now.
func store(t *testing.T, series ...string) *promdb.DB {
	t.Helper()
	db := promdb.New(promdb.Options{})
	put(t, db, series...)
	return db
}

func put(t *testing.T, db *promdb.DB, series ...string) {
	t.Helper()
	for _, text := range series {
		pairs := []string{}
		for _, pair := range strings.Fields(text) {
			name, value, found := strings.Cut(pair, "=")
			if !found {
				name, value = "__name__", pair
			}
			pairs = append(pairs, name, value)
		}
		if err := db.Append(time.Now(), labels.FromStrings(pairs...), 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProbe(t *testing.T) {
	for _, test := range []struct {
		name   string
		series []string
		want   string
	}{
		{"the operator's labels", []string{"requests namespace=shop pod=a", "requests namespace=shop pod=b"},
			"prometheus-operator: 2 of 2 series of its rules have namespace"},
		{"those of annotations", []string{"requests kubernetes_namespace=shop kubernetes_pod_name=a"},
			"legacy-annotations: 1 of 1 series of its rules have kubernetes_namespace"},
		{"OpenTelemetry's", []string{"requests k8s_namespace_name=shop k8s_pod_name=a", "up job=prometheus"},
			"otel: 1 of 1 series of its rules have k8s_namespace_name"},
		{"the target's come first where ways are mixed", []string{"requests k8s_namespace_name=shop", "requests kubernetes_namespace=shop", "requests namespace=shop"},
			"prometheus-operator: 1 of 3 series of its rules have namespace"},
		{"a forged namespace decides nothing where targets have another", []string{"requests kubernetes_namespace=dev namespace=shop", "requests kubernetes_namespace=shop"},
			"legacy-annotations: 1 of 2 series of its rules have kubernetes_namespace"},
		{"a forged attribute decides nothing", []string{"requests namespace=dev k8s_namespace_name=shop", "requests namespace=shop"},
			"prometheus-operator: 1 of 2 series of its rules have namespace"},
		{"what is exported is never taken", []string{"requests namespace=monitoring exported_namespace=shop"},
			"prometheus-operator: 1 of 1 series of its rules have namespace"},
		{"no series yet: the targets tell", []string{"up kubernetes_namespace=shop", "up job=nodes"},
			"legacy-annotations: 1 of 2 scrape targets have kubernetes_namespace"},
		{"series of nobody's namespace", []string{"requests job=web", "up job=web"},
			"prometheus-operator: nothing speaks for another, so far"},
		{"an empty server", nil, "it has neither series of its rules nor scrape targets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := show(Probe(t.Context(), store(t, test.series...), requests(t))); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func show(f Finding) string {
	switch {
	case f.Err != nil:
		return f.Err.Error()
	case f.Open:
		return fmt.Sprintf("%s: %s, so far", f.Profile, f.Why)
	}
	return fmt.Sprintf("%s: %s", f.Profile, f.Why)
}

func TestProbeLeavesRulesAloneThatKnowTheLabels(t *testing.T) {
	db := store(t, "requests k8s_namespace_name=shop k8s_pod_name=a")
	rules := rulesOf(t, `metric: requests, type: External, query: "sum by (namespace) (label_replace(requests, \"namespace\", \"$1\", \"k8s_namespace_name\", \"(.+)\"))"`)
	if got, want := show(Probe(t.Context(), db, rules)), "prometheus-operator: the rule requests names k8s_namespace_name itself"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTheTargetsTellWhereThereAreNoRules: those of teams come and go.
func TestTheTargetsTellWhereThereAreNoRules(t *testing.T) {
	db := store(t, "up kubernetes_namespace=shop", "requests namespace=shop")
	if got, want := show(Probe(t.Context(), db, nil)), "legacy-annotations: 1 of 1 scrape targets have kubernetes_namespace"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheProbeFindsNamesThatAreNoIdentifiers(t *testing.T) {
	rules := rulesOf(t, `metric: m, type: External, query: 'sum by (namespace) ({"http.requests|x"})'`)
	db := store(t, "http.requests|x k8s_namespace_name=shop", "httpXrequests namespace=shop", "x namespace=shop")
	if got := Probe(t.Context(), db, rules).Profile; got.Name != "otel" {
		t.Errorf("found %s", got)
	}
}

// TestEveryProfileAnswersInTheWordsOfRules asks for what was renamed.
func TestEveryProfileAnswersInTheWordsOfRules(t *testing.T) {
	for _, p := range []rule.Profile{
		rule.Operator, rule.LegacyAnnotations, rule.OTel, rule.Exported,
		{Name: "custom", Labels: map[string]string{"namespace": "team", "pod": "instance"}},
	} {
		t.Run(p.Name, func(t *testing.T) {
			db := store(t,
				fmt.Sprintf("requests %s=shop %s=a job=web", p.Label("namespace"), p.Label("pod")),
				fmt.Sprintf("requests %s=other %s=a job=web", p.Label("namespace"), p.Label("pod")))
			b := New(db, p, nil)
			defer b.Close()
			for query, want := range map[string]string{
				`sum by (namespace, pod) (requests{namespace="shop"})`: `{namespace="shop", pod="a"}`,
				`requests{namespace="shop"}`:                           `{__name__="requests", job="web", namespace="shop", pod="a"}`,
				`max by (namespace) (timestamp(requests{pod="a"}))`:    `{namespace="other"} {namespace="shop"}`,
			} {
				vector, err := b.Query(t.Context(), query, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, s := range vector.Samples {
					got = append(got, s.Labels.String())
				}
				slices.Sort(got)
				if got := strings.Join(got, " "); got != want {
					t.Errorf("%s (%s) answers %s, want %s", query, b.Text(query), got, want)
				}
			}
		})
	}
}

// A flaky backend answers when it is up.
type flaky struct {
	*promdb.DB
	mu    sync.Mutex
	err   error
	asked int
}

func (f *flaky) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.err != nil {
		return instant.Vector{}, f.err
	}
	return f.DB.Query(ctx, expr, at)
}

func (f *flaky) set(err error) { f.mu.Lock(); defer f.mu.Unlock(); f.err = err }

func (f *flaky) probes() int { f.mu.Lock(); defer f.mu.Unlock(); return f.asked }

func TestUntilTheLabelsAreKnownEveryQueryIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &flaky{DB: promdb.New(promdb.Options{}), err: errors.New("connection refused")}
		b := New(backend, rule.Auto, requests(t))
		defer b.Close()
		ask := func() string {
			v, err := b.Query(t.Context(), `sum by (namespace, pod) (requests)`, time.Time{})
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(len(v.Samples))
		}
		const undecided = "which labels its series have for namespaces is not known yet: "
		if got := ask(); got != undecided+"connection refused" {
			t.Errorf("while it is down: %s", got)
		}
		backend.set(nil)
		time.Sleep(retryAfter + time.Second)
		if got := ask(); got != undecided+"it has neither series of its rules nor scrape targets" {
			t.Errorf("while it is empty: %s", got)
		}
		put(t, backend.DB, "requests kubernetes_namespace=shop kubernetes_pod_name=a")
		time.Sleep(retryAfter + time.Second)
		if got := ask(); got != "1" {
			t.Errorf("once there is a series: %s", got)
		}
		asked := backend.probes()
		put(t, backend.DB, "requests namespace=shop pod=a")
		time.Sleep(time.Hour)
		if backend.probes() != asked || b.Finding().Profile.Name != "legacy-annotations" {
			t.Errorf("it goes on probing: %+v", b.Finding())
		}
	})
}

func TestWhatNothingSpeaksForIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := store(t, "up job=static")
		b := New(db, rule.Auto, requests(t))
		defer b.Close()
		if _, err := b.Query(t.Context(), "requests", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if f := b.Finding(); !f.Open {
			t.Errorf("it is decided: %+v", f)
		}
		put(t, db, "requests k8s_namespace_name=shop")
		time.Sleep(againAfter + time.Second)
		if f := b.Finding(); f.Open || f.Profile.Name != "otel" {
			t.Errorf("it is still %+v", f)
		}
	})
}

func TestNobodyWaitsForAProbeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(hanging{}, rule.Auto, requests(t))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Query(ctx, "requests", time.Time{})
		if undecided, ok := errors.AsType[*UndecidedError](err); !ok || !errors.Is(undecided, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := b.Finding().Err; err == nil {
			t.Error("it is known")
		}
		b.Close()
	})
}

type hanging struct{}

func (hanging) Query(ctx context.Context, _ string, _ time.Time) (instant.Vector, error) {
	<-ctx.Done()
	return instant.Vector{}, ctx.Err()
}

// TestAForgedNamespaceStaysInItsOwn scrapes a page that claims to speak of another
// namespace, under every profile that has labels of targets.
func TestAForgedNamespaceStaysInItsOwn(t *testing.T) {
	for _, test := range []struct {
		profile rule.Profile
		honor   bool
		want    []string
	}{
		{rule.Operator, false, []string{"dev/web-1 1000", "shop/web-1 7"}},
		{rule.LegacyAnnotations, false, []string{"dev/web-1 1000", "shop/web-1 7"}},
		{rule.LegacyAnnotations, true, []string{"shop/web-1 1007"}}, // kubernetes_namespace is on the page, too
		// Prometheus itself believes it: the series say the same and cannot be told
		// apart. docs/configuration.md says so.
		{rule.Operator, true, []string{"shop/web-1 1007"}},
	} {
		t.Run(fmt.Sprintf("%s, honor_labels %t", test.profile, test.honor), func(t *testing.T) {
			page := func(text string) string {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
				t.Cleanup(server.Close)
				return server.URL
			}
			target := func(job, namespace, pod, text string) promdb.Target {
				return promdb.Target{URL: page(text), HonorLabels: test.honor, Labels: labels.FromStrings(
					"job", job, test.profile.Label("namespace"), namespace, test.profile.Label("pod"), pod)}
			}
			own := ""
			if test.profile.Label("namespace") != "namespace" {
				own = `,kubernetes_namespace="shop",kubernetes_pod_name="web-1"`
			}
			db := promdb.New(promdb.Options{})
			scraper, err := promdb.NewScraper(db, promdb.ScrapeOptions{},
				target("honest", "shop", "web-1", "requests 7\n"),
				target("forged", "dev", "web-1", `requests{namespace="shop",pod="web-1"`+own+`} 1000`+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range scraper.Scrape(t.Context()) {
				if one.Err != nil {
					t.Fatal(one.Err)
				}
			}
			b := New(db, test.profile, nil)
			defer b.Close()
			vector, err := b.Query(t.Context(), "sum by (namespace, pod) (requests)", time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range vector.Samples {
				got = append(got, fmt.Sprintf("%s/%s %g", s.Labels.Get("namespace"), s.Labels.Get("pod"), s.Value))
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
