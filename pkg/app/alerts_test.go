package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const chartFiles = repository + "/charts/pitot/files/"

// alertFiles are the files of alerts that the chart installs.
var alertFiles = []string{"alerts.yaml", "alerts-hpa.yaml"}

// readAlerts reads a file of alerts as Prometheus does.
func readAlerts(t *testing.T, file string) *rulefmt.RuleGroups {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartFiles, file))
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Errorf("%s: %v", file, err)
	}
	return groups
}

// eachAlert calls f with every alert.
func eachAlert(t *testing.T, f func(t *testing.T, alert rulefmt.Rule)) {
	for _, file := range alertFiles {
		for _, group := range readAlerts(t, file).Groups {
			for _, alert := range group.Rules {
				t.Run(alert.Alert, func(t *testing.T) { f(t, alert) })
			}
		}
	}
}

// TestAlertsAreWhole finds what an alert needs to be of use: how bad it is, what it
// means, and a section of docs/runbooks.md that says what to do.
func TestAlertsAreWhole(t *testing.T) {
	runbooks := readText(t, repository+"/docs/runbooks.md")
	eachAlert(t, func(t *testing.T, alert rulefmt.Rule) {
		if !slices.Contains([]string{"critical", "warning", "info"}, alert.Labels["severity"]) {
			t.Errorf("severity %q", alert.Labels["severity"])
		}
		for _, name := range []string{"summary", "description"} {
			if text := alert.Annotations[name]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s is no sentence: %q", name, text)
			}
		}
		if want := "https://github.com/pitot-autoscaling/pitot/blob/main/docs/runbooks.md#" + strings.ToLower(alert.Alert); alert.Annotations["runbook_url"] != want {
			t.Errorf("runbook_url %q, want %s", alert.Annotations["runbook_url"], want)
		}
		section := regexp.MustCompile(`(?s)\n## ` + alert.Alert + `\n(.*?)(\n## |$)`).FindStringSubmatch(runbooks)
		if section == nil {
			t.Fatal("no section in docs/runbooks.md")
		}
		for _, part := range []string{"**Means**", "**Impact**", "**Look**", "**Cure**", "```sh\n"} {
			if !strings.Contains(section[1], part) {
				t.Errorf("docs/runbooks.md lacks %s", part)
			}
		}
	})
}

// TestAlertsAskForMetricsThatThereAre compares their names with those of pitot, and
// with the few of others.
func TestAlertsAskForMetricsThatThereAre(t *testing.T) {
	families := metricFamilies(t)
	others := []string{
		"up", "aggregator_unavailable_apiservice", "kube_horizontalpodautoscaler_status_condition",
		"kube_horizontalpodautoscaler_status_desired_replicas", "kube_horizontalpodautoscaler_spec_max_replicas", "kube_horizontalpodautoscaler_spec_min_replicas",
	}
	eachAlert(t, func(t *testing.T, alert rulefmt.Rule) {
		for _, name := range metricsIn(t, alert.Expr) {
			if families[name] == nil && !slices.Contains(others, name) {
				t.Errorf("there is no metric %s", name)
			}
		}
	})
}

// metricsIn are the names of the metrics that an expression selects.
func metricsIn(t *testing.T, expr string) []string {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var names []string
	for _, selector := range parser.ExtractSelectors(parsed) {
		for _, m := range selector {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
				names = append(names, m.Value)
			}
		}
	}
	if len(names) == 0 {
		t.Errorf("%s selects nothing", expr)
	}
	return names
}
