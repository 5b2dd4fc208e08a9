package promapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server that plays Prometheus.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func newClient(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func write(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func zip(body string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, body)
	_ = z.Close()
	return b.Bytes()
}

// wantError checks what holds for every error, and its kind and text.
func wantError(t *testing.T, v instant.Vector, err error, kind Kind, says string) Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("answered %v, error %v; want an *Error", v, err)
	}
	if e.Kind != kind || !strings.Contains(e.Error(), says) {
		t.Errorf("%s: %q, want %s: %q", e.Kind, e.Error(), kind, says)
	}
	if len(v.Samples) > 0 || !v.At.IsZero() {
		t.Errorf("part of an answer came with the error: %v", v)
	}
	if len(e.Error()) > maxMessage || strings.ContainsAny(e.Error(), "\n\r") {
		t.Errorf("the text is not one line of %d bytes: %q", maxMessage, e.Error())
	}
	if got := errors.Is(err, context.DeadlineExceeded); got != (kind == Timeout) {
		t.Errorf("is context.DeadlineExceeded: %v", got)
	}
	if got := errors.Is(err, context.Canceled); got != (kind == Canceled) {
		t.Errorf("is context.Canceled: %v", got)
	}
	return *e
}

func TestQuery(t *testing.T) {
	var path string
	var form url.Values
	var header http.Header
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		path, form, header = r.Method+" "+r.URL.String(), r.PostForm, r.Header
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(zip(recorded))
	})
	client := newClient(t, Config{URL: server.URL + "/prefix/", UserAgent: "pitot/test"})
	at := time.Date(2026, 1, 1, 0, 0, 0, 250_999_999, time.UTC)
	v, err := client.Query(t.Context(), `sum by (pod) (rate(x{a="b&c"}[2m]))`, at)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, instant.Vector{At: recordedAt, Samples: v.Samples}, v)
	if len(v.Samples) != 3 {
		t.Errorf("%d samples, want 3", len(v.Samples))
	}
	if want := "POST /prefix/api/v1/query"; path != want {
		t.Errorf("asked for %s, want %s", path, want)
	}
	if got := form.Get("query"); got != `sum by (pod) (rate(x{a="b&c"}[2m]))` {
		t.Errorf("query is %s", got)
	}
	if got := form.Get("time"); got != "1767225600.250" {
		t.Errorf("time is %s", got)
	}
	if got := header.Get("User-Agent"); got != "pitot/test" {
		t.Errorf("user agent is %s", got)
	}
	for _, name := range []string{"Idempotency-Key", "Authorization"} {
		if header.Values(name) != nil {
			t.Errorf("%s was sent", name)
		}
	}
}

func TestConnectionsAreDialledAsConfigured(t *testing.T) {
	server := serve(t, write(recorded))
	var dialled []string
	client := newClient(t, Config{
		URL: "http://prometheus.monitoring:9090",
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, network+" "+address)
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if want := "tcp prometheus.monitoring:9090"; len(dialled) != 1 || dialled[0] != want {
		t.Errorf("dialled %q, want once %q", dialled, want)
	}
}

func TestQueryLeavesTheTimeToTheServer(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.PostForm.Has("time") {
			t.Errorf("time is %s", r.PostForm.Get("time"))
		}
		_, _ = io.WriteString(w, recorded)
	})
	v, err := newClient(t, Config{URL: server.URL}).Query(t.Context(), "x", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if !v.At.Equal(recordedAt) {
		t.Errorf("at %s, want %s", v.At, recordedAt)
	}
}

