package hpa

import (
	"slices"
	"time"
)

// changes adds up the events that are younger than cut.
func changes(events []ScaleEvent, cut time.Time) int32 {
	var sum int32
	for i := range events {
		if events[i].At.After(cut) {
			sum += events[i].Change
		}
	}
	return sum
}

// rememberChange keeps a change that was written, for the policies to come.
func (r *reconcile) rememberChange(to int32) {
	switch behavior := r.spec.Behavior; {
	case behavior == nil:
		// No policies, hence no memory: not even for a behavior that comes later.
	case to > r.current:
		r.state.ScaleUps = r.remember(r.state.ScaleUps, to-r.current, behavior.ScaleUp.Policies)
	default:
		r.state.ScaleDowns = r.remember(r.state.ScaleDowns, r.current-to, behavior.ScaleDown.Policies)
	}
}

// remember puts a change into a slot that no policy of its own direction needs
// any more, or into a new one. The other direction might have needed it: the
// controller does not look (storeScaleEvent in v1.37.2's horizontal.go).
func (r *reconcile) remember(events []ScaleEvent, change int32, policies []Policy) []ScaleEvent {
	var longest time.Duration
	for _, p := range policies {
		longest = max(longest, p.Period)
	}
	cut := r.now.Add(-longest)
	next := slices.Grow(slices.Clone(events), 1)
	slot := len(next)
	for i := range next {
		next[i].Outdated = next[i].Outdated || next[i].At.Before(cut)
		if next[i].Outdated {
			slot = i
		}
	}
	if slot == len(next) {
		next = append(next, ScaleEvent{})
	}
	next[slot] = ScaleEvent{Change: change, At: r.now}
	return next
}

// events are those of both directions within a period, as changes with a sign.
func (r *reconcile) events(period time.Duration) []Move {
	cut := r.now.Add(-period)
	var moves []Move
	for _, e := range r.state.ScaleUps {
		if e.At.After(cut) {
			moves = append(moves, Move{Change: e.Change, At: e.At})
		}
	}
	for _, e := range r.state.ScaleDowns {
		if e.At.After(cut) {
			moves = append(moves, Move{Change: -e.Change, At: e.At})
		}
	}
	slices.SortFunc(moves, func(a, b Move) int { return a.At.Compare(b.At) })
	return moves
}
