package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// refreshInterval is how often Pitot asks a Prometheus for each value that somebody reads.
const refreshInterval = 2 * time.Second

// groupVersions are the APIs that Pitot serves.
var groupVersions = []schema.GroupVersion{
	{Group: "custom.metrics.k8s.io", Version: "v1beta1"},
	{Group: "custom.metrics.k8s.io", Version: "v1beta2"},
	{Group: "external.metrics.k8s.io", Version: "v1beta1"},
}

// A pitot is the program under test, running as the service account
// pitot/pitot with the permissions of testdata/rbac.yaml.
type pitot struct {
	*process
	address string // https://127.0.0.1:PORT
	ca      *authority
}

// startPitot starts Pitot, registers it with the aggregator and waits until its
// APIs are available.
func startPitot(c *cluster) *pitot {
	c.apply(c.t, "rbac.yaml", nil)
	port := freePort()
	ca := must(newAuthority(c.pki, "pitot-ca"))(c)
	serving := must(ca.server("pitot", true, "pitot.pitot.svc"))(c)
	kubeconfig := filepath.Join(c.pki, "pitot.kubeconfig")
	c.must(writeKubeconfig(kubeconfig, c.serviceAccount("pitot", "pitot")))

	p := &pitot{ca: ca, address: "https://" + loopback(port)}
	p.process = c.start(command{name: "pitot", path: c.programs.pitot, args: []string{
		"serve",
		"--config=" + c.pitotConfig(),
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + serving.certFile,
		"--tls-private-key-file=" + serving.keyFile,
		"--refresh-interval=" + refreshInterval.String(),
	}, grace: 20 * time.Second})

	bundle := must(os.ReadFile(ca.certFile()))(c)
	c.apply(c.t, "apiservices.yaml", map[string]any{
		"GroupVersions": groupVersions, "Port": port, "CABundle": base64.StdEncoding.EncodeToString(bundle),
	})
	c.eventually(c.t, time.Minute, "Pitot's APIs are available", c.available)
	return p
}

// pitotConfig writes Pitot's configuration, with a backend for every Prometheus.
func (c *cluster) pitotConfig() string {
	urls := map[string]string{}
	for name, prometheus := range c.prometheus {
		urls[name] = prometheus.url()
	}
	text := must(render("pitot.yaml", map[string]any{"URL": urls, "ScrapeInterval": scrapeInterval}))(c)
	file := filepath.Join(c.folder, "pitot.yaml")
	c.must(os.WriteFile(file, []byte(text), 0o644))
	return file
}

// serviceAccount is the configuration of a client that identifies with a token
// of a service account.
func (c *cluster) serviceAccount(namespace, name string) *rest.Config {
	hour := int64(3600)
	token := must(c.client.CoreV1().ServiceAccounts(namespace).CreateToken(c.ctx, name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{}))(c)
	return &rest.Config{
		Host:            c.server,
		BearerToken:     token.Status.Token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.ca.certFile()},
	}
}

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// available says which of Pitot's APIs the aggregator does not reach.
func (c *cluster) available(ctx context.Context) error {
	var problems []error
	for _, gv := range groupVersions {
		name := gv.Version + "." + gv.Group
		service, err := c.dynamic.Resource(apiServices).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if status, why := condition(service, "Available"); status != "True" {
			problems = append(problems, fmt.Errorf("APIService %s: Available=%q: %s", name, status, why))
		}
	}
	return errors.Join(problems...)
}

// condition reads a condition's status, and its reason and message.
func condition(object *unstructured.Unstructured, kind string) (status, why string) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range conditions {
		condition := entry.(map[string]any)
		if condition["type"] == kind {
			return fmt.Sprint(condition["status"]), strings.TrimSpace(fmt.Sprintf("%v: %v", condition["reason"], condition["message"]))
		}
	}
	return "", "no such condition"
}
