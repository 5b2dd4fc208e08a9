package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// canary is what no secret may be seen by. Each secret is one with a name.
const canary = "CANARY"

func secret(name string) string { return canary + "-" + name }

// indiscreet is a backend that says whatever it knows of the request, as a proxy's
// page of errors does.
func indiscreet(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "http://elsewhere.test/"+secret("path")+"?authorization="+r.Header.Get("Authorization"))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, fmt.Sprintf("<html>%s %s</html>", r.Header, secret("body")))
	}
}

// A leak is a text in which secrets may be found.
type leak struct{ where, text string }

// TestSecretsAreNotTold runs "pitot serve" at the debug level with secrets in all
// places that can have one, has everything fail that can, and looks for them in
// everything that it tells.
func TestSecretsAreNotTold(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		write(t, path, text)
		return path
	}
	token, password := secret("token"), secret("password")
	config := "apiVersion: pitot.dev/v1alpha1\nkind: Config\nbackends:\n"
	rules := "rules:\n"
	backend := func(name, url, more string) {
		config += fmt.Sprintf("- {name: %s, url: '%s', %s}\n", name, url, more)
		rules += fmt.Sprintf("- {metric: of_%s, backend: %s, type: External, query: 'sum by (namespace) (load)'}\n", name, name)
	}
	bearer := "bearerTokenFile: " + file("token", token)
	basic := "basicAuth: {username: pitot, passwordFile: " + file("password", password) + "}"
	for _, status := range []int{http.StatusFound, http.StatusUnauthorized, http.StatusInternalServerError} {
		server := httptest.NewServer(indiscreet(status))
		t.Cleanup(server.Close)
		backend(fmt.Sprint("bearer", status), server.URL, bearer)
		backend(fmt.Sprint("basic", status), server.URL, basic)
	}
	backend("key", "https://127.0.0.1:1", fmt.Sprintf("tls: {certFile: %s, keyFile: %s, caFile: %s}",
		file("client.crt", "no certificate"), file("client.key", secret("client-key")), file("ca.crt", secret("ca"))))
	backend("userinfo", "http://pitot:"+secret("userinfo")+"@127.0.0.1:1", "timeout: 1s")
	backend("parameter", "http://127.0.0.1:1/?token="+secret("parameter"), "timeout: 1s")
	name := file("pitot.yaml", config+rules)

	p := serve(t, "--config", name, "--log-level", "debug", "--refresh-interval", "1s")
	var leaks []leak
	look := func(path string) {
		_, body := p.get(t, path)
		leaks = append(leaks, leak{path, body})
	}
	for range 2 { // the second time, what failed before is known
		for line := range strings.Lines(rules) {
			if _, metric, ok := strings.Cut(line, "metric: "); ok {
				metric, _, _ = strings.Cut(metric, ",")
				look("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/" + metric)
			}
		}
		within(t, "two refreshes of every backend", func() bool {
			return strings.Count(p.stderr.String(), `"query":"sum by (namespace) (load)"`) > 20
		})
	}
	for _, path := range []string{"/metrics", "/statusz", "/statusz?format=json", "/readyz?verbose", "/livez?verbose", "/debug/pprof/cmdline", "/version", "/openapi/v2"} {
		look(path)
	}
	look("/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/of_bearer401?labelSelector=a%3D!!")
	for _, args := range [][]string{{"check", name}, {"query", "--config", name, "of_bearer401"}, {"query", "--config", name, "of_key"}} {
		leaks = append(leaks, leak{strings.Join(args, " "), output(t, args...)})
	}
	leaks = append(leaks, leak{"the log", p.stderr.String()})

	encoded := base64.StdEncoding.EncodeToString([]byte("pitot:" + password))
	for _, l := range leaks {
		for _, what := range []string{canary, encoded} {
			if i := strings.Index(l.text, what); i >= 0 {
				t.Errorf("%s tells a secret: …%s…", l.where, l.text[max(0, i-200):min(len(l.text), i+60)])
			}
		}
	}
	if len(leaks) < 20 {
		t.Errorf("only %d texts were looked at", len(leaks))
	}
	eachLineIsJSON(t, p.stderr.String())
}

// output is what a command prints, whatever its exit code.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	cmd := pitot(t, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = append(os.Environ(), "KUBECONFIG=/nowhere")
	if err := cmd.Run(); err != nil {
		if _, exited := err.(*exec.ExitError); !exited { //nolint:errorlint // as Run returns it
			t.Fatal(err)
		}
	}
	return said.String()
}

func eachLineIsJSON(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var entry struct {
			Level, Msg string
			TS         time.Time
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level == "" || entry.Msg == "" || entry.TS.IsZero() {
			t.Errorf("no entry of the log: %v: %s", err, line)
		}
	}
}
