package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "EC PRIVATE KEY"
)

// An authority signs leaves.
type authority struct {
	cert *x509.Certificate
	// key is nil once nobody signs with it any more.
	key *ecdsa.PrivateKey
	// created is when it was made. NotBefore lies before that, for the sake of
	// slower clocks.
	created time.Time
	// active is since when leaves may be signed by it: zero before every reader
	// can verify them.
	active time.Time
}

// A fingerprint is what an authority is known by.
type fingerprint [sha256.Size]byte

func fingerprintOf(cert *x509.Certificate) fingerprint { return sha256.Sum256(cert.Raw) }

// newAuthority makes an authority that can sign for the names of the Service
// and for nothing else.
func newAuthority(o Options, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	serial, err := newSerial()
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     subject(o.Service),
		NotBefore:                   now.Add(-tolerance(o.CALife)),
		NotAfter:                    now.Add(o.CALife),
		KeyUsage:                    x509.KeyUsageCertSign,
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         o.hostnames(),
	}
	cert, err := create(template, template, key, key)
	if err != nil {
		return authority{}, err
	}
	return authority{cert: cert, key: key, created: now.UTC().Truncate(time.Millisecond)}, nil
}

// subject marks what is ours in a bundle.
func subject(service types.NamespacedName) pkix.Name {
	return pkix.Name{Organization: []string{"pitot"}, OrganizationalUnit: []string{service.Namespace}, CommonName: service.Name}
}

// isOurs reports whether a certificate is an authority for the Service.
func isOurs(cert *x509.Certificate, service types.NamespacedName) bool {
	return cert.IsCA && cert.Subject.String() == subject(service).String()
}

// tolerance is how far the clocks of two machines may be apart where one life
// is concerned.
func tolerance(life time.Duration) time.Duration { return min(time.Hour, life/6) }

// life is how long a was meant to live when it was made: the options may have
// changed since.
func (a authority) life() time.Duration { return a.cert.NotAfter.Sub(a.created) }

// ended reports whether nobody can verify by cert any more, whatever their clock
// within the tolerance.
func ended(cert *x509.Certificate, now time.Time) bool {
	return now.After(cert.NotAfter.Add(tolerance(cert.NotAfter.Sub(cert.NotBefore))))
}

func valid(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter)
}

// signs reports whether a can sign at now.
func (a authority) signs(now time.Time) bool { return a.key != nil && valid(a.cert, now) }

// A leaf is the certificate of one replica.
type leaf struct {
	cert      *x509.Certificate
	authority *x509.Certificate
	renew     time.Time // when to sign the next one
	certPEM   []byte
	keyPEM    []byte
}

// sign makes a leaf. Chance, from 0 to 1, spreads the renewals of replicas that
// started together.
func (a authority) sign(o Options, now time.Time, chance float64) (*leaf, error) {
	if a.key == nil {
		return nil, errors.New("the authority's key was erased")
	}
	from, to := now.Add(-tolerance(o.LeafLife)), now.Add(o.LeafLife)
	if from.Before(a.cert.NotBefore) {
		from = a.cert.NotBefore
	}
	if to.After(a.cert.NotAfter) {
		to = a.cert.NotAfter
	}
	l, err := newLeaf(o, from, to, a.cert, a.key)
	if err != nil {
		return nil, err
	}
	l.renew = now.Add(time.Duration(float64(to.Sub(now)) * (0.6 + 0.1*chance)))
	return l, nil
}

// provisional is what to serve before there is an authority: it lets the probes
// of a kubelet in, which verify nothing.
func provisional(o Options, now time.Time) (*leaf, error) {
	return newLeaf(o, now.Add(-tolerance(o.CALife)), now.Add(o.CALife), nil, nil)
}

// newLeaf makes a certificate for the Service, signed by itself if there is no
// authority.
func newLeaf(o Options, from, to time.Time, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*leaf, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "pitot"},
		NotBefore:    from,
		NotAfter:     to,
		DNSNames:     o.hostnames(),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signer, signerKey := parent, parentKey
	if parent == nil {
		signer, signerKey = template, key
	}
	cert, err := create(template, signer, key, signerKey)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &leaf{cert: cert, authority: parent, certPEM: encodeCert(cert), keyPEM: keyPEM}, nil
}

func create(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: cert.Raw})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: raw}), nil
}

func parseCert(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != certificateBlock {
		return nil, errors.New("not a certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(text string, cert *x509.Certificate) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("not an EC private key in PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the key is not that of the certificate")
	}
	return key, nil
}

// encodeBundle writes certificates in one order, whoever writes them, each once.
func encodeBundle(certs []*x509.Certificate) []byte {
	sorted := slices.SortedFunc(slices.Values(certs), func(a, b *x509.Certificate) int {
		if order := a.NotAfter.Compare(b.NotAfter); order != 0 {
			return order
		}
		return bytes.Compare(a.Raw, b.Raw)
	})
	sorted = slices.CompactFunc(sorted, (*x509.Certificate).Equal)
	var text []byte
	for _, cert := range sorted {
		text = append(text, encodeCert(cert)...)
	}
	return text
}

// parseBundle returns the certificates that can be read. What cannot is no
// error: a reader of bundles passes over it, too.
func parseBundle(text []byte) (certs []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == certificateBlock {
			certs = append(certs, cert)
		}
	}
	return certs
}

// describe names an authority for people.
func describe(cert *x509.Certificate) string {
	id := fingerprintOf(cert)
	return fmt.Sprintf("%x", id[:4])
}
