package app

import (
	"errors"
	"fmt"

	"github.com/prometheus/common/config"

	"github.com/pitot-autoscaling/pitot/pkg/internal/promapi"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// clients returns a Prometheus client for each backend. Nothing is dialled yet.
func clients(backends []rule.Backend) (map[string]snapshot.Querier, error) {
	queriers := make(map[string]snapshot.Querier)
	var errs []error
	for _, backend := range backends {
		client, err := promapi.New(promapi.Config{
			URL:              backend.URL,
			HTTP:             httpConfig(backend),
			Timeout:          backend.Timeout,
			MaxResponseBytes: backend.MaxResponseBytes,
			UserAgent:        "pitot/" + version,
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("backend %q: %w", backend.Name, err))
			continue
		}
		queriers[backend.Name] = client
	}
	return queriers, errors.Join(errs...)
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
