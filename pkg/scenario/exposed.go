package scenario

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// An Exposed is a metric of a metrics page: of each pod, or of a queue's exporter.
// Requests by their status are two of them: completed ones with the label of a
// 200, failed ones with that of a 500.
type Exposed struct {
	Position
	// Name is the metric as it stands on the page; a histogram is named without
	// _bucket, _sum and _count.
	Name   string
	Of     Source
	Labels map[string]string // besides namespace and pod, which a scrape adds
	// Buckets are the upper bounds of a histogram in seconds, rising and finite.
	Buckets []float64
}

// A Source is what a metric of a page counts, which implies its type.
type Source string

// The sources.
const (
	CountsCompleted Source = "completed" // counter of requests
	CountsArrived   Source = "arrived"   // counter of requests, finished or not
	CountsFailed    Source = "failed"    // counter of requests that timed out
	CountsLatency   Source = "latency"   // histogram of completed requests, in seconds
	CountsInFlight  Source = "inflight"  // gauge of requests that are there
	CountsCPU       Source = "cpu"       // counter of processor time, in seconds
	CountsBusy      Source = "busy"      // counter of the time that workers work, in seconds
	CountsBacklog   Source = "backlog"   // gauge of the shared queue, on a page of its own
)

var sources = []Source{
	CountsCompleted, CountsArrived, CountsFailed, CountsLatency, CountsInFlight, CountsCPU, CountsBusy, CountsBacklog,
}

// An exposedConfig is an entry of exposes.
type exposedConfig struct {
	at        Position
	name      place.Field[string]
	of        place.Field[Source]
	labels    map[string]string
	labelsAt  []place.Field[string] // the names
	buckets   bucketsConfig
	bucketsAt Position
}

func (d decoder) exposes(node *yaml.Node, c *appConfig) {
	elements, _ := d.Elements(node, "exposes")
	for _, element := range elements {
		var e exposedConfig
		e.at = d.At(place.Target(element))
		named := d
		if name := place.Lookup(element, "name"); name != nil && !place.Absent(name) {
			named = decoder{d.About(fmt.Sprintf("metric %q", place.Target(name).Value))}
		}
		ok := named.Object(element, "an exposed metric", place.Fields{
			"name":   named.Text("name", &e.name),
			"of":     place.OneOf(named.Decoder, "of", &e.of, sources...),
			"labels": func(node *yaml.Node) { named.labels(node, &e) },
			"buckets": func(node *yaml.Node) {
				e.bucketsAt = named.At(place.Target(node))
				named.buckets(&e.buckets)(node)
			},
		})
		if ok {
			c.exposes = append(c.exposes, e)
		}
	}
}

func (d decoder) labels(node *yaml.Node, e *exposedConfig) {
	e.labels = map[string]string{}
	d.Each(node, "labels", func(name, value *yaml.Node) {
		var text place.Field[string]
		d.Text(name.Value, &text)(value)
		e.labels[name.Value] = text.Value
		e.labelsAt = append(e.labelsAt, place.Field[string]{Value: name.Value, At: d.At(name)})
	})
}

func (e *exposedConfig) compile() Exposed {
	return Exposed{
		Position: e.at,
		Name:     e.name.Value,
		Labels:   e.labels,
		Of:       e.of.Value,
		Buckets:  e.buckets.values(),
	}
}
