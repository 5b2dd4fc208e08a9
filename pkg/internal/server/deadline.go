package server

import (
	"context"
	"net/http"
	"time"
)

// withTimeToAnswer ends the work of next a tenth before the deadline of the
// request. At the deadline itself the generic server cuts in: a handler that
// gives up right then and begins to say why has its connection reset, and the
// client learns nothing.
func withTimeToAnswer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if deadline, ok := r.Context().Deadline(); ok {
			ctx, cancel := context.WithTimeout(r.Context(), time.Until(deadline)*9/10)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}
