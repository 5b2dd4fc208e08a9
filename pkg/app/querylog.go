package app

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/internal/telemetry"
)

// quiet is how long the queries of a metric must not fail until they are said to
// work again, and how often the log tells that they fail for another cause.
const quiet = time.Minute

// A queryLog says when the queries of a metric begin to fail and when they work
// again: once for all HPAs that read it, and once for all failures on the way.
// Each refresh is an entry of the debug level.
type queryLog struct {
	log *zap.Logger

	mu       sync.Mutex
	troubles map[metricAt]trouble
}

// A metricAt is a metric by the backend that answers for it.
type metricAt struct{ backend, metric string }

// A trouble is a time in which queries of a metric fail.
type trouble struct {
	since, last time.Time // the first and the latest failure
	failures    int
	cause       snapshot.Cause
	told        time.Time
}

func newQueryLog(log *zap.Logger) *queryLog {
	return &queryLog{log: log, troubles: map[metricAt]trouble{}}
}

// refreshed takes the outcome of a refresh.
func (q *queryLog) refreshed(o snapshot.Observation) {
	log := q.log.With(
		zap.String("backend", o.Key.Backend),
		zap.String("metric", o.Key.Metric),
		zap.String("query", o.Key.Query),
		zap.Duration("elapsed", o.Elapsed),
		zap.Int("series", o.Series),
	)
	switch news, before := q.note(o, time.Now()); news {
	case begins:
		log.Warn("query fails", zap.Error(o.Err))
	case ends:
		log.Info("query works again", zap.Duration("failed_for", before.last.Sub(before.since)), zap.Int("failures", before.failures))
	default:
		log.Debug("query", zap.Error(o.Err))
	}
}

// News is what a refresh says of a metric that was not known.
type news int

const (
	none news = iota
	begins
	ends
)

// note records a refresh. With the end of a trouble it returns what it was.
func (q *queryLog) note(o snapshot.Observation, now time.Time) (news, trouble) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := metricAt{o.Key.Backend, o.Key.Metric}
	before, troubled := q.troubles[at]
	if o.Err == nil {
		if !troubled || now.Sub(before.last) < quiet {
			return none, trouble{}
		}
		delete(q.troubles, at)
		return ends, before
	}
	if o.Away && !troubled { // the backend is the news
		return none, trouble{}
	}
	after, tell := before.with(telemetry.Cause(o.Err), now)
	q.troubles[at] = after
	if tell && !o.Away {
		return begins, trouble{}
	}
	return none, trouble{}
}

// with is a trouble after one more failure, and whether that is worth a line.
func (t trouble) with(cause snapshot.Cause, now time.Time) (after trouble, tell bool) {
	after = trouble{since: t.since, last: now, failures: t.failures + 1, cause: t.cause, told: t.told}
	if t.failures == 0 {
		after.since = now
	}
	if t.failures == 0 || cause != t.cause && now.Sub(t.told) >= quiet {
		after.cause, after.told = cause, now
		return after, true
	}
	return after, false
}

// logAbsences says when a backend goes away and when it is back.
func logAbsences(log *zap.Logger) func(snapshot.Absence) {
	return func(a snapshot.Absence) {
		log := log.With(zap.String("backend", a.Backend))
		if a.Err != nil {
			log.Warn("backend does not answer", zap.Error(a.Err))
			return
		}
		log.Info("backend answers again", zap.Duration("away_for", a.Lasted.Round(time.Millisecond)))
	}
}
