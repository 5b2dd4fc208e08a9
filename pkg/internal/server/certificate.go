package server

import (
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// A Certificate is what to serve instead of files or a certificate made at the
// start. It may change at any time: connections that stand go on.
type Certificate interface {
	// CurrentCertKeyContent is the certificate and its key, in PEM. There is
	// always one.
	CurrentCertKeyContent() (cert, key []byte)
	// OnChange has f called whenever there is another.
	OnChange(f func())
}

// servedCertificate is a Certificate in the words of the generic server.
type servedCertificate struct{ Certificate }

var _ dynamiccertificates.CertKeyContentProvider = servedCertificate{}

// Name is for the logs.
func (servedCertificate) Name() string { return "shared authority" }

// AddListener has a listener load the certificate again when it changes.
func (c servedCertificate) AddListener(listener dynamiccertificates.Listener) {
	c.OnChange(listener.Enqueue)
}
