package detect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// A Page is what one read of /metrics gave.
type Page struct {
	families map[string]*family
	// repeated are the series that are on the page more than once.
	repeated []string
}

// A family is a metric: its samples, or only its declaration while it has none.
// Counters have the name of their samples in both formats, so with _total.
type family struct {
	name   string
	typ    model.MetricType
	series []series
}

// A series is one line of a page. Its labels leave out the name.
type series struct {
	name   string
	labels labels.Labels
	value  float64
}

func (s series) String() string { return s.name + s.labels.String() }

const (
	textFormat  = "text/plain"
	openMetrics = "application/openmetrics-text; version=1.0.0"
)

// ReadPage reads an exposition. contentType is the header that came with it; ""
// for a page without one, which is OpenMetrics if it ends with # EOF.
//
// The parser is the one that Prometheus scrapes with, as it takes both formats and
// refuses what Prometheus would. That of prometheus/common reads only one.
func ReadPage(text []byte, contentType string) (*Page, error) {
	if contentType == "" || !strings.Contains(contentType, "openmetrics") {
		contentType = textFormat
		if bytes.HasSuffix(bytes.TrimRight(text, "\r\n"), []byte("# EOF")) {
			contentType = openMetrics
		}
	}
	p := &Page{families: map[string]*family{}}
	if len(text) == 0 {
		return p, nil
	}
	if text[len(text)-1] != '\n' {
		text = append(slices.Clone(text), '\n')
	}
	parser, err := textparse.New(text, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return nil, err
	}
	reader := pageReader{page: p, total: contentType != textFormat, seen: map[string]bool{}}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return nil, fmt.Errorf("after %d series: %w", len(reader.seen), err)
		}
		switch entry {
		case textparse.EntryType:
			name, typ := parser.Type()
			reader.declare(string(name), typ)
		case textparse.EntrySeries:
			var all labels.Labels
			_, _, value := parser.Series()
			parser.Labels(&all)
			reader.add(all, value)
		}
	}
}

// A pageReader sorts the lines of a page into families.
type pageReader struct {
	page *Page
	// total says that counters are declared without the _total of their samples.
	total bool
	seen  map[string]bool
}

func (r *pageReader) declare(name string, typ model.MetricType) {
	if r.total && typ == model.MetricTypeCounter {
		name += "_total"
	}
	r.family(name).typ = typ
}

func (r *pageReader) add(all labels.Labels, value float64) {
	if key := all.String(); r.seen[key] {
		r.page.repeated = append(r.page.repeated, key)
	} else {
		r.seen[key] = true
	}
	name := all.Get(model.MetricNameLabel)
	if base, isTime := strings.CutSuffix(name, "_created"); isTime && r.times(base) {
		return
	}
	s := series{name: name, labels: labels.NewBuilder(all).Del(model.MetricNameLabel).Labels(), value: value}
	f := r.family(r.page.familyName(name))
	f.series = append(f.series, s)
}

// times reports whether <base>_created is when a metric began, rather than a metric.
func (r *pageReader) times(base string) bool {
	return r.page.families[base] != nil || r.page.families[base+"_total"] != nil
}

func (r *pageReader) family(name string) *family {
	f, ok := r.page.families[name]
	if !ok {
		f = &family{name: name, typ: model.MetricTypeUnknown}
		r.page.families[name] = f
	}
	return f
}

// familyName is the metric that a sample of a name is of.
func (p *Page) familyName(name string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		base, ok := strings.CutSuffix(name, suffix)
		if f := p.families[base]; ok && f != nil && f.hasParts() {
			return base
		}
	}
	return name
}

// hasParts reports whether a metric is several series: buckets, sum and count.
func (f *family) hasParts() bool {
	return f.typ == model.MetricTypeHistogram || f.typ == model.MetricTypeSummary || f.typ == model.MetricTypeGaugeHistogram
}

// sorted returns the metrics by name.
func (p *Page) sorted() []*family {
	var all []*family
	for _, name := range slices.Sorted(maps.Keys(p.families)) {
		all = append(all, p.families[name])
	}
	return all
}

// samples counts the series of the page.
func (p *Page) samples() int {
	n := 0
	for _, f := range p.families {
		n += len(f.series)
	}
	return n
}

// counted are the series that only grow while a process lives: counters, and the
// counts of histograms and summaries.
func (f *family) counted() []series {
	if f.typ == model.MetricTypeCounter {
		return f.series
	}
	if !f.hasParts() {
		return nil
	}
	var counts []series
	for _, s := range f.series {
		if s.name == f.name+"_count" {
			counts = append(counts, s)
		}
	}
	return counts
}

// labelNames are the names of a series' labels, but those that a format gives.
func (s series) labelNames() []string {
	var all []string
	s.labels.Range(func(l labels.Label) {
		if l.Name != model.BucketLabel && l.Name != model.QuantileLabel {
			all = append(all, l.Name)
		}
	})
	return all
}

// total sums the values of series, those left out that are no number.
func total(all []series) float64 {
	sum := 0.0
	for _, s := range all {
		if !math.IsNaN(s.value) && !math.IsInf(s.value, 0) {
			sum += s.value
		}
	}
	return sum
}

// number writes a number with no more digits than it needs.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
