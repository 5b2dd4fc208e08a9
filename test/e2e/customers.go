package e2e

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// customers call the web pods of an example at an even rate, in turn, whether
// they answer soon or not, and count: what they saw is the truth beside which the
// metrics of the pods are held.
type customers struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	calls []call // that were answered, in the order of their answers
}

type call struct {
	ended time.Time
	took  time.Duration
}

// Every seventh of them wants a report, which takes 0.33 s, the others an order,
// 0.06 s: so a report is what the p95 is of.
func (a *apps) sendCustomers(namespace string, perSecond float64) *customers {
	ctx, cancel := context.WithCancel(a.cluster.Ctx)
	c := &customers{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.come(ctx, a, namespace, perSecond)
	}()
	return c
}

// stop returns when the last answer is there.
func (c *customers) stop() {
	c.cancel()
	<-c.done
}

func (c *customers) come(ctx context.Context, a *apps, namespace string, perSecond float64) {
	// A connection for each request, so that every worker gets its share.
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var requests sync.WaitGroup
	defer requests.Wait()
	began, interval := time.Now(), time.Duration(float64(time.Second)/perSecond)
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(began.Add(time.Duration(turn) * interval))):
		}
		pods := a.answering(namespace, "web")
		if len(pods) == 0 {
			continue
		}
		path := "/orders/17"
		if turn%7 == 3 {
			path = "/reports/3"
		}
		url := "http://" + pods[turn%len(pods)].address + path
		requests.Go(func() { c.call(client, url) })
	}
}

// call counts an answer. A request that a dying pod cuts short is none.
func (c *customers) call(client *http.Client, url string) {
	began := time.Now()
	response, err := client.Get(url)
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
