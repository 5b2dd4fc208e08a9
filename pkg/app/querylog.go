package app

import (
	"go.uber.org/zap"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// logQueries logs when a query begins to fail and when it works again. What is
// no news is for the debug level.
func logQueries(log *zap.Logger) func(snapshot.Observation) {
	return func(o snapshot.Observation) {
		log := log.With(
			zap.String("backend", o.Key.Backend),
			zap.String("query", o.Key.Query),
			zap.Duration("elapsed", o.Elapsed),
			zap.Int("series", o.Series),
		)
		switch {
		case o.Err != nil && !o.Failing:
			log.Warn("query fails", zap.Error(o.Err))
		case o.Err == nil && o.Failing:
			log.Info("query works again")
		default:
			log.Debug("query", zap.Error(o.Err))
		}
	}
}
