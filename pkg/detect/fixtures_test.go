package detect

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded are real /metrics pages: those that the presets are tested on, and those
// that stand beside the repository, where they are at hand. The pages of testdata
// were written for these tests.
var recorded = []string{"../internal/presettest/testdata/pages", "../../../shared/presets/fixtures"}

func TestEachRecordedPageIsDetectedAsItsLibraryAndNoOther(t *testing.T) {
	for _, folder := range recorded {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			if _, err := os.Stat(folder); err != nil {
				t.Skipf("these pages are not at hand: %v", err)
			}
			detectsRecorded(t, folder)
		})
	}
}

func detectsRecorded(t *testing.T, folder string) {
	for _, tt := range []struct {
		page, library string
		presets       []string
		findings      []string
	}{
		{"fastapi", "prometheus-fastapi-instrumentator", []string{"fastapi-concurrency", "fastapi-p95", "fastapi-rps"}, []string{"probes-counted"}},
		{"starlette_exporter", "starlette_exporter", []string{"starlette-exporter-concurrency", "starlette-exporter-p95", "starlette-exporter-rps", "starlette-exporter-inflight"}, nil},
		{"starlette_prometheus", "starlette-prometheus", []string{"starlette-prometheus-concurrency", "starlette-prometheus-p95", "starlette-prometheus-rps"}, nil},
		{"django", "django-prometheus", []string{"django-concurrency", "django-p95", "django-rps", "django-worker-utilization"}, nil},
		{"flask", "prometheus-flask-exporter", []string{"flask-concurrency", "flask-p95", "flask-rps", "flask-worker-utilization"}, []string{"raw-paths"}},
	} {
		t.Run(tt.page, func(t *testing.T) {
			page := readFile(t, filepath.Join(folder, tt.page+".prom"))
			report := Examine([]Pod{{Name: tt.page, Reads: []*Page{page}}}, Objective{})
			if len(report.Libraries) != 1 || report.Libraries[0].Name != tt.library {
				t.Errorf("found %+v, want %s alone", report.Libraries, tt.library)
			}
			if diff := cmp.Diff(tt.presets, presetNames(report)); diff != "" {
				t.Errorf("presets (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.findings, codes(report)); diff != "" {
				t.Errorf("findings (-want +got)\n%s\n%+v", diff, report.Findings)
			}
		})
	}
}

func readFile(t *testing.T, name string) *Page {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page, err := ReadPage(text, "")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return page
}

func presetNames(r Report) []string {
	var all []string
	for _, fit := range r.Presets {
		all = append(all, fit.Name)
	}
	return all
}

func codes(r Report) []string {
	var all []string
	for _, one := range r.Findings {
		all = append(all, one.Code)
	}
	return all
}
