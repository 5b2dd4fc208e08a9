package server

import (
	"net/http"

	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

const retryAfter = "Retry-After"

// withoutRetryAfter removes Retry-After from every answer of next.
//
// The client of the HorizontalPodAutoscaler obeys that header: it sleeps and
// tries again, ten times, while its worker serves no other autoscaler. The same
// answer without the header is an error at once, which keeps the replicas. The
// header comes from many hands (statuses of providers, the in-flight limit, the
// shutdown filters), hence one place, outside of all.
func withoutRetryAfter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(responsewriter.WrapForHTTP1Or2(&retryAfterRemover{ResponseWriter: w}), r)
	})
}

// retryAfterRemover removes the header at the last moment before headers leave:
// at WriteHeader, or at a Write or Flush that does without. What else the
// underlying writer can do stays reachable: WrapForHTTP1Or2 puts http.Hijacker
// in front where there is one, Unwrap serves http.ResponseController.
type retryAfterRemover struct {
	http.ResponseWriter
}

func (w *retryAfterRemover) WriteHeader(code int) {
	w.Header().Del(retryAfter)
	w.ResponseWriter.WriteHeader(code)
}

func (w *retryAfterRemover) Write(p []byte) (int, error) {
	w.Header().Del(retryAfter)
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher. As there, that nothing was flushed is not told.
func (w *retryAfterRemover) Flush() {
	w.Header().Del(retryAfter)
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap returns the underlying writer.
func (w *retryAfterRemover) Unwrap() http.ResponseWriter { return w.ResponseWriter }
