package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// usual is a rule of nothing but the preset and what has to be said with it, as a
// YAML list item.
func usual(p *preset.Preset) string {
	text := fmt.Sprintf("metric: %s, preset: %s", p.Metric, p.Name)
	if p.Rule.Buckets != "" {
		text += ", of: deployments.apps"
	}
	var with []string
	for _, name := range slices.Sorted(maps.Keys(p.Examples())) {
		with = append(with, fmt.Sprintf("%s: %s", name, p.Examples()[name]))
	}
	if len(with) > 0 {
		text += ", with: {" + strings.Join(with, ", ") + "}"
	}
	return "- {" + text + "}\n"
}

func loadRules(t *testing.T, rules string) *Set {
	t.Helper()
	set, err := Load(File{Name: "rules.yaml", Text: []byte(head + "backends: [{name: main, url: http://prometheus:9090}]\nrules:\n" + rules)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestEveryPresetLoads(t *testing.T) {
	for _, p := range preset.All() {
		t.Run(p.Name, func(t *testing.T) {
			r := loadRules(t, usual(p)).Rules[0]
			if r.Metric != p.Metric || string(r.Type) != p.Rule.Type || !slices.Equal(r.Presets, []string{p.Name}) {
				t.Errorf("it becomes the %s metric %s of presets %v", r.Type, r.Metric, r.Presets)
			}
			if strings.Contains(r.Expr().String(), "$"+preset.Window) {
				t.Errorf("parameters are left in %s", r.Expr())
			}
			if _, ok := p.Parameter(preset.Window); ok && r.Expr().Window() == 0 {
				t.Errorf("it has a window, and %s looks at one instant", r.Expr())
			}
			if p.Rule.Type == "External" {
				if _, finite := r.Expr().Labels().Names(); !finite || !r.Expr().Labels().Has("namespace") {
					t.Errorf("its result can have %s", r.Expr().Labels())
				}
			}
			for label := range p.HPA.Selector {
				if !slices.Contains(r.Selectable, label) {
					t.Errorf("the HPA selects by %q, and selectable are %v", label, r.Selectable)
				}
			}
		})
	}
}

// A pod's metrics come only from what the pod itself exposes, so that no
// application can speak for another namespace: no preset moves a label to
// namespace without saying whose series it believes.
func TestNamespacesAreMovedOnlyFromControllers(t *testing.T) {
	for _, p := range preset.All() {
		for _, template := range []string{p.Rule.Query, p.Rule.Buckets, p.Rule.ZeroWhen} {
			if strings.Contains(template, `"namespace", "$1"`) && !strings.Contains(template, `namespace=~"$controller"`) {
				t.Errorf("preset %s takes the namespace from another label of any series", p.Name)
			}
		}
	}
}

func TestPresetParametersStayInTheirPlace(t *testing.T) {
	set := loadRules(t, `- {metric: a, preset: fastapi-rps, with: {exclude: '"} or x{a="'}}`+"\n")
	want := `sum by (namespace, pod) (rate(http_requests_total{handler!~"\"} or x{a=\""}[2m]))`
	if got := set.Rules[0].Expr().String(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestPresetsBesideEachOther(t *testing.T) {
	set := loadRules(t, "- {metric: a, preset: [fastapi-rps, django-rps], with: {exclude: none, window: 5m}}\n"+
		"- {metric: p, of: deployments.apps, preset: [fastapi-p95, starlette-prometheus-p95], with: {exclude: none}}\n")
	for i, want := range []string{
		`(sum by (namespace, pod) (rate(http_requests_total{handler!~"none"}[5m]))) or on (namespace, pod) (sum by (namespace, pod) (rate(django_http_requests_total_by_view_transport_method_total{view!~"none"}[5m])))`,
		`(sum by (namespace, pod, le) (rate(http_request_duration_highr_seconds_bucket[2m]))) or on (namespace, pod) (sum by (namespace, pod, le) (rate(starlette_requests_processing_time_seconds_bucket{path_template!~"none"}[2m])))`,
	} {
		if got := set.Rules[i].Expr().String(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		if _, err := promexpr.Parse(want); err != nil {
			t.Error(err)
		}
	}
}

func FuzzPresetParameters(f *testing.F) {
	f.Add("fastapi-rps", "window", "1m30s")
	f.Add("fastapi-rps", "exclude", `a"b\d{1,2}`)
	f.Add("flask-worker-utilization", "slots", "1e-7")
	f.Add("celery-redis-backlog", "exporter", "a\nb\x00ü")
	f.Fuzz(func(t *testing.T, name, parameter, value string) {
		p, ok := preset.Get(name)
		if !ok {
			return
		}
		with := p.Examples()
		with[parameter] = value
		r, wrong := p.Expand(with)
		if len(wrong) > 0 {
			return
		}
		usual, _ := p.Expand(p.Examples())
		expr, err := promexpr.Parse(r.Query + r.Buckets)
		if err != nil {
			t.Skip(err) // Load reports it: a range can be too long, a text no UTF-8.
		}
		other, err := promexpr.Parse(usual.Query + usual.Buckets)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := expr.MetricNames(), other.MetricNames(); !slices.Equal(got, want) {
			t.Errorf("it asks for %q, and usually for %q", got, want)
		}
	})
}
