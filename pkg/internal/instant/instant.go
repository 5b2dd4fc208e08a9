// Package instant holds what an instant query answers: samples that share one
// evaluation time.
//
// It is the vocabulary between those who ask (pkg/internal/snapshot) and those
// who answer (pkg/internal/promapi over HTTP, pkg/internal/promdb from memory).
// It has no behaviour beyond reading labels.
package instant

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// A Sample is one series' value in a Vector.
type Sample struct {
	// Labels identify the series within its Vector. A metric name, where the
	// expression keeps one, is the label __name__.
	Labels labels.Labels
	// Value is what the backend answered: NaN and both infinities are possible
	// and mean what they mean in PromQL. Nobody has judged it yet.
	Value float64
	// Age is how old the newest of the samples behind the value was when it was
	// evaluated; 0 where nobody asked.
	Age time.Duration
}

// A Vector is the answer to an instant query.
//
// No sample means that no series matched; it never stands for zero. A scalar
// answer is one Sample without labels. Readers share a Vector and must not
// change it.
type Vector struct {
	// At is the evaluation time that the backend reported with the samples. It
	// is not the time of the newest scrape behind them.
	At time.Time
	// Samples are in the backend's order, which means nothing.
	Samples []Sample
	// Warnings are the backend's own doubts about the answer, such as a partial
	// response. A Vector with warnings is not to be trusted blindly.
	Warnings []string
}
