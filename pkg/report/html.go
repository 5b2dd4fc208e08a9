package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's template, style and script
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// HTMLOptions say what stands on the page besides the runs.
type HTMLOptions struct {
	Title       string
	Assumptions []Assumption
	// Folded are the names of runs that are not shown until somebody asks for them,
	// such as baselines. They stand in the tables like all others.
	Folded []string
}

// HTML writes one page that needs nothing else: no network, no library. It
// shows the runs side by side, with a cursor that reads off all panels and tells
// the arithmetic of a decision. A long run is thinned while it happens, to the
// lowest and the highest of each interval, and the page says so. Everything is
// written by Close.
type HTML struct {
	out     io.Writer
	options HTMLOptions
	runs    []*htmlRun
	open    map[string]*htmlRun
}

// htmlRun is a run as the page needs it.
type htmlRun struct {
	run    *Run
	series *series
	lasts  []lasting
}

// A lasting is an event with a beginning and perhaps an end.
type lasting struct {
	kind     sim.EventKind
	from, to time.Duration // to is negative while it lasts
	text     string
}

// What a page holds at most, over all of its runs.
const (
	finest  = 1200    // intervals of one run
	budget  = 1200    // intervals together
	coarse  = 80      // intervals of a run at least
	letters = 800_000 // bytes of sentences about decisions
	stories = 200     // events of one run
)

// NewHTML returns an HTML that writes to w.
func NewHTML(w io.Writer, options HTMLOptions) *HTML {
	if options.Title == "" {
		options.Title = "Simulation"
	}
	return &HTML{out: w, options: options, open: map[string]*htmlRun{}}
}

// Handle implements sim.Handler.
func (h *HTML) Handle(m sim.Message) error {
	if begin, ok := m.(*sim.Begin); ok {
		run := &htmlRun{run: newRun(begin), series: newSeries(begin, finest)}
		// A zone with a name may change its distance to UTC; a replay knows only the distance.
		_, offset := begin.Time.Zone()
		run.run.Time = begin.Time.In(time.FixedZone("", offset))
		h.open[begin.Run] = run
		return nil
	}
	run := h.open[m.Of()]
	if run == nil {
		return nil
	}
	switch m := m.(type) {
	case *sim.Tick:
		run.series.tick(m, run.run.Objective != nil)
	case *sim.Sync:
		run.series.sync(m)
	case *sim.Happening:
		run.happening(m)
	case *sim.End:
		run.run.end(m)
		run.series.end(m.At)
		h.runs = append(h.runs, run)
		delete(h.open, m.Run)
	}
	return nil
}

func (r *htmlRun) happening(m *sim.Happening) {
	r.series.event(m)
	if m.Over {
		for i := len(r.lasts) - 1; i >= 0; i-- {
			if one := &r.lasts[i]; one.kind == m.Kind && one.to < 0 {
				one.to = m.At
				return
			}
		}
		return
	}
	if len(r.lasts) < stories {
		r.lasts = append(r.lasts, lasting{kind: m.Kind, from: m.At, to: -1, text: m.Text})
	}
}

// shades are the events that last. Of those that begin and end at once there is
// nothing to shade.
func (r *htmlRun) shades() []shade {
	var all []shade
	for _, one := range r.lasts {
		switch {
		case one.kind != sim.Outage && one.kind != sim.StuckPods:
		case one.to < 0:
			all = append(all, shade{one.from, r.run.Length})
		default:
			all = append(all, shade{one.from, one.to})
		}
	}
	return all
}

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// A page is what the template shows.
type page struct {
	Title       string
	Policy      string // Content-Security-Policy
	Style       template.CSS
	Script      template.JS
	Data        template.JS
	Verdicts    []string
	Assumptions []pageAssumption
	Names       []string
	Headlines   []pageRow
	Figures     []pageRow // the others
	Reasons     []pageReason
	Runs        []pageRun
}

type pageAssumption struct{ Name, Value, Source string }

type pageRow struct {
	Name  string
	Cells []string
	known bool // of some run
}

type pageReason struct {
	Class  string
	Reason string
	Title  string
	Cells  []string
}

