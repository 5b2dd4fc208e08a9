package e2e

import (
	"fmt"
	"net"
	"net/http"
	"sort"
	"sync"
	"time"
)

// A page is one metrics page about many pods, as an ingress controller has one.
// Its counters grow at known rates, so the test knows what a query must answer.
type page struct {
	address string
	began   time.Time

	mu    sync.Mutex
	rates map[podKey]float64 // requests per second
}

func servePage(c *cluster) *page {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(c)
	p := &page{address: listener.Addr().String(), began: time.Now(), rates: map[podKey]float64{}}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	c.t.Cleanup(func() { server.Close() })
	return p
}

// set gives a pod's counter a rate.
func (p *page) set(namespace, pod string, perSecond float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rates[podKey{namespace, pod}] = perSecond
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := make([]podKey, 0, len(p.rates))
	for key := range p.rates {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].namespace+"/"+keys[i].name < keys[j].namespace+"/"+keys[j].name })
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	elapsed := time.Since(p.began).Seconds()
	fmt.Fprintln(w, "# TYPE page_requests_total counter")
	for _, key := range keys {
		fmt.Fprintf(w, "page_requests_total{namespace=%q,pod=%q} %.3f\n", key.namespace, key.name, p.rates[key]*elapsed)
	}
}
