package scenario

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// An eventConfig is an entry of events.
type eventConfig struct {
	at        Position
	kind      place.Field[sim.EventKind]
	begin     place.Field[time.Duration]
	length    place.Field[time.Duration]
	replicas  place.Field[int64]
	overrides []Override
	set       place.Field[bool]
}

func (d decoder) events(node *yaml.Node) []eventConfig {
	var all []eventConfig
	elements, _ := d.Elements(node, "events")
	for _, element := range elements {
		var e eventConfig
		e.at = d.At(place.Target(element))
		ok := d.Object(element, "an event", place.Fields{
			"event":    place.OneOf(d.Decoder, "event", &e.kind, sim.Outage, sim.StuckPods, sim.Restart, sim.ManualScale, sim.Edit),
			"at":       d.Duration("at", &e.begin),
			"for":      d.Duration("for", &e.length),
			"replicas": d.Whole("replicas", &e.replicas),
			"set": func(node *yaml.Node) {
				e.set = place.Field[bool]{At: d.At(place.Target(node)), Given: true}
				e.overrides = d.overrides(node)
			},
		})
		if ok {
			d.checkEvent(&e)
			all = append(all, e)
		}
	}
	return all
}

func (d decoder) checkEvent(e *eventConfig) {
	missing := func(is bool, name, hint string) {
		if is {
			d.Report(e.at, fmt.Sprintf("field %q is missing", name), hint)
		}
	}
	missing(!e.kind.Given, "event", "what happens, as in event: prometheusOutage")
	missing(!e.begin.Given, "at", "when it begins, as in at: 10m")
	if e.begin.Valid && e.begin.Value < 0 {
		d.Report(e.begin.At, `field "at" is before the beginning`, "")
	}
	if !e.kind.Valid {
		return
	}
	lasts := e.kind.Value == sim.Outage || e.kind.Value == sim.StuckPods
	missing(lasts && !e.length.Given, "for", "how long it lasts, as in for: 5m")
	missing(e.kind.Value == sim.ManualScale && !e.replicas.Given, "replicas", "what somebody sets, as in replicas: 10")
	missing(e.kind.Value == sim.Edit && !e.set.Given, "set", "what changes in the HPA, as in set: {maxReplicas: 30}")
	nothing := func(at Position, given bool, name string) {
		if given {
			d.Report(at, fmt.Sprintf("field %q means nothing for %s", name, e.kind.Value), "")
		}
	}
	nothing(e.length.At, e.length.Given && !lasts, "for")
	nothing(e.replicas.At, e.replicas.Given && e.kind.Value != sim.ManualScale, "replicas")
	nothing(e.set.At, e.set.Given && e.kind.Value != sim.Edit, "set")
	if lasts && e.length.Valid && e.length.Given && e.length.Value <= 0 {
		d.Report(e.length.At, `field "for" is not above 0`, "")
	}
	if e.replicas.Valid && (e.replicas.Value < 0 || e.replicas.Value > maxReplicas) {
		d.Report(e.replicas.At, fmt.Sprintf("field %q: %d is not between 0 and %d", "replicas", e.replicas.Value, maxReplicas), "")
	}
}

// maxReplicas is the most that a test may begin with or set.
const maxReplicas = 100_000

// compile makes the event. Edits add to one another: each changes the HPA that
// the ones before it left.
func (e *eventConfig) compile(edited *manifest.Autoscaler) sim.Event {
	event := sim.Event{At: e.begin.Value, For: e.length.Value, Kind: e.kind.Value, Replicas: int32(e.replicas.Value)}
	if edited != nil {
		event.Spec = &edited.Spec
	}
	return event
}

// ParseObjective reads an objective such as p95=500ms: of the requests of each
// second, 95 in 100 are to take at most 500 milliseconds.
func ParseObjective(text string) (sim.Objective, error) {
	o, refusal := parseObjective(text)
	if refusal != nil {
		return sim.Objective{}, refuse(text, refusal)
	}
	return o, nil
}

func parseObjective(text string) (sim.Objective, *place.Refusal) {
	const example = "write it as in p95=500ms"
	name, limit, ok := strings.Cut(text, "=")
	if !ok {
		return sim.Objective{}, &place.Refusal{Cause: fmt.Sprintf("%q is not an objective", text), Hint: example}
	}
	quantile, ok := parseQuantile(name)
	if !ok {
		return sim.Objective{}, &place.Refusal{Cause: fmt.Sprintf("%q is not a quantile", name), Hint: example}
	}
	d, err := time.ParseDuration(limit)
	if err != nil || d <= 0 {
		return sim.Objective{}, &place.Refusal{Cause: fmt.Sprintf("%q is not a duration above 0", limit), Hint: example, Column: len(name) + 2}
	}
	return sim.Objective{Quantile: quantile, Limit: d}, nil
}

// overrides reads the map from paths to values.
func (d decoder) overrides(node *yaml.Node) []Override {
	var all []Override
	d.Each(node, "set", func(name, value *yaml.Node) {
		o, refusal := newOverride(d.At(name), name.Value, value)
		if refusal != nil {
			d.Report(d.At(name), refusal.Cause, refusal.Hint)
			return
		}
		all = append(all, o)
	})
	return all
}
