package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/pki"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
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
// pitot/pitot with the permissions that the chart gives it.
type pitot struct {
	*trial.Process
	cluster *cluster
	name    string   // of the process and of its log
	flags   []string // without the port
	env     []string // beside the test's own
	port    int
	ca      *pki.Authority // nil: it makes its certificate itself
}

// A pitotSetup says what a Pitot serves.
type pitotSetup struct {
	// config is a template of testdata. It is filled with the addresses of all
	// Prometheus servers as .URL, the .ScrapeInterval, and values.
	config string
	values map[string]any
	flags  []string
	// auto lets Pitot make its certificate itself.
	auto bool
}

// startPitot starts Pitot, registers it with the aggregator and waits until its
// APIs are available.
func startPitot(c *cluster, setup pitotSetup) *pitot {
	c.grant()
	p := newPitot(c, setup)
	p.start()
	c.register(p.port, p.ca)
	return p
}

// newPitot prepares a Pitot.
func newPitot(c *cluster, setup pitotSetup) *pitot {
	p := &pitot{cluster: c, name: "pitot", port: trial.FreePort()}
	p.flags = append([]string{
		"--config=" + c.pitotConfig(setup),
		"--refresh-interval=" + refreshInterval.String(),
	}, append(p.identity(c), setup.flags...)...)
	if !setup.auto {
		p.ca = trial.Must(pki.New(c.pki, "pitot-ca"))(c)
		serving := trial.Must(p.ca.Server("pitot", "127.0.0.1", serviceHost))(c)
		p.flags = append(p.flags, "--tls-cert-file="+serving.CertFile, "--tls-private-key-file="+serving.KeyFile)
	}
	return p
}

// serviceHost is the name that the aggregator verifies.
const serviceHost = "pitot.pitot.svc"

// start starts the program, or starts it again on the same port.
func (p *pitot) start() {
	p.Process = p.cluster.Start(trial.Command{Name: p.name, Path: p.cluster.programs.pitot, Args: append([]string{
		"serve", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p.port),
	}, p.flags...), Env: p.env, Grace: 20 * time.Second})
}

// restart ends the program and starts it again, with nothing in memory.
func (p *pitot) restart(t *testing.T) {
	t.Helper()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	p.start()
}

// replica starts the same program once more, on another port.
func (p *pitot) replica(name string) *pitot {
	other := *p
	other.name, other.port = name, trial.FreePort()
	other.start()
	return &other
}

// page reads a path of this Pitot, without the aggregator.
func (p *pitot) page(ctx context.Context, path string) ([]byte, error) {
	config := rest.CopyConfig(p.cluster.admin)
	config.Host, config.ServerName = p.address(), serviceHost
	if p.ca != nil {
		config.CAFile = p.ca.CertFile()
	} else {
		secret, err := p.cluster.authorities(ctx)
		if err != nil {
			return nil, err
		}
		config.CAFile, config.CAData = "", secret.Data["ca.crt"]
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return client.Discovery().RESTClient().Get().RequestURI(path).DoRaw(ctx)
}

func (p *pitot) address() string { return "https://" + trial.Loopback(p.port) }

// identity are the flags that say who Pitot is to the cluster.
func (p *pitot) identity(c *cluster) []string {
	kubeconfig := filepath.Join(c.pki, "pitot.kubeconfig")
	c.Check(pki.WriteKubeconfig(kubeconfig, c.serviceAccount("pitot", "pitot")))
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
	}
}

// register leads the aggregator to a port, where a Pitot has a certificate of ca.
// Without one, Pitot itself says how to verify it.
func (c *cluster) register(port int, ca *pki.Authority) {
	var bundle []byte
	if ca != nil {
		bundle = trial.Must(os.ReadFile(ca.CertFile()))(c)
	}
	c.apply(c.T, "apiservices.yaml", map[string]any{
		"GroupVersions": groupVersions, "Port": port, "CABundle": base64.StdEncoding.EncodeToString(bundle),
	})
	c.Eventually(c.T, probeTime, "Pitot's APIs are available", c.available)
}

// pitotConfig writes Pitot's configuration.
func (c *cluster) pitotConfig(setup pitotSetup) string {
	urls := map[string]string{}
	for name, prometheus := range c.prometheus {
		urls[name] = prometheus.url()
	}
	values := map[string]any{"URL": urls, "ScrapeInterval": scrapeInterval}
	maps.Copy(values, setup.values)
	text := trial.Must(render(setup.config, values))(c)
	file := filepath.Join(c.Folder, "pitot.yaml")
	c.Check(os.WriteFile(file, []byte(text), 0o644))
	return file
}

// serviceAccount is the configuration of a client that identifies with a token
// of a service account.
func (c *cluster) serviceAccount(namespace, name string) *rest.Config {
	hour := int64(3600)
	token := trial.Must(c.client.CoreV1().ServiceAccounts(namespace).CreateToken(c.Ctx, name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{}))(c)
	return &rest.Config{
		Host:            c.server,
		BearerToken:     token.Status.Token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.ca.CertFile()},
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
	condition := conditionOf(object, kind)
	if condition == nil {
		return "", "no such condition"
	}
	return fmt.Sprint(condition["status"]), strings.TrimSpace(fmt.Sprintf("%v: %v", condition["reason"], condition["message"]))
}

// transition is when a condition's status changed last.
func transition(object *unstructured.Unstructured, kind string) string {
	return fmt.Sprint(conditionOf(object, kind)["lastTransitionTime"])
}

func conditionOf(object *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range conditions {
		condition := entry.(map[string]any)
		if condition["type"] == kind {
			return condition
		}
	}
	return nil
}
