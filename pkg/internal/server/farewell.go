package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// A farewell sends clients away before the server stops to answer.
//
// The aggregator keeps one HTTP/2 connection, whatever becomes of the Service's
// endpoints. When the delay of the shutdown is over, the generic server answers
// what still comes on such a connection with "apiserver is shutting down": under
// load, some always does. So in the second half of the delay, when the endpoints
// have changed, every answer ends its connection. What was sent on it is still
// answered; what comes next is a new connection, to another replica.
type farewell struct {
	delay time.Duration
	begun atomic.Bool
}

// await begins the farewell once ctx is done and half of the delay has passed.
func (f *farewell) await(ctx context.Context) {
	context.AfterFunc(ctx, func() { time.AfterFunc(f.delay/2, func() { f.begun.Store(true) }) })
}

// in lets next answer, and ends the connection if it is time to part.
func (f *farewell) in(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.begun.Load() {
			w.Header().Set("Connection", "close") // HTTP/2 makes a GOAWAY of it
		}
		next.ServeHTTP(w, r)
	})
}
