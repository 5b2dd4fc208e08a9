package server

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
)

// Options say where a Server listens and whom it trusts. Begin with NewOptions.
type Options struct {
	// Serving is the address, the port and the certificate.
	//
	// A nil BindAddress, the default, is every address of the machine, or
	// 127.0.0.1 when Standalone. Port 0 is any free port. Without certificate
	// files a certificate for localhost is made in memory.
	Serving *genericoptions.SecureServingOptions

	// Authentication asks the kube-apiserver who a request is from. Its
	// kubeconfig defaults to Kubeconfig. Authentication configuration that the
	// cluster does not yield at the start is retried for ever, whatever
	// TolerateInClusterLookupFailure says, and /readyz names what is missing.
	Authentication *genericoptions.DelegatingAuthenticationOptions

	// Authorization asks the kube-apiserver whether they may. Its kubeconfig
	// defaults to Kubeconfig.
	Authorization *genericoptions.DelegatingAuthorizationOptions

	// Kubeconfig is the file that leads to the kube-apiserver. Empty means the
	// service account of the pod.
	Kubeconfig string

	// Standalone serves without a cluster: on loopback only, to everybody,
	// without authentication and authorization.
	Standalone bool

	// ShutdownDelay is how long the server goes on answering after it was told
	// to stop and has become unready, so that the cluster can route around it.
	// It has no effect with Standalone.
	ShutdownDelay time.Duration

	// CustomGroup and ExternalGroup name the API groups. Other names than
	// Kubernetes' own serve an installation in the shadow of another adapter:
	// no HorizontalPodAutoscaler reads them.
	CustomGroup   string
	ExternalGroup string
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	serving := genericoptions.NewSecureServingOptions()
	serving.BindAddress = nil
	serving.BindPort = 6443
	// Without a directory the generated certificate stays in memory, and the
	// root file system may be read-only.
	serving.ServerCert.CertDirectory = ""
	serving.ServerCert.PairName = ""

	authorization := genericoptions.NewDelegatingAuthorizationOptions()
	// Longer than the 15 s between two reads of the same metric: a cache that
	// forgets sooner never hits.
	authorization.AllowCacheTTL = 60 * time.Second
	authorization.DenyCacheTTL = 10 * time.Second

	return &Options{
		Serving:        serving,
		Authentication: genericoptions.NewDelegatingAuthenticationOptions(),
		Authorization:  authorization,
		ShutdownDelay:  5 * time.Second,
		CustomGroup:    custom_metrics.GroupName,
		ExternalGroup:  external_metrics.GroupName,
	}
}

// AddFlags adds a flag for each option, named as every aggregated API server
// names it.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	o.Serving.AddFlags(fs)
	o.Authentication.AddFlags(fs)
	o.Authorization.AddFlags(fs)
	fs.Lookup("bind-address").Usage = "The IP address to listen on. Default: every address of the machine, or 127.0.0.1 with --standalone."
	fs.Lookup("secure-port").Usage = "The port on which to serve HTTPS. 0 picks a free one."
	fs.Lookup("tls-cert-file").Usage = "File with the certificate to serve, followed by its authorities if any. " +
		"Read again when it changes. Default: a self-signed certificate for localhost, in memory."
	fs.Lookup("authentication-kubeconfig").Usage = "kubeconfig file of the cluster that knows who a request is from. Default: --kubeconfig."
	fs.Lookup("authorization-kubeconfig").Usage = "kubeconfig file of the cluster that knows who may read metrics. Default: --kubeconfig."
	// MarkDeprecated fails only for a flag that does not exist.
	_ = fs.MarkDeprecated("authentication-tolerate-lookup-failure", "failed look-ups are always retried and hold back readiness meanwhile")

	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig file of the cluster to serve. Default: the service account of the pod.")
	fs.BoolVar(&o.Standalone, "standalone", o.Standalone, "Serve on loopback without a cluster, to everybody, without authentication and authorization.")
	fs.DurationVar(&o.ShutdownDelay, "shutdown-delay-duration", o.ShutdownDelay, "How long to go on answering, unready, after the signal to stop.")
	fs.StringVar(&o.CustomGroup, "custom-metrics-group", o.CustomGroup, "API group of custom metrics. Change it to run in the shadow of another adapter.")
	fs.StringVar(&o.ExternalGroup, "external-metrics-group", o.ExternalGroup, "API group of external metrics. Change it to run in the shadow of another adapter.")
}

// Validate reports everything that is wrong with the options.
func (o *Options) Validate() []error {
	errs := o.Serving.Validate()
	cert := o.Serving.ServerCert.CertKey
	if (cert.CertFile == "") != (cert.KeyFile == "") {
		errs = append(errs, errors.New("--tls-cert-file and --tls-private-key-file go together: one of them is missing"))
	}
	if o.ShutdownDelay < 0 {
		errs = append(errs, fmt.Errorf("--shutdown-delay-duration %s is negative", o.ShutdownDelay))
	}
	errs = append(errs, validateGroup("--custom-metrics-group", o.CustomGroup)...)
	errs = append(errs, validateGroup("--external-metrics-group", o.ExternalGroup)...)
	if o.CustomGroup == o.ExternalGroup {
		errs = append(errs, fmt.Errorf("--custom-metrics-group and --external-metrics-group are both %q: two APIs need two groups", o.CustomGroup))
	}
	if o.Standalone {
		return append(errs, o.validateStandalone()...)
	}
	errs = append(errs, o.Authentication.Validate()...)
	return append(errs, o.Authorization.Validate()...)
}

func (o *Options) validateStandalone() (errs []error) {
	if addr := o.bindAddress(); !addr.IsLoopback() {
		errs = append(errs, fmt.Errorf("--standalone answers everybody, so it listens on loopback only: "+
			"--bind-address %s is reachable from outside (hint: 127.0.0.1)", addr))
	}
	if o.Kubeconfig != "" || o.Authentication.RemoteKubeConfigFile != "" || o.Authorization.RemoteKubeConfigFile != "" {
		errs = append(errs, errors.New("--standalone uses no cluster: remove the kubeconfig flags"))
	}
	return errs
}

func validateGroup(flag, group string) (errs []error) {
	if problems := validation.IsDNS1123Subdomain(group); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("%s %q is not a name for an API group: %s", flag, group, strings.Join(problems, "; ")))
	}
	return errs
}

// bindAddress is the address to listen on, which depends on Standalone if the
// user did not choose.
func (o *Options) bindAddress() net.IP {
	switch {
	case o.Serving.Listener != nil:
		return o.Serving.Listener.Addr().(*net.TCPAddr).IP
	case o.Serving.BindAddress != nil:
		return o.Serving.BindAddress
	case o.Standalone:
		return net.IPv4(127, 0, 0, 1)
	default:
		return net.IPv4zero
	}
}
