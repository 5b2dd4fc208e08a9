package app

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A servedPitot is "pitot serve" running in a process of its own.
type servedPitot struct {
	url    string
	client *http.Client
	stderr *lockedBuffer
}

// serve runs "pitot serve --standalone" until the test ends.
func serve(t *testing.T, args ...string) *servedPitot {
	t.Helper()
	p := startServing(t, append([]string{"--standalone"}, args...)...)
	within(t, "an answer", func() bool { code, _ := p.get(t, "/readyz"); return code == http.StatusOK })
	return p
}

// startServing runs "pitot serve" until the test ends, and returns when it
// listens.
func startServing(t *testing.T, args ...string) *servedPitot {
	t.Helper()
	process := pitot(t, append([]string{"serve", "--secure-port", "0"}, args...)...)
	stderr := &lockedBuffer{}
	process.Stderr = stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a certificate of this process, on loopback
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := errors.Join(process.Process.Signal(os.Interrupt), process.Wait()); err != nil {
			t.Errorf("%v: %s", err, stderr.String())
		}
	})
	p := &servedPitot{client: &http.Client{Transport: transport}, stderr: stderr}
	address := regexp.MustCompile(`"url":"(https://[^"]+)"`)
	within(t, "the server's address", func() bool {
		if match := address.FindStringSubmatch(stderr.String()); match != nil {
			p.url = match[1]
		}
		return p.url != ""
	})
	return p
}

func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (p *servedPitot) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	response, err := p.client.Get(p.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestServeStartsWithABrokenFileAndHeals(t *testing.T) {
	prometheus := httptest.NewServer(queryAPI(t))
	t.Cleanup(prometheus.Close)
	name := filepath.Join(t.TempDir(), "pitot.yaml")
	write(t, name, configText(prometheus.URL, "good: ready", "bad: ready("))
	p := serve(t, "--config", filepath.Dir(name))
	const metric = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/"

	if code, body := p.get(t, metric+"good"); code != http.StatusOK || !strings.Contains(body, `"value":"37"`) {
		t.Errorf("good: %d %s", code, body)
	}
	code, body := p.get(t, metric+"bad")
	var status struct{ Message string }
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	if want := `pitot.yaml:7:47: rule "bad": field "query": unclosed left parenthesis`; code != http.StatusServiceUnavailable || !strings.Contains(status.Message, want) {
		t.Errorf("bad: %d %s", code, body)
	}
	if code, body := p.get(t, "/metrics"); code != http.StatusOK || !strings.Contains(body, "pitot_config_last_reload_successful 0") ||
		!strings.Contains(body, `pitot_config_rules{state="broken"} 1`) {
		t.Errorf("/metrics: %d lacks the configuration's", code)
	}
	if code, body := p.get(t, "/statusz"); code != http.StatusOK || !strings.Contains(body, "problems: 1") {
		t.Errorf("/statusz: %d %s", code, body)
	}

	write(t, name, configText(prometheus.URL, "good: ready", "bad: ready"))
	within(t, "the repaired rule", func() bool { code, _ := p.get(t, metric+"bad"); return code == http.StatusOK })
}

func TestAClientIsMadeWhenItsCertificatesAreThere(t *testing.T) {
	prometheus := httptest.NewTLSServer(queryAPI(t))
	t.Cleanup(prometheus.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	client := newLateClient(rule.Backend{Name: "main", URL: prometheus.URL, TLS: rule.TLS{CAFile: ca}})
	t.Cleanup(client.Close)
	if _, err := client.Query(t.Context(), "ready", time.Time{}); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("without its authority: %v", err)
	}
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: prometheus.Certificate().Raw})))
	if vector, err := client.Query(t.Context(), "ready", time.Time{}); err != nil || len(vector.Samples) != 2 {
		t.Errorf("with its authority: %v, %v", vector, err)
	}
}

// A lockedBuffer is written by a server while the test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
