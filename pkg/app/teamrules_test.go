package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// A ConfigMap of the cluster is served in its namespace, for as long as a backend is
// open to it.
func TestServeTheRulesOfTeams(t *testing.T) {
	prometheus := httptest.NewServer(queryAPI(t))
	t.Cleanup(prometheus.Close)
	kube, kubeconfig := newFakeKube(t)
	kube.come(t)
	config := filepath.Join(t.TempDir(), "pitot.yaml")
	closed := configText(prometheus.URL, "ready: ready")
	open := strings.Replace(closed, "{name: main,", "{name: main, teams: true,", 1)
	write(t, config, open)
	p := startServing(t, "--config", config, "--kubeconfig", kubeconfig, "--bind-address", "127.0.0.1",
		"--authentication-skip-lookup", "--shutdown-delay-duration", "0s", "--team-rules")
	within(t, "readiness", func() bool { code, _ := p.get(t, "/readyz"); return code == http.StatusOK })

	const mine, others = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/mine", "/apis/external.metrics.k8s.io/v1beta1/namespaces/other/mine"
	within(t, "the load of the namespace, and nothing of the other", func() bool {
		code, body := p.get(t, mine)
		return code == http.StatusOK && strings.Contains(body, `"value":"19346m"`)
	})
	if code, body := p.get(t, others); code != http.StatusNotFound || !strings.Contains(body, "no rule has this name") {
		t.Errorf("in another namespace: %d %s", code, body)
	}
	if code, body := p.get(t, "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/wrong"); code != http.StatusServiceUnavailable || !strings.Contains(body, "shop/web/rules.yaml:5:42: rule \\\"wrong\\\"") {
		t.Errorf("a broken rule: %d %s", code, body)
	}

	var status statusReport
	_, body := p.get(t, "/statusz?format=json")
	if err := json.Unmarshal([]byte(body), &status); err != nil || status.Teams == nil || len(status.Teams.ConfigMaps) != 1 {
		t.Fatalf("/statusz: %v %s", err, body)
	}
	web := status.Teams.ConfigMaps[0]
	if web.Namespace != "shop" || len(web.Rules) != 1 || web.Rules[0].Query != `sum(load{namespace="shop"})` || len(web.Problems) == 0 {
		t.Errorf("/statusz of the ConfigMap: %+v", web)
	}
	if i := slices.IndexFunc(status.Queries, func(q statusQuery) bool { return q.Backend == "main/shop" }); i < 0 || status.Queries[i].Query != web.Rules[0].Query {
		t.Errorf("/statusz of the queries: %+v", status.Queries)
	}
	if _, text := p.get(t, "/statusz"); !strings.Contains(text, "\nConfigMaps of teams: 1\nshop/web") {
		t.Errorf("/statusz as text: %s", text)
	}
	if _, metrics := p.get(t, "/metrics"); strings.Contains(metrics, "main/shop") || !strings.Contains(metrics, `"main/*"`) {
		t.Error("/metrics tell teams apart")
	}

	write(t, config, closed)
	within(t, "nothing of a backend that is closed", func() bool { code, _ := p.get(t, mine); return code != http.StatusOK })
	write(t, config, open)
	within(t, "and all when it is open again", func() bool { code, _ := p.get(t, mine); return code == http.StatusOK })
}

func TestTeamsAreCountedAsOne(t *testing.T) {
	for _, c := range []struct{ name, backend, metric, want string }{
		{"the operator's", "main", "load", "main load"},
		{"a team's", "main/shop", "load", "main/* "},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := countedRefresh(snapshot.Observation{Key: snapshot.Key{Backend: c.backend, Metric: c.metric}, Elapsed: time.Second})
			if got := o.Key.Backend + " " + o.Key.Metric; got != c.want || o.Elapsed != time.Second {
				t.Errorf("counted as %s, want %s", got, c.want)
			}
		})
	}
}

func TestThePageOfTeamRulesShowsTheExample(t *testing.T) {
	if !strings.Contains(readText(t, repository+"/docs/team-rules.md"), "```yaml\n"+readText(t, repository+"/examples/team-rules.yaml")+"```\n") {
		t.Error("docs/team-rules.md does not show examples/team-rules.yaml as it is")
	}
}
