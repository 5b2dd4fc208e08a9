package promdb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

const (
	textFormat  = "text/plain; version=0.0.4; charset=utf-8"
	openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// showPage prints a page's samples, one per line, with the milliseconds after now.
func showPage(p page, now int64) string {
	var b strings.Builder
	for _, s := range p.samples {
		fmt.Fprintf(&b, "%s %g", s.labels, s.v)
		if s.dated {
			fmt.Fprintf(&b, " @%d", s.t-now)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestParsePage(t *testing.T) {
	const now = 1_767_225_600_000
	for _, tc := range []struct {
		name        string
		contentType string
		target      labels.Labels
		body        string
		want        string
	}{
		{"the text format", textFormat, labels.FromStrings("pod", "a"),
			"# HELP x Things.\n# TYPE x counter\nx{path=\"/\"} 3\nx 4e2\ny NaN\n",
			`{__name__="x", path="/", pod="a"} 3
{__name__="x", pod="a"} 400
{__name__="y", pod="a"} NaN
`},
		{"le is spelled as Prometheus spells it", textFormat, labels.EmptyLabels(),
			"# TYPE x histogram\nx_bucket{le=\"1\"} 1\nx_bucket{le=\"5e-1\"} 1\nx_bucket{le=\"+Inf\"} 2\nx_sum 1\nx_count 2\n",
			`{__name__="x_bucket", le="1.0"} 1
{__name__="x_bucket", le="0.5"} 1
{__name__="x_bucket", le="+Inf"} 2
{__name__="x_sum"} 1
{__name__="x_count"} 2
`},
		{"OpenMetrics, with an exemplar", openMetrics, labels.EmptyLabels(),
			"# TYPE x counter\nx_total 3 # {id=\"1\"} 1\nx_created 5\n# EOF\n",
			"{__name__=\"x_total\"} 3\n{__name__=\"x_created\"} 5\n"},
		{"a page with its own times", textFormat, labels.EmptyLabels(),
			"x 1 1767225599000\ny 2 1767226200000\nfar_ahead 3 1767226200001\n",
			"{__name__=\"x\"} 1 @-1000\n{__name__=\"y\"} 2 @600000\n"},
		{"the page's own pod label is moved aside", textFormat, labels.FromStrings("pod", "a"),
			"x{pod=\"mine\"} 1\nx{pod=\"\"} 2\n",
			"{__name__=\"x\", exported_pod=\"mine\", pod=\"a\"} 1\n{__name__=\"x\", pod=\"a\"} 2\n"},
		{"and further if need be", textFormat, labels.FromStrings("pod", "a", "exported_pod", "b"),
			"x{pod=\"1\",exported_pod=\"2\"} 1\n",
			`{__name__="x", exported_exported_exported_pod="2", exported_exported_pod="1", exported_pod="b", pod="a"} 1
`},
		{"a quoted name", textFormat, labels.EmptyLabels(), "{\"http.requests\",\"a.b\"=\"c\"} 1\n",
			"{__name__=\"http.requests\", \"a.b\"=\"c\"} 1\n"},
		{"an empty page, whatever it calls itself", "text/html", labels.EmptyLabels(), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := parsePage([]byte(tc.body), tc.contentType, Target{Labels: tc.target}, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, showPage(p, now)); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParsePageRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, contentType, body string
		total                   int
		says                    string
	}{
		{"HTML", "text/html; charset=utf-8", "<html>", 0, `unsupported Content-Type "text/html`},
		{"no content type", "", "x 1\n", 0, "blank Content-Type"},
		{"JSON in disguise", textFormat, `{"status":"up"}`, 0, ""},
		{"a line cut short", textFormat, "x 1\ny{a=\"b", 1, ""},
		{"OpenMetrics without its end", openMetrics, "# TYPE x counter\nx_total 3\n", 1, "does not end with # EOF"},
		{"a label twice", textFormat, "x 1\ny{a=\"1\",a=\"2\"} 1\n", 2, `label "a" is given twice`},
		{"bytes that are not UTF-8", textFormat, "x{a=\"\xff\"} 1\n", 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := parsePage([]byte(tc.body), tc.contentType, Target{}, 0)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v, want it to say %q", err, tc.says)
			}
			if p.total != tc.total {
				t.Errorf("%d samples before the mistake, want %d", p.total, tc.total)
			}
		})
	}
}

func TestAHonoredLabelIsThePagesOwn(t *testing.T) {
	p, err := parsePage([]byte("x{pod=\"mine\"} 1\ny 2\n"), textFormat, Target{Labels: labels.FromStrings("pod", "a"), HonorLabels: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.samples {
		got = append(got, s.labels.String())
	}
	if diff := cmp.Diff([]string{`{__name__="x", pod="mine"}`, `{__name__="y", pod="a"}`}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMetricFamilies(t *testing.T) {
	db := New(Options{})
	p, err := parsePage([]byte(`# HELP http_request_duration_seconds Time to answer.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="+Inf"} 1
http_request_duration_seconds_sum 1
http_request_duration_seconds_count 1
# TYPE http_requests counter
http_requests_total 1
# TYPE nothing_to_show gauge
queue_depth 3
queue_count 3
`), textFormat, Target{}, t0.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	batch := []sample{{labels: labels.FromStrings("__name__", "up"), t: t0.UnixMilli(), v: 1}}
	for _, s := range p.samples {
		batch = append(batch, s.sample)
	}
	db.appendScrape(batch, p.families)
	want := []Family{
		{Name: "http_request_duration_seconds", Type: model.MetricTypeHistogram, Help: "Time to answer."},
		{Name: "http_requests", Type: model.MetricTypeCounter},
		{Name: "queue_count", Type: model.MetricTypeUnknown},
		{Name: "queue_depth", Type: model.MetricTypeUnknown},
	}
	if diff := cmp.Diff(want, db.MetricFamilies()); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
}

// Whatever a page holds: no panic, and what is read can be stored.
func FuzzParsePage(f *testing.F) {
	f.Add([]byte("# HELP x Things.\n# TYPE x histogram\nx_bucket{le=\"1\"} 1 1767225599000\nx_sum 1\n"), textFormat)
	f.Add([]byte("# TYPE x counter\n# UNIT x seconds\nx_total{pod=\"1\"} 3 # {id=\"1\"} 1\n# EOF\n"), openMetrics)
	f.Add([]byte("{\"http.requests\",\"a.b\"=\"c\"} NaN\n"), textFormat)
	f.Add([]byte("\x0a\x01x"), "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
	target := labels.FromStrings("pod", "a")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		p, err := parsePage(body, contentType, Target{Labels: target}, t0.UnixMilli())
		if err != nil {
			return
		}
		if len(p.samples) > p.total {
			t.Errorf("%d samples of %d", len(p.samples), p.total)
		}
		for _, s := range p.samples {
			if got := s.labels.Get("pod"); got != "a" {
				t.Errorf("pod is %q", got)
			}
			if err := newStore(0).append(s.sample); err != nil {
				t.Errorf("cannot be stored: %v", err)
			}
		}
	})
}
