package server

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	genericserver "k8s.io/apiserver/pkg/server"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

func TestRetryAfterIsRemoved(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"WriteHeader": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"Write":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") },
		"Flush":       func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
	}
	for name, handler := range handlers {
		for _, http2 := range []bool{false, true} {
			srv := httptest.NewUnstartedServer(withoutRetryAfter(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "1")
				w.Header().Set("Kept", "yes")
				handler(w, r)
			})))
			srv.EnableHTTP2 = http2
			srv.StartTLS()
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Retry-After"); got != "" || resp.Header.Get("Kept") != "yes" {
				t.Errorf("%s over %s: headers %v", name, resp.Proto, resp.Header)
			}
			srv.Close()
		}
	}
}

func TestConnectionsCanStillBeTakenOver(t *testing.T) {
	for name, hijack := range map[string]func(http.ResponseWriter) error{
		"interface": func(w http.ResponseWriter) error {
			h, ok := w.(http.Hijacker)
			if !ok {
				return errors.New("no http.Hijacker")
			}
			conn, _, err := h.Hijack()
			return errors.Join(err, conn.Close())
		},
		"controller": func(w http.ResponseWriter) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			return errors.Join(err, conn.Close())
		},
	} {
		hijacked := make(chan error, 1)
		srv := httptest.NewServer(withoutRetryAfter(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hijacked <- hijack(w) })))
		if answer, err := http.Get(srv.URL); err == nil {
			answer.Body.Close()
			t.Errorf("%s: the connection did not break off", name)
		}
		if err := <-hijacked; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
	}
}

// The generic server refuses requests itself, too: beyond its limit, and while
// it drains. That these refusals say Retry-After is why ours must be outside.
func TestRefusalsOfTheGenericServer(t *testing.T) {
	newConfig := func() *genericserver.Config {
		apis, err := newAPIs("custom.metrics.k8s.io", "external.metrics.k8s.io")
		if err != nil {
			t.Fatal(err)
		}
		config := genericserver.NewConfig(apis.codecs)
		tune(config, NewOptions(), &farewell{})
		config.FeatureGate = utilfeature.DefaultFeatureGate
		config.RequestInfoResolver = genericserver.NewRequestInfoResolver(config)
		config.Authentication.Authenticator = anonymous.NewAuthenticator(nil)
		config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
		return config
	}
	get := func(handler http.Handler) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/apis/external.metrics.k8s.io/v1beta1/namespaces/n/m", nil))
		return answer
	}
	// refused arranges that the next request to the chain is refused, and sends it.
	tests := map[string]func(chain func(http.Handler, *genericserver.Config) http.Handler) *httptest.ResponseRecorder{
		"too many in flight": func(chain func(http.Handler, *genericserver.Config) http.Handler) *httptest.ResponseRecorder {
			config := newConfig()
			config.MaxRequestsInFlight = 1
			entered, leave := make(chan struct{}), make(chan struct{})
			handler := chain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-leave }), config)
			first := make(chan struct{})
			go func() { get(handler); close(first) }()
			<-entered
			answer := get(handler)
			close(leave)
			<-first
			return answer
		},
		"draining": func(chain func(http.Handler, *genericserver.Config) http.Handler) *httptest.ResponseRecorder {
			config := newConfig()
			config.NonLongRunningRequestWaitGroup.Wait()
			return get(chain(http.NotFoundHandler(), config))
		},
	}
	for name, refused := range tests {
		t.Run(name, func(t *testing.T) {
			if plain := refused(genericserver.DefaultBuildHandlerChain); plain.Header().Get("Retry-After") == "" {
				t.Errorf("the generic chain answers %d without Retry-After: this test has lost its point", plain.Code)
			}
			ours := refused(func(h http.Handler, c *genericserver.Config) http.Handler { return c.BuildHandlerChainFunc(h, c) })
			if got := ours.Header().Get("Retry-After"); got != "" {
				t.Errorf("status %d with Retry-After: %s", ours.Code, got)
			}
			if ours.Code != http.StatusTooManyRequests && ours.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d, want a refusal", ours.Code)
			}
		})
	}
}
