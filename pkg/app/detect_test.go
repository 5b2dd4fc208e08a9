package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// Two workers behind one address take turns, by connection: several reads show it,
// and each read makes a connection of its own.
func TestDetectSeesWorkersThatTakeTurns(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		worker := connections.Load() % 2
		fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n", 1795357018+worker)
		fmt.Fprintf(w, "# TYPE http_requests counter\nhttp_requests_total{handler=\"/work\"} %d\n# EOF\n", 100+50*worker)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	code, out := detectRun(t, server.URL, "--samples", "3", "--every", "0s", "-o", "json")
	if code != exitFound {
		t.Errorf("exit code %d, want %d", code, exitFound)
	}
	var result struct {
		Libraries []struct{ Name string }
		Findings  []struct{ Code string }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(result.Findings) != 1 || result.Findings[0].Code != "no-multiprocess" {
		t.Errorf("found %v", result.Findings)
	}
	if connections.Load() != 3 {
		t.Errorf("%d connections for 3 reads", connections.Load())
	}
}

func TestDetectSaysWhatTheServerSaid(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	code, out := detectRun(t, server.URL+"/metrics", "--samples", "1")
	if code != exitFailed || !strings.Contains(out, server.URL+"/metrics: 404 Not Found") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func detectRun(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	code = Main(t.Context(), Env{Stdout: &b, Stderr: &b, Stdin: strings.NewReader(""), Getenv: os.Getenv}, append([]string{"detect"}, args...))
	return code, b.String()
}
