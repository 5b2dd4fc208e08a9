package server

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A lateServer refuses connections until it comes.
type lateServer struct{ comes time.Time }

func (s lateServer) RoundTrip(*http.Request) (*http.Response, error) {
	if time.Now().Before(s.comes) {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody}, nil
}

func TestAPatientClientFindsAServerThatComesLater(t *testing.T) {
	for _, c := range []struct {
		name, method string
		patience     time.Duration // of the caller
		after        time.Duration // when the request ends
		answered     bool
	}{
		{"within a second of its coming", http.MethodGet, time.Hour, 90 * time.Second, true},
		{"only what may be repeated", http.MethodPost, time.Hour, 0, false},
		{"only for as long as the caller waits", http.MethodGet, 30 * time.Second, 30 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				client := patient{lateServer{comes: begun.Add(89*time.Second + time.Millisecond)}}
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				request, err := http.NewRequestWithContext(ctx, c.method, "https://cluster", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				response, err := client.RoundTrip(request)
				if took := time.Since(begun); took != c.after || (err == nil) != c.answered {
					t.Errorf("after %s: %v, %v", took, response, err)
				}
				if err == nil {
					_ = response.Body.Close()
				}
			})
		})
	}
}
