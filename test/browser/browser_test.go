// Package browser opens the page of a report in headless Chromium and reads off it
// what a person would see.
//
//	go test .
//
// It needs a Chromium on the PATH (Debian: chromium) and fails without. Where
// PITOT_TEST_SCREENSHOTS names a folder, pictures of the page are left there.
package browser

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/report"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

const (
	period = 15 * time.Second
	ticks  = 40
	// Prometheus is away in these ticks.
	outageFrom, outageTo = 12, 16
)

var dawn = time.Date(2026, 3, 14, 6, 0, 0, 0, time.UTC)

func spec() *hpa.Spec {
	return &hpa.Spec{
		MinReplicas: 2, MaxReplicas: 9,
		Metrics:    []hpa.Metric{{Type: hpa.External, Name: "queue <depth>", Target: hpa.Target{Type: hpa.AverageValue, Milli: 30_000}}},
		Controller: hpa.DefaultController(),
	}
}

// messages are those of a run of ten minutes, made by hand: in tick i the demand
// is 100 + i requests per second and the p95 10 × i ms.
func messages(t *testing.T, run string) []sim.Message {
	all := []sim.Message{&sim.Begin{
		Run: run, Time: dawn, Length: ticks * period, Step: time.Second, Report: period, Replicas: 4, Spec: spec(),
		Objective: &sim.Objective{Quantile: 0.95, Limit: 300 * time.Millisecond},
	}}
	var state hpa.State
	replicas := int32(4)
	reasons := map[hpa.Reason]int{}
	for i := 1; i <= ticks; i++ {
		at := time.Duration(i) * period
		all = append(all, &sim.Tick{
			Run: run, At: at, Time: dawn.Add(at), Demand: float64(100 + i), Capacity: 50 * float64(replicas),
			Completed: 1500, Waiting: float64(max(0, 20*(i-30))), Desired: replicas, Pods: int(replicas), Ready: int(replicas), Need: 3,
			P50: 0.01, P95: 0.01 * float64(i), P99: 1, Objective: 0.01 * float64(i), True: []float64{float64(25 + i)},
		})
		if i == outageFrom || i == outageTo {
			all = append(all, &sim.Happening{Run: run, At: at, Time: dawn.Add(at), Kind: sim.Outage, Over: i == outageTo, Text: "Prometheus is away"})
		}
		m := decide(t, &state, replicas, i)
		m.Run, m.At, m.Time = run, at, dawn.Add(at)
		reasons[m.Reason]++
		replicas = m.Decision.To
		all = append(all, m)
	}
	return append(all, &sim.End{Run: run, At: ticks * period, Summary: sim.Summary{
		ReplicaHours: 0.7, PerfectForesight: 0.5, MinutesOver: 2.5, ScaleUps: 1, Syncs: ticks, Reasons: reasons,
		P50: math.NaN(), P95: 0.2, P99: math.NaN(),
	}})
}

// decide is a sync of the tick i.
func decide(t *testing.T, state *hpa.State, replicas int32, i int) *sim.Sync {
	depth := float64(25+i) * float64(replicas)
	seen := &hpa.Observation{Replicas: replicas, StatusReplicas: replicas, Readings: []hpa.Reading{{Values: []int64{int64(depth * 1000)}}}}
	observed := sim.Observed{Metric: "queue <depth>", Value: depth / float64(replicas), Target: 30}
	if i >= outageFrom && i < outageTo {
		err := errors.New("prometheus: connection refused")
		seen.Readings[0] = hpa.Reading{Err: err}
		observed.Value, observed.Err = math.NaN(), err.Error()
	}
	decision, next, err := hpa.Explain(spec(), *state, seen, dawn.Add(time.Duration(i)*period))
	if err != nil {
		t.Fatal(err)
	}
	*state = next
	reason := hpa.ReasonDesiredWithinRange
	for _, c := range next.Conditions {
		if c.Reason == hpa.ReasonFailedGetExternalMetric || c.Reason == hpa.ReasonTooManyReplicas || c.Reason == hpa.ReasonSucceededRescale {
			reason = c.Reason
		}
	}
	return &sim.Sync{Decision: decision, Reason: reason, Conditions: next.Conditions, Observed: []sim.Observed{observed}}
}

