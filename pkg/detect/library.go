package detect

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// A library is what is known about one: how to tell it by its metrics, and which
// presets read them.
type library struct {
	name, stack string
	// marks are the ways to know it: all metrics of one of them are there.
	marks [][]mark
	// unless names libraries that have the same metrics and more of their own.
	unless []string
	// requests is the counter of requests, or the histogram that counts them;
	// "" for a queue.
	requests []string
	// latency is the histogram that a p95 is read from, and perSecond how many of
	// its units are a second.
	latency []latency
	// rawPaths and coarse say how this library is cured of raw paths and of coarse
	// buckets; "" for the general cure.
	rawPaths, coarse string
	// unlabelled says that the histogram of the p95 has no path, so that probes
	// cannot be left out of it.
	unlabelled bool
	// target says that labels such as namespace are those of what is observed.
	target bool
	fits   []candidate
	// lacking says what it means that the library is there and no preset fits.
	lacking *lack
}

// A mark is a metric, with labels that its series have. A metric that is declared
// and has no series yet is a mark as well: nobody called the application.
type mark struct {
	metric string
	labels []string
}

// A latency is a histogram of durations.
type latency struct {
	metric    string
	perSecond float64
}

// A candidate is a preset, with the metrics it reads: it fits when one is there.
type candidate struct {
	preset    string
	metrics   []string
	histogram bool // a summary or counter will not do
	labels    []string
	// where holds labels with a value that has to be there.
	where map[string]func(value string) bool
}

// A lack is why none of a library's presets fits.
type lack struct{ code, what, why, cure string }

// A Fit is a preset that finds its metrics on the pages.
type Fit struct {
	Preset  *preset.Preset `json:"-"`
	Name    string         `json:"name"`
	Title   string         `json:"measures"`
	Library string         `json:"library"`
}

// recognize returns the libraries that some pod has metrics of, in the order of the table.
func recognize(pods []Pod) []library {
	var found []library
	for _, one := range libraries {
		known := slices.ContainsFunc(found, func(f library) bool { return slices.Contains(one.unless, f.name) })
		if !known && one.mark(pods) != nil {
			found = append(found, one)
		}
	}
	return found
}

// mark is the first of the library's marks that is on a page; nil for none.
func (l library) mark(pods []Pod) []mark {
	for _, marks := range l.marks {
		for _, pod := range pods {
			if !slices.ContainsFunc(marks, func(m mark) bool { return !m.on(pod.last()) }) {
				return marks
			}
		}
	}
	return nil
}

func (m mark) on(p *Page) bool {
	f, ok := p.families[m.metric]
	if !ok {
		return false
	}
	return len(f.series) == 0 || slices.ContainsFunc(f.series, func(s series) bool { return s.hasLabels(m.labels) })
}

func (s series) hasLabels(wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(name string) bool { return !s.labels.Has(name) })
}

// evidence names the metrics that the library was known by, as they are there.
func (l library) evidence(pods []Pod) []string {
	var texts []string
	for _, m := range l.mark(pods) {
		for _, pod := range pods {
			if m.on(pod.last()) {
				texts = append(texts, pod.last().families[m.metric].describe(m.labels))
				break
			}
		}
	}
	return texts
}

// describe is a metric with the names of the labels of a series that has those wanted.
func (f *family) describe(wanted []string) string {
	text := f.name
	at := slices.IndexFunc(f.series, func(s series) bool { return s.hasLabels(wanted) })
	if at < 0 {
		return text + " (" + string(f.typ) + ", no series yet)"
	}
	if all := f.series[at].labelNames(); len(all) > 0 {
		text += "{" + strings.Join(all, ", ") + "}"
	}
	return text + " (" + string(f.typ) + ")"
}

// fitting returns the presets that find their metrics, library by library.
func fitting(found []library, pods []Pod) []Fit {
	fits := []Fit{}
	for _, l := range found {
		for _, c := range l.fits {
			p, ok := preset.Get(c.preset)
			if ok && slices.ContainsFunc(pods, func(pod Pod) bool { return c.on(pod.last()) }) {
				fits = append(fits, Fit{Preset: p, Name: p.Name, Title: p.Title, Library: l.name})
			}
		}
	}
	return fits
}

func (c candidate) on(p *Page) bool {
	return slices.ContainsFunc(c.metrics, func(metric string) bool {
		f, ok := p.families[metric]
		if !ok || c.histogram && f.typ != model.MetricTypeHistogram {
			return false
		}
		if len(f.series) == 0 {
			return len(c.where) == 0
		}
		return slices.ContainsFunc(f.series, func(s series) bool { return s.hasLabels(c.labels) && c.matches(s.labels) })
	})
}

func (c candidate) matches(ls labels.Labels) bool {
	for name, match := range c.where {
		if !match(ls.Get(name)) {
			return false
		}
	}
	return true
}
