package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A dashboard is what a test needs to know of Grafana's format.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		Expr, RefID, LegendFormat string
		Datasource                struct{ Type, UID string }
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(readText(t, chartFiles+"dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// filledIn is an expression with values for Grafana's variables.
func filledIn(expr, rateInterval string) string {
	return strings.NewReplacer("$__rate_interval", rateInterval, "$job", ".*").Replace(expr)
}

func TestTheDashboardIsWhole(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "pitot" || d.SchemaVersion == 0 {
		t.Errorf("uid %q, schema version %d", d.UID, d.SchemaVersion)
	}
	var variables, rows []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Type+" "+v.Name)
	}
	if diff := cmp.Diff([]string{"datasource datasource", "query job"}, variables); diff != "" {
		t.Errorf("variables (-want +got)\n%s", diff)
	}
	families := metricFamilies(t)
	seen := map[int]bool{}
	for i, p := range d.Panels {
		t.Run(p.Title, func(t *testing.T) {
			if seen[p.ID] {
				t.Errorf("id %d twice", p.ID)
			}
			seen[p.ID] = true
			for _, other := range d.Panels[:i] {
				if overlap(p, other) {
					t.Errorf("covers %q", other.Title)
				}
			}
			if p.Type == "row" {
				rows = append(rows, p.Title)
				return
			}
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("no title, description, unit or query: %+v", p)
			}
			for _, target := range p.Targets {
				if target.Datasource.UID != "${datasource}" || target.RefID == "" || target.LegendFormat == "" {
					t.Errorf("query %+v", target)
				}
				for _, name := range metricsIn(t, filledIn(target.Expr, "5m")) {
					if base := strings.TrimSuffix(name, "_bucket"); strings.HasPrefix(name, "pitot_") && families[base] == nil {
						t.Errorf("there is no metric %s", name)
					}
				}
			}
		})
	}
	want := []string{"Is it healthy?", "Reads and answers", "Backends", "Ages", "Rules", "Certificates", "Pods and HPAs", "Process"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got)\n%s", diff)
	}
}

func overlap(a, b panel) bool {
	return a.GridPos.X < b.GridPos.X+b.GridPos.W && b.GridPos.X < a.GridPos.X+a.GridPos.W &&
		a.GridPos.Y < b.GridPos.Y+b.GridPos.H && b.GridPos.Y < a.GridPos.Y+a.GridPos.H
}

// Every metric of pitot that somebody may want to see is on the dashboard.
func TestTheDashboardShowsEveryMetric(t *testing.T) {
	var shown []string
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			for _, name := range metricsIn(t, filledIn(target.Expr, "5m")) {
				shown = append(shown, strings.TrimSuffix(name, "_bucket"))
			}
		}
	}
	elsewhere := []string{
		"pitot_config_last_reload_success_timestamp_seconds", // the state beside it tells more
		"pitot_refresh_duration_seconds",                     // a sum of queries, which are shown
	}
	for name := range metricFamilies(t) {
		if !slices.Contains(shown, name) && !slices.Contains(elsewhere, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
}
