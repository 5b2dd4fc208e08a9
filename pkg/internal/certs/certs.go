// Package certs gives every replica of a server a certificate that the
// kube-apiserver verifies, and renews it without a restart.
//
//	keeper, err := certs.New(options, certs.Deps{Secret: …, APIServices: …})
//	go keeper.Run(ctx)
//	// serve keeper.CurrentCertKeyContent(), again after each keeper.OnChange call
//
// # How it works
//
// The replicas share authorities (CAs) in one Secret. Each replica signs a
// short-lived leaf for itself, which never leaves its memory, and sees to it
// that the caBundle of each APIService holds every authority that is valid.
//
// An authority is succeeded long before its end, in steps that each replica may
// take and that any of them may find already taken:
//
//	at 2/3 of its life      a new authority joins the Secret
//	at once                 the bundles hold both
//	after 1/20 of its life,
//	and once every bundle
//	has held it for a while leaves are signed by the new one
//	a leaf's life later     the key of the old one is erased
//	at its end              the old one leaves Secret and bundles
//
// # What it promises
//
// At every moment, the leaf of every replica verifies by every bundle that this
// package wrote and that a kube-apiserver may still have. What others write is
// repaired, at a limited rate. A Secret that was emptied, corrupted or replaced
// is restored from the memory of the replicas that run.
//
// # What it does not do
//
// It creates and deletes nothing: the Secret and the APIServices belong to
// whoever installed the server, and go when they go. It touches no APIService
// that leads to another Service than its own. It cannot help where the clocks of
// two machines are further apart than a sixth of a leaf's life, or an hour.
package certs

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Lives that New takes where Options leave them zero.
const (
	DefaultCALife   = 365 * 24 * time.Hour
	DefaultLeafLife = 7 * 24 * time.Hour
)

// Options say whose certificates to keep. Every replica of a Service needs the
// same.
type Options struct {
	// Service is what the certificates are for: the leaf names it, and only
	// APIServices that lead to it are written to.
	Service types.NamespacedName
	// Secret holds the authorities. It must exist, and may be empty.
	Secret types.NamespacedName
	// APIServices are the names of those whose caBundle is kept, such as
	// "v1beta1.external.metrics.k8s.io". One that does not exist, or leads to
	// another Service, is left alone.
	APIServices []string
	// CALife is how long an authority is valid. All waits scale with it.
	CALife time.Duration
	// LeafLife is how long the certificate of a replica is valid: at most a
	// third of CALife.
	LeafLife time.Duration
}

// minLeafLife leaves a renewal some tries.
const minLeafLife = 10 * time.Second

// Validate reports everything that is wrong with the options, in the words of
// the flags that set them.
func (o Options) Validate() (errs []error) {
	errs = append(errs, validName("--service", o.Service)...)
	errs = append(errs, validName("--ca-secret", o.Secret)...)
	for i, name := range o.APIServices {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("--apiservice %q is not the name of an APIService (hint: v1beta1.custom.metrics.k8s.io)", name))
		}
		if slices.Contains(o.APIServices[:i], name) {
			errs = append(errs, fmt.Errorf("--apiservice %s is given twice", name))
		}
	}
	if o.LeafLife < minLeafLife {
		errs = append(errs, fmt.Errorf("--certificate-life %s: use %s or more", o.LeafLife, minLeafLife))
	}
	if o.LeafLife > o.CALife/3 {
		errs = append(errs, fmt.Errorf("--certificate-life %s: use at most a third of --ca-life %s", o.LeafLife, o.CALife))
	}
	return errs
}

func validName(flag string, name types.NamespacedName) []error {
	if name.Namespace == "" || name.Name == "" {
		return []error{fmt.Errorf("%s is missing: use %[1]s NAMESPACE/NAME", flag)}
	}
	if len(validation.IsDNS1123Label(name.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(name.Name)) > 0 {
		return []error{fmt.Errorf("%s %q: not a namespace and a name", flag, name)}
	}
	return nil
}

// ErrNotSigned says that the certificate served is not one that anybody can
// verify yet.
var ErrNotSigned = errors.New("no certificate of the shared authority yet")

// hostnames are the names of the Service that clients may verify. The first is
// what kube-apiserver verifies.
func (o Options) hostnames() []string {
	host := o.Service.Name + "." + o.Service.Namespace
	return []string{host + ".svc", host + ".svc.cluster.local", host}
}

// poll is the time between two looks at the cluster while nothing rings.
func (o Options) poll() time.Duration { return min(30*time.Second, o.CALife/60, o.LeafLife/20) }

// settling is how long a kube-apiserver may go on with a bundle that has been
// replaced: measured are 0.1 s.
func (o Options) settling() time.Duration { return min(30*time.Second, o.CALife/30) }

// repairGap is the least time between two writes to the same object. It is
// shorter than any GitOps tool's, and long enough to lose a fight quietly.
func (o Options) repairGap() time.Duration { return min(10*time.Second, o.CALife/120) }

// callTimeout bounds each call to the cluster.
func (o Options) callTimeout() time.Duration { return min(5*time.Second, o.poll()) }
