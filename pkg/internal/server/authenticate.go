package server

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/healthz"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/kubernetes"
)

// A kube-apiserver publishes whom to trust in this ConfigMap: the authority of
// its front proxy, the headers that it passes a user in, and the authority of
// client certificates.
const (
	trustNamespace = "kube-system"
	trustName      = "extension-apiserver-authentication"
)

// authenticate makes config learn from the cluster who a request is from: from
// the headers of the front proxy, from a client certificate or from a token.
//
// The generic DelegatingAuthenticationOptions would do the same, except that
// they read the headers' configuration once, while starting: if the
// kube-apiserver is away just then, the process dies, or treats everybody as
// anonymous until it is restarted. Here both are watched, nothing waits for
// them, and readiness does.
func (o *Options) authenticate(config *genericserver.Config) error {
	opts := o.Authentication
	client, err := kubernetesClient(opts.RemoteKubeConfigFile, o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("authentication: %w", err)
	}
	factory := authenticatorfactory.DelegatingAuthenticatorConfig{
		Anonymous:                &apiserver.AnonymousAuthConfig{Enabled: true}, // authorization decides what it may
		TokenAccessReviewClient:  client.AuthenticationV1(),
		TokenAccessReviewTimeout: opts.TokenRequestTimeout,
		WebhookRetryBackoff:      opts.WebhookRetryBackoff,
		CacheTTL:                 opts.CacheTTL,
	}
	if factory.ClientCertificateCAContentProvider, err = clientCA(opts, client, config); err != nil {
		return err
	}
	if factory.RequestHeaderConfig, err = requestHeaders(opts, client, config); err != nil {
		return err
	}
	config.Authentication.RequestHeaderConfig = factory.RequestHeaderConfig
	config.Authentication.Authenticator, _, err = factory.New()
	return err
}

func kubernetesClient(kubeconfig, fallback string) (kubernetes.Interface, error) {
	if kubeconfig == "" {
		kubeconfig = fallback
	}
	config, err := ClientConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return patient{rt} })
	return kubernetes.NewForConfig(config)
}

// patient repeats a GET every second until it gets an answer. When a cluster
// comes that was away, whom to trust is then known in a second: the informers'
// own backoff would let a minute pass.
type patient struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		response, err := p.RoundTripper.RoundTrip(r)
		if err == nil || r.Method != http.MethodGet {
			return response, err
		}
		select {
		case <-r.Context().Done():
			return nil, err
		case <-time.After(time.Second):
		}
	}
}

// clientCA is the authority of client certificates, or nil if there is none.
func clientCA(opts *genericoptions.DelegatingAuthenticationOptions, client kubernetes.Interface, config *genericserver.Config) (dynamiccertificates.CAContentProvider, error) {
	if opts.ClientCert.ClientCA != "" {
		ca, err := opts.ClientCert.GetClientCAContentProvider()
		if err != nil {
			return nil, fmt.Errorf("--client-ca-file: %w", err)
		}
		return ca, config.Authentication.ApplyClientCert(ca, config.SecureServing)
	}
	if opts.SkipInClusterLookup {
		return nil, nil
	}
	ca, err := dynamiccertificates.NewDynamicCAFromConfigMapController("client-ca", trustNamespace, trustName, "client-ca-file", client)
	if err != nil {
		return nil, err
	}
	return ca, trust(config, "client-ca", ca, ca)
}

// requestHeaders says in which headers the front proxy passes a user and how to
// tell the front proxy, or is nil if none is trusted.
func requestHeaders(opts *genericoptions.DelegatingAuthenticationOptions, client kubernetes.Interface, config *genericserver.Config) (*authenticatorfactory.RequestHeaderConfig, error) {
	if opts.RequestHeader.ClientCAFile != "" {
		headers, err := opts.RequestHeader.ToAuthenticationRequestHeaderConfig()
		if err != nil {
			return nil, fmt.Errorf("--requestheader-client-ca-file: %w", err)
		}
		return headers, config.Authentication.ApplyClientCert(headers.CAContentProvider, config.SecureServing)
	}
	if opts.SkipInClusterLookup {
		return nil, nil
	}
	ca, err := dynamiccertificates.NewDynamicCAFromConfigMapController("front-proxy-ca", trustNamespace, trustName, "requestheader-client-ca-file", client)
	if err != nil {
		return nil, err
	}
	watched := &genericoptions.DynamicRequestHeaderController{
		ConfigMapCAController: ca,
		RequestHeaderAuthRequestController: headerrequest.NewRequestHeaderAuthRequestController(trustName, trustNamespace, client,
			"requestheader-username-headers", "requestheader-uid-headers", "requestheader-group-headers",
			"requestheader-extra-headers-prefix", "requestheader-allowed-names"),
	}
	config.AddReadyzChecks(healthz.NamedCheck("front-proxy", func(*http.Request) error { return frontProxyKnown(watched) }))
	return &authenticatorfactory.RequestHeaderConfig{
		CAContentProvider:   watched,
		UsernameHeaders:     headerrequest.StringSliceProviderFunc(watched.UsernameHeaders),
		UIDHeaders:          headerrequest.StringSliceProviderFunc(watched.UIDHeaders),
		GroupHeaders:        headerrequest.StringSliceProviderFunc(watched.GroupHeaders),
		ExtraHeaderPrefixes: headerrequest.StringSliceProviderFunc(watched.ExtraHeaderPrefixes),
		AllowedClientNames:  headerrequest.StringSliceProviderFunc(watched.AllowedClientNames),
	}, trust(config, "front-proxy-ca", watched, watched)
}

// frontProxyKnown is nil once requests of the kube-apiserver can be told from
// others. Before that each of them would be anonymous.
func frontProxyKnown(watched *genericoptions.DynamicRequestHeaderController) error {
	if _, ok := watched.VerifyOptions(); ok && len(watched.UsernameHeaders()) > 0 {
		return nil
	}
	return errors.New("ConfigMap " + trustNamespace + "/" + trustName + " not read yet " +
		"(hint: is the role extension-apiserver-authentication-reader bound to this account?)")
}

// trust asks TLS clients for certificates of ca, and keeps ca up to date from
// the moment the server listens.
func trust(config *genericserver.Config, name string, ca dynamiccertificates.CAContentProvider, watcher dynamiccertificates.ControllerRunner) error {
	// The generic server would run a watcher that it can see, and before it
	// listens call it once, which may take as long as a lost packet. This hides it.
	passive := struct {
		dynamiccertificates.CAContentProvider
	}{ca}
	if err := config.Authentication.ApplyClientCert(passive, config.SecureServing); err != nil {
		return err
	}
	return config.AddPostStartHook("pitot-watch-"+name, func(hook genericserver.PostStartHookContext) error {
		go watcher.Run(hook.Context, 1)
		return nil
	})
}
