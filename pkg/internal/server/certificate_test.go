package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A changing certificate, of which each is made with the next serial number.
type changing struct {
	mu        sync.Mutex
	serial    int64
	cert, key []byte
	listeners []func()
}

func (c *changing) CurrentCertKeyContent() (cert, key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cert, c.key
}

func (c *changing) OnChange(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, f)
}

// change serves another certificate.
func (c *changing) change(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	template := &x509.Certificate{SerialNumber: big.NewInt(c.serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	c.key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: rawKey})
	for _, f := range c.listeners {
		f()
	}
}

// servedSerial is the serial number that a new connection is shown.
func servedSerial(t *testing.T, addr net.Addr) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it looks at what is served, whoever signed it
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestACertificateThatChangesIsServedAndDropsNoConnection(t *testing.T) {
	certificate := &changing{}
	certificate.change(t)
	srv := standalone(t, func(_ *Options, d *Deps) { d.Certificate = certificate })
	if srv.CA() != nil {
		t.Error("the server claims to have made its certificate")
	}
	if got := servedSerial(t, srv.Addr()); got != 1 {
		t.Errorf("serial %d, want 1", got)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as above
	defer client.CloseIdleConnections()
	get := func() (serial int64) {
		answer, err := client.Get(srv.URL() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	get()
	certificate.change(t)
	eventually(t, "the new certificate is served", func() bool { return servedSerial(t, srv.Addr()) == 2 })
	if got := get(); got != 1 {
		t.Errorf("the connection that stood was dropped: a new one was shown serial %d", got)
	}
}
