package app

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/certs"
	"github.com/pitot-autoscaling/pitot/pkg/internal/demand"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/internal/teamrules"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A statusPage shows what a server serves: /statusz. It answers with text, or
// with JSON for ?format=json and for clients that accept that.
type statusPage struct {
	reload *reloader
	store  *snapshot.Store
	pods   podIndex
	demand *demand.Watcher    // nil: there is no cluster
	keeper *certs.Keeper      // nil: the certificate comes from files
	teams  *teamrules.Watcher // nil: teams bring no rules
}

// ServeHTTP implements http.Handler.
func (p statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	report := statusOf(p.reload.current.Load(), p.store.Keys(), p.store.Backends(), time.Now())
	if p.demand != nil {
		watched, err := p.demand.Watched()
		report.Cluster = statusOfCluster(watched, p.pods.Err(), err)
	}
	if p.teams != nil {
		report.Teams = p.reload.current.Load().statusOfTeams(p.teams.Statuses(), p.teams.Err())
	}
	if p.keeper != nil {
		certificates := p.keeper.Report()
		report.Certificates = &certificates
	}
	if r.URL.Query().Get("format") == "json" || strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_ = writeJSON(w, report) // fails only if the client has gone
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	report.write(w)
}

// A statusReport is /statusz as JSON.
type statusReport struct {
	Version  string          `json:"version"`
	LoadedAt time.Time       `json:"loaded_at"`
	Files    []statusFile    `json:"files"`
	Problems []checkProblem  `json:"problems"`
	Rules    []statusRule    `json:"rules"`
	Backends []statusBackend `json:"backends"`
	Queries  []statusQuery   `json:"queries"`
	Cluster  *statusCluster  `json:"cluster,omitempty"` // left out where there is none

	Teams *statusTeams `json:"teams,omitempty"` // left out where they bring no rules

	Certificates *certs.Report `json:"certificates,omitempty"` // left out where they come from files

	age      time.Duration
	problems []string
}

type statusFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"`
	Error  string `json:"error,omitempty"`
}

type statusRule struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Of     string `json:"of"`
	State  string `json:"state"` // "good", or "kept": as it was before it was broken
	At     string `json:"at"`    // where it stands, or stood
	Query  string `json:"query"`
}

type statusBackend struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Labels is the profile of its labels, "" while it is not known; LabelsWhy is
	// what speaks for it, or why it is not known.
	Labels    string `json:"labels"`
	LabelsWhy string `json:"labels_why"`
	Away      string `json:"away,omitempty"` // why it is asked by one query at a time until it answers
}

// A statusCluster is what is known of the cluster.
type statusCluster struct {
	// Autoscalers that read custom or external metrics: those are kept fresh.
	Autoscalers int      `json:"autoscalers"`
	Problems    []string `json:"problems"` // why pods or autoscalers may be out of date
}

func statusOfCluster(autoscalers int, problems ...error) *statusCluster {
	status := &statusCluster{Autoscalers: autoscalers, Problems: []string{}}
	for _, err := range problems {
		if err != nil {
			status.Problems = append(status.Problems, strings.Split(err.Error(), "\n")...) // as errors.Join joins
		}
	}
	return status
}

// A statusQuery is a query that is kept fresh because somebody reads it, or an
// HPA names it.
type statusQuery struct {
	Backend    string   `json:"backend"`
	Query      string   `json:"query"`
	AgeSeconds *float64 `json:"age_seconds"` // of the last good answer; null if there never was one
	Wanted     float64  `json:"wanted_seconds_ago"`
	Error      string   `json:"error,omitempty"` // of the latest query
}

func statusOf(c *configuration, keys []snapshot.KeyStatus, backends []snapshot.BackendStatus, now time.Time) statusReport {
	report := statusReport{
		Version: version, LoadedAt: c.at, Problems: checkProblems(c.problems), age: now.Sub(c.at),
		Files: []statusFile{}, Rules: []statusRule{}, Backends: []statusBackend{}, Queries: []statusQuery{},
	}
	for _, p := range c.problems {
		report.problems = append(report.problems, p.Error())
	}
	for _, f := range c.files {
		file := statusFile{Name: f.Name, Error: errorText(f.Err)}
		if f.Err == nil {
			file.SHA256 = fmt.Sprintf("%x", sha256.Sum256(f.Text))
		}
		report.Files = append(report.Files, file)
	}
	for _, r := range c.served.Rules {
		report.Rules = append(report.Rules, c.statusOfRule(r, c.kept(r)))
	}
	away := map[string]error{}
	for _, b := range backends {
		away[b.Name] = b.Away
	}
	for _, b := range c.served.Backends {
		shown := statusBackend{Name: b.Name, URL: b.URL, Away: errorText(away[b.Name])}
		if connected, ok := c.backends[b.Name]; ok {
			shown.Labels, shown.LabelsWhy = labelsOf(connected.labelled.Finding())
		}
		report.Backends = append(report.Backends, shown)
	}
	for _, key := range keys {
		query := statusOfQuery(key, now)
		query.Query = c.text(query.Backend, query.Query)
		report.Queries = append(report.Queries, query)
	}
	return report
}

