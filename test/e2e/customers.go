package e2e

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pitot-autoscaling/pitot/test/e2e/traffic"
)

// What customers of the examples ask for, in turn. An order takes 0.06 s and a
// report 0.33 s. Where every seventh wants a report, the p95 is that of a report.
var (
	ordersAndReports = []string{"/orders/1", "/orders/2", "/orders/3", "/reports/4", "/orders/5", "/orders/6", "/orders/7"}
	onlyReports      = []string{"/reports/4"}
)

// customers call the web pods of an example at an even rate, in turn, whether
// they answer soon or not, and count: what they saw is the truth beside which the
// metrics of the pods are held.
type customers struct {
	*traffic.Stream
	client *http.Client

	mu    sync.Mutex
	calls []call // that were answered, in the order of their answers
}

type call struct {
	ended time.Time
	took  time.Duration
}

func (a *apps) sendCustomers(namespace string, perSecond float64, paths []string) *customers {
	// A connection for each request, so that every worker gets its share.
	c := &customers{client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	c.Stream = traffic.Start(a.cluster.Ctx, perSecond, func(turn int) {
		if pods := a.answering(namespace, "web"); len(pods) > 0 {
			c.call("http://" + pods[turn%len(pods)].address + paths[turn%len(paths)])
		}
	})
	return c
}

// call counts an answer. A request that a dying pod cuts short is none.
func (c *customers) call(url string) {
	began := time.Now()
	response, err := c.client.Get(url)
	if err != nil {
		return
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		return
	}
	ended := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call{ended: ended, took: ended.Sub(began)})
}

// An experience is what customers had over a window.
type experience struct {
	perSecond float64
	inFlight  float64 // on average, by Little's law
	p95       time.Duration
}

// over is the experience of the window that ends at a time.
func (c *customers) over(window time.Duration, until time.Time) (e experience) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var took []time.Duration
	var sum time.Duration
	for _, call := range c.calls {
		if call.ended.After(until.Add(-window)) && !call.ended.After(until) {
			took, sum = append(took, call.took), sum+call.took
		}
	}
	if len(took) == 0 {
		return e
	}
	slices.Sort(took)
	e.perSecond = float64(len(took)) / window.Seconds()
	e.inFlight = sum.Seconds() / window.Seconds()
	e.p95 = took[len(took)*95/100]
	return e
}