func TestEmptyAnswersGetATime(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 1_999_999, time.UTC)
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		name  string
		asked time.Time
		date  []string
		want  time.Time
	}{
		{"the one that was asked for", at, []string{date.Format(http.TimeFormat)}, at.Truncate(time.Millisecond)},
		{"the answer's date", time.Time{}, []string{date.Format(http.TimeFormat)}, date},
		{"the clock's", time.Time{}, nil, time.Now()},
		{"the clock's, for a date that is none", time.Time{}, []string{"yesterday"}, time.Now()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = tc.date
				_, _ = io.WriteString(w, in(``))
			})
			v, err := newClient(t, Config{URL: server.URL}).Query(t.Context(), "x", tc.asked)
			if err != nil {
				t.Fatal(err)
			}
			if d := v.At.Sub(tc.want).Abs(); d > 0 && (tc.asked.Equal(at) || tc.want.Equal(date) || d > time.Minute) {
				t.Errorf("at %s, want %s", v.At, tc.want)
			}
		})
	}
}

func TestTheServersTimeoutIsShorterThanOurs(t *testing.T) {
	for _, left := range []time.Duration{time.Minute, 10 * time.Second, time.Second, 50 * time.Millisecond, 3 * time.Millisecond, 2 * time.Microsecond} {
		if got := serverTimeout(left); got <= 0 || got >= left {
			t.Errorf("of %s the server gets %s", left, got)
		}
	}
	if got, want := serverTimeout(10*time.Second), 9500*time.Millisecond; got != want {
		t.Errorf("of 10s the server gets %s, want %s", got, want)
	}
	var sent atomic.Value
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Store(r.PostFormValue("timeout"))
		_, _ = io.WriteString(w, recorded)
	})
	client := newClient(t, Config{URL: server.URL, Timeout: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := client.Query(ctx, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.ParseFloat(sent.Load().(string), 64)
	if err != nil || seconds <= 0 || seconds >= 20 {
		t.Errorf("timeout is %v, want less than the 20s of the context", sent.Load())
	}
}

func TestAPassedDeadlineAsksNobody(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	v, err := newClient(t, Config{URL: server.URL}).Query(ctx, "x", time.Time{})
	wantError(t, v, err, Timeout, "no answer")
	if asked.Load() > 0 {
		t.Error("the server was asked")
	}
}

func TestAnswersThatAreErrors(t *testing.T) {
	apiError := func(errorType, message string) string {
		return fmt.Sprintf(`{"status":"error","errorType":%q,"error":%q}`, errorType, message)
	}
	for _, tc := range []struct {
		name    string
		status  int
		headers []string
		body    string
		kind    Kind
		says    string
		retry   time.Duration
	}{
		{name: "a query that does not parse", status: 400, body: apiError("bad_data", `invalid parameter "query": 1:5: parse error: unexpected end of input`), kind: BadQuery, says: "bad_data: invalid parameter \"query\": 1:5: parse error"},
		{name: "a query that cannot be executed", status: 422, body: apiError("execution", "found duplicate series for the match group"), kind: BadQuery, says: "execution: found duplicate series"},
		{name: "an error behind a success", status: 200, body: apiError("execution", "x"), kind: BadQuery, says: "execution: x"},
		{name: "an error of an unknown type", status: 200, body: apiError("weather", "x"), kind: Status, says: "weather: x"},
		{name: "an error without a word", status: 200, body: `{"status":"error"}`, kind: Status, says: "answers an error and does not say which"},
		{name: "a 400 of somebody else", status: 400, body: "<html>The plain HTTP request was sent to HTTPS port", kind: Status, says: "answers 400 Bad Request"},
		{name: "a query that took too long", status: 503, body: apiError("timeout", "query timed out in expression evaluation"), kind: Timeout, says: "timeout: query timed out"},
		{name: "an internal error", status: 500, body: apiError("internal", "expanding series: disk"), kind: Status, says: "internal: expanding series: disk"},
		{name: "a server that replays its log", status: 503, body: "Service Unavailable", kind: Status, says: "answers 503 Service Unavailable"},
		{name: "a page of a proxy", status: 502, body: "<html><body>secret" + strings.Repeat("<p>", 1<<20), kind: Status, says: "answers 502 Bad Gateway"},
		{name: "an empty page", status: 504, kind: Status, says: "answers 504 Gateway Timeout"},
		{name: "an error that is a success", status: 500, body: recorded, kind: Status, says: "answers 500 Internal Server Error"},
		{name: "not found", status: 404, body: "404 page not found", kind: Status, says: "answers 404 Not Found"},
		{name: "no content", status: 204, kind: Status, says: "answers 204 No Content"},
		{name: "an unknown status", status: 599, kind: Status, says: "answers 599"},
		{name: "GET only", status: 405, kind: Status, says: "answers 405 Method Not Allowed to POST; whatever stands before the server"},
		{name: "unauthorized", status: 401, headers: []string{"WWW-Authenticate", "Bearer"}, kind: Auth, says: "answers 401 Unauthorized"},
		{name: "forbidden, with an account", status: 403, body: apiError("bad_data", "no"), kind: Auth, says: "bad_data: no"},
		{name: "too many requests", status: 429, headers: []string{"Retry-After", "30"}, kind: Status, says: "answers 429 Too Many Requests", retry: 30 * time.Second},
		{name: "too many requests, until a date", status: 429, headers: []string{"Retry-After", "Thu, 01 Jan 2026 00:01:00 GMT", "Date", "Thu, 01 Jan 2026 00:00:00 GMT"}, kind: Status, says: "answers 429", retry: time.Minute},
		{name: "too many requests for ever", status: 429, headers: []string{"Retry-After", "999999999"}, kind: Status, says: "answers 429", retry: 24 * time.Hour},
		{name: "too many requests, in words", status: 429, headers: []string{"Retry-After", "later"}, kind: Status, says: "answers 429"},
		{name: "too many requests, in the past", status: 429, headers: []string{"Retry-After", "-3"}, kind: Status, says: "answers 429"},
		{name: "a long account", status: 422, body: apiError("execution", strings.Repeat("ü", 5_000)), kind: BadQuery, says: "execution: üü"},
		{name: "an account too long to read", status: 422, body: apiError("execution", strings.Repeat("x", 1<<20)), kind: Status, says: "answers 422"},
		{name: "an account of several lines", status: 422, body: apiError("execution", "a\nb\r\tc"), kind: BadQuery, says: "execution: a b  c"},
		{name: "a redirect without an address", status: 302, kind: Redirect, says: "answers 302, a redirect"},
		{name: "not modified", status: 304, kind: Redirect, says: "answers 304"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(tc.headers); i += 2 {
					w.Header().Set(tc.headers[i], tc.headers[i+1])
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			v, err := newClient(t, Config{URL: server.URL}).Query(t.Context(), "x", time.Time{})
			e := wantError(t, v, err, tc.kind, "prometheus "+server.URL+": "+tc.says)
			if e.Status != tc.status || e.RetryAfter != tc.retry {
				t.Errorf("status %d, retry after %s; want %d, %s", e.Status, e.RetryAfter, tc.status, tc.retry)
			}
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "<") {
				t.Errorf("quotes the body: %q", e.Error())
			}
		})
	}
}

func TestConnectionsThatBreak(t *testing.T) {
	hijack := func(act func(net.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			act(conn)
		}
	}
	send := func(text string) http.HandlerFunc {
		return hijack(func(c net.Conn) { _, _ = io.WriteString(c, text) })
	}
	zipped := string(zip(recorded))
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		kind    Kind
		says    string
	}{
		{"closed at once", send(""), Unreachable, "connection closed without an answer"},
		{"reset at once", hijack(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), Unreachable, "connection reset by peer"},
		{"no HTTP", send("SSH-2.0-OpenSSH_9.2\r\n"), Unreachable, "malformed HTTP"},
		{"cut short of its length", send("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + recorded), Malformed, "cut short"},
		{"cut within a chunk", send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + recorded), Malformed, "cut short"},
		{"cut between chunks", send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), Malformed, "cut short"},
		{"cut within gzip", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped[:len(zipped)-20]), Malformed, "cut short"},
		{"cut within the checksum", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped[:len(zipped)-1]), Malformed, "cut short"},
		{"an empty gzip", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"), Malformed, "cut short"},
		{"a wrong checksum", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped[:len(zipped)-8] + "01234567"), Malformed, "not the gzip"},
		{"a gzip that is none", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + recorded), Malformed, "not the gzip"},
		{"a corrupt gzip", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped[:20] + "\xff\xff\xff\xff" + zipped[24:]), Malformed, "answer"},
		{"a second gzip", send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped + zipped), Malformed, "want the end"},
		{"an encoding nobody asked for", send("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n" + recorded), Malformed, `Content-Encoding "br"`},
		{"an empty body", send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Malformed, "cut short"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := serve(t, tc.handler)
			v, err := newClient(t, Config{URL: server.URL}).Query(t.Context(), "x", time.Time{})
			wantError(t, v, err, tc.kind, tc.says)
		})
	}
}

