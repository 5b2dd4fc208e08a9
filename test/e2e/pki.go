package e2e

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

// An authority issues certificates. Files of its own and of what it issues lie
// in one folder: NAME.crt and NAME.key.
type authority struct {
	folder, name string
	certificate  *x509.Certificate
	key          *ecdsa.PrivateKey
}

// A pair is the two files of a certificate.
type pair struct{ certFile, keyFile string }

func newAuthority(folder, name string) (*authority, error) {
	a := &authority{folder: folder, name: name}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	_, err := a.sign(name, template)
	return a, err
}

func (a *authority) certFile() string { return filepath.Join(a.folder, a.name+".crt") }

// client issues a certificate that names a user and its groups.
func (a *authority) client(file, user string, groups ...string) (pair, error) {
	return a.sign(file, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// server issues a certificate for DNS names, and for 127.0.0.1 where loopback is set.
func (a *authority) server(file string, loopback bool, names ...string) (pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: file},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
	}
	if loopback {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	return a.sign(file, template)
}

// sign completes the template with a new key and writes both files. The
// authority's own certificate, the first, is signed by itself.
func (a *authority) sign(file string, template *x509.Certificate) (pair, error) {
	files := pair{filepath.Join(a.folder, file+".crt"), filepath.Join(a.folder, file+".key")}
	key, err := newKey(files.keyFile)
	if err != nil {
		return pair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return pair{}, err
	}
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	if a.certificate == nil {
		a.certificate, a.key = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return pair{}, err
	}
	return files, writePEM(files.certFile, "CERTIFICATE", der)
}

// newKey writes a new private key.
func newKey(file string) (*ecdsa.PrivateKey, error) {
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

// writeKubeconfig writes a client configuration as a file that programs and
// kubectl read.
func writeKubeconfig(file string, client *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["e2e"] = &clientcmdapi.Cluster{Server: client.Host, CertificateAuthority: client.CAFile}
	config.AuthInfos["e2e"] = &clientcmdapi.AuthInfo{
		ClientCertificate: client.CertFile, ClientKey: client.KeyFile, Token: client.BearerToken,
	}
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: "e2e"}
	config.CurrentContext = "e2e"
	return clientcmd.WriteToFile(*config, file)
}