// written is a page of runs in a file.
func written(t *testing.T, runs ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	page := report.NewHTML(out, report.HTMLOptions{Title: "web <shop>", Assumptions: []report.Assumption{{Name: "startup", Value: "20 s", Given: true}, {Name: "scrape interval", Value: "15 s"}}})
	for _, run := range runs {
		for _, m := range messages(t, run) {
			if err := page.Handle(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(page.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

// A tab is a page in the browser, and what it did besides showing.
type tab struct {
	context.Context
	t  *testing.T
	mu sync.Mutex
	// requests are the addresses that the page asked for, complaints what it wrote
	// to the console.
	requests, complaints []string
}

// open opens a file in a window of a size.
func open(t *testing.T, file string, width, height int64, scheme string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(allocator(t))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	p := &tab{Context: ctx, t: t}
	p.must(chromedp.Listen(ctx, p.note))
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	p.console()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(width, height))
	p.do(chromedp.Navigate("file://" + file))
	return p
}

// allocator starts browsers. Chromium as root needs its sandbox off; it opens our
// own page only.
func allocator(t *testing.T) context.Context {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("there is no chromium on the PATH: install it (Debian: apt-get install chromium)")
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU)
	t.Cleanup(cancel)
	return ctx
}

func (p *tab) note(event any) {
	if e, ok := event.(*network.EventRequestWillBeSent); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests = append(p.requests, e.Request.URL)
	}
}

// console keeps what the page complains about while it is open.
func (p *tab) console() {
	messages := chromedp.Console(p.Context)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.complaints = append(p.complaints, fmt.Sprintf("%s: %s", m.Type, m.Text))
			p.mu.Unlock()
		}
	}()
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	p.must(chromedp.Do(p.Context, actions...))
}

// text evaluates a script that gives a string.
func (p *tab) text(script string) string {
	p.t.Helper()
	answer, err := chromedp.Run(p.Context, chromedp.Evaluate[string](script))
	p.must(err)
	return answer
}

func (p *tab) number(script string) float64 {
	p.t.Helper()
	answer, err := chromedp.Run(p.Context, chromedp.Evaluate[float64](script))
	p.must(err)
	return answer
}

// point moves the mouse over a panel of the first run, to the middle of a tick.
func (p *tab) point(panel string, tick int) {
	p.t.Helper()
	svg := fmt.Sprintf("[...document.querySelectorAll('#run-0 [data-panel=%q] svg')].find(s => s.getClientRects().length)", panel)
	p.text(svg + ".scrollIntoView({block: 'center'}), ''")
	fraction := (float64(tick) - 0.5) / ticks
	x := p.number(fmt.Sprintf("(s => s.getBoundingClientRect().left + s.getBoundingClientRect().width * (+s.dataset.left + (s.dataset.right - s.dataset.left) * %g))(%s)", fraction, svg))
	y := p.number(fmt.Sprintf("(s => s.getBoundingClientRect().top + s.getBoundingClientRect().height / 3)(%s)", svg))
	p.do(chromedp.MouseEvent("mouseMoved", x, y))
}

// shown is a value of the box of a run.
func (p *tab) shown(run int, line string) string {
	p.t.Helper()
	return p.text(fmt.Sprintf("document.querySelector('#run-%d .box [data-line=\"%s\"]').textContent", run, line))
}

func (p *tab) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("PITOT_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(p.Context, chromedp.FullScreenshot(100))
	p.must(err)
	p.must(os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
}

// quiet ends a test: the page asked for nothing but itself and complained of nothing.
func (p *tab) quiet(file string) {
	p.t.Helper()
	p.text("''") // what was sent before has arrived with the answer
	p.mu.Lock()
	defer p.mu.Unlock()
	if want := []string{"file://" + file}; !slices.Equal(p.requests, want) {
		p.t.Errorf("the page asked for %q, want %q", p.requests, want)
	}
	if len(p.complaints) > 0 {
		p.t.Errorf("the console has %q", p.complaints)
	}
}

func TestThePageReads(t *testing.T) {
	file := written(t, "web")
	p := open(t, file, 1600, 1200, "light")
	if got, want := p.text("document.querySelector('.verdict').textContent"),
		"web would have met p95 ≤ 300 ms in 75.0 % of the seconds with 0.7 replica-hours, 1.40 times what perfect foresight needs; 1 scale event."; got != want {
		t.Errorf("verdict\ngot  %s\nwant %s", got, want)
	}
	if got, want := p.text("[...document.querySelectorAll('#assumptions td span')].map(n => n.textContent).join()"), "given,default"; got != want {
		t.Errorf("assumptions are %s, want %s", got, want)
	}
	p.point("demand", 20)
	for line, want := range map[string]string{
		"Demand and capacity/demand":      "120 requests/s",
		"Latency p95/p95":                 "200 ms",
		"queue <depth>/as the HPA saw it": "45",
		"queue <depth>/target":            "30",
		"Backlog/waiting":                 "0 requests",
		"Replicas/ready":                  "9 pods",
	} {
		if got := p.shown(0, line); got != want {
			t.Errorf("%s in tick 20 is %q, want %q", line, got, want)
		}
	}
	if got, want := p.text("document.querySelector('#run-0 .box h3').textContent"), "2026-03-14 06:04:45 to 06:05:00"; got != want {
		t.Errorf("the box is of %q, want %q", got, want)
	}
	p.screenshot("browser-wide-light")
	p.quiet(file)
}

// What the box says of a decision is what package hpa says of it, word for word.
func TestTheBoxTellsTheArithmetic(t *testing.T) {
	file := written(t, "web")
	p := open(t, file, 1200, 900, "dark")
	for _, tick := range []int{1, 13, 20, 40} {
		p.point("decisions", tick)
		var want *sim.Sync
		for _, m := range messages(t, "web") {
			if s, ok := m.(*sim.Sync); ok && s.At == time.Duration(tick)*period {
				want = s
			}
		}
		arithmetic := p.text("[...document.querySelectorAll('#run-0 .box .arithmetic')].map(n => n.textContent).join('\\n')")
		if arithmetic != strings.TrimSpace(want.Decision.Describe()) {
			t.Errorf("tick %d\ngot  %s\nwant %s", tick, arithmetic, want.Decision.Describe())
		}
		if got := p.text("document.querySelector('#run-0 .box .reason').textContent"); got != string(want.Reason) {
			t.Errorf("tick %d is %s, want %s", tick, got, want.Reason)
		}
	}
	p.screenshot("browser-medium-dark")
	p.quiet(file)
}

// The stripe under the cursor has the colour of its reason in the legend.
func TestStripesHaveTheColoursOfTheLegend(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		file := written(t, "web")
		p := open(t, file, 1200, 900, scheme)
		for tick, class := range map[int]string{outageFrom + 1: "k-failed", 30: "k-most"} {
			p.point("decisions", tick)
			stripe := p.text(fmt.Sprintf(`(() => {
				const svg = [...document.querySelectorAll('#run-0 [data-panel="decisions"] svg')].find(s => s.getClientRects().length);
				const frame = svg.getBoundingClientRect();
				const x = frame.left + frame.width * (+svg.dataset.left + (svg.dataset.right - svg.dataset.left) * %g);
				const under = document.elementsFromPoint(x, frame.top + frame.height / 3).find(n => n.tagName === "path");
				return under ? getComputedStyle(under).fill : "nothing";
			})()`, (float64(tick)-0.5)/ticks))
			legend := p.text(fmt.Sprintf(`(n => n ? getComputedStyle(n).color : "no legend")(document.querySelector('#run-0 [data-panel="decisions"] .c-%s'))`, class))
			if stripe != legend {
				t.Errorf("%s: the stripe of tick %d is %s, %s in the legend is %s", scheme, tick, stripe, class, legend)
			}
		}
		p.quiet(file)
	}
}

