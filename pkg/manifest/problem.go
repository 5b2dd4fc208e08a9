package manifest

import (
	"slices"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// A Position is a place in a text.
type Position = place.Position

// A Problem is one mistake in a manifest: where it is, its Cause, and a Hint where
// there is one. As an error it is one line, as in
//
//	hpa.yaml:9:16: web: spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`
type Problem struct {
	place.Problem
	// Field is the path of the field in the words of the API server, such as
	// spec.metrics[0].resource.name. Empty for what is no field.
	Field string
}

// Problems are all mistakes in a text, sorted by place.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string { return place.Lines(ps) }

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int { return place.Compare(a.Position, b.Position) })
}
