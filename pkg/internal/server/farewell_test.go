package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
)

func TestClientsAreSentAwayInTheSecondHalfOfTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := &farewell{delay: 4 * time.Second}
		f.await(ctx)
		handler := f.in(http.NotFoundHandler())
		connection := func() string {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
			return recorder.Header().Get("Connection")
		}
		for _, moment := range []struct {
			name string
			pass func()
			want string
		}{
			{"in service", func() { time.Sleep(time.Hour) }, ""},
			{"told to stop", stop, ""},
			{"a moment later", func() { time.Sleep(1999 * time.Millisecond) }, ""},
			{"in the second half", func() { time.Sleep(2 * time.Millisecond) }, "close"},
		} {
			moment.pass()
			synctest.Wait()
			if got := connection(); got != moment.want {
				t.Errorf("%s: Connection %q, want %q", moment.name, got, moment.want)
			}
		}
	})
}

// Clients that never pause meet no refusal while the server stops: the last
// answer on each connection says that it is the last. Their next connection leads
// to another replica.
func TestNobodyIsRefusedWhileTheServerStops(t *testing.T) {
	k, opts := newKubeAPI(t, func(authorizationv1.SubjectAccessReviewSpec) bool { return true })
	opts.ShutdownDelay = time.Second
	srv, err := New(opts, Deps{Custom: echo{}, External: echo{}})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, srv)
	probe(t, srv, "/readyz", http.StatusOK)
	var clients sync.WaitGroup
	for range 8 {
		client := k.throughFrontProxy(t, srv, "hpa")
		client.client.Transport.(*http.Transport).DialContext = once()
		clients.Go(func() {
			for {
				code, err := client.try("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue")
				switch {
				case errors.Is(err, errElsewhere):
					return
				case err != nil || code != http.StatusOK:
					t.Errorf("status %d, %v", code, err)
					return
				}
			}
		})
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

var errElsewhere = errors.New("the Service leads elsewhere")

// once dials the first time.
func once() func(ctx context.Context, network, address string) (net.Conn, error) {
	var dialed atomic.Bool
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if dialed.Swap(true) {
			return nil, errElsewhere
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// try is get, but for a server that may be gone.
func (c *caller) try(path string) (code int, err error) {
	req, err := http.NewRequest(http.MethodGet, c.srv.URL()+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header = c.header.Clone()
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
