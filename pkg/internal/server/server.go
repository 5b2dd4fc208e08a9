// Package server is the process that answers the Kubernetes custom and
// external metrics APIs: it listens, proves who is asking and whether they may,
// and hands the question to a provider.
//
//	opts := server.NewOptions()
//	opts.AddFlags(flags)
//	// … parse the flags, build the providers …
//	srv, err := server.New(opts, server.Deps{Custom: custom, External: external})
//	err = srv.Run(ctx) // returns when ctx is done and requests have drained
//
// # What it promises to a cluster
//
//   - Liveness, readiness and discovery ask nobody outside this process and the
//     kube-apiserver. An unready aggregated API keeps every namespace of a
//     cluster from being deleted, so readiness must not follow a metrics backend.
//   - Every request ends within [RequestTimeout].
//   - No answer carries Retry-After: the client that the HorizontalPodAutoscaler
//     uses would block for ten seconds on it, and with it other workloads.
//   - A kube-apiserver that is down when the process starts is waited for, not
//     died of.
//
// # What it is made of
//
// The handlers, storage, resource listers and OpenAPI definitions are those of
// sigs.k8s.io/custom-metrics-apiserver, on the generic API server. They are put
// together here rather than by that library's AdapterBase, which insists on a
// kubeconfig, fixes the names of the API groups and advertises one version of
// two.
package server

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// RequestTimeout bounds every request, authentication and authorization
// included; the context that a provider gets ends a tenth earlier, so that its
// error still arrives. A metrics API that hangs stalls every HorizontalPodAutoscaler of
// the cluster, those on CPU too: they share the controller's workers.
const RequestTimeout = 2 * time.Second

// maxRequestsInFlight bounds memory under a flood and is otherwise out of the
// way: readers are the few dozen workers of HorizontalPodAutoscaler controllers,
// and no request lives longer than RequestTimeout. The generic server's own
// limit, 400, is within reach of a stalled backend, and what it answers is 429.
const maxRequestsInFlight = 5000

// Deps are what a Server needs from the rest of the program.
type Deps struct {
	// Custom and External answer the two APIs. Either may be nil: then its API
	// group does not exist.
	//
	// Their ListAllMetrics and ListAllExternalMetrics are the content of
	// discovery, which every client of a cluster reads. They must be quick,
	// small whatever the number of metrics, and never empty: clients take an
	// empty group for a broken one.
	Custom   provider.CustomMetricsProvider
	External provider.ExternalMetricsProvider

	// ReadyChecks are parts of /readyz, by name. A check returns nil or, for the
	// reader of /readyz?verbose and of the log, why not. It must not depend on a
	// metrics backend.
	ReadyChecks map[string]func() error

	// Certificate is served to clients; nil means that of the options.
	Certificate Certificate

	// Pages answer further paths, such as "/statusz", also in place of the generic
	// server's own. As with /metrics, the cluster decides who may get a path.
	Pages map[string]http.Handler
}

// A Server serves the metrics APIs over HTTPS.
type Server struct {
	generic *genericserver.GenericAPIServer
	addr    *net.TCPAddr
	ca      []byte
	pages   map[string]http.Handler
	ready   chan struct{}

	farewell farewell
}

// New prepares a server and binds its port. Nothing is answered before Run,
// and Run is what gives the port back.
//
// New does not change opts and does not wait for the cluster.
func New(opts *Options, deps Deps) (_ *Server, err error) {
	if err := utilerrors.NewAggregate(opts.Validate()); err != nil {
		return nil, err
	}
	apis, err := newAPIs(opts.CustomGroup, opts.ExternalGroup)
	if err != nil {
		return nil, err
	}
	serving, err := listen(opts, deps.Certificate)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, serving.Listener.Close())
		}
	}()

	s := &Server{
		addr:  serving.Listener.Addr().(*net.TCPAddr),
		pages: deps.Pages,
		ready: make(chan struct{}),
	}
	if deps.Certificate == nil {
		s.ca = generatedCA(serving)
	}
	config := genericserver.NewConfig(apis.codecs)
	if err := serving.ApplyTo(&config.SecureServing); err != nil {
		return nil, err
	}
	if err := opts.secure(config); err != nil {
		return nil, err
	}
	discovery := &liveDiscovery{ResourceManager: aggregated.NewResourceManager("apis")}
	tune(config, opts, &s.farewell)
	config.AggregatedDiscoveryGroupManager = discovery
	config.OpenAPIConfig, config.OpenAPIV3Config = apis.openAPI()
	for _, name := range slices.Sorted(maps.Keys(deps.ReadyChecks)) {
		check := deps.ReadyChecks[name]
		config.AddReadyzChecks(healthz.NamedCheck(name, func(*http.Request) error { return check() }))
	}
	if err := config.AddPostStartHook("pitot-ready", s.signalReady); err != nil {
		return nil, err
	}

	s.generic, err = config.Complete(nil).New("pitot", genericserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	if deps.Custom != nil {
		if err := apis.installCustom(s.generic, discovery, deps.Custom); err != nil {
			return nil, err
		}
	}
	if deps.External != nil {
		if err := apis.installExternal(s.generic, discovery, deps.External); err != nil {
			return nil, err
		}
	}
	return s, registerMetrics()
}

