package detect

import (
	"strings"
	"testing"

	"github.com/pitot-autoscaling/pitot/pkg/rule/preset"
)

// beyondPages are presets of what no text page shows.
var beyondPages = map[string]bool{"otel-http-p95-native": true} // exponential histograms

// Every preset is found by what it reads: a library that has the preset names a
// metric of its query, and no preset is left out.
func TestEveryPresetCanBeFound(t *testing.T) {
	listed := map[string]bool{}
	for _, l := range libraries {
		for _, c := range l.fits {
			listed[c.preset] = true
			p, ok := preset.Get(c.preset)
			if !ok {
				t.Errorf("%s: there is no preset %s", l.name, c.preset)
				continue
			}
			for _, metric := range c.metrics {
				if !strings.Contains(p.Rule.Query+p.Rule.Buckets, metric) {
					t.Errorf("%s: %s does not read %s", l.name, c.preset, metric)
				}
			}
			if c.histogram != isLatency(p) {
				t.Errorf("%s: a histogram is needed by latencies: %s", l.name, c.preset)
			}
		}
	}
	for _, p := range preset.All() {
		if !listed[p.Name] && !beyondPages[p.Name] {
			t.Errorf("no library has the preset %s", p.Name)
		}
	}
}

func TestLibrariesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range libraries {
		if seen[l.name] {
			t.Errorf("two libraries are called %s", l.name)
		}
		seen[l.name] = true
		for _, of := range l.latency {
			if of.perSecond != 1 && of.perSecond != 1000 {
				t.Errorf("%s: %s has %g units in a second", l.name, of.metric, of.perSecond)
			}
		}
	}
}

// The parts of a path that presets leave out are the ones that count as probes here.
func TestProbesAreWhatPresetsLeaveOut(t *testing.T) {
	p, _ := preset.Get("fastapi-rps")
	exclude, _ := p.Parameter("exclude")
	if !strings.Contains(probe.String(), exclude.Default) {
		t.Errorf("probes are %s, presets leave out %s", probe, exclude.Default)
	}
}
