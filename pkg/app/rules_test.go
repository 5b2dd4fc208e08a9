package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A teamsKube is as much of a cluster as "pitot rules" asks: answers by path, and
// what is not there is forbidden.
type teamsKube map[string]string

func (k teamsKube) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer, ok := k[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "%s is forbidden"}`, r.URL.Path)
		return
	}
	if strings.Contains(answer, `"kind": "Status"`) {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprint(w, answer)
}

const (
	shopConfigMaps = "/api/v1/namespaces/shop/configmaps"
	shopEvents     = "/api/v1/namespaces/shop/events"
	ordersPath     = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/orders"
	requestsPath   = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/requests"
)

// configMapList is a list of one ConfigMap of the namespace shop.
func configMapList(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": [
		{"metadata": {"namespace": "shop", "name": "web", "labels": {"pitot.dev/rules": "true"}}, "data": {"r.yaml": %s}}]}`, quoted)
}

const twoRules = `apiVersion: pitot.dev/v1alpha1
kind: Config
rules:
- {metric: orders, type: External, query: sum(orders)}
- {metric: requests, type: Pods, query: 'sum by (namespace, pod) (rate(requests[2m]))'}
`

func TestRules(t *testing.T) {
	event := func(reason, message, seen string) string {
		return fmt.Sprintf(`{"metadata": {"namespace": "shop", "name": %q}, "involvedObject": {"kind": "ConfigMap", "name": "web"}, "reason": %q, "message": %q, "lastTimestamp": %q}`,
			"web."+seen[17:19], reason, message, seen)
	}
	events := func(all ...string) string {
		return `{"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": [` + strings.Join(all, ",") + `]}`
	}
	orders := `{"items": [{"metricName": "orders", "metricLabels": {}, "value": "12500m"}]}`
	requests := `{"items": [{"describedObject": {"name": "web-0"}, "value": "3"}, {"describedObject": {"name": "web-1"}, "value": "4500m"}]}`
	for _, c := range []struct {
		name string
		kube teamsKube
		code int
		want string
	}{
		{"all is well", teamsKube{
			shopConfigMaps: configMapList(t, twoRules), ordersPath: orders, requestsPath: requests,
			shopEvents: events(event("RuleBroken", "1 problem", "2026-01-01T00:00:10Z"), event("RulesLoaded", "2 rules", "2026-01-01T00:00:20Z"), event("Other", "x", "2026-01-01T00:00:30Z")),
		}, 0, `METRIC    TYPE      OF          READS           AT
orders    External  namespaces  12.5            shop/web/r.yaml:4:3
requests  Pods      pods        3 to 4.5, of 2  shop/web/r.yaml:5:3

events:
  2026-01-01T00:00:20Z web: RulesLoaded (2 rules)
`},
		{"without the right to more than ConfigMaps", teamsKube{shopConfigMaps: configMapList(t, twoRules)}, 0, `METRIC    TYPE      OF          READS  AT
orders    External  namespaces  -      shop/web/r.yaml:4:3
requests  Pods      pods        -      shop/web/r.yaml:5:3

not seen:
  what Pitot said of the ConfigMaps: /api/v1/namespaces/shop/events is forbidden
  what the rules read: /apis/external.metrics.k8s.io/v1beta1/namespaces/shop/orders is forbidden
`},
		{"a mistake, and a metric that is not served", teamsKube{
			shopConfigMaps: configMapList(t, strings.Replace(twoRules, "[2m]", "[2m", 1)), shopEvents: events(),
			ordersPath: `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "metric \"orders\": no rule has this name", "details": {"causes": [{"reason": "unknown-metric"}]}}`,
		}, 3, `METRIC  TYPE      OF          READS     AT
orders  External  namespaces  no value  shop/web/r.yaml:4:3

problems:
  shop/web/r.yaml:5:83: rule "requests": field "query": unexpected ")" in subquery or range, expected ":" or "]"
  shop/web/r.yaml:5:85: rule "requests": field "query": unclosed left bracket

no value:
  metric "orders": no rule has this name (hint: the rule is right and Pitot does not serve it: does it run with --team-rules, and may it list the ConfigMaps of this namespace?)
`},
		{"no ConfigMap", teamsKube{shopConfigMaps: `{"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": []}`, shopEvents: events()}, 0,
			"no ConfigMap of namespace \"shop\" is labelled pitot.dev/rules=true\n"},
		{"no right at all", teamsKube{}, 1, "pitot: /api/v1/namespaces/shop/configmaps is forbidden (hint: grant get and list on configmaps in namespace shop)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.kube)
			defer server.Close()
			kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
			write(t, kubeconfig, fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, namespace: shop}}]\n"+
				"clusters: [{name: c, cluster: {server: %s}}]\n", server.URL))
			for _, args := range [][]string{{"rules", "--kubeconfig", kubeconfig}, {"rules", "--kubeconfig", kubeconfig, "-n", "shop"}} {
				var out bytes.Buffer
				code := Main(t.Context(), Env{Stdout: &out, Stderr: &out, Getenv: os.Getenv}, args)
				if diff := cmp.Diff(c.want, out.String()); diff != "" || code != c.code {
					t.Errorf("%q: exit code %d, want %d; -want +got\n%s", args, code, c.code, diff)
				}
			}
			var out bytes.Buffer
			code := Main(t.Context(), Env{Stdout: &out, Stderr: &out, Getenv: os.Getenv}, []string{"rules", "--kubeconfig", kubeconfig, "-o", "json"})
			var report rulesReport
			if err := json.Unmarshal(out.Bytes(), &report); code != c.code || (code != 1) != (err == nil) {
				t.Errorf("JSON: exit code %d, %v: %s", code, err, out.String())
			}
		})
	}
}
