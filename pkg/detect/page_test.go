package detect

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestReadPage(t *testing.T) {
	for _, tt := range []struct {
		name, text, contentType string
		families                string
		err                     string
	}{
		{
			name:     "a histogram is one metric",
			text:     "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
			families: "h",
		},
		{
			name:     "a counter has the name of its samples in OpenMetrics",
			text:     "# TYPE c counter\nc_total 1\nc_created 2\n# EOF\n",
			families: "c_total",
		},
		{
			name:        "the header decides before the text",
			text:        "# TYPE c counter\nc_total 1\n# EOF\n",
			contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8",
			families:    "c_total",
		},
		{
			name:     "when a metric began is no metric",
			text:     "# TYPE c_total counter\nc_total 1\n# TYPE c_created gauge\nc_created 2\n",
			families: "c_created c_total",
		},
		{name: "a page without an end of line", text: "up 1", families: "up"},
		{name: "nothing", text: ""},
		{name: "a page for browsers", text: "<html>Not Found</html>\n", err: "after 0 series"},
		{name: "half a page", text: "up 1\nbusy{", err: "after 1 series"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := ReadPage([]byte(tt.text), tt.contentType)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var families []string
			for _, f := range page.sorted() {
				families = append(families, f.name)
			}
			if got := strings.Join(families, " "); got != tt.families {
				t.Errorf("got %q, want %q", got, tt.families)
			}
		})
	}
}

// Of any page that can be read a report can be made, whose findings say all they
// have to, and whose rules and HPA can be read.
func FuzzReadPage(f *testing.F) {
	archives, err := filepath.Glob("testdata/reports/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data, "")
		}
	}
	f.Add([]byte("# TYPE h histogram\nh_bucket{le=\"NaN\"} NaN\nh_bucket{le=\"-Inf\"} -1\n"), openMetrics)
	objective, err := ParseObjective("p95=500ms")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, contentType string) {
		page, err := ReadPage(text, contentType)
		if err != nil {
			return
		}
		report := Examine([]Pod{{Name: "a", Reads: []*Page{page, page}}, {Name: "b", Reads: []*Page{page}}}, objective)
		for _, one := range report.Findings {
			if one.What == "" || len(one.Evidence) == 0 || one.Why == "" || one.Cure == "" {
				t.Errorf("%+v leaves something unsaid", one)
			}
			if one.Code == "no-multiprocess" {
				t.Errorf("the same page twice: %+v", one)
			}
		}
		if _, err := json.Marshal(report); err != nil {
			t.Error(err)
		}
		w := Writing{Name: "web", Namespace: "shop", Objective: objective}
		checkServed(t, w.Rules(report.Presets), w.HPA(report.Presets))
	})
}
