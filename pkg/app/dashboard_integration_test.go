//go:build integration

package app

import (
	"fmt"
	"html"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkDashboard evaluates every query of the dashboard over a time in which all
// kinds of trouble have come and gone: each has something to show. Where
// PITOT_TEST_SCREENSHOTS names a folder, a page that draws the panels, in their
// places and with their legends, is left there.
func checkDashboard(t *testing.T, m *monitored) {
	var page strings.Builder
	for _, p := range readDashboard(t).Panels {
		var drawn []drawing
		for _, target := range p.Targets {
			series := m.query(filledIn(target.Expr, "5s"))
			points := 0
			for _, name := range slices.Sorted(maps.Keys(series)) {
				drawn = append(drawn, drawing{name: target.LegendFormat + " " + strings.TrimPrefix(name, "map"), points: series[name]})
				points += len(real(series[name]))
			}
			if points == 0 {
				t.Errorf("%s: nothing to show of %s", p.Title, target.Expr)
			}
		}
		draw(&page, p, m, drawn)
	}
	if folder := os.Getenv("PITOT_TEST_SCREENSHOTS"); folder != "" {
		write(t, filepath.Join(folder, "dashboard.html"), "<!doctype html><meta charset=utf-8><style>body{margin:0;font:11px sans-serif}div{position:absolute;box-sizing:border-box;border:1px solid #ccc;padding:2px;overflow:hidden}</style>"+page.String())
	}
}

// real are the points that are numbers.
func real(points []point) []point {
	return slices.DeleteFunc(slices.Clone(points), func(p point) bool { return math.IsNaN(p.value) || math.IsInf(p.value, 0) })
}

type drawing struct {
	name   string
	points []point
}

// draw writes a panel as a box with lines and their ranges.
func draw(page *strings.Builder, p panel, m *monitored, drawn []drawing) {
	const unit = 56
	width, height := p.GridPos.W*unit, p.GridPos.H*30
	fmt.Fprintf(page, `<div style="left:%dpx;top:%dpx;width:%dpx;height:%dpx"><b>%s</b> %s`,
		p.GridPos.X*unit, p.GridPos.Y*30, width, height, html.EscapeString(p.Title), html.EscapeString(p.FieldConfig.Defaults.Unit))
	top := 0.0
	for _, d := range drawn {
		for _, one := range real(d.points) {
			top = max(top, one.value)
		}
	}
	if p.Type == "timeseries" {
		fmt.Fprintf(page, ` <small>0 … %.3g</small><br><svg width=%d height=%d style="background:#f6f6f6">`, top, width-8, height/2)
		for i, d := range drawn {
			fmt.Fprintf(page, `<polyline fill=none stroke="hsl(%d 70%% 40%%)" points="`, i*67%360)
			for _, one := range real(d.points) {
				x := one.at.Sub(m.began).Seconds() / time.Since(m.began).Seconds()
				fmt.Fprintf(page, "%.1f,%.1f ", x*float64(width-8), float64(height)/2*(1-one.value/max(top, 1e-9)))
			}
			page.WriteString(`"/>`)
		}
		page.WriteString(`</svg>`)
	}
	for i, d := range drawn {
		last := math.NaN()
		if points := real(d.points); len(points) > 0 {
			last = points[len(points)-1].value
		}
		fmt.Fprintf(page, `<br><span style="color:hsl(%d 70%% 40%%)">%s = %.3g</span>`, i*67%360, html.EscapeString(d.name), last)
	}
	page.WriteString("</div>\n")
}
