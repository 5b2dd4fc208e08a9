package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"

	"github.com/pitot-autoscaling/pitot/pkg/internal/certs"
	"github.com/pitot-autoscaling/pitot/pkg/internal/server"
)

// certificateOptions are the flags of "pitot serve" for its certificate.
type certificateOptions struct {
	mode        string // "files" or "auto"
	secret      string
	service     string
	apiServices []string
	caLife      time.Duration
	life        time.Duration
}

// certificateFlags are the flags that only mean something with auto.
var certificateFlags = []string{"ca-secret", "service", "apiservice", "ca-life", "certificate-life"}

func (o *certificateOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.mode, "certificates", "files", "where the certificate comes from: files (--tls-cert-file, or a self-signed one), "+
		"or auto: signed by an authority that all replicas share, which is written into the APIServices")
	flags.StringVar(&o.secret, "ca-secret", "", "with --certificates auto: the Secret, as NAMESPACE/NAME, that holds the authority; it must exist, and may be empty")
	flags.StringVar(&o.service, "service", "", "with --certificates auto: the Service, as NAMESPACE/NAME, that leads to this server")
	flags.StringArrayVar(&o.apiServices, "apiservice", nil, "with --certificates auto: an APIService whose caBundle to keep; may be repeated (default: those of both API groups)")
	flags.DurationVar(&o.caLife, "ca-life", certs.DefaultCALife, "with --certificates auto: how long an authority is valid; it is replaced long before")
	flags.DurationVar(&o.life, "certificate-life", certs.DefaultLeafLife, "with --certificates auto: how long the certificate of a replica is valid, at most a third of --ca-life")
}

// validate reports what is wrong. It is told which flags were given.
func (o *certificateOptions) validate(s *server.Options, given func(flag string) bool) (errs []error) {
	switch o.mode {
	case "files":
		for _, flag := range certificateFlags {
			if given(flag) {
				errs = append(errs, fmt.Errorf("--%s has no effect without --certificates auto", flag))
			}
		}
		return errs
	case "auto":
		return append(o.conflicts(s), o.keep(s).Validate()...)
	default:
		return []error{fmt.Errorf("--certificates %q: use auto or files", o.mode)}
	}
}

func (o *certificateOptions) conflicts(s *server.Options) (errs []error) {
	if s.Standalone {
		errs = append(errs, errors.New("--certificates auto shares an authority through a cluster: remove it or --standalone"))
	}
	if cert := s.Serving.ServerCert; cert.CertKey.CertFile != "" || cert.CertKey.KeyFile != "" || cert.CertDirectory != "" {
		errs = append(errs, errors.New("--certificates auto makes its own certificate: remove --tls-cert-file, --tls-private-key-file and --cert-dir"))
	}
	return errs
}

// keep are the options in the keeper's words.
func (o *certificateOptions) keep(s *server.Options) certs.Options {
	names := o.apiServices
	if len(names) == 0 {
		names = []string{"v1beta1." + s.CustomGroup, "v1beta2." + s.CustomGroup, "v1beta1." + s.ExternalGroup}
	}
	return certs.Options{
		Service: namespacedName(o.service), Secret: namespacedName(o.secret), APIServices: names,
		CALife: o.caLife, LeafLife: o.life,
	}
}

// namespacedName reads NAMESPACE/NAME. Without a slash there is no namespace,
// which certs.Options.Validate reports.
func namespacedName(text string) types.NamespacedName {
	namespace, name, found := strings.Cut(text, "/")
	if !found {
		return types.NamespacedName{Name: text}
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// keepCertificate starts to keep the certificate of this replica. It returns nil
// where that comes from files.
func (o *serveOptions) keepCertificate(ctx context.Context, group *errgroup.Group, log *zap.Logger) (*certs.Keeper, error) {
	if o.certificates.mode != "auto" {
		o.watchCertificateFile(ctx, group)
		return nil, nil
	}
	cluster, err := server.ClientConfig(o.server.Kubeconfig)
	if err != nil {
		return nil, err
	}
	keeper, err := newKeeper(o.certificates.keep(o.server), cluster, log)
	if err != nil {
		return nil, err
	}
	group.Go(func() error { keeper.Run(ctx); return nil })
	return keeper, nil
}

// watchCertificateFile publishes the life of the certificate that is served from a
// file. That it cannot be read is told by the server, which then serves the last.
func (o *serveOptions) watchCertificateFile(ctx context.Context, group *errgroup.Group) {
	name := o.server.Serving.ServerCert.CertKey.CertFile
	if name == "" {
		return
	}
	look := func() {
		if chain, err := cert.CertsFromFile(name); err == nil {
			certs.ObserveServed(chain[0])
		}
	}
	look()
	group.Go(func() error { every(ctx, certificateInterval, look); return nil })
}

// certificateInterval is the time between two looks at the certificate's file.
const certificateInterval = time.Minute

func newKeeper(options certs.Options, cluster *rest.Config, log *zap.Logger) (*certs.Keeper, error) {
	secrets, err := core.NewForConfig(compact(cluster))
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(cluster)
	if err != nil {
		return nil, err
	}
	changes, err := metadata.NewForConfig(cluster)
	if err != nil {
		return nil, err
	}
	return certs.New(options, certs.Deps{
		Secrets:           secrets.Secrets(options.Secret.Namespace),
		SecretChanges:     changes.Resource(certs.SecretResource).Namespace(options.Secret.Namespace),
		APIServices:       objects.Resource(certs.APIServiceResource),
		APIServiceChanges: changes.Resource(certs.APIServiceResource),
		Log:               log,
	})
}

// writeCertificates writes a report for people, as rows of a table.
func writeCertificates(w io.Writer, r *certs.Report) {
	if r.Leaf == nil {
		fmt.Fprintln(w, "leaf\t-\tnot signed yet")
	} else {
		fmt.Fprintf(w, "leaf\tby %s\trenewed at %s\tends at %s\n", r.Leaf.Authority, r.Leaf.Renewal.Format(time.RFC3339), r.Leaf.Ends.Format(time.RFC3339))
	}
	for _, a := range r.Authorities {
		fmt.Fprintf(w, "authority\t%s\t%s\tends at %s\n", a.ID, a.State, a.Ends.Format(time.RFC3339))
	}
	for _, s := range r.APIServices {
		fmt.Fprintf(w, "apiservice\t%s\t%s\n", s.Name, s.State)
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(w, "problem\t%s\n", problem)
	}
}
