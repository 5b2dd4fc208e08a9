package e2e

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// maxLoad bounds a load's requests per second: the machine is shared.
	maxLoad = 100
	// maxLoadTime bounds a load that nobody stops.
	maxLoadTime = 6 * time.Minute
	// maxInFlight bounds the requests that wait for an answer at once.
	maxInFlight = 64
)

// A load is a stream of requests at an even rate, open-loop: it does not slow
// down when answers do.
type load struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startLoad sends requests to the app's processes in turn, whichever answer at
// the time. It stops by stop, with the cluster, or after maxLoadTime.
func (c *cluster) startLoad(namespace, app, path string, perSecond float64) *load {
	ctx, cancel := context.WithTimeout(c.Ctx, maxLoadTime)
	l := &load{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		c.send(ctx, namespace, app, path, min(perSecond, maxLoad))
	}()
	return l
}

// stop ends the load and returns when the last request has.
func (l *load) stop() {
	l.cancel()
	<-l.done
}

func (c *cluster) send(ctx context.Context, namespace, app, path string, perSecond float64) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxInFlight}}
	defer client.CloseIdleConnections()
	var requests sync.WaitGroup
	defer requests.Wait()
	inFlight := make(chan struct{}, maxInFlight)
	began, interval := time.Now(), time.Duration(float64(time.Second)/perSecond)
	for turn := 0; ; turn++ {
		// Due times are counted from the beginning: a busy machine sends late,
		// but not fewer.
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(began.Add(time.Duration(turn) * interval))):
		}
		addresses := c.shop.addresses(namespace, app)
		if len(addresses) == 0 {
			continue
		}
		url := "http://" + addresses[turn%len(addresses)] + path
		select {
		case inFlight <- struct{}{}:
		default:
			continue // the processes are overwhelmed; more would not help
		}
		requests.Go(func() {
			defer func() { <-inFlight }()
			// What the application counts is the truth; a request that a
			// departing pod cuts short is no failure of the test.
			response, err := client.Get(url)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		})
	}
}
