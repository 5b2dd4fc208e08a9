package snapshot

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

func TestRulesOfDifferentLabelsShareAnAnswer(t *testing.T) {
	s := &Snapshot{Vector: instant.Vector{Samples: []instant.Sample{
		{Labels: labels.FromStrings("namespace", "shop", "pod", "web-1", "service", "web"), Value: 1},
	}}}
	for range 2 {
		for label, name := range map[string]string{"pod": "web-1", "service": "web"} {
			if groups := s.Group("namespace", label); len(groups) != 1 || len(groups[instant.Object{Namespace: "shop", Name: name}]) != 1 {
				t.Errorf("by %s: %v", label, groups)
			}
		}
	}
}
