package promdb

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// A Family is a group of series that a page describes together, such as the
// _bucket, _sum and _count of a histogram.
type Family struct {
	Name string
	// Type is as the page says, "unknown" if it does not.
	Type model.MetricType
	// Help is as the page says, "" if it does not.
	Help string
}

// MetricFamilies lists what series there are, in the order of names. Series
// that no scraped page described stand for themselves. The scraper's own
// series (up, scrape_…) are left out: no page has them.
func (db *DB) MetricFamilies() []Family {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.store.families()
}

func (st *store) families() []Family {
	found := map[string]Family{}
	for name := range st.byName {
		if slices.Contains(reportNames, name) {
			continue
		}
		f := st.familyOf(name)
		found[f.Name] = f
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
}

// describe remembers what a page says of its families.
func (st *store) describe(families map[string]Family) {
	maps.Copy(st.described, families)
}

// suffixes are the endings that the series of a described family can have.
// OpenMetrics describes the counter x_total under the name x.
var suffixes = map[model.MetricType][]string{
	model.MetricTypeCounter:        {"_total", "_created"},
	model.MetricTypeHistogram:      {"_bucket", "_sum", "_count", "_created"},
	model.MetricTypeGaugeHistogram: {"_bucket", "_gsum", "_gcount"},
	model.MetricTypeSummary:        {"_sum", "_count", "_created"},
	model.MetricTypeInfo:           {"_info"},
}

// familyOf finds the family of a series by its metric name.
func (st *store) familyOf(name string) Family {
	if f, ok := st.described[name]; ok {
		return f
	}
	if cut := strings.LastIndexByte(name, '_'); cut > 0 {
		if f, ok := st.described[name[:cut]]; ok && slices.Contains(suffixes[f.Type], name[cut:]) {
			return f
		}
	}
	return Family{Name: name, Type: model.MetricTypeUnknown}
}
