package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A backend's first answer shows nothing of what was before it: this process may
// have started while the backend was away. So before the first answer that looks
// back over a window, the backend is asked how often it scraped in each half of
// it, by the target that it scraped most.

// coverage is the share of the samples that a window should have, by its better
// half, below which it has a gap. A scrape or two may be missing: a false alarm
// costs at most a window at the start, a gap that is overlooked a wrong number.
const coverage = 0.75

// full returns when the backend's data fill a window again; zero if they do.
func (b *backend) full(ctx context.Context, window time.Duration) (time.Time, error) {
	if !b.Coverage || !b.health.unsure(window) {
		return time.Time{}, nil
	}
	now := time.Now()
	full, err := b.covers(ctx, window)
	if err != nil {
		return time.Time{}, err
	}
	return b.health.covered(window, full, now, b.ScrapeInterval), nil
}

// covers reports whether a backend has scraped throughout a window. Where it has
// no metric up, or refuses the question, that cannot be told, and it counts as
// covered.
func (b *backend) covers(ctx context.Context, window time.Duration) (bool, error) {
	half := (window / 2).Milliseconds()
	query := fmt.Sprintf(`label_replace(max(count_over_time(up[%dms])), "half", "last", "", "") or `+
		`label_replace(max(count_over_time(up[%dms] offset %dms)), "half", "first", "", "")`, half, half, half)
	halves, err := b.query(ctx, query, time.Time{})
	if verdict, ok := errors.AsType[Verdict](err); ok && verdict.Answered() {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("whether its window is full: %w", err)
	}
	var most, all float64
	for _, count := range halves.Samples {
		most, all = max(most, count.Value), all+count.Value
	}
	return all >= 2*most*coverage, nil
}
