// Package promdb is PromQL without a Prometheus: the real engine over samples in
// memory, and a scraper that fills them from /metrics pages.
//
//	db := promdb.New(promdb.Options{Retention: time.Hour})
//	scraper, err := promdb.NewScraper(db, promdb.ScrapeOptions{Interval: 5 * time.Second},
//		promdb.Target{URL: "http://127.0.0.1:8000/metrics", Labels: labels.FromStrings("pod", "web-0")})
//	go scraper.Run(ctx)
//	vector, err := db.Query(ctx, `rate(http_requests_total[1m])`, time.Time{})
//
// A query reads a scrape whole or not at all. Series that vanish from a page,
// and all series of a page that cannot be read, go stale as in Prometheus.
//
// The package also hands on the engine's arithmetic (Quantile, Sum, Avg, Max)
// for values that are folded outside a query.
//
// # Limitations
//
// Samples are floats: native histograms are neither stored nor answered.
// Nothing is written to disk. A selector finds its series by metric name and
// compares the other labels one by one, which suits hundreds of thousands of
// series and not millions (BenchmarkSelectOnePod).
package promdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

var (
	// ErrOutOfOrder says that a series already has a sample at or after the
	// time of the one that was refused.
	ErrOutOfOrder = errors.New("sample is not newer than the series' last one")
	// ErrBadQuery says that an expression does not parse, or that its answer is
	// neither an instant vector of floats nor a scalar.
	ErrBadQuery = errors.New("bad query")
)

// Options say how a DB keeps and answers. The zero value of each field means
// its default.
type Options struct {
	// Retention is how far behind the newest sample of the DB samples can be
	// and still be seen. Windows longer than that are silently short. Default 1h.
	Retention time.Duration
	// Lookback is how far behind the evaluation time a selector accepts a
	// series' last sample. Default 5m, as in Prometheus.
	Lookback time.Duration
	// Now is the clock of queries that name no time. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Retention <= 0 {
		o.Retention = time.Hour
	}
	if o.Lookback <= 0 {
		o.Lookback = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// The engine's limits and its step of a subquery that names none, as a
// Prometheus has them by default.
const (
	queryTimeout = 2 * time.Minute
	maxSamples   = 50_000_000
	subqueryStep = time.Minute
)

// A DB holds samples and answers PromQL. It is safe for concurrent use.
type DB struct {
	now    func() time.Time
	engine *promql.Engine

	// mu is held for reading from the start of a query to its end: this is what
	// makes a scrape visible whole or not at all.
	mu    sync.RWMutex
	store *store
}

// New returns an empty DB.
func New(o Options) *DB {
	o = o.withDefaults()
	return &DB{
		now: o.Now,
		engine: promql.NewEngine(promql.EngineOpts{
			MaxSamples:               maxSamples,
			Timeout:                  queryTimeout,
			LookbackDelta:            o.Lookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   parser.NewParser(parser.Options{}),
		}),
		store: newStore(o.Retention),
	}
}

// Append adds one sample at a time that is rounded down to the millisecond.
//
// ls must hold a metric name, each label once, and UTF-8 only. A sample that is
// not newer than its series' last one is refused with ErrOutOfOrder, even where
// the values agree. The value StaleMarker ends a series until its next sample.
func (db *DB) Append(at time.Time, ls labels.Labels, v float64) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.store.append(sample{labels: ls, t: timestamp.FromTime(at), v: v})
}

// StaleMarker returns the NaN by which Prometheus marks the end of a series.
func StaleMarker() float64 { return math.Float64frombits(value.StaleNaN) }

// Query evaluates an instant query. A zero at means the DB's clock; the time is
// rounded down to the millisecond and reported as the Vector's At.
//
// It returns no sample, rather than a zero, for a series that does not exist.
// The engine's warnings travel with the Vector, its remarks (such as "metric
// might not be a counter") do not. Errors wrap ErrBadQuery, ctx's error, or
// what the engine said.
func (db *DB) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	if at.IsZero() {
		at = db.now()
	}
	at = timestamp.Time(timestamp.FromTime(at))
	query, err := db.engine.NewInstantQuery(ctx, queryable{db}, nil, expr, at)
	if err != nil {
		return instant.Vector{}, fmt.Errorf("%w: %w", ErrBadQuery, err)
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return instant.Vector{}, queryError(result.Err)
	}
	samples, err := instantSamples(result.Value)
	if err != nil {
		return instant.Vector{}, err
	}
	warnings, _ := result.Warnings.AsStrings(expr, 0, 0)
	slices.Sort(warnings)
	return instant.Vector{At: at, Samples: samples, Warnings: warnings}, nil
}

// queryError makes the end of a context recognizable: the engine reports it in
// types of its own.
func queryError(err error) error {
	var (
		timedOut promql.ErrQueryTimeout
		canceled promql.ErrQueryCanceled
	)
	switch {
	case errors.As(err, &timedOut):
		return fmt.Errorf("%w: %w", err, context.DeadlineExceeded)
	case errors.As(err, &canceled):
		return fmt.Errorf("%w: %w", err, context.Canceled)
	}
	return err
}

// instantSamples turns the engine's answer into samples that outlive the query.
func instantSamples(v parser.Value) ([]instant.Sample, error) {
	switch v := v.(type) {
	case promql.Scalar:
		return []instant.Sample{{Value: v.V}}, nil
	case promql.Vector:
		samples := make([]instant.Sample, len(v))
		for i, s := range v {
			if s.H != nil {
				return nil, fmt.Errorf("%w: %s is a native histogram; a number is needed", ErrBadQuery, s.Metric)
			}
			samples[i] = instant.Sample{Labels: s.Metric, Value: s.F}
		}
		return samples, nil
	default:
		return nil, fmt.Errorf("%w: the answer is a %s; an instant vector or a scalar is needed", ErrBadQuery, v.Type())
	}
}
