package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

const benchPath = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests?labelSelector=app%3Dweb"

// BenchmarkReadHandler measures one read through every filter, without network.
func BenchmarkReadHandler(b *testing.B) {
	handler := standalone(b, nil).generic.Handler
	b.ReportAllocs()
	for b.Loop() {
		answer := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, benchPath, nil)
		req.Header.Set("Accept", "application/vnd.kubernetes.protobuf")
		handler.ServeHTTP(answer, req)
		if answer.Code != http.StatusOK {
			b.Fatalf("status %d: %s", answer.Code, answer.Body)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

// BenchmarkReadHTTPS measures reads by five workers, the default number of a
// HorizontalPodAutoscaler controller, over one HTTP/2 connection. The client's
// work is in the figure.
func BenchmarkReadHTTPS(b *testing.B) {
	srv := standalone(b, nil)
	client, err := rest.HTTPClientFor(config(srv))
	if err != nil {
		b.Fatal(err)
	}
	defer client.CloseIdleConnections()
	work := make(chan struct{})
	failed := make(chan error, 5)
	for range cap(failed) {
		go func() {
			for range work {
				if err := readOnce(b.Context(), client, srv.URL()+benchPath); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	for range cap(failed) {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

func readOnce(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/vnd.kubernetes.protobuf")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
