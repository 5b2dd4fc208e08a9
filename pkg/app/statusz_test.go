package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// inStatus runs f with the page of a server on virtual time: one rule is kept,
// one is new and broken, one is read and one query of it fails.
func inStatus(t *testing.T, f func(t *testing.T, get func(url, accept string) *httptest.ResponseRecorder)) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, configText("http://a:9090", "one: up", "two: ready", "down: unknown"))
	inRig(t, []string{name}, func(t *testing.T, r *rig) {
		write(t, name, configText("http://a:9090", "one: up", "two: ready(", "down: unknown", "new: up("))
		settle()
		r.read("one")
		r.read("down")
		time.Sleep(1500 * time.Millisecond)
		f(t, func(url, accept string) *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodGet, url, nil)
			request.Header.Set("Accept", accept)
			statusPage{reload: r.reloader, store: r.store}.ServeHTTP(answer, request)
			return answer
		})
	})
}

var hash = regexp.MustCompile(`[0-9a-f]{64}`)

func TestStatusForPeople(t *testing.T) {
	const want = `pitot dev, configuration loaded at 2000-01-01T00:00:06Z (5s ago)

files: 1
DIR/pitot.yaml  sha256 HASH

problems: 2
DIR/pitot.yaml:7:47: rule "two": field "query": unclosed left parenthesis
DIR/pitot.yaml:9:44: rule "new": field "query": unclosed left parenthesis

rules: 3
one   External  namespaces  good  DIR/pitot.yaml:6:3  up
down  External  namespaces  good  DIR/pitot.yaml:8:3  unknown
two   External  namespaces  kept  DIR/pitot.yaml:7:3  ready

backends: 1
main  http://a:9090  labels: prometheus-operator (3 of 3 series of its rules have namespace)  -

queries kept fresh: 2
main  never answered     wanted 1.5s ago  unknown  unexpected query "unknown" at http://a:9090
main  answered 1.5s ago  wanted 1.5s ago  up       -
`
	inStatus(t, func(t *testing.T, get func(url, accept string) *httptest.ResponseRecorder) {
		got := normal(get("/statusz", "*/*").Body.String())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// normal replaces what differs from run to run.
func normal(text string) string {
	text = hash.ReplaceAllString(text, "HASH")
	return regexp.MustCompile(`/[^ ":]*/pitot.yaml`).ReplaceAllString(text, "DIR/pitot.yaml")
}

func TestStatusForPrograms(t *testing.T) {
	inStatus(t, func(t *testing.T, get func(url, accept string) *httptest.ResponseRecorder) {
		for _, answer := range []*httptest.ResponseRecorder{get("/statusz?format=json", ""), get("/statusz", "application/json")} {
			if got := answer.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %s", got)
			}
			var report statusReport
			if err := json.Unmarshal(answer.Body.Bytes(), &report); err != nil {
				t.Fatal(err)
			}
			age := 1.5
			want := []statusQuery{
				{Backend: "main", Query: "unknown", Wanted: 1.5, Error: `unexpected query "unknown" at http://a:9090`},
				{Backend: "main", Query: "up", Wanted: 1.5, AgeSeconds: &age},
			}
			if diff := cmp.Diff(want, report.Queries); diff != "" {
				t.Errorf("queries -want +got\n%s", diff)
			}
			if len(report.Rules) != 3 || len(report.Problems) != 2 || len(report.Files) != 1 || len(report.Backends) != 1 {
				t.Errorf("report %+v", report)
			}
		}
	})
}

func TestStatusOfTheCluster(t *testing.T) {
	for _, test := range []struct {
		name   string
		status *statusCluster
		want   string
	}{
		{"there is none", nil, "\nqueries kept fresh: 0\n"},
		{"all is well", statusOfCluster(12, nil, nil), "\nautoscalers watched: 12\n\nqueries kept fresh: 0\n"},
		{"not allowed", statusOfCluster(0, errors.New("list pods: forbidden"), nil), "\nautoscalers watched: 0\nlist pods: forbidden\n\nqueries kept fresh: 0\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := statusOf(empty(), nil, nil, time.Now())
			report.Cluster = test.status
			var text strings.Builder
			report.write(&text)
			if _, got, _ := strings.Cut(text.String(), "\nbackends: 0\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestStatusOfABackendThatIsAway(t *testing.T) {
	c := empty()
	c.served = &rule.Set{Backends: []rule.Backend{{Name: "main", URL: "http://a:9090"}, {Name: "other", URL: "http://b:9090"}}}
	c.backends = map[string]connectedBackend{}
	for _, b := range c.served.Backends {
		c.backends[b.Name] = connectedBackend{Backend: b, labelled: profile.New(nil, rule.OTel, nil)}
	}
	var text strings.Builder
	statusOf(c, nil, []snapshot.BackendStatus{{Name: "main"}, {Name: "other", Away: errors.New("connection refused")}}, time.Now()).write(&text)
	const want = `
backends: 2
main   http://a:9090  labels: otel (configured)  -
other  http://b:9090  labels: otel (configured)  away: connection refused
`
	if !strings.Contains(text.String(), want) {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

func TestStatusShowsNoCredentials(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	for _, url := range []string{"http://user:secret@a:9090", "http://a:9090/?token=secret", "http://a:9090/#secret"} {
		write(t, name, configText(url, "one: up"))
		inRig(t, []string{name}, func(t *testing.T, r *rig) {
			for _, query := range []string{"", "?format=json"} {
				answer := httptest.NewRecorder()
				statusPage{reload: r.reloader, store: r.store}.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/statusz"+query, nil))
				if body := answer.Body.String(); strings.Contains(body, "secret") || !strings.Contains(body, "the address") {
					t.Errorf("%s: %s", url, body)
				}
			}
		})
	}
}

func TestAQueryThatIsNotAnsweredYetHasNoAge(t *testing.T) {
	now := time.Unix(1000, 0)
	got := statusOfQuery(snapshot.KeyStatus{ReadAt: now, Err: errors.New("down")}, now)
	if got.AgeSeconds != nil || got.Error != "down" {
		t.Errorf("%+v", got)
	}
}
