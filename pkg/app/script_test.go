package app

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
)

var update = flag.Bool("update", false, "rewrite golden output")

// TestMain lets scripts run pitot as a command.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pitot": func() { os.Exit(Main(context.Background(), OSEnv(), os.Args[1:])) },
	})
}

// TestScripts runs the transcripts of testdata/script: commands as users type
// them, with their output and exit codes. $PROMETHEUS is a server that answers
// queries over a few series; $PAGE is a /metrics page.
func TestScripts(t *testing.T) {
	prometheus := httptest.NewServer(queryAPI(t))
	t.Cleanup(prometheus.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# HELP orders_total Orders.\n# TYPE orders_total counter\norders_total 3\n# TYPE busy gauge\nbusy 2\n")
	}))
	t.Cleanup(page.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PROMETHEUS", prometheus.URL)
			env.Setenv("PAGE", page.URL)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs pitot and demands an exit code: exits 3 check bad.yaml.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	err := ts.Exec("sh", append([]string{"-c", `pitot "$@"; echo "exit code $?" >&2`, "pitot"}, args[1:]...)...)
	ts.Check(err)
	if got := lastLine(ts.ReadFile("stderr")); got != "exit code "+args[0] {
		ts.Fatalf("got %s, want %s", got, args[0])
	}
}

func lastLine(text string) string {
	lines := []byte(text)
	for len(lines) > 0 && lines[len(lines)-1] == '\n' {
		lines = lines[:len(lines)-1]
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] == '\n' {
			return string(lines[i+1:])
		}
	}
	return string(lines)
}

// queryAPI is /api/v1/query over a few series, by the real engine.
func queryAPI(t *testing.T) http.Handler {
	t.Helper()
	db := promdb.New(promdb.Options{})
	now := time.Now()
	for _, s := range []struct {
		labels labels.Labels
		value  float64
	}{
		{labels.FromStrings("__name__", "load", "namespace", "shop", "pod", "web-1"), 12.3456},
		{labels.FromStrings("__name__", "load", "namespace", "shop", "pod", "web-2"), 7},
		{labels.FromStrings("__name__", "load", "namespace", "other", "pod", "api-1"), 1},
		{labels.FromStrings("__name__", "ready", "namespace", "shop", "queue", "emails"), 37},
		{labels.FromStrings("__name__", "ready", "namespace", "shop", "queue", "orders"), 5},
		{labels.FromStrings("__name__", "broken", "namespace", "shop", "pod", "web-1"), -1},
	} {
		if err := db.Append(now, s.labels, s.value); err != nil {
			t.Fatal(err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vector, err := db.Query(r.Context(), r.FormValue("query"), time.Now())
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		result := []any{}
		for _, s := range vector.Samples {
			at := float64(vector.At.UnixMilli()) / 1000
			result = append(result, map[string]any{
				"metric": s.Labels.Map(),
				"value":  []any{at, strconv.FormatFloat(s.Value, 'f', -1, 64)},
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"status": "success", "data": map[string]any{"resultType": "vector", "result": result},
		})
	})
}
