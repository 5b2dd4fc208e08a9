package presettest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// TestPresetsOnRecordedPages lets each preset read the /metrics pages that real
// applications gave, recorded once in testdata/pages. Every sample of a page
// grows by its own value in each 15 s, so that a request on the page is 1/15 per
// second. Presets that are not named find nothing: no library is taken for another.
func TestPresetsOnRecordedPages(t *testing.T) {
	seen := map[string]bool{}
	for page, want := range map[string]map[string]string{
		// 3 requests of /items/{i} and 1 of an unknown path; /health and /metrics do not
		// count, but in the histogram without labels. The names of its counter and its
		// coarse histogram are those that people choose by hand, too.
		"fastapi.prom": {
			"fastapi-rps":             "0.267", // 4 / 15
			"fastapi-concurrency":     "0",     // (0.002127 + 0.000205) / 15, rounded to thousandths
			"fastapi-inflight":        "18.5",  // a gauge, which grows to 17, 18, 19 and 20: the scrape itself
			"fastapi-p95":             "0.01",  // 6 of 6 within the first bucket: 0.95 × 0.01, rounded
			"http-rps":                "0.267",
			"http-concurrency":        "0",
			"http-worker-utilization": "0",
		},
		"starlette_exporter.prom": {
			"starlette-exporter-rps":         "0.2", // 3 / 15
			"starlette-exporter-concurrency": "0",
			"starlette-exporter-p95":         "0.005", // 0.95 × 0.005, rounded
		},
		"starlette_prometheus.prom": {
			"starlette-prometheus-rps":         "0.067", // 1 / 15: /metrics/ does not count
			"starlette-prometheus-concurrency": "0",
			"starlette-prometheus-p95":         "0.005",
		},
		"django.prom": {
			"django-rps":                "0.2", // 3 / 15
			"django-concurrency":        "0",
			"django-worker-utilization": "0",
			"django-p95":                "0.01", // 0.95 × 0.01, rounded
		},
		"flask.prom": {
			"flask-rps":                "0.267", // 4 / 15
			"flask-concurrency":        "0",
			"flask-worker-utilization": "0",
			"flask-p95":                "0.005",
		},
	} {
		t.Run(page, func(t *testing.T) {
			samples := readPage(t, filepath.Join("testdata", "pages", page))
			got := map[string]string{}
			for _, p := range preset.All() {
				if p.Draft || p.Rule.Type == "External" {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					if value := readGrown(t, p, samples); value != "empty" {
						got[p.Name], seen[p.Name] = value, true
					}
				})
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	for _, p := range preset.All() {
		if p.Evidence == preset.Page && p.Rule.Type != "External" && !seen[p.Name] {
			t.Errorf("%s finds nothing on any page, and claims to have been seen on one", p.Name)
		}
	}
}

// A pageSample is one line of a page, as the pod web-a gives it.
type pageSample struct {
	labels labels.Labels
	value  float64
}

func readPage(t *testing.T, path string) []pageSample {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parser, err := textparse.New(text, "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var samples []pageSample
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			return samples
		case err != nil:
			t.Fatal(err)
		case entry == textparse.EntrySeries:
			var series labels.Labels
			_, _, v := parser.Series()
			parser.Labels(&series)
			samples = append(samples, pageSample{labels.NewBuilder(series).Set("namespace", "shop").Set("pod", "web-a").Labels(), v})
		}
	}
}

// fields are those of a rule that is a preset.
func fields(p *preset.Preset) []string {
	fields := []string{"metric: m", "preset: " + p.Name}
	if p.Rule.Buckets != "" {
		fields = append(fields, "of: deployments.apps")
	}
	for name, value := range p.Examples() {
		fields = append(fields, "with: {"+name+": "+value+"}")
	}
	return fields
}

// readGrown is what a preset reads after twenty scrapes of a page that grows.
func readGrown(t *testing.T, p *preset.Preset, samples []pageSample) string {
	t.Helper()
	db, start := promdb.New(promdb.Options{}), time.Now()
	for i := range 21 {
		for _, s := range samples {
			add(t, db, start.Add(time.Duration(i)*15*time.Second), s.labels, s.value*float64(i))
		}
	}
	time.Sleep(5 * time.Minute)
	object := "web-a"
	if p.HPAType() == "Object" {
		object = "web"
	}
	return read(t, db, episode{pods: []string{"web-a"}}, load(t, strings.Join(fields(p), ", ")), rule.Operator, object)
}