func TestTheKeyboardMovesTheCursor(t *testing.T) {
	file := written(t, "web")
	p := open(t, file, 1200, 900, "light")
	p.text("document.querySelector('#run-0 input').focus(), ''")
	p.do(chromedp.KeyEvent(kb.End))
	if got, want := p.shown(0, "Demand and capacity/demand"), "140 requests/s"; got != want {
		t.Errorf("at the end the demand is %s, want %s", got, want)
	}
	p.do(chromedp.KeyEvent(kb.ArrowLeft))
	if got, want := p.shown(0, "Demand and capacity/demand"), "139 requests/s"; got != want {
		t.Errorf("one to the left the demand is %s, want %s", got, want)
	}
	p.quiet(file)
}

func TestSeveralRunsStandSideBySide(t *testing.T) {
	file := written(t, "web", "other <b>run</b>")
	p := open(t, file, 1600, 1200, "dark")
	p.point("replicas", 7)
	if got, want := p.shown(1, "Demand and capacity/demand"), "107 requests/s"; got != want {
		t.Errorf("the cursor of the other run shows %s, want %s", got, want)
	}
	if tops := p.text("[...document.querySelectorAll('.run')].map(n => Math.round(n.getBoundingClientRect().top)).filter((v, i, all) => all.indexOf(v) === i).length + ''"); tops != "1" {
		t.Error("the runs are not side by side")
	}
	p.screenshot("browser-two-dark")
	p.text("document.querySelector('#choice input').click(), ''")
	if got, want := p.text("[...document.querySelectorAll('.run')].map(n => n.getClientRects().length > 0).join()"), "false,true"; got != want {
		t.Errorf("after a click shown: %s, want %s", got, want)
	}
	p.quiet(file)
}

// On a telephone nothing but tables is wider than the screen, and a touch works.
func TestANarrowScreenIsEnough(t *testing.T) {
	file := written(t, "web", "other")
	p := open(t, file, 400, 800, "light")
	if wide := p.number("document.documentElement.scrollWidth"); wide > 400 {
		t.Errorf("the page is %g wide", wide)
	}
	p.point("latency", 33)
	if got, want := p.shown(0, "Latency p95/p95"), "330 ms"; got != want {
		t.Errorf("the p95 is %s, want %s", got, want)
	}
	p.screenshot("browser-narrow-light")
	p.quiet(file)
}

func TestTheSwitchTurnsTheLightOff(t *testing.T) {
	file := written(t, "web")
	p := open(t, file, 1200, 900, "light")
	ground := func() string { return p.text("getComputedStyle(document.body).backgroundColor") }
	light := ground()
	p.do(chromedp.EmulateViewport(1200, 900))
	p.text("document.getElementById('theme').click(), ''")
	if dark := ground(); dark == light {
		t.Errorf("the ground stays %s", dark)
	}
	p.quiet(file)
}
