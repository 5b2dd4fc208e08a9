package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/common/config"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// clients returns the backends of a set, each asked in the words of rules.
func clients(set *rule.Set) (map[string]*profile.Backend, error) {
	asked := make(map[string]*profile.Backend)
	var errs []error
	for _, backend := range set.Backends {
		client, err := newClient(backend)
		if err != nil {
			errs = append(errs, fmt.Errorf("backend %q: %w", backend.Name, err))
			continue
		}
		asked[backend.Name] = profile.New(client, backend.Labels, rulesOn(set, backend.Name))
	}
	return asked, errors.Join(errs...)
}

// askedBackend is a backend as the store asks it.
func askedBackend(backend rule.Backend, client snapshot.Querier) snapshot.Backend {
	return snapshot.Backend{Querier: client, Timeout: backend.Timeout, ScrapeInterval: backend.ScrapeInterval, Coverage: true}
}

var _ snapshot.Verdict = (*promapi.Error)(nil)

func newClient(backend rule.Backend) (*promapi.Client, error) {
	return promapi.New(clientConfig(backend))
}

// clientConfig is a backend in the terms of its client.
func clientConfig(backend rule.Backend) promapi.Config {
	return promapi.Config{
		URL:              backend.URL,
		HTTP:             httpConfig(backend),
		Timeout:          backend.Timeout,
		MaxResponseBytes: backend.MaxResponseBytes,
		UserAgent:        "pitot/" + version,
	}
}

// A lateClient is a client that is made when it is first needed. While it cannot
// be made, for instance because its certificates are not there, its queries say
// why, and those of other backends go on.
type lateClient struct {
	backend rule.Backend

	mu     sync.Mutex
	client *promapi.Client // nil: not yet
}

func newLateClient(backend rule.Backend) backendClient { return &lateClient{backend: backend} }

// Query implements snapshot.Querier.
func (c *lateClient) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	client, err := c.get()
	if err != nil {
		return instant.Vector{}, err
	}
	return client.Query(ctx, expr, at)
}

func (c *lateClient) get() (*promapi.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		client, err := newClient(c.backend)
		if err != nil {
			return nil, err
		}
		c.client = client
	}
	return c.client, nil
}

// Close drops idle connections.
func (c *lateClient) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		c.client.Close()
	}
}

// httpConfig is a backend in the terms of Prometheus' own HTTP client.
func httpConfig(backend rule.Backend) config.HTTPClientConfig {
	c := config.HTTPClientConfig{
		FollowRedirects: false,
		EnableHTTP2:     true,
		TLSConfig: config.TLSConfig{
			CAFile:             backend.TLS.CAFile,
			CertFile:           backend.TLS.CertFile,
			KeyFile:            backend.TLS.KeyFile,
			ServerName:         backend.TLS.ServerName,
			InsecureSkipVerify: backend.TLS.InsecureSkipVerify,
		},
	}
	if backend.BasicAuth != nil {
		c.BasicAuth = &config.BasicAuth{Username: backend.BasicAuth.Username, PasswordFile: backend.BasicAuth.PasswordFile}
	}
	if backend.BearerTokenFile != "" {
		c.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: backend.BearerTokenFile}
	}
	return c
}
