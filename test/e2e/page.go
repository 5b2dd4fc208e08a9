package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A page is one metrics page about many pods, as an ingress controller has one.
// Each has its pod's name twice, as pod and, for selectors, as name.
// Its counters grow at known rates, so the test knows what a query must answer;
// a gauge beside each is that rate.
type page struct {
	address string

	mu       sync.Mutex
	counters map[podKey]counter
	scrapes  []time.Time
}

// A counter grows evenly from a value that it had at a time.
type counter struct {
	value     float64
	at        time.Time
	perSecond float64
}

func (c counter) now() float64 { return c.value + c.perSecond*time.Since(c.at).Seconds() }

// servePage serves a page that the named Prometheus servers scrape.
func servePage(c *cluster, scrapedBy ...string) *page {
	listener := trial.Must(net.Listen("tcp", "127.0.0.1:0"))(c)
	p := &page{address: listener.Addr().String(), counters: map[podKey]counter{}}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	c.T.Cleanup(func() { _ = server.Close() })
	for _, name := range scrapedBy {
		c.Check(c.prometheus[name].scrape("page", []target{{Targets: []string{p.address}}}))
	}
	return p
}

// set gives a pod's counter a rate from now on.
func (p *page) set(namespace, pod string, perSecond float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := podKey{namespace, pod}
	if before, ok := p.counters[key]; ok {
		p.counters[key] = counter{before.now(), time.Now(), perSecond}
		return
	}
	p.counters[key] = counter{0, time.Now(), perSecond}
}

// share spreads a rate evenly over pods of a namespace, from now on. Those that
// are not among them are gone from the page.
func (p *page) share(namespace string, pods []string, perSecond float64) {
	p.mu.Lock()
	for key := range p.counters {
		if key.namespace == namespace && !slices.Contains(pods, key.name) {
			delete(p.counters, key)
		}
	}
	p.mu.Unlock()
	for _, pod := range pods {
		p.set(namespace, pod, perSecond/float64(len(pods)))
	}
}

// longestGap is the longest time between two scrapes since a time. It means
// something where one Prometheus scrapes.
func (p *page) longestGap(since time.Time) (gap time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, at := range p.scrapes {
		if i > 0 && at.After(since) {
			gap = max(gap, at.Sub(p.scrapes[i-1]))
		}
	}
	return gap
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scrapes = append(p.scrapes, time.Now())
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintln(w, "# TYPE page_requests_total counter")
	for key, counter := range p.counters {
		fmt.Fprintf(w, "page_requests_total{namespace=%q,pod=%q,name=%q} %.3f\n", key.namespace, key.name, key.name, counter.now())
	}
	fmt.Fprintln(w, "# TYPE page_load gauge")
	for key, counter := range p.counters {
		fmt.Fprintf(w, "page_load{namespace=%q,pod=%q,name=%q} %g\n", key.namespace, key.name, key.name, counter.perSecond)
	}
}
