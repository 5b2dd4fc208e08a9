package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/manifest"
	"github.com/pitot-autoscaling/pitot/test/e2e/pki"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// How often the HPA controller looks at each HPA: often, so that tests are
// short, or as often as it does by default, where that is what is under test.
const (
	oftenSync   = 2 * time.Second
	defaultSync = 15 * time.Second
)

// probeTime is how long a process may take until it answers.
const probeTime = time.Minute

// nodeName is the only node, played by kwok.
const nodeName = "kwok"

// A plane is a control plane without kubelets. Pods become Running and Ready
// because kwok says so.
type plane struct {
	pki     string         // folder of certificates and kubeconfigs
	ca      *pki.Authority // of the API server and its clients
	server  string         // https://127.0.0.1:PORT
	admin   *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	applier *manifest.Applier
	audit   *audit
}

// startPlane starts everything and returns when the node is Ready.
func startPlane(c *cluster, programs string, syncPeriod time.Duration) *plane {
	p := &plane{pki: filepath.Join(c.Folder, "pki"), audit: newAudit(c)}
	c.Check(os.Mkdir(p.pki, 0o755))
	etcd := p.startEtcd(c, programs)
	p.startAPIServer(c, programs, etcd)
	p.admin = p.user(c, "admin", "admin", "system:masters")
	p.kubeconfig(c, p.admin) // for people
	p.client = trial.Must(kubernetes.NewForConfig(p.admin))(c)
	p.dynamic = trial.Must(dynamic.NewForConfig(p.admin))(c)
	c.Eventually(c.T, probeTime, "kube-apiserver is ready", func(ctx context.Context) error {
		_, err := p.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	p.applier = trial.Must(manifest.NewApplier(p.admin))(c)
	p.startControllers(c, programs, syncPeriod)
	p.startNode(c, programs)
	return p
}

func (p *plane) startEtcd(c *cluster, programs string) (url string) {
	url = "http://" + trial.Loopback(trial.FreePort())
	peers := "http://" + trial.Loopback(trial.FreePort())
	c.Start(trial.Command{Name: "etcd", Path: filepath.Join(programs, "etcd"), Args: []string{
		"--data-dir=" + c.Data("etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
		"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=default=" + peers,
	}})
	return url
}

func (p *plane) startAPIServer(c *cluster, programs, etcd string) {
	port := trial.FreePort()
	p.server = "https://" + trial.Loopback(port)
	p.ca = trial.Must(pki.New(p.pki, "ca"))(c)
	serving := trial.Must(p.ca.Server("kube-apiserver", "127.0.0.1", "localhost", "kubernetes.default.svc"))(c)
	frontCA := trial.Must(pki.New(p.pki, "front-proxy-ca"))(c)
	front := trial.Must(frontCA.Client("front-proxy-client", "front-proxy-client"))(c)
	accounts := filepath.Join(p.pki, "service-accounts.key")
	trial.Must(pki.NewKey(accounts))(c)

	c.Start(trial.Command{Name: "kube-apiserver", Path: filepath.Join(programs, "kube-apiserver"), Args: append([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
		// The address is a loopback one: there is nothing to reconcile.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + serving.CertFile, "--tls-private-key-file=" + serving.KeyFile,
		"--client-ca-file=" + p.ca.CertFile(),
		"--authorization-mode=RBAC",
		// It taints new nodes until the node lifecycle controller has seen them; none runs here.
		"--disable-admission-plugins=TaintNodesByCondition",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + accounts, "--service-account-signing-key-file=" + accounts,
		// What the aggregator shows to Pitot, and how Pitot recognises it.
		"--proxy-client-cert-file=" + front.CertFile, "--proxy-client-key-file=" + front.KeyFile,
		"--requestheader-client-ca-file=" + frontCA.CertFile(),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}, p.audit.flags(c)...)})
}

// startControllers starts the controllers that the test's objects need, and no more.
func (p *plane) startControllers(c *cluster, programs string, syncPeriod time.Duration) {
	manager := p.kubeconfig(c, p.user(c, "kube-controller-manager", "system:kube-controller-manager"))
	c.Start(trial.Command{Name: "kube-controller-manager", Path: filepath.Join(programs, "kube-controller-manager"), Args: []string{
		"--kubeconfig=" + manager, "--authentication-kubeconfig=" + manager, "--authorization-kubeconfig=" + manager,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(trial.FreePort()),
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + filepath.Join(p.pki, "service-accounts.key"),
		"--controllers=deployment-controller,replicaset-controller,horizontal-pod-autoscaler-controller,endpointslice-controller," +
			"namespace-controller,serviceaccount-controller",
		"--horizontal-pod-autoscaler-sync-period=" + syncPeriod.String(),
		// The controller's own words about each of its decisions.
		"--vmodule=horizontal=4",
		// The tests have more HPAs than the default of 20 requests a second is enough
		// for. The number of workers is the default, 5.
		"--kube-api-qps=2000", "--kube-api-burst=2000",
	}})

	scheduler := p.kubeconfig(c, p.user(c, "kube-scheduler", "system:kube-scheduler"))
	c.Start(trial.Command{Name: "kube-scheduler", Path: filepath.Join(programs, "kube-scheduler"), Args: []string{
		"--kubeconfig=" + scheduler, "--authentication-kubeconfig=" + scheduler, "--authorization-kubeconfig=" + scheduler,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(trial.FreePort()),
		"--leader-elect=false",
	}})
}

// startNode starts kwok and waits for its node.
func (p *plane) startNode(c *cluster, programs string) {
	stages := filepath.Join(c.Folder, "kwok.yaml")
	c.Check(os.WriteFile(stages, trial.Must(testdata.ReadFile("testdata/kwok.yaml"))(c), 0o644))
	c.Start(trial.Command{Name: "kwok", Path: filepath.Join(programs, "kwok"), Args: []string{
		"--kubeconfig=" + p.kubeconfig(c, p.user(c, "kwok", "kwok", "system:masters")),
		"--manage-single-node=" + nodeName,
		"--node-ip=127.0.0.1",
		"--cidr=10.244.0.0/16",
		"--config=" + stages,
	}, Env: []string{"HOME=" + c.Folder}}) // not the user's kwok configuration
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	trial.Must(p.client.CoreV1().Nodes().Create(c.Ctx, node, metav1.CreateOptions{}))(c)
	c.Eventually(c.T, probeTime, "the node is Ready", func(ctx context.Context) error {
		node, err := p.client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions: %v", node.Status.Conditions)
	})
}

// user is the configuration of a client that identifies with a certificate.
func (p *plane) user(c *cluster, file, name string, groups ...string) *rest.Config {
	files := trial.Must(p.ca.Client(file, name, groups...))(c)
	return &rest.Config{
		Host:            p.server,
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.ca.CertFile(), CertFile: files.CertFile, KeyFile: files.KeyFile},
		QPS:             -1, // the tests poll
	}
}

// kubeconfig writes a client configuration beside its certificate.
func (p *plane) kubeconfig(c *cluster, client *rest.Config) string {
	file := strings.TrimSuffix(client.CertFile, ".crt") + ".kubeconfig"
	c.Check(pki.WriteKubeconfig(file, client))
	return file
}