func TestBodiesCutAtEveryByte(t *testing.T) {
	var cut atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(recorded)))
		_, _ = io.WriteString(w, recorded[:cut.Load()])
	})
	client := newClient(t, Config{URL: server.URL})
	for n := range len(recorded) {
		cut.Store(int64(n))
		v, err := client.Query(t.Context(), "x", time.Time{})
		wantError(t, v, err, Malformed, "cut short")
	}
}

func TestUnreachable(t *testing.T) {
	server := serve(t, write(recorded))
	server.Close()
	v, err := newClient(t, Config{URL: server.URL}).Query(t.Context(), "x", time.Time{})
	e := wantError(t, v, err, Unreachable, "")
	if want := "prometheus " + server.URL + ": connection refused"; e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v does not lead to its cause", err)
	}
}

func TestReasonNamesTheHostThatDoesNotExist(t *testing.T) {
	err := fmt.Errorf("Post: %w", &net.DNSError{Err: "no such host", Name: "prometheus.monitoring", IsNotFound: true})
	if got, want := reason(err), "no such host prometheus.monitoring"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// hang keeps a request until its client leaves.
func hang(r *http.Request) {
	_ = r.ParseForm() // only behind the body does net/http notice
	<-r.Context().Done()
}

func TestSlowServers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { hang(r) },
		"half an answer": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, recorded[:50])
			_ = http.NewResponseController(w).Flush()
			hang(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, Config{URL: serve(t, handler).URL, Timeout: 50 * time.Millisecond})
			v, err := client.Query(t.Context(), "x", time.Time{})
			wantError(t, v, err, Timeout, "no answer after ")
		})
	}
	t.Run("a caller who leaves", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); hang(r) })
		v, err := newClient(t, Config{URL: server.URL}).Query(ctx, "x", time.Time{})
		wantError(t, v, err, Canceled, "called off")
	})
}

