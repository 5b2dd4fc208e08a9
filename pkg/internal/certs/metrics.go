package certs

import (
	"crypto/x509"
	"sync"
	"time"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// The metrics of the certificates, on the server's /metrics. "kind" is ca or leaf.
var (
	expiry = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "pitot", Subsystem: "certificate", Name: "expiry_timestamp_seconds",
		Help:           "When the certificate that is served, or the authority that signs it, ends, in Unix time.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"kind"})
	begin = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "pitot", Subsystem: "certificate", Name: "not_before_timestamp_seconds",
		Help:           "When the certificate that is served, or the authority that signs it, began to be valid, in Unix time.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"kind"})
	rotations = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "pitot", Subsystem: "certificate", Name: "rotations_total",
		Help:           "Certificates that this replica has signed.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"kind"})
	callErrors = metrics.NewCounter(&metrics.CounterOpts{
		Namespace: "pitot", Subsystem: "certificate", Name: "errors_total",
		Help:           "Calls for certificates that the cluster refused or did not answer.",
		StabilityLevel: metrics.ALPHA,
	})
	repairs = metrics.NewCounterVec(&metrics.CounterOpts{
		Namespace: "pitot", Subsystem: "certificate", Name: "ca_bundle_repairs_total",
		Help:           "Times that this replica found the caBundle of an APIService changed by somebody else and restored it.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"apiservice"})
	inSync = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Namespace: "pitot", Subsystem: "certificate", Name: "ca_bundle_in_sync",
		Help:           "Whether the caBundle of an APIService of this server holds every valid authority (1) or not (0).",
		StabilityLevel: metrics.ALPHA,
	}, []string{"apiservice"})
)

var registerMetrics = sync.OnceFunc(func() {
	legacyregistry.MustRegister(expiry, begin, rotations, callErrors, repairs, inSync)
})

// observe publishes a report, and the calls that failed.
func (r Report) observe(failed int) {
	callErrors.Add(float64(failed))
	if r.Leaf != nil {
		observeLife("leaf", r.Leaf.begins, r.Leaf.Ends)
	}
	for _, a := range r.Authorities {
		if a.State == "signing" {
			observeLife("ca", a.begins, a.Ends)
		}
	}
	inSync.Reset()
	for _, s := range r.APIServices {
		repairs.WithLabelValues(s.Name) // from 0 on
		switch s.State {
		case "in sync":
			inSync.WithLabelValues(s.Name).Set(1)
		case "out of sync", "unknown":
			inSync.WithLabelValues(s.Name).Set(0)
		}
	}
}

func observeLife(kind string, begins, ends time.Time) {
	begin.WithLabelValues(kind).Set(float64(begins.Unix()))
	expiry.WithLabelValues(kind).Set(float64(ends.Unix()))
}

// ObserveServed publishes the life of a certificate that this process serves and
// that is not kept by a Keeper, as one that comes from files.
func ObserveServed(served *x509.Certificate) {
	registerMetrics()
	observeLife("leaf", served.NotBefore, served.NotAfter)
}