type pageRun struct {
	ID      string
	Name    string
	Folded  bool
	Thinned string // what an interval covers, where it is more than a tick
	Last    int    // the last interval
	Panels  []figurePanel
	Events  []pageEvent
}

type pageEvent struct{ Time, Text string }

// Close writes the page.
func (h *HTML) Close() error {
	if len(h.runs) == 0 {
		return errors.New("no run has ended, so there is nothing to show")
	}
	h.thin()
	p := page{
		Title: h.options.Title, Policy: policy(), Style: template.CSS(pageStyle), //nolint:gosec // a file of this package
		Script: template.JS(pageScript), //nolint:gosec // a file of this package
	}
	for _, a := range h.options.Assumptions {
		p.Assumptions = append(p.Assumptions, pageAssumption{a.Name, a.Value, a.source()})
	}
	p.summarize(h.finished())
	if err := h.draw(&p); err != nil {
		return err
	}
	if err := p.embed(h.runs); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, &p); err != nil {
		return err
	}
	_, err := b.WriteTo(h.out)
	return err
}

// policy lets the browser run the script of the page and nothing else, and lets
// nothing of it reach a network.
func policy() string {
	sum := sha256.Sum256([]byte(pageScript))
	return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'"
}

func (h *HTML) finished() []Run {
	runs := make([]Run, len(h.runs))
	for i, r := range h.runs {
		runs[i] = *r.run
	}
	return runs
}

// thin shares what a page may hold among its runs.
func (h *HTML) thin() {
	most := max(coarse, min(finest, budget/len(h.runs)))
	for {
		size := 0
		for _, r := range h.runs {
			r.series.thin(most)
			size += r.series.letters()
		}
		if size <= letters || most <= coarse {
			return
		}
		most = most * 3 / 4
	}
}

// letters is how much the decisions have to say.
func (s *series) letters() int {
	n := 0
	for i := range s.at {
		if d := s.at[i].sync; d != nil {
			n += len(d.text)
		}
	}
	return n
}

func (p *page) summarize(runs []Run) {
	for i := range runs {
		p.Verdicts = append(p.Verdicts, runs[i].Verdict())
		p.Names = append(p.Names, runs[i].title())
	}
	for i := range figures {
		row := pageRow{Name: figures[i].name}
		for j := range runs {
			row.Cells = append(row.Cells, figures[i].text(&runs[j]))
			row.known = row.known || row.Cells[j] != unknown
		}
		if figures[i].headline && row.known {
			p.Headlines = append(p.Headlines, row)
		} else {
			p.Figures = append(p.Figures, row)
		}
	}
	for _, r := range reasonsOf(runs) {
		row := pageReason{Class: "k-" + r.Kind.Class, Reason: string(r.Reason), Title: r.Kind.Title}
		for _, n := range r.Counts {
			row.Cells = append(row.Cells, fixed(float64(n), 0))
		}
		p.Reasons = append(p.Reasons, row)
	}
}

// draw draws all runs. Panels of one kind have one axis in all runs, so that they
// can be compared by eye.
func (h *HTML) draw(p *page) error {
	axes := map[string]axis{}
	for _, r := range h.runs {
		for _, s := range r.sheets() {
			lowest, highest := s.extent(r.series.at)
			a, seen := axes[s.key()]
			if seen {
				lowest, highest = min(lowest, a.bottom), max(highest, a.top)
			}
			axes[s.key()] = axis{lowest, highest}
		}
	}
	for i, r := range h.runs {
		one := pageRun{ID: "run-" + strconv.Itoa(i), Name: r.run.title(), Last: max(0, len(r.series.at)-1), Thinned: r.thinned(), Folded: slices.Contains(h.options.Folded, r.run.Name)}
		for _, s := range r.sheets() {
			a := axes[s.key()]
			figure, err := s.draw(r, s.axisOf(a.bottom, a.top))
			if err != nil {
				return err
			}
			one.Panels = append(one.Panels, figure)
		}
		decisions, err := r.strip()
		if err != nil {
			return err
		}
		if len(decisions.Drawings) > 0 {
			one.Panels = append(one.Panels, decisions)
		}
		one.Events = r.events()
		p.Runs = append(p.Runs, one)
	}
	return nil
}