func TestAnswersThatAreTooLarge(t *testing.T) {
	var sent atomic.Int64
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"status":"success","data":{"resultType":"vector","result":[`)
		space := bytes.Repeat([]byte(" "), 1<<20)
		for range 1 << 10 {
			n, err := z.Write(space)
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	}
	v, err := newClient(t, Config{URL: serve(t, bomb).URL, MaxResponseBytes: 1 << 20}).Query(t.Context(), "x", time.Time{})
	wantError(t, v, err, TooLarge, "answer is larger than 1048576 bytes")
	if got := sent.Load(); got > 1<<30-1 {
		t.Errorf("all %d bytes of the bomb were taken", got)
	}

	for limit, want := range map[int]Kind{len(recorded): "", len(recorded) - 1: TooLarge} {
		v, err := newClient(t, Config{URL: serve(t, write(recorded)).URL, MaxResponseBytes: int64(limit)}).Query(t.Context(), "x", time.Time{})
		if want != "" {
			wantError(t, v, err, want, "larger than")
		} else if err != nil {
			t.Errorf("%d bytes of %d: %v", len(recorded), limit, err)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var reached atomic.Int64
	second := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		first := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(second.URL, "http://", "http://user:CANARY@", 1)+"/x?token=CANARY", status)
		})
		client := newClient(t, Config{URL: first.URL, HTTP: config.HTTPClientConfig{
			FollowRedirects: true,
			BasicAuth:       &config.BasicAuth{Username: "pitot", Password: "CANARY"},
		}})
		v, err := client.Query(t.Context(), "x", time.Time{})
		e := wantError(t, v, err, Redirect, "it leads to "+second.URL)
		if strings.Contains(e.Error(), "CANARY") {
			t.Errorf("a secret is in %q", e.Error())
		}
	}
	if got := reached.Load(); got != 0 {
		t.Errorf("the second host saw %d requests", got)
	}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCredentialsAreReadAnew(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config func(path string) config.HTTPClientConfig
		sent   func(*http.Request) string
	}{
		{"a token", func(path string) config.HTTPClientConfig {
			return config.HTTPClientConfig{Authorization: &config.Authorization{Type: "Bearer", CredentialsFile: path}}
		}, func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }},
		{"a token, by its old name", func(path string) config.HTTPClientConfig {
			return config.HTTPClientConfig{BearerTokenFile: path}
		}, func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }},
		{"a password", func(path string) config.HTTPClientConfig {
			return config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "pitot", PasswordFile: path}}
		}, func(r *http.Request) string { _, password, _ := r.BasicAuth(); return password }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var accepted atomic.Value
			accepted.Store("first")
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tc.sent(r) != accepted.Load() {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				_, _ = io.WriteString(w, recorded)
			})
			secret := file(t, "secret", "first\n")
			client := newClient(t, Config{URL: server.URL, HTTP: tc.config(secret)})
			if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
				t.Fatal(err)
			}
			accepted.Store("second")
			v, err := client.Query(t.Context(), "x", time.Time{})
			wantError(t, v, err, Auth, "answers 401")
			if err := os.WriteFile(secret, []byte("second\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
				t.Errorf("after the change of the file: %v", err)
			}
			if err := os.Remove(secret); err != nil {
				t.Fatal(err)
			}
			v, err = client.Query(t.Context(), "x", time.Time{})
			wantError(t, v, err, Auth, "no such file")
		})
	}
}

// discardLog keeps the servers' complaints about failed handshakes out of the output.
var discardLog = log.New(io.Discard, "", 0)

func certificate(server *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(write(recorded))
	server.Config.ErrorLog = discardLog
	server.StartTLS()
	t.Cleanup(server.Close)
	old := httptest.NewUnstartedServer(write(recorded))
	old.Config.ErrorLog = discardLog
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // what we refuse
	old.StartTLS()
	t.Cleanup(old.Close)

	ca := file(t, "ca.pem", certificate(server))
	client := newClient(t, Config{URL: server.URL, HTTP: config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: ca}}})
	if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		url  string
		tls  config.TLSConfig
		says string
	}{
		{"an unknown authority", server.URL, config.TLSConfig{}, "certificate signed by unknown authority"},
		{"another name", server.URL, config.TLSConfig{CAFile: ca, ServerName: "prometheus.monitoring"}, "certificate is valid for"},
		{"an old version", old.URL, config.TLSConfig{CAFile: ca}, "protocol version"},
		{"TLS where there is none", strings.Replace(serve(t, write(recorded)).URL, "http:", "https:", 1), config.TLSConfig{CAFile: ca}, "HTTP response to HTTPS client"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := newClient(t, Config{URL: tc.url, HTTP: config.HTTPClientConfig{TLSConfig: tc.tls}}).Query(t.Context(), "x", time.Time{})
			wantError(t, v, err, Unreachable, tc.says)
		})
	}
}

// otherAuthority is a certificate that has signed nothing.
func otherAuthority(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// The authority is read anew: a client that knows a wrong one recovers when the
// file becomes right, and the other way round.
func TestAuthoritiesAreReadAnew(t *testing.T) {
	server := httptest.NewUnstartedServer(write(recorded))
	server.Config.ErrorLog = discardLog
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := file(t, "ca.pem", otherAuthority(t))
	client := newClient(t, Config{URL: server.URL, HTTP: config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: ca}}})
	v, err := client.Query(t.Context(), "x", time.Time{})
	wantError(t, v, err, Unreachable, "unknown authority")
	if err := os.WriteFile(ca, []byte(certificate(server)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
		t.Errorf("after the change of the file: %v", err)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(write(recorded))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newClient(t, Config{URL: server.URL})
	for range 20 {
		if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("20 queries took %d connections, want 1", got)
	}
	// A kept connection that the server closed meanwhile costs no query.
	for range 20 {
		server.CloseClientConnections()
		if _, err := client.Query(t.Context(), "x", time.Time{}); err != nil {
			t.Errorf("after the server closed the connection: %v", err)
		}
	}
}

func TestQueriesSideBySide(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, in(fmt.Sprintf(`{"metric":{"pod":%q},"value":[1,"2"]}`, r.PostFormValue("query"))))
	})
	client := newClient(t, Config{URL: server.URL})
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			v, err := client.Query(t.Context(), fmt.Sprint(i), time.Time{})
			if err != nil {
				t.Error(err)
				return
			}
			equal(t, instant.Vector{At: time.Unix(1, 0).UTC(), Samples: []instant.Sample{{Labels: labels.FromStrings("pod", fmt.Sprint(i)), Value: 2}}}, v)
		})
	}
	group.Wait()
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config Config
		says   string
	}{
		{"no address", Config{}, "not an http or https address"},
		{"no scheme", Config{URL: "prometheus:9090"}, "not an http or https address"},
		{"another scheme", Config{URL: "file:///etc/passwd"}, "not an http or https address"},
		{"no URL", Config{URL: "http://CANARY%"}, "not a URL"},
		{"a password", Config{URL: "http://pitot:CANARY@prometheus:9090"}, "holds a user"},
		{"a query", Config{URL: "http://prometheus:9090/?token=CANARY"}, "holds a query"},
		{"a bare question mark", Config{URL: "http://prometheus:9090/?"}, "holds a query"},
		{"a fragment", Config{URL: "http://prometheus:9090/#CANARY"}, "fragment"},
		{"two kinds of credentials", Config{URL: "http://prometheus:9090", HTTP: config.HTTPClientConfig{
			BasicAuth: &config.BasicAuth{Username: "a", Password: "CANARY"}, BearerTokenFile: "x",
		}}, "prometheus http://prometheus:9090: at most one of"},
		{"an authority that is not there", Config{URL: "http://prometheus:9090", HTTP: config.HTTPClientConfig{
			TLSConfig: config.TLSConfig{CAFile: "/does/not/exist"},
		}}, "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.config)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error is %v, want it to say %q", err, tc.says)
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("a secret is in %q", err)
			}
		})
	}
}

func TestClip(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "lo…"},
		{"üüü", 5, "ü…"},
		{"a\nb\xffc", 9, "a b?c"},
	} {
		if got := clip(tc.text, tc.n); got != tc.want {
			t.Errorf("%q clipped to %d is %q, want %q", tc.text, tc.n, got, tc.want)
		}
	}
}

func TestAnErrorSaysWhetherTheServerIsWell(t *testing.T) {
	well := map[Kind]bool{BadQuery: true, Malformed: true, TooLarge: true}
	for _, kind := range []Kind{Unreachable, Timeout, Canceled, Redirect, Auth, Status, BadQuery, Malformed, TooLarge} {
		e := &Error{Kind: kind, RetryAfter: time.Second}
		if e.Answered() != well[kind] || e.Pause() != time.Second {
			t.Errorf("%s: answered %t, pause %s", kind, e.Answered(), e.Pause())
		}
	}
}