// tune sets what the generic server leaves to its embedder.
func tune(config *genericserver.Config, opts *Options, farewell *farewell) {
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	config.RequestTimeout = RequestTimeout
	config.MaxRequestsInFlight = maxRequestsInFlight
	config.EnableProfiling = false
	// The server never calls itself. The generic server demands a configuration
	// for that; without a token in it there is no privileged way in.
	config.LoopbackClientConfig = &rest.Config{}
	config.BuildHandlerChainFunc = func(handler http.Handler, c *genericserver.Config) http.Handler {
		return farewell.in(withoutRetryAfter(genericserver.DefaultBuildHandlerChain(withTimeToAnswer(handler), c)))
	}
	if !opts.Standalone {
		config.ShutdownDelayDuration = opts.ShutdownDelay
		farewell.delay = opts.ShutdownDelay
	}
}

// listen binds the port that opts name and finds a certificate for it, unless it
// is given. The result holds the listener; opts stay as they are.
func listen(opts *Options, certificate Certificate) (*genericoptions.SecureServingOptions, error) {
	serving := *opts.Serving
	serving.BindAddress = opts.bindAddress()
	if serving.Listener == nil {
		// The generic options take port 0 for "do not serve". Listening for them
		// makes it what it is everywhere else: any free port.
		addr := net.JoinHostPort(serving.BindAddress.String(), strconv.Itoa(serving.BindPort))
		listener, _, err := genericoptions.CreateListener(serving.BindNetwork, addr, net.ListenConfig{})
		if err != nil {
			return nil, err
		}
		serving.Listener = listener
	}
	if certificate != nil {
		serving.ServerCert.GeneratedCert = servedCertificate{certificate}
		return &serving, nil
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, loopback); err != nil {
		return nil, errors.Join(fmt.Errorf("self-signed certificate: %w", err), serving.Listener.Close())
	}
	return &serving, nil
}

// generatedCA returns the authority that signed the certificate generated in
// memory: the last of its chain. It is nil if the certificate comes from files.
func generatedCA(serving *genericoptions.SecureServingOptions) []byte {
	if serving.ServerCert.GeneratedCert == nil {
		return nil
	}
	chain, _ := serving.ServerCert.GeneratedCert.CurrentCertKeyContent()
	var last *pem.Block
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		last = block
	}
	return pem.EncodeToMemory(last)
}

func (s *Server) signalReady(genericserver.PostStartHookContext) error {
	close(s.ready)
	return nil
}

// Run serves until ctx is done, then fails readiness, keeps answering for the
// shutdown delay so that clients can turn away, lets requests in flight end and
// returns. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	s.farewell.await(ctx)
	prepared := s.generic.PrepareRun()
	for path, page := range s.pages {
		// The generic server has paths of its own by now.
		s.generic.Handler.NonGoRestfulMux.Unregister(path)
		s.generic.Handler.NonGoRestfulMux.Handle(path, page)
	}
	return prepared.RunWithContext(ctx)
}

// Ready is closed once the server answers requests. It says nothing about the
// probes: they follow a moment later, /readyz once what the server depends on
// is there.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is the address that the server listens on, with the port it was given
// if any free one was asked for.
func (s *Server) Addr() net.Addr { return s.addr }

// URL is the base address of the server as seen from this machine, such as
// "https://127.0.0.1:6443".
func (s *Server) URL() string {
	host := s.addr.IP.String()
	if s.addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(s.addr.Port))
}

// CA is the certificate, in PEM, by which clients verify a server that made its
// own certificate in memory. It is nil if the certificate comes from files.
func (s *Server) CA() []byte { return s.ca }
