//go:build integration

package promapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// pushedAge is how old the sample of the page is that is not renewed.
const pushedAge = 2 * time.Minute

// startPushing serves a page with a sample that carries a time of its own, as
// pages of gateways do, beside one that is new with every scrape.
func startPushing(t *testing.T) *httptest.Server {
	t.Helper()
	pushed := time.Now().Add(-pushedAge).UnixMilli()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "pushed{queue=\"a\"} 5 %d\nfresh{queue=\"a\"} 7\nfresh_total %d\nredis_up 1\n", pushed, time.Now().Unix())
	}))
	t.Cleanup(page.Close)
	return page
}

// What a store asks beside a query means to a real Prometheus what it is meant to.
func TestAgesAndProofsFromARealPrometheus(t *testing.T) {
	begun := time.Now()
	url, _ := startPrometheus(t, startPushing(t).Listener.Addr().String())
	client, err := promapi.New(promapi.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store := snapshot.NewStore(snapshot.Options{
		Backends: map[string]snapshot.Backend{"main": {Querier: client, ScrapeInterval: time.Second, Coverage: true}},
		Interval: time.Second,
	})
	defer store.Close()
	read := func(t *testing.T, expr, zeroWhen string) (*snapshot.Snapshot, error) {
		t.Helper()
		e, err := promexpr.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		return store.Read(t.Context(), snapshot.Key{
			Backend: "main", Query: e.String(), Window: e.Window(), SampleTimes: e.SampleTimes(), ZeroWhen: zeroWhen,
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	await := func(t *testing.T, expr, zeroWhen string, good func(*snapshot.Snapshot) bool) {
		t.Helper()
		for {
			snap, err := read(t, expr, zeroWhen)
			if err == nil && good(snap) {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%s: %+v, %v", expr, snap, err)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	aged := func(least, most time.Duration) func(*snapshot.Snapshot) bool {
		return func(snap *snapshot.Snapshot) bool {
			samples := snap.Vector.Samples
			return len(samples) == 1 && samples[0].Age >= least && samples[0].Age <= most
		}
	}
	old := func(snap *snapshot.Snapshot) bool {
		return aged(pushedAge, pushedAge+time.Since(begun)+time.Second)(snap)
	}
	const moment = 10 * time.Second // a busy machine scrapes late

	await(t, `fresh`, "", aged(time.Millisecond, moment))
	await(t, `pushed`, "", old)
	await(t, `sum by (queue) (pushed)`, "", old)
	await(t, `fresh / on (queue) pushed`, "", old)
	await(t, `fresh - on () group_left () max(pushed)`, "", old)
	await(t, `sum(fresh) / scalar(sum(pushed))`, "", old)
	await(t, `pushed offset 1s`, "", old)
	await(t, `sum(absent_metric)`, `max(redis_up) == 1`, func(snap *snapshot.Snapshot) bool {
		return len(snap.Vector.Samples) == 0 && len(snap.Proof.Vector.Samples) == 1
	})
	await(t, `fresh`, `max(redis_up) == 1`, func(snap *snapshot.Snapshot) bool {
		return len(snap.Vector.Samples) == 1 && snap.Vector.At.Equal(snap.Proof.Vector.At)
	})
	proof, err := promexpr.Parse(`max(pushed) == 5`)
	if err != nil {
		t.Fatal(err)
	}
	await(t, `fresh`, proof.Fresh(time.Minute).String(), func(snap *snapshot.Snapshot) bool {
		return len(snap.Proof.Vector.Samples) == 0 && snap.Proof.Err == nil // it is too old to prove anything
	})

	// A server that has just started has no full window.
	var recovering *snapshot.RecoveringError
	if _, err := read(t, `rate(fresh_total[10m])`, ""); !errors.As(err, &recovering) {
		t.Errorf("ten minutes of a young server: %v", err)
	}
	await(t, `rate(fresh_total[15s])`, "", aged(time.Millisecond, moment))
	if watched := time.Since(begun); watched < 11*time.Second {
		t.Errorf("a window of 15s is served after %s", watched)
	}
}
