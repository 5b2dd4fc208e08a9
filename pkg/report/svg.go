package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// An ink is a colour of the style sheet. The library draws with numbers, so each
// ink is a number that stands for a variable: see inked.
type ink uint8

// inks are the variables of page.css, by ink.
var inks = []string{
	"axis", "grid", "label", "event",
	"demand", "capacity", "pods", "ready", "desired", "need",
	"observed", "true", "target", "latency", "objective", "backlog", "lost",
	"k-failed", "k-most", "k-moved", "k-uplimit", "k-downlimit", "k-upstable", "k-downstable", "k-least", "k-off", "k-steady",
}

func inkOf(name string) ink {
	for i, one := range inks {
		if one == name {
			return ink(i)
		}
	}
	panic("report: page.css has no colour " + name)
}

// RGBA implements color.Color.
func (i ink) RGBA() (r, g, b, a uint32) { return color.RGBA{uint8(i), 0xfe, 0x01, 0xff}.RGBA() }

var (
	inkNumber = regexp.MustCompile(`#([0-9A-F]{2})FE01`)
	fontStyle = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;`)
)

// inked puts the variables of the style sheet where the library wrote numbers, and
// leaves the font to it: so one drawing serves light and dark.
func inked(svg []byte) []byte {
	svg = inkNumber.ReplaceAllFunc(svg, func(hex []byte) []byte {
		i, err := strconv.ParseUint(string(hex[1:3]), 16, 8)
		if err != nil || int(i) >= len(inks) {
			return hex
		}
		return []byte("var(--" + inks[i] + ")")
	})
	return fontStyle.ReplaceAll(svg, nil)
}

// A size is how a drawing is laid out. The page shows the one that fits.
type size struct {
	Class string
	Width float64
	most  int // intervals that it shows
}

var sizes = []size{{"wide", 1180, 1200}, {"medium", 760, 640}, {"narrow", 380, 300}}

// Margins of all drawings, so that panels below each other have one time axis.
const (
	marginLeft  = 54
	marginRight = 12
	textSize    = 11
)

// A panel is a drawing with a time axis.
type panel struct {
	height float64
	length time.Duration
	begin  time.Time
	shades []shade
	top    float64 // the highest value of the axis
	bottom float64 // the lowest, where the axis is logarithmic; otherwise 0
	bare   bool    // no numbers at the left
	marks  []plot.Plotter
}

// A shade is a time in which an event lasts.
type shade struct{ from, to time.Duration }

// draw returns the panel as an SVG element.
func (p *panel) draw(s size) (template.HTML, error) {
	canvas := vgsvg.New(vg.Length(s.Width), vg.Length(p.height))
	plan := p.plot(s)
	c := draw.New(canvas)
	area := plan.DataCanvas(c)
	plan.Draw(draw.Crop(c, marginLeft-(area.Min.X-c.Min.X), -(marginRight - (c.Max.X - area.Max.X)), 0, 0))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	_, body, _ := strings.Cut(string(inked(b.Bytes())), "xlink\">")
	return template.HTML(fmt.Sprintf( //nolint:gosec // the text of a drawing is numbers and times, which the library escapes
		`<svg class="%s" viewBox="0 0 %g %g" data-left="%g" data-right="%g" aria-hidden="true" focusable="false">%s`,
		s.Class, s.Width, p.height, marginLeft/s.Width, 1-marginRight/s.Width, strings.TrimSpace(body))), nil
}

func (p *panel) plot(s size) *plot.Plot {
	plan := plot.New()
	plan.BackgroundColor = nil
	plan.X.Min, plan.X.Max = 0, p.length.Seconds()
	plan.Y.Min, plan.Y.Max = p.bottom, p.top
	ticks := p.valueTicks()
	if p.bottom > 0 {
		plan.Y.Scale = plot.LogScale{}
	}
	if p.bare {
		ticks = nil
	}
	plan.Y.Tick.Marker = plot.ConstantTicks(ticks)
	plan.X.Tick.Marker = plot.ConstantTicks(timeTicks(p.begin, p.length, s.Width-marginLeft-marginRight))
	for _, axis := range []*plot.Axis{&plan.X, &plan.Y} {
		axis.Padding = 0
		axis.Color, axis.Tick.Color = inkOf("axis"), inkOf("axis")
		axis.Tick.Length = 0 // the grid shows where
		axis.Tick.Label.Color = inkOf("label")
		axis.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize}
	}
	plan.Y.Width = 0
	plan.Add(shades(p.shades))
	if !p.bare {
		plan.Add(grid{})
	}
	plan.Add(p.marks...)
	return plan
}

// valueTicks are three to six round numbers, or powers of ten.
func (p *panel) valueTicks() []plot.Tick {
	var ticks []plot.Tick
	if p.bottom > 0 {
		for power := math.Pow(10, math.Floor(math.Log10(p.bottom))); power <= p.top; power *= 10 {
			for _, v := range []float64{power, 2 * power, 5 * power} {
				if v < p.bottom*0.9999 || v > p.top || v != power && p.top > 300*p.bottom {
					continue
				}
				ticks = append(ticks, plot.Tick{Value: v, Label: axisNumber(v)})
			}
		}
		return ticks
	}
	step := roundStep(p.top / 4)
	for i := 0; float64(i)*step <= p.top*1.0001; i++ {
		v := float64(i) * step
		ticks = append(ticks, plot.Tick{Value: v, Label: axisNumber(v)})
	}
	return ticks
}

// roundStep is 1, 2 or 5 times a power of ten, and at least v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= v*0.9999 {
			return n * power
		}
	}
	return 10 * power
}

// axisNumber is short: 1.5k, 20M.
func axisNumber(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= unit.size {
			if unit.name == "k" {
				unit.size = 1e3
			}
			return strconv.FormatFloat(v/unit.size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// steps are the distances of times that people read easily.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour, 91 * 24 * time.Hour, 364 * 24 * time.Hour,
}

// timeTicks are round times of the day, far enough apart for their labels. A label
// that would stand over the end of the axis is left out.
func timeTicks(begin time.Time, length time.Duration, width float64) []plot.Tick {
	const room = 74 // of a label, with the space around it
	step := steps[len(steps)-1]
	for _, one := range steps {
		if float64(length/one)*room <= width {
			step = one
			break
		}
	}
	midnight := time.Date(begin.Year(), begin.Month(), begin.Day(), 0, 0, 0, 0, begin.Location())
	edge := length.Seconds() * room / 2.2 / width
	var ticks []plot.Tick
	for at := midnight.Sub(begin).Truncate(step); at <= length; at += step {
		if at < 0 {
			continue
		}
		tick := plot.Tick{Value: at.Seconds(), Label: timeLabel(begin.Add(at), step)}
		if at.Seconds() < edge || at.Seconds() > length.Seconds()-edge {
			tick.Label = " " // a tick without any label would be a minor one
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

func timeLabel(t time.Time, step time.Duration) string {
	switch {
	case t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0:
		return t.Format("2 Jan")
	case step < time.Minute:
		return t.Format("15:04:05")
	default:
		return t.Format("15:04")
	}
}

// A stroke is a line through values. Where there is none, it has a gap.
type stroke struct {
	at      []float64 // seconds
	low     []float64
	high    []float64
	ink     ink
	thick   float64
	dashes  []vg.Length
	stepped bool    // a value holds from the time before to its own
	width   float64 // of an interval, in seconds, for stepped
	filled  bool    // down to the axis
}

// Plot implements plot.Plotter.
func (l *stroke) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	inside := func(v float64) vg.Length { return y(max(p.Y.Min, min(v, p.Y.Max))) }
	var points []vg.Point
	flush := func() {
		l.stroked(c, points, y(p.Y.Min))
		points = points[:0]
	}
	for i, at := range l.at {
		if math.IsNaN(l.low[i]) {
			flush()
			continue
		}
		low, high := inside(l.low[i]), inside(l.high[i])
		if l.stepped {
			from, to := x(max(0, at-l.width)), x(at)
			points = joined(points, vg.Point{X: from, Y: low}, vg.Point{X: to, Y: low})
			if high != low {
				points = append(points, vg.Point{X: to, Y: high})
			}
			continue
		}
		middle := x(at - l.width/2)
		points = append(points, vg.Point{X: middle, Y: low})
		if high != low {
			points = append(points, vg.Point{X: middle, Y: high})
		}
	}
	flush()
}

// joined adds a level piece of a step, and lets it grow where it goes on.
func joined(points []vg.Point, from, to vg.Point) []vg.Point {
	n := len(points)
	if n >= 2 && points[n-1].Y == to.Y && points[n-2].Y == to.Y {
		points[n-1] = to
		return points
	}
	return append(points, from, to)
}

func (l *stroke) stroked(c draw.Canvas, points []vg.Point, floor vg.Length) {
	if len(points) == 0 {
		return
	}
	if len(points) == 1 { // a dot, as a line of one point is invisible
		points = append(points, vg.Point{X: points[0].X + 1, Y: points[0].Y})
	}
	if l.filled {
		area := append([]vg.Point{{X: points[0].X, Y: floor}}, points...)
		c.FillPolygon(l.ink, append(area, vg.Point{X: points[len(points)-1].X, Y: floor}))
		return
	}
	c.StrokeLines(draw.LineStyle{Color: l.ink, Width: vg.Length(l.thick), Dashes: l.dashes}, points)
}

// grid is the lines of the ticks as one path: plotter.Grid makes an element of
// each, which is most of a page with many runs.
type grid struct{}

// Plot implements plot.Plotter.
func (grid) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var path vg.Path
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		path.Move(vg.Point{X: x(tick.Value), Y: c.Min.Y})
		path.Line(vg.Point{X: x(tick.Value), Y: c.Max.Y})
	}
	for _, tick := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		path.Move(vg.Point{X: c.Min.X, Y: y(tick.Value)})
		path.Line(vg.Point{X: c.Max.X, Y: y(tick.Value)})
	}
	c.SetLineStyle(draw.LineStyle{Color: inkOf("grid"), Width: 1})
	c.Stroke(path)
}

// shades are the times of events, behind everything.
type shades []shade

// Plot implements plot.Plotter.
func (s shades) Plot(c draw.Canvas, p *plot.Plot) {
	for _, one := range s {
		rectangle(c, p, one.from.Seconds(), one.to.Seconds(), inkOf("event"))
	}
}

// A strip shows decisions as stripes of colour.
type strip []stripe

// A stripe is a time in which decisions are of one kind.
type stripe struct {
	from, to float64 // seconds
	ink      ink
}

// Plot implements plot.Plotter.
func (s strip) Plot(c draw.Canvas, p *plot.Plot) {
	for _, one := range s {
		rectangle(c, p, one.from, one.to, one.ink)
	}
}

// rectangle fills the whole height between two times.
func rectangle(c draw.Canvas, p *plot.Plot, from, to float64, i ink) {
	x, _ := p.Transforms(&c)
	from, to = max(from, p.X.Min), min(to, p.X.Max)
	if to <= from {
		return
	}
	left, right := x(from), max(x(to), x(from)+0.5)
	c.FillPolygon(i, []vg.Point{{X: left, Y: c.Min.Y}, {X: right, Y: c.Min.Y}, {X: right, Y: c.Max.Y}, {X: left, Y: c.Max.Y}})
}
