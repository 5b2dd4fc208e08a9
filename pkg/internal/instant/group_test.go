package instant

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
)

func TestGroupLeavesOutSamplesThatNameNoObject(t *testing.T) {
	v := Vector{Samples: []Sample{
		{Labels: labels.FromStrings("namespace", "shop", "pod", "a", "le", "1"), Value: 1},
		{Labels: labels.FromStrings("namespace", "shop", "pod", "a", "le", "2"), Value: 2},
		{Labels: labels.FromStrings("namespace", "shop", "pod", "b"), Value: 3},
		{Labels: labels.FromStrings("namespace", "shop"), Value: 4},
		{Labels: labels.FromStrings("pod", "a"), Value: 5},
		{Labels: labels.EmptyLabels(), Value: 6},
	}}
	got := map[string][]float64{}
	for object, samples := range v.Group("namespace", "pod") {
		for _, s := range samples {
			got[object.String()] = append(got[object.String()], s.Value)
		}
	}
	want := map[string][]float64{"shop/a": {1, 2}, "shop/b": {3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}