// key is equal for panels that share an axis.
func (s *sheet) key() string { return s.id + " " + s.title + " " + s.unit }

// thinned is what an interval covers, empty where it is a single tick.
func (r *htmlRun) thinned() string {
	for i := range r.series.at {
		if r.series.at[i].ticks > 1 {
			return clockless(r.series.width)
		}
	}
	return ""
}

func (r *htmlRun) events() []pageEvent {
	var all []pageEvent
	for _, one := range r.lasts {
		e := pageEvent{Time: r.run.Time.Add(one.from).Format("2 Jan 15:04:05"), Text: one.text}
		if one.to >= 0 {
			e.Time += " to " + r.run.Time.Add(one.to).Format("15:04:05")
		}
		all = append(all, e)
	}
	return all
}

// What follows is the data of the page's script.

type pageData struct {
	Runs []dataRun `json:"runs"`
}

// A dataRun has its values by line and interval; interval i ends (i+1) × width
// after the beginning.
type dataRun struct {
	Name   string      `json:"name"`
	Begin  float64     `json:"begin"`  // Unix seconds
	Offset int         `json:"offset"` // seconds east of UTC
	Width  float64     `json:"width"`  // seconds
	Length float64     `json:"length"` // seconds
	Lines  []dataLine  `json:"lines"`
	Syncs  []dataSync  `json:"syncs"`
	Events []dataEvent `json:"events"`
}

type dataLine struct {
	Panel string `json:"panel"`
	Label string `json:"label"`
	Unit  string `json:"unit"`
	Low   []six  `json:"low"`
	High  []six  `json:"high,omitempty"` // without, it is as low
}

type dataSync struct {
	At     int    `json:"i"` // the interval
	Time   string `json:"time"`
	Reason string `json:"reason"`
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Count  int    `json:"count"` // syncs of the interval
	Text   string `json:"text"`
}

type dataEvent struct {
	At   int    `json:"i"`
	Text string `json:"text"`
}

// A six is a number with six digits: more than eyes can tell, and shorter than
// all of them. NaN is null.
type six float64

// MarshalJSON implements json.Marshaler.
func (s six) MarshalJSON() ([]byte, error) {
	v := float64(s)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return number(v).MarshalJSON()
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rounded)
}

func (p *page) embed(runs []*htmlRun) error {
	var data pageData
	for _, r := range runs {
		data.Runs = append(data.Runs, r.data())
	}
	text, err := json.Marshal(data) // escapes <, > and &
	p.Data = template.JS(text)      //nolint:gosec // see above
	return err
}

func (r *htmlRun) data() dataRun {
	_, offset := r.run.Time.Zone()
	d := dataRun{
		Name: r.run.Name, Begin: float64(r.run.Time.UnixMilli()) / 1000, Offset: offset,
		Width: r.series.width.Seconds(), Length: r.run.Length.Seconds(), Syncs: []dataSync{}, Events: []dataEvent{},
	}
	for _, s := range r.sheets() {
		for i := range s.lines {
			d.Lines = append(d.Lines, s.lines[i].data(&s, r.series.at))
		}
	}
	for i := range r.series.at {
		one := &r.series.at[i]
		if one.sync != nil {
			d.Syncs = append(d.Syncs, one.sync.data(i, one.syncs, r.run.Time.Location()))
		}
		for _, text := range one.events {
			d.Events = append(d.Events, dataEvent{i, text})
		}
	}
	return d
}

func (l *drawn) data(s *sheet, at []interval) dataLine {
	d := dataLine{Panel: s.title, Label: l.label, Unit: s.unit}
	varies := false
	for _, e := range l.values(at) {
		varies = varies || e.known() && e.low != e.high
		d.Low, d.High = append(d.Low, six(e.low)), append(d.High, six(e.high))
	}
	if !varies {
		d.High = nil
	}
	return d
}

func (d *decision) data(at, count int, zone *time.Location) dataSync {
	k := kinds[rank(d.reason)]
	return dataSync{
		At: at, Time: d.at.In(zone).Format("15:04:05.000"), Reason: string(d.reason),
		Kind: k.Class, Title: k.Title, Count: count, Text: d.text,
	}
}
