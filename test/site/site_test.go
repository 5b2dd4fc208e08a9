package site

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"
)

const built = checkout + "/site"

// A page is what a browser gets.
type page struct {
	ids, links, loaded []string
}

// pages are those of the built site by their path.
func pages(t *testing.T) map[string]page {
	t.Helper()
	all := map[string]page{}
	err := filepath.WalkDir(built, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".html") {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		root, err := html.Parse(bytes.NewReader(content))
		if err != nil {
			return err
		}
		name, err := filepath.Rel(built, file)
		all["/"+name] = read(root)
		return err
	})
	if err != nil {
		t.Fatalf("%s (hint: make site)", err)
	}
	return all
}

func read(root *html.Node) page {
	var p page
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch {
			case a.Key == "id":
				p.ids = append(p.ids, a.Val)
			case a.Key == "href" && n.Data == "a":
				p.links = append(p.links, a.Val)
			case a.Key == "src", a.Key == "href" && n.Data == "link":
				p.loaded = append(p.loaded, a.Val)
			}
		}
	}
	return p
}

func TestEveryLinkOfTheSiteLeadsSomewhere(t *testing.T) {
	all := pages(t)
	count := 0
	for name, p := range all {
		for _, link := range append(p.links, p.loaded...) {
			target, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %s", name, err)
				continue
			}
			if target.Scheme != "" || target.Host != "" {
				if slices.Contains(p.loaded, link) {
					t.Errorf("%s loads %s from elsewhere", name, link)
				}
				continue
			}
			count++
			to := name
			if target.Path != "" {
				to = path.Join(path.Dir(name), target.Path)
				if path.IsAbs(target.Path) {
					to = path.Clean(target.Path)
				}
			}
			if to == "/" {
				to = "/index.html"
			}
			if path.Ext(to) == "" {
				to += ".html"
			}
			if _, err := os.Stat(filepath.Join(built, to)); err != nil {
				t.Errorf("%s: there is no %s", name, link)
				continue
			}
			if target.Fragment != "" && !slices.Contains(all[to].ids, target.Fragment) {
				t.Errorf("%s: %s has no #%s", name, to, target.Fragment)
			}
		}
	}
	t.Logf("%d links on %d pages", count, len(all))
}

// Every page of docs/ is on the site, and a reader finds it from every other.
func TestEveryDocumentIsInTheNavigation(t *testing.T) {
	all := pages(t)
	entry, ok := all["/configuration.html"]
	if !ok {
		t.Fatal("the site has no configuration.html")
	}
	for _, d := range documents(t) {
		name, ok := strings.CutPrefix(d.name, "docs")
		if !ok {
			continue
		}
		want := strings.TrimSuffix(name, ".md") + ".html"
		if _, ok := all[want]; !ok {
			t.Errorf("the site has no %s", want)
		}
		if !slices.Contains(entry.links, want) && !slices.Contains(entry.links, strings.TrimSuffix(want, ".html")) {
			t.Errorf("the navigation has no %s", want)
		}
	}
}

// What is wide scrolls by itself; the page never does. Nothing comes from another
// host, and nothing complains.
func TestPagesFitTheirWindow(t *testing.T) {
	address := serve(t)
	all := pages(t)
	some := []string{"/index.html", "/configuration.html"}
	for _, view := range []struct {
		window
		pages []string
	}{
		{window{"wide-light", 1440, 1000, "light"}, slices.Sorted(maps.Keys(all))},
		{window{"wide-dark", 1440, 1000, "dark"}, some},
		{window{"phone-light", 390, 844, "light"}, some},
		{window{"phone-dark", 390, 844, "dark"}, slices.Sorted(maps.Keys(all))},
	} {
		t.Run(view.name, func(t *testing.T) {
			p := open(t, view.window)
			for _, name := range view.pages {
				p.visit(address + name)
				if over := p.number("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s is %g pixels wider than the window", name, over)
				}
				if dark := p.text("String(document.documentElement.classList.contains('dark'))"); dark != fmt.Sprint(view.scheme == "dark") {
					t.Errorf("%s: dark is %s", name, dark)
				}
				p.screenshot(strings.ReplaceAll(strings.Trim(name, "/"), "/", "-") + "-" + view.name)
			}
			p.quiet(address)
		})
	}
}

// The search works without another host.
func TestTheSearchFindsAPage(t *testing.T) {
	address := serve(t)
	p := open(t, window{"search", 1440, 1000, "light"})
	p.visit(address + "/configuration.html")
	p.do(chromedp.Click("#local-search button"))
	p.do(chromedp.WaitVisible(".VPLocalSearchBox input"))
	p.do(chromedp.SendKeys(".VPLocalSearchBox input", "tolerance"))
	p.do(chromedp.WaitVisible(".VPLocalSearchBox .result"))
	p.screenshot("search")
	p.quiet(address)
}

// serve is the site's address on this machine.
func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(built)))
	t.Cleanup(server.Close)
	return server.URL
}
