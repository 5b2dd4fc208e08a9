// Package traffic sends requests at an even rate and counts what became of reads.
package traffic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// A Stream is open-loop: it does not slow down when answers do.
type Stream struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Start calls send so many times per second, whichever calls are still running,
// until Stop or the end of the context. Turns count from 0.
func Start(ctx context.Context, perSecond float64, send func(turn int)) *Stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		var sending sync.WaitGroup
		defer sending.Wait()
		began, interval := time.Now(), time.Duration(float64(time.Second)/perSecond)
		for turn := 0; ; turn++ {
			// Due times are counted from the beginning: a busy machine sends late,
			// but not fewer.
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(began.Add(time.Duration(turn) * interval))):
			}
			sending.Go(func() { send(turn) })
		}
	}()
	return s
}

// Stop ends the stream and returns when the last call has.
func (s *Stream) Stop() {
	s.cancel()
	<-s.done
}

// maxInFlight bounds the requests of a load that wait for an answer at once.
const maxInFlight = 64

// Load sends GET requests to the URL of each turn, or none where that is empty.
// What the server counts is the truth: a request that a departing pod cuts short
// is no failure.
func Load(ctx context.Context, client *http.Client, perSecond float64, url func(turn int) string) *Stream {
	inFlight := make(chan struct{}, maxInFlight)
	return Start(ctx, perSecond, func(turn int) {
		target := url(turn)
		if target == "" {
			return
		}
		select {
		case inFlight <- struct{}{}:
			defer func() { <-inFlight }()
		default:
			return // the server is overwhelmed; more would not help
		}
		if response, err := client.Get(target); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
}

// readDeadline is when a read that hangs counts as failed.
const readDeadline = 10 * time.Second

// Reads is a stream of reads of a path of kube-apiserver, each of which should
// succeed.
type Reads struct {
	stream *Stream

	mu     sync.Mutex
	good   int
	failed int
	first  []string // the first few failures
	worst  time.Duration
}

// Read reads a path from now on, as a client. A read has succeeded if its status
// is 2xx and check, if it is not nil, finds no fault with the body.
func Read(ctx context.Context, client *rest.Config, path string, perSecond float64, check func(body []byte) error) (*Reads, error) {
	transport, err := rest.TransportFor(client)
	if err != nil {
		return nil, err
	}
	reader := &http.Client{Transport: transport, Timeout: readDeadline}
	r := &Reads{}
	r.stream = Start(ctx, perSecond, func(int) {
		began := time.Now()
		r.count(began, read(reader, client.Host+path, check))
	})
	return r, nil
}

// read does one of them, also while the stream is being stopped.
func read(client *http.Client, url string, check func(body []byte) error) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", answer.Status, err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", answer.Status, body)
	}
	if check == nil {
		return nil
	}
	return check(body)
}

func (r *Reads) count(began time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.worst = max(r.worst, time.Since(began))
	if err == nil {
		r.good++
		return
	}
	r.failed++
	if len(r.first) < 5 {
		r.first = append(r.first, began.Format(time.StampMilli)+" "+err.Error())
	}
}

// Failures says what has failed so far.
func (r *Reads) Failures() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d reads failed, the first ones: %q", r.failed, r.failed+r.good, r.first)
}

// Stop ends the reads. It fails the test if one has failed, or if there were none.
func (r *Reads) Stop(t *testing.T) {
	t.Helper()
	r.stream.Stop()
	t.Logf("%d reads, the slowest in %s", r.good+r.failed, r.worst.Round(time.Millisecond))
	if err := r.Failures(); err != nil || r.good == 0 {
		t.Errorf("%d reads were answered; %v", r.good, err)
	}
}
