package promdb

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// A page is what a scrape read.
type page struct {
	samples  []pageSample
	families map[string]Family
	// total counts the samples on the page, those included that samples leaves out.
	total int
}

// A pageSample is dated if the page itself gives its time. Such a series may
// come and go without a staleness marker.
type pageSample struct {
	sample
	dated bool
}

// maxAhead is how far a page may date its samples into the future.
const maxAhead = 10 * time.Minute

// parsePage reads an exposition in the format that contentType names and
// attaches the target's labels. Samples without a time of their own get now, in
// milliseconds since 1970; those dated too far ahead of it are left out.
//
// With an error, the page's total is the number of samples before the mistake.
func parsePage(body []byte, contentType string, target Target, now int64) (page, error) {
	p := page{families: map[string]Family{}}
	if len(body) == 0 {
		return p, nil
	}
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return p, err
	}
	var ls labels.Labels
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return p, err
		}
		switch entry {
		case textparse.EntryType:
			name, typ := parser.Type()
			p.describe(string(name), func(f *Family) { f.Type = typ })
		case textparse.EntryHelp:
			name, help := parser.Help()
			p.describe(string(name), func(f *Family) { f.Help = string(help) })
		case textparse.EntryHistogram:
			return p, errors.New("native histograms are not read")
		case textparse.EntrySeries:
			_, at, v := parser.Series()
			parser.Labels(&ls)
			if err := p.add(ls, at, v, target, now); err != nil {
				return p, err
			}
		}
	}
}

func (p *page) describe(name string, set func(*Family)) {
	f, ok := p.families[name]
	if !ok {
		f = Family{Name: name, Type: model.MetricTypeUnknown}
	}
	set(&f)
	p.families[name] = f
}

func (p *page) add(ls labels.Labels, at *int64, v float64, target Target, now int64) error {
	p.total++
	ls = attach(ls, target)
	if err := checkLabels(ls); err != nil {
		return fmt.Errorf("sample %d: %w", p.total, err)
	}
	s := pageSample{sample: sample{labels: ls, t: now, v: v}}
	if at != nil {
		if *at > now+maxAhead.Milliseconds() {
			return nil
		}
		s.t, s.dated = *at, true
	}
	p.samples = append(p.samples, s)
	return nil
}

// attach sets the target's labels on a series. The page's own value of such a
// label stands where the target honors it. Otherwise it moves to exported_<name>,
// with as many prefixes as it takes to find a free name; the shortest names choose
// first.
func attach(ls labels.Labels, target Target) labels.Labels {
	b := labels.NewBuilder(ls)
	var displaced []labels.Label
	target.Labels.Range(func(l labels.Label) {
		v := ls.Get(l.Name)
		if v != "" && target.HonorLabels {
			return
		}
		if v != "" {
			displaced = append(displaced, labels.Label{Name: l.Name, Value: v})
		}
		b.Set(l.Name, l.Value)
	})
	slices.SortStableFunc(displaced, func(a, b labels.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range displaced {
		name := model.ExportedLabelPrefix + l.Name
		for b.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		b.Set(name, l.Value)
	}
	return b.Labels()
}
