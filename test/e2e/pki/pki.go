// Package pki makes authorities, certificates and client configurations as files
// for clusters that live as long as a test.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// An Authority issues certificates. Files of its own and of what it issues lie
// in one folder: NAME.crt and NAME.key.
type Authority struct {
	folder, name string
	certificate  *x509.Certificate
	key          *ecdsa.PrivateKey
}

// A Pair is the two files of a certificate.
type Pair struct{ CertFile, KeyFile string }

// New makes an authority that lies in a folder.
func New(folder, name string) (*Authority, error) {
	a := &Authority{folder: folder, name: name}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	_, err := a.sign(name, template)
	return a, err
}

// CertFile is the authority's own certificate.
func (a *Authority) CertFile() string { return filepath.Join(a.folder, a.name+".crt") }

// Client issues a certificate that names a user and its groups.
func (a *Authority) Client(file, user string, groups ...string) (Pair, error) {
	return a.sign(file, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Server issues a certificate for hosts: DNS names and IP addresses.
func (a *Authority) Server(file string, hosts ...string) (Pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: file},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.sign(file, template)
}

// sign completes the template with a new key and writes both files. The
// Authority's own certificate, the first, is signed by itself.
func (a *Authority) sign(file string, template *x509.Certificate) (Pair, error) {
	files := Pair{filepath.Join(a.folder, file+".crt"), filepath.Join(a.folder, file+".key")}
	key, err := NewKey(files.KeyFile)
	if err != nil {
		return Pair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return Pair{}, err
	}
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	if a.certificate == nil {
		a.certificate, a.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, err
	}
	return files, writePEM(files.CertFile, "CERTIFICATE", der)
}

// NewKey writes a new private key.
func NewKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(file, "EC PRIVATE KEY", der)
}

func writePEM(file, block string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}), 0o600)
}

// WriteKubeconfig writes a client configuration as a file that programs and
// kubectl read.
func WriteKubeconfig(file string, client *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["e2e"] = &clientcmdapi.Cluster{Server: client.Host, CertificateAuthority: client.CAFile}
	config.AuthInfos["e2e"] = &clientcmdapi.AuthInfo{
		ClientCertificate: client.CertFile, ClientKey: client.KeyFile, Token: client.BearerToken,
	}
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: "e2e"}
	config.CurrentContext = "e2e"
	return clientcmd.WriteToFile(*config, file)
}
