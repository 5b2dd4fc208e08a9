package promtest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

// A Steady is a Truth that stays as it was set. A series keeps its value; one
// whose name ends in _total grows by its value per second instead, so that its
// rate is that value. Each was scraped at the time of the query, and every
// second before that.
type Steady struct {
	mu     sync.Mutex
	series []instant.Sample
}

// Set replaces all series. Their labels include the name.
func (s *Steady) Set(series []instant.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.series = series
}

// Query evaluates PromQL. Windows beyond two minutes are short.
func (s *Steady) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	s.mu.Lock()
	series := s.series
	s.mu.Unlock()
	db := promdb.New(promdb.Options{})
	for _, one := range series {
		if err := appendSteady(db, one, at); err != nil {
			return instant.Vector{}, err
		}
	}
	return db.Query(ctx, expr, at)
}

func appendSteady(db *promdb.DB, series instant.Sample, at time.Time) error {
	if !strings.HasSuffix(series.Labels.Get(model.MetricNameLabel), "_total") {
		return db.Append(at, series.Labels, series.Value)
	}
	for second := -120; second <= 0; second++ {
		then := at.Add(time.Duration(second) * time.Second)
		// Counted from 1970, as if it had never been reset.
		count := series.Value * float64(then.UnixMilli()) / 1000
		if err := db.Append(then, series.Labels, count); err != nil {
			return err
		}
	}
	return nil
}
