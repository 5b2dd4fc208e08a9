package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// Results of queries and refreshes, beside the kinds and causes of their errors.
const (
	resultOK      = "ok"
	resultSkipped = "skipped" // nothing was sent
	resultOther   = "other"   // an error without a kind
)

// A Client asks a backend.
type Client interface {
	snapshot.Querier
	Close()
}

// Backend returns the client of a backend with its queries counted.
func (m *Metrics) Backend(name string, client Client) Client {
	return &observedClient{Client: client, metrics: m, name: name}
}

type observedClient struct {
	Client
	metrics *Metrics
	name    string
}

// Query implements snapshot.Querier.
func (c *observedClient) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	begun := time.Now()
	vector, err := c.Client.Query(ctx, expr, at)
	c.metrics.queryTime.WithLabelValues(c.name).Observe(time.Since(begun).Seconds())
	c.metrics.queries.WithLabelValues(c.name, resultOf(err)).Inc()
	return vector, err
}

func resultOf(err error) string {
	if err == nil {
		return resultOK
	}
	if known, ok := errors.AsType[*promapi.Error](err); ok {
		return string(known.Kind)
	}
	return resultOther
}

// Refreshed counts a refresh.
func (m *Metrics) Refreshed(o snapshot.Observation) {
	m.refreshes.WithLabelValues(o.Key.Backend, o.Key.Metric, refreshResult(o)).Inc()
	if !o.Skipped {
		m.refreshTime.WithLabelValues(o.Key.Backend).Observe(o.Elapsed.Seconds())
	}
}

func refreshResult(o snapshot.Observation) string {
	switch {
	case o.Err == nil:
		return resultOK
	case o.Skipped:
		return resultSkipped
	default:
		return string(Cause(o.Err))
	}
}

// Cause is why a refresh failed.
func Cause(err error) snapshot.Cause {
	if cause := snapshot.CauseOf(err); cause != "" {
		return cause
	}
	return snapshot.Failed
}
