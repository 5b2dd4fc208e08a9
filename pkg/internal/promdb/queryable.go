package promdb

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// A queryable shows a DB to the engine.
type queryable struct{ db *DB }

// Querier takes the DB's read lock, which the Querier's Close gives back.
func (q queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	q.db.mu.RLock()
	return &querier{db: q.db, mint: mint, maxt: maxt}, nil
}

type querier struct {
	db         *DB
	mint, maxt int64
}

// Close ends the query.
func (q *querier) Close() error {
	q.db.mu.RUnlock()
	return nil
}

// Select returns the matching series, cut to the time that the hints or the
// querier ask for and to what retention keeps.
func (q *querier) Select(_ context.Context, sortSeries bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	first, last := q.mint, q.maxt
	if hints != nil {
		first, last = hints.Start, hints.End
	}
	first = max(first, q.db.store.oldest())
	set := &seriesSet{}
	for _, sr := range q.db.store.find(matchers) {
		if ps := sr.points.between(first, last); len(ps) > 0 {
			set.list = append(set.list, series{labels: sr.labels, points: ps})
		}
	}
	if sortSeries {
		slices.SortFunc(set.list, func(a, b series) int { return labels.Compare(a.labels, b.labels) })
	}
	return set
}

var errNoLabelQueries = errors.New("labels cannot be listed")

// LabelValues is not needed to evaluate PromQL.
func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errNoLabelQueries
}

// LabelNames is not needed to evaluate PromQL.
func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errNoLabelQueries
}

// A seriesSet walks over series. next counts from one past the current one.
type seriesSet struct {
	list []series
	next int
}

func (s *seriesSet) Next() bool {
	s.next++
	return s.next <= len(s.list)
}

func (s *seriesSet) At() storage.Series                { return &s.list[s.next-1] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// Labels makes a series a storage.Series.
func (sr *series) Labels() labels.Labels { return sr.labels }

// Iterator makes a series a storage.Series.
func (sr *series) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return storage.NewListSeriesIterator(sr.points)
}
