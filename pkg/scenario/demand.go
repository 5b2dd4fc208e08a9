package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/trace"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// A Demand is where the demand of a Case comes from: a shape, a recorded trace or
// values. One of Shape, Trace and Values is there.
type Demand struct {
	Position

	Shape string // as workload.ParseShape reads it

	Trace string // a file that package trace reads
	// Column is that of the file's values; "" where there is only one series.
	Column string
	// Time is the column of times; "" where the file's form tells.
	Time string
	// Unit and Gaps are words of package trace; "" is its default.
	Unit string
	Gaps string

	Values []float64 // requests per second
	// Interval is the time that each of Values tells of, or the rows of a Trace
	// without times.
	Interval time.Duration

	Scale float64 // multiplies the demand, 1 by default
}

// A demandConfig is a demand as it is written.
type demandConfig struct {
	at       Position
	given    bool
	shape    place.Field[string]
	trace    place.Field[string]
	column   place.Field[string]
	time     place.Field[string]
	unit     place.Field[string]
	gaps     place.Field[string]
	interval place.Field[time.Duration]
	scale    place.Field[float64]
	values   []place.Field[float64]
	valuesAt place.Field[bool]

	length time.Duration // 0 where only reading a trace tells
}

func (d decoder) demand(node *yaml.Node, c *demandConfig) {
	c.at, c.given = d.At(place.Target(node)), true
	if place.Target(node).Kind == yaml.ScalarNode {
		d.shape("demand", c)(node)
	} else {
		d.Object(node, "demand", place.Fields{
			"shape":    d.shape("shape", c),
			"trace":    d.Text("trace", &c.trace),
			"column":   d.Text("column", &c.column),
			"time":     d.Text("time", &c.time),
			"unit":     place.OneOf(d.Decoder, "unit", &c.unit, units...),
			"gaps":     place.OneOf(d.Decoder, "gaps", &c.gaps, gaps...),
			"interval": d.Duration("interval", &c.interval),
			"scale":    d.Number("scale", &c.scale),
			"values": func(node *yaml.Node) {
				c.valuesAt = place.Field[bool]{At: d.At(place.Target(node)), Given: true}
				elements, _ := d.Elements(node, "values")
				for _, element := range elements {
					var value place.Field[float64]
					d.Number("values", &value)(element)
					c.values = append(c.values, value)
				}
			},
		})
	}
	c.scale.OrElse(1)
	d.checkDemand(c)
}

// The words of package trace.
var (
	units = []string{string(trace.Rate), string(trace.Count), string(trace.Counter), string(trace.Events)}
	gaps  = []string{string(trace.Refuse), string(trace.Hold), string(trace.Zero), string(trace.Interpolate)}
)

// column is where a shape is wrong, in the words of package workload.
var column = regexp.MustCompile(`^column (\d+): (.*)$`)

// shape reads a demand's shape, and its length.
func (d decoder) shape(name string, c *demandConfig) func(*yaml.Node) {
	return place.Scalar(d.Decoder, name, "text", []string{"!!str"}, &c.shape, func(text string) (string, *place.Refusal) {
		shaped, err := workload.ParseShape(text, 0)
		if err == nil {
			c.length = shaped.Length()
			return text, nil
		}
		refusal := &place.Refusal{Cause: err.Error()}
		if parts := column.FindStringSubmatch(refusal.Cause); parts != nil {
			refusal.Column, _ = strconv.Atoi(parts[1])
			refusal.Cause = parts[2]
		}
		return "", refusal
	})
}

func (d decoder) checkDemand(c *demandConfig) {
	sources := 0
	for _, given := range []bool{c.shape.Given, c.trace.Given, c.valuesAt.Given} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		d.Report(c.at, fmt.Sprintf("a demand is one of shape, trace and values, and this has %d of them", sources), "")
	}
	only := func(at Position, given bool, name, source string, is bool) {
		if given && !is {
			d.Report(at, fmt.Sprintf("field %q is for a %s", name, source), "")
		}
	}
	only(c.column.At, c.column.Given, "column", "trace", c.trace.Given)
	only(c.time.At, c.time.Given, "time", "trace", c.trace.Given)
	only(c.unit.At, c.unit.Given, "unit", "trace", c.trace.Given)
	only(c.gaps.At, c.gaps.Given, "gaps", "trace", c.trace.Given)
	only(c.interval.At, c.interval.Given, "interval", "trace or values", c.trace.Given || c.valuesAt.Given)
	if c.valuesAt.Given && !c.interval.Given {
		d.Report(c.at, `field "interval" is missing`, "the time that each value tells of, as in interval: 15s")
	}
	if c.interval.Valid && c.interval.Given && c.interval.Value < time.Millisecond {
		d.Report(c.interval.At, fmt.Sprintf("field %q: %s is below a millisecond", "interval", c.interval.Value), "")
	}
	if c.scale.Valid && !(c.scale.Value > 0) {
		d.Report(c.scale.At, fmt.Sprintf("field %q: %g is not above 0", "scale", c.scale.Value), "")
	}
	c.length += time.Duration(len(c.values)) * c.interval.Value
	for _, v := range c.values {
		if v.Valid && v.Value < 0 {
			d.Report(v.At, fmt.Sprintf("field %q: %g is below 0", "values", v.Value), "a demand is in requests per second")
		}
	}
}

func (c *demandConfig) compile() Demand {
	out := Demand{
		Position: c.at, Shape: c.shape.Value, Trace: c.trace.Value,
		Column: c.column.Value, Time: c.time.Value, Unit: c.unit.Value, Gaps: c.gaps.Value,
		Interval: c.interval.Value, Scale: c.scale.Value,
	}
	for _, v := range c.values {
		out.Values = append(out.Values, v.Value)
	}
	return out
}
