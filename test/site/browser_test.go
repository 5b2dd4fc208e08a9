package site

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A window is how a reader looks at pages.
type window struct {
	name          string
	width, height int64
	scheme        string
}

// A tab shows pages, one after the other, and keeps what they do besides.
type tab struct {
	context.Context
	t  *testing.T
	mu sync.Mutex
	// requests are the addresses that pages asked for, complaints what they wrote to
	// the console.
	requests, complaints []string
}

// open opens a window in a browser of its own. Chromium as root needs its sandbox
// off; it opens our own pages only.
func open(t *testing.T, w window) *tab {
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
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	p := &tab{Context: ctx, t: t}
	p.must(chromedp.Listen(ctx, p.note))
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	p.console()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: w.scheme}},
	}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(w.width, w.height))
	return p
}

func (p *tab) visit(address string) {
	p.t.Helper()
	p.do(chromedp.Navigate(address))
	p.do(chromedp.WaitVisible(".VPContent"))
}

func (p *tab) note(event any) {
	if e, ok := event.(*network.EventRequestWillBeSent); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests = append(p.requests, e.Request.URL)
	}
}

// console keeps what pages complain about while they are open.
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

// screenshot keeps what a reader sees first.
func (p *tab) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("PITOT_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(p.Context, chromedp.CaptureScreenshot())
	p.must(err)
	p.must(os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
}

// quiet ends a test: pages asked for nothing but the site and complained of
// nothing.
func (p *tab) quiet(address string) {
	p.t.Helper()
	p.text("''") // what was sent before has arrived with the answer
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, request := range p.requests {
		if !strings.HasPrefix(request, address+"/") && !strings.HasPrefix(request, "data:") {
			p.t.Errorf("a page asked for %s", request)
		}
	}
	if len(p.complaints) > 0 {
		p.t.Errorf("the console has %q", p.complaints)
	}
}
