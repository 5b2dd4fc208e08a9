package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A tap is between the aggregator and Pitot and keeps what the HPA controller
// was answered. kube-apiserver's audit log has no answers of other API servers.
type tap struct {
	mu    sync.Mutex
	reads []read
}

// A read is an answer to the HPA controller.
type read struct {
	at   time.Time // when it was there to be passed on
	code int
	body []byte
}

// tapPitot leads the aggregator through a tap. To Pitot it looks like the
// aggregator, to the aggregator like Pitot.
func tapPitot(c *cluster) *tap {
	t := &tap{}
	pitot := trial.Must(url.Parse(c.pitot.address()))(c)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(pitot)
			// The same values in words that the test can read.
			r.Out.Header.Set("Accept", "application/json")
			r.Out.Header.Del("Accept-Encoding")
		},
		Transport:      asAggregator(c),
		ModifyResponse: t.keep,
	}
	serving := trial.Must(c.pitot.ca.Server("tap", "127.0.0.1", "pitot.pitot.svc"))(c)
	listener := trial.Must(net.Listen("tcp", "127.0.0.1:0"))(c)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: time.Second}
	go func() { _ = server.ServeTLS(listener, serving.CertFile, serving.KeyFile) }()
	c.T.Cleanup(func() { _ = server.Close() })
	c.register(listener.Addr().(*net.TCPAddr).Port, c.pitot.ca)
	return t
}

// asAggregator is a client with the aggregator's certificate, by which Pitot
// believes whom a request is from.
func asAggregator(c *cluster) http.RoundTripper {
	name := filepath.Join(c.pki, "front-proxy-client")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trial.Must(os.ReadFile(c.pitot.ca.CertFile()))(c))
	return &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs:      roots,
			Certificates: []tls.Certificate{trial.Must(tls.LoadX509KeyPair(name+".crt", name+".key"))(c)},
		},
		ForceAttemptHTTP2: true,
	}
}

func (t *tap) keep(response *http.Response) error {
	request := response.Request
	if request.Header.Get("X-Remote-User") != hpaController || !strings.Contains(request.URL.Path, "/namespaces/") {
		return nil // not a value for an HPA
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reads = append(t.reads, read{at: time.Now(), code: response.StatusCode, body: body})
	return nil
}

// all returns the reads so far.
func (t *tap) all() []read {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.reads)
}