// labelsOf is what a page says of a backend's labels.
func labelsOf(found profile.Finding) (labels, why string) {
	if found.Err != nil {
		return "", found.Err.Error()
	}
	return found.Profile.String(), found.Why
}

func labelsText(labels, why string) string {
	if labels == "" {
		labels = "not known yet"
	}
	return fmt.Sprintf("%s (%s)", labels, why)
}

func (c *configuration) statusOfRule(r *rule.Rule, kept bool) statusRule {
	state := "good"
	if kept {
		state = "kept"
	}
	return statusRule{Metric: r.Metric, Type: string(r.Type), Of: r.Of.String(), State: state, At: r.Position.String(), Query: c.text(r.Backend, r.Expr().String())}
}

func statusOfQuery(key snapshot.KeyStatus, now time.Time) statusQuery {
	query := statusQuery{
		Backend: key.Key.Backend, Query: key.Key.Query, Error: errorText(key.Err),
		Wanted: now.Sub(key.ReadAt).Round(time.Millisecond).Seconds(),
	}
	if !key.AnsweredAt.IsZero() {
		age := now.Sub(key.AnsweredAt).Round(time.Millisecond).Seconds()
		query.AgeSeconds = &age
	}
	return query
}

// write writes the report for people.
func (s statusReport) write(w io.Writer) {
	fmt.Fprintf(w, "pitot %s, configuration loaded at %s (%s ago)\n", s.Version, s.LoadedAt.UTC().Format(time.RFC3339), s.age.Round(time.Second))
	section := func(title string, n int, rows func(w io.Writer)) {
		fmt.Fprintf(w, "\n%s: %d\n", title, n)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		rows(table)
		_ = table.Flush() // fails only if the client has gone
	}
	section("files", len(s.Files), func(w io.Writer) {
		for _, f := range s.Files {
			what := "sha256 " + f.SHA256
			if f.Error != "" {
				what = f.Error
			}
			fmt.Fprintf(w, "%s\t%s\n", f.Name, what)
		}
	})
	section("problems", len(s.problems), func(w io.Writer) {
		for _, p := range s.problems {
			fmt.Fprintln(w, p)
		}
	})
	section("rules", len(s.Rules), func(w io.Writer) {
		for _, r := range s.Rules {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Metric, r.Type, r.Of, r.State, r.At, r.Query)
		}
	})
	section("backends", len(s.Backends), func(w io.Writer) {
		for _, b := range s.Backends {
			state := "-"
			if b.Away != "" {
				state = "away: " + b.Away
			}
			fmt.Fprintf(w, "%s\t%s\tlabels: %s\t%s\n", b.Name, b.URL, labelsText(b.Labels, b.LabelsWhy), state)
		}
	})
	if s.Cluster != nil {
		section("autoscalers watched", s.Cluster.Autoscalers, func(w io.Writer) {
			for _, problem := range s.Cluster.Problems {
				fmt.Fprintln(w, problem)
			}
		})
	}
	if s.Teams != nil {
		section("ConfigMaps of teams", len(s.Teams.ConfigMaps), s.Teams.write)
	}
	if c := s.Certificates; c != nil {
		section("certificates: problems", len(c.Problems), func(w io.Writer) { writeCertificates(w, c) })
	}
	section("queries kept fresh", len(s.Queries), func(w io.Writer) {
		for _, q := range s.Queries {
			answered := "never answered"
			if q.AgeSeconds != nil {
				answered = fmt.Sprintf("answered %.1fs ago", *q.AgeSeconds)
			}
			fmt.Fprintf(w, "%s\t%s\twanted %.1fs ago\t%s\t%s\n", q.Backend, answered, q.Wanted, q.Query, orDash(q.Error))
		}
	})
}
