package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"
)

// charts draws a run for a terminal: the demand, the replicas, and the latency
// against the objective.
func charts(w io.Writer, s *series, run *Run, options TextOptions) {
	const (
		labels    = 10 // columns of the numbers at the left
		narrowest = 40
	)
	if options.Width < narrowest {
		return
	}
	c := chart{out: w, width: options.Width - labels, color: options.Color, length: run.Length}
	s.thin(c.width)
	c.draw(fmt.Sprintf("%s: demand, requests/s", run.Name), 8,
		curve{"", s.highest(demandRate), asciigraph.Blue, asciigraph.DefaultCharSet})
	c.draw(fmt.Sprintf("%s: replicas", run.Name), 8,
		curve{"needed", s.highest(needCount), asciigraph.DarkGray, dots},
		curve{"ready", s.highest(readyCount), asciigraph.Green, asciigraph.DefaultCharSet})
	if run.Objective != nil {
		c.draw(fmt.Sprintf("%s: %s, ms", run.Name, quantile(run.Objective.Quantile)), 8,
			curve{"objective", constant(milliseconds(run.Objective.Limit.Seconds()), len(s.at)), asciigraph.Red, dots},
			curve{"was", s.highestMillis(latency), asciigraph.Olive, asciigraph.DefaultCharSet})
	}
}

var dots = asciigraph.CreateCharSet("·")

// highest are the highest values of the intervals.
func (s *series) highest(quantity int) []float64 {
	values := make([]float64, len(s.at))
	for i := range s.at {
		values[i] = s.at[i].values[quantity].high
	}
	return values
}

func (s *series) highestMillis(quantity int) []float64 {
	values := s.highest(quantity)
	for i, v := range values {
		values[i] = milliseconds(v)
	}
	return values
}

func milliseconds(s float64) float64 { return 1000 * s }

func constant(v float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = v
	}
	return values
}

// A chart is where curves are drawn.
type chart struct {
	out    io.Writer
	width  int
	color  bool
	length time.Duration
}

// A curve is one line of a chart.
type curve struct {
	name   string
	values []float64
	color  asciigraph.AnsiColor
	chars  asciigraph.CharSet
}

// draw draws the curves that have values.
func (c *chart) draw(title string, height uint, curves ...curve) {
	var (
		names  []string
		values [][]float64
		colors []asciigraph.AnsiColor
		chars  []asciigraph.CharSet
		most   float64
	)
	for _, one := range curves {
		finite, highest := stretched(one.values, c.width)
		if math.IsNaN(highest) {
			continue
		}
		values, colors, chars = append(values, finite), append(colors, one.color), append(chars, one.chars)
		names = append(names, legend(one))
		most = max(most, highest)
	}
	most = float64(height) * rowStep(most/float64(height))
	if len(values) == 0 {
		return
	}
	options := []asciigraph.Option{
		asciigraph.Height(int(height)), asciigraph.LowerBound(0), asciigraph.UpperBound(most), asciigraph.SeriesChars(chars...),
		asciigraph.YAxisValueFormatter(func(v float64) string { return padLeft(significant(v), 7) }),
	}
	if c.color {
		options = append(options, asciigraph.SeriesColors(colors...))
	}
	fmt.Fprintf(c.out, "\n%s\n%s\n%s\n", printable(title+strings.Join(names, "")), trimmed(asciigraph.PlotMany(values, options...)), c.axis())
}

// rowStep is a round number, at least v: what a row of a chart stands for.
func rowStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8} {
		if n*power >= v {
			return n * power
		}
	}
	return 10 * power
}

// legend says which line a curve is, where there are several.
func legend(c curve) string {
	if c.name == "" {
		return ""
	}
	return fmt.Sprintf("  %s %s", c.chars.Horizontal, c.name)
}

// axis is the time below a chart.
func (c *chart) axis() string {
	end := clockless(c.length)
	left := strings.Repeat(" ", 9) + "0s"
	gap := c.width + 9 - utf8.RuneCountInString(left) - len(end)
	return left + strings.Repeat(" ", max(1, gap)) + end
}

// stretched repeats values to fill a width, as a terminal has no half columns, and
// returns the highest; NaN without any. What is infinite is not drawn.
func stretched(values []float64, width int) (out []float64, highest float64) {
	highest = math.NaN()
	if len(values) == 0 {
		return nil, highest
	}
	out = make([]float64, width)
	for i := range out {
		v := values[i*len(values)/width]
		if math.IsInf(v, 0) {
			v = math.NaN()
		}
		out[i] = v
		if !math.IsNaN(v) && !(v <= highest) {
			highest = v
		}
	}
	return out, highest
}

// trimmed is text without spaces at the ends of lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
