// Package plane starts a control plane: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler.
package plane

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/pitot-autoscaling/pitot/test/e2e/manifest"
	"github.com/pitot-autoscaling/pitot/test/e2e/pki"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

// ProbeTime is how long a process may take until it answers.
const ProbeTime = time.Minute

// A Setup says how a control plane runs.
type Setup struct {
	Programs     string // folder of the programs: a set of hack/testbin.sh
	Address      string // of kube-apiserver, an IP address
	ServiceRange string
	ServiceHost  string                            // kube-apiserver's address as a Service; the first of the range
	APIServer    []string                          // more flags of kube-apiserver
	Manager      []string                          // more flags of kube-controller-manager
	Enter        func(trial.Command) trial.Command // where the processes run; here, if nil
}

// A Plane is a running control plane, and the ways into it.
type Plane struct {
	PKI     string         // folder of certificates and kubeconfigs
	CA      *pki.Authority // of kube-apiserver and its clients
	Server  string         // https://ADDRESS:PORT
	Admin   *rest.Config   // may do everything
	Client  kubernetes.Interface
	Dynamic dynamic.Interface
	Applier *manifest.Applier

	trial *trial.Trial
	setup Setup
}

// Start starts a control plane and returns when kube-apiserver is ready.
func Start(c *trial.Trial, setup Setup) *Plane {
	p := &Plane{PKI: filepath.Join(c.Folder, "pki"), trial: c, setup: setup}
	c.Check(os.Mkdir(p.PKI, 0o755))
	p.startAPIServer(p.startEtcd())
	p.Admin = p.User("admin", "admin", "system:masters")
	p.Kubeconfig(p.Admin) // for people
	p.Client = trial.Must(kubernetes.NewForConfig(p.Admin))(c)
	p.Dynamic = trial.Must(dynamic.NewForConfig(p.Admin))(c)
	c.Eventually(c.T, ProbeTime, "kube-apiserver is ready", func(ctx context.Context) error {
		_, err := p.Client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	p.Applier = trial.Must(manifest.NewApplier(p.Admin))(c)
	p.startControllers()
	return p
}

// start runs one of the programs.
func (p *Plane) start(name string, args ...string) {
	command := trial.Command{Name: name, Path: filepath.Join(p.setup.Programs, name), Args: args}
	if p.setup.Enter != nil {
		command = p.setup.Enter(command)
	}
	p.trial.Start(command)
}

func (p *Plane) startEtcd() (url string) {
	url = "http://" + trial.Loopback(trial.FreePort())
	peers := "http://" + trial.Loopback(trial.FreePort())
	p.start("etcd",
		"--data-dir="+p.trial.Data("etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls="+url, "--advertise-client-urls="+url,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers,
		"--initial-cluster=default="+peers,
	)
	return url
}

func (p *Plane) startAPIServer(etcd string) {
	c, address, port := p.trial, p.setup.Address, strconv.Itoa(trial.FreePort())
	p.Server = "https://" + address + ":" + port
	p.CA = trial.Must(pki.New(p.PKI, "ca"))(c)
	serving := trial.Must(p.CA.Server("kube-apiserver", address, p.setup.ServiceHost, "localhost", "kubernetes.default.svc"))(c)
	frontCA := trial.Must(pki.New(p.PKI, "front-proxy-ca"))(c)
	front := trial.Must(frontCA.Client("front-proxy-client", "front-proxy-client"))(c)
	kubelet := trial.Must(p.CA.Client("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"))(c)
	trial.Must(pki.NewKey(p.accounts()))(c)

	p.start("kube-apiserver", append([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + address, "--advertise-address=" + address, "--secure-port=" + port,
		"--service-cluster-ip-range=" + p.setup.ServiceRange,
		"--tls-cert-file=" + serving.CertFile, "--tls-private-key-file=" + serving.KeyFile,
		"--client-ca-file=" + p.CA.CertFile(),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.accounts(), "--service-account-signing-key-file=" + p.accounts(),
		"--kubelet-certificate-authority=" + p.CA.CertFile(),
		"--kubelet-client-certificate=" + kubelet.CertFile, "--kubelet-client-key=" + kubelet.KeyFile,
		// What the aggregator shows to Pitot, and how Pitot recognises it.
		"--proxy-client-cert-file=" + front.CertFile, "--proxy-client-key-file=" + front.KeyFile,
		"--requestheader-client-ca-file=" + frontCA.CertFile(),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}, p.setup.APIServer...)...)
}

// accounts is the key that signs the tokens of service accounts.
func (p *Plane) accounts() string { return filepath.Join(p.PKI, "service-accounts.key") }

func (p *Plane) startControllers() {
	manager := p.Kubeconfig(p.User("kube-controller-manager", "system:kube-controller-manager"))
	p.start("kube-controller-manager", append([]string{
		"--kubeconfig=" + manager, "--authentication-kubeconfig=" + manager, "--authorization-kubeconfig=" + manager,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(trial.FreePort()),
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + p.accounts(),
		"--root-ca-file=" + p.CA.CertFile(),
	}, p.setup.Manager...)...)

	scheduler := p.Kubeconfig(p.User("kube-scheduler", "system:kube-scheduler"))
	p.start("kube-scheduler",
		"--kubeconfig="+scheduler, "--authentication-kubeconfig="+scheduler, "--authorization-kubeconfig="+scheduler,
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(trial.FreePort()),
		"--leader-elect=false",
	)
}

// User is the configuration of a client that identifies with a certificate,
// whose files have the name file.
func (p *Plane) User(file, name string, groups ...string) *rest.Config {
	files := trial.Must(p.CA.Client(file, name, groups...))(p.trial)
	return &rest.Config{
		Host:            p.Server,
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.CA.CertFile(), CertFile: files.CertFile, KeyFile: files.KeyFile},
		QPS:             -1, // the tests poll
	}
}

// Kubeconfig writes the configuration of a User beside its certificate.
func (p *Plane) Kubeconfig(user *rest.Config) string {
	file := strings.TrimSuffix(user.CertFile, ".crt") + ".kubeconfig"
	p.trial.Check(pki.WriteKubeconfig(file, user))
	return file
}
