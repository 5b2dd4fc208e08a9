// Package profile asks a backend in the words of rules: whatever labels its series
// have for namespaces and pods, rules say namespace and pod.
//
//	b := profile.New(client, backend.Labels, rules)
//	defer b.Close()
//	vector, err := b.Query(ctx, `sum by (namespace, pod) (rate(x[2m]))`, time.Time{})
//
// The names of labels are replaced in the parsed query and put back in its answer;
// both are exact, see [rule.Profile.Renaming]. What is asked of a backend with the
// profile otel is
//
//	sum by (k8s_namespace_name, k8s_pod_name) (rate(x[2m]))
//
// and Text says so to people.
//
// # Auto
//
// A profile that is not known is found out by one query, the probe, in the
// background. Until there is an answer, every query is an error with the cause:
// under other names a query finds nothing, and where nothing counts as zero that
// would be an invented number. The probe asks which labels the series of the rules
// have alone, and if these have none yet, the scrape targets. What it finds
// holds until the rules or the backend change; reads never look at the data.
//
// It never finds exported: these labels an application writes itself, and whoever
// believes them has to say so. Nor does it look behind the backs of rules that name
// such labels themselves.
package profile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Querier evaluates an instant query. It returns no sample, rather than a zero,
// for a series that does not exist. It is called concurrently.
type Querier interface {
	Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error)
}

// A Backend is a Querier that is asked in the words of rules. Close it.
type Backend struct {
	querier Querier
	cancel  context.CancelFunc
	looking sync.WaitGroup
	looked  chan struct{} // closed once there is a first Finding

	mu    sync.RWMutex
	found Finding
}

// New returns a Backend of a profile, or for Auto one that begins to find out the
// profile by the rules that ask it.
func New(querier Querier, p rule.Profile, rules []*rule.Rule) *Backend {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Backend{querier: querier, cancel: cancel, looked: make(chan struct{})}
	if !p.IsAuto() {
		b.found = Finding{Profile: p, Why: "configured"}
		close(b.looked)
		return b
	}
	b.looking.Go(func() { b.look(ctx, rules) })
	return b
}

// Close ends the search for the profile.
func (b *Backend) Close() {
	b.cancel()
	b.looking.Wait()
}

// How long to wait until the next probe: after one that failed, and after one that
// found nothing that decides.
const (
	retryAfter = 5 * time.Second
	againAfter = 15 * time.Second
)

// look probes until there is something that decides.
func (b *Backend) look(ctx context.Context, rules []*rule.Rule) {
	for first := true; ; first = false {
		found := Probe(ctx, b.querier, rules)
		if ctx.Err() == nil {
			b.mu.Lock()
			b.found = found
			b.mu.Unlock()
		}
		if first {
			close(b.looked)
		}
		pause := againAfter
		switch {
		case found.Err != nil:
			pause = retryAfter
		case !found.Open:
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Finding is what is known of the profile. Before the first probe has an answer,
// its Err says so.
func (b *Backend) Finding() Finding {
	select {
	case <-b.looked:
	default:
		return Finding{Err: errNotYet}
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.found
}

// Query evaluates an expression that is written in the words of rules. Its errors
// are *UndecidedError, and those of the Querier.
func (b *Backend) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	select {
	case <-b.looked:
	case <-ctx.Done():
		return instant.Vector{}, &UndecidedError{Err: ctx.Err()}
	}
	found := b.Finding()
	if found.Err != nil {
		return instant.Vector{}, &UndecidedError{Err: found.Err}
	}
	return Query(ctx, b.querier, found.Profile, expr, at)
}

// Text is the query as it reaches the backend; as it is written, while that is not
// known.
func (b *Backend) Text(expr string) string {
	text, err := Text(b.Finding().Profile, expr)
	if err != nil {
		return expr
	}
	return text
}

// Query asks a Querier with a known profile.
func Query(ctx context.Context, querier Querier, p rule.Profile, expr string, at time.Time) (instant.Vector, error) {
	text, err := Text(p, expr)
	if err != nil {
		return instant.Vector{}, err
	}
	vector, err := querier.Query(ctx, text, at)
	if err != nil {
		return instant.Vector{}, err
	}
	vector.Samples = restored(vector.Samples, p)
	return vector, nil
}

// Text is a query in the labels of a profile.
func Text(p rule.Profile, expr string) (string, error) {
	names := p.Renaming()
	if len(names) == 0 {
		return expr, nil
	}
	parsed, err := promexpr.Parse(expr)
	if err != nil {
		return "", fmt.Errorf("labels %s: %w", p, err)
	}
	return parsed.Rename(names).String(), nil
}

// restored are samples with the labels of rules again.
func restored(samples []instant.Sample, p rule.Profile) []instant.Sample {
	names := map[string]string{}
	for name, own := range p.Renaming() {
		names[own] = name
	}
	if len(names) == 0 {
		return samples
	}
	all := make([]instant.Sample, len(samples))
	b := labels.NewScratchBuilder(8)
	for i, s := range samples {
		b.Reset()
		s.Labels.Range(func(l labels.Label) {
			if name, ok := names[l.Name]; ok {
				l.Name = name
			}
			b.Add(l.Name, l.Value)
		})
		b.Sort()
		all[i] = s
		all[i].Labels = b.Labels()
	}
	return all
}
