package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
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
	pki     string     // folder of certificates and kubeconfigs
	ca      *authority // of the API server and its clients
	server  string     // https://127.0.0.1:PORT
	admin   *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	audit   *audit
}

// startPlane starts everything and returns when the node is Ready.
func startPlane(c *cluster, programs string, syncPeriod time.Duration) *plane {
	p := &plane{pki: filepath.Join(c.folder, "pki"), audit: newAudit(c)}
	c.must(os.Mkdir(p.pki, 0o755))
	etcd := p.startEtcd(c, programs)
	p.startAPIServer(c, programs, etcd)
	p.admin = p.user(c, "admin", "admin", "system:masters")
	p.kubeconfig(c, p.admin) // for people
	p.client = must(kubernetes.NewForConfig(p.admin))(c)
	p.dynamic = must(dynamic.NewForConfig(p.admin))(c)
	c.eventually(c.t, probeTime, "kube-apiserver is ready", func(ctx context.Context) error {
		_, err := p.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	p.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(p.client.Discovery()))
	p.startControllers(c, programs, syncPeriod)
	p.startNode(c, programs)
	return p
}

func (p *plane) startEtcd(c *cluster, programs string) (url string) {
	url = "http://" + loopback(freePort())
	peers := "http://" + loopback(freePort())
	c.start(command{name: "etcd", path: filepath.Join(programs, "etcd"), args: []string{
		"--data-dir=" + c.data("etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
		"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=default=" + peers,
	}})
	return url
}

func (p *plane) startAPIServer(c *cluster, programs, etcd string) {
	port := freePort()
	p.server = "https://" + loopback(port)
	p.ca = must(newAuthority(p.pki, "ca"))(c)
	serving := must(p.ca.server("kube-apiserver", true, "localhost", "kubernetes.default.svc"))(c)
	frontCA := must(newAuthority(p.pki, "front-proxy-ca"))(c)
	front := must(frontCA.client("front-proxy-client", "front-proxy-client"))(c)
	accounts := filepath.Join(p.pki, "service-accounts.key")
	must(newKey(accounts))(c)

	c.start(command{name: "kube-apiserver", path: filepath.Join(programs, "kube-apiserver"), args: append([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
		// The address is a loopback one: there is nothing to reconcile.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + serving.certFile, "--tls-private-key-file=" + serving.keyFile,
		"--client-ca-file=" + p.ca.certFile(),
		"--authorization-mode=RBAC",
		// It taints new nodes until the node lifecycle controller has seen them; none runs here.
		"--disable-admission-plugins=TaintNodesByCondition",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + accounts, "--service-account-signing-key-file=" + accounts,
		// What the aggregator shows to Pitot, and how Pitot recognises it.
		"--proxy-client-cert-file=" + front.certFile, "--proxy-client-key-file=" + front.keyFile,
		"--requestheader-client-ca-file=" + frontCA.certFile(),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}, p.audit.flags(c)...)})
}

// startControllers starts the controllers that the test's objects need, and no more.
func (p *plane) startControllers(c *cluster, programs string, syncPeriod time.Duration) {
	manager := p.kubeconfig(c, p.user(c, "kube-controller-manager", "system:kube-controller-manager"))
	c.start(command{name: "kube-controller-manager", path: filepath.Join(programs, "kube-controller-manager"), args: []string{
		"--kubeconfig=" + manager, "--authentication-kubeconfig=" + manager, "--authorization-kubeconfig=" + manager,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(freePort()),
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
	c.start(command{name: "kube-scheduler", path: filepath.Join(programs, "kube-scheduler"), args: []string{
		"--kubeconfig=" + scheduler, "--authentication-kubeconfig=" + scheduler, "--authorization-kubeconfig=" + scheduler,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(freePort()),
		"--leader-elect=false",
	}})
}

// startNode starts kwok and waits for its node.
func (p *plane) startNode(c *cluster, programs string) {
	stages := filepath.Join(c.folder, "kwok.yaml")
	c.must(os.WriteFile(stages, must(testdata.ReadFile("testdata/kwok.yaml"))(c), 0o644))
	c.start(command{name: "kwok", path: filepath.Join(programs, "kwok"), args: []string{
		"--kubeconfig=" + p.kubeconfig(c, p.user(c, "kwok", "kwok", "system:masters")),
		"--manage-single-node=" + nodeName,
		"--node-ip=127.0.0.1",
		"--cidr=10.244.0.0/16",
		"--config=" + stages,
	}, env: []string{"HOME=" + c.folder}}) // not the user's kwok configuration
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	must(p.client.CoreV1().Nodes().Create(c.ctx, node, metav1.CreateOptions{}))(c)
	c.eventually(c.t, probeTime, "the node is Ready", func(ctx context.Context) error {
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
	files := must(p.ca.client(file, name, groups...))(c)
	return &rest.Config{
		Host:            p.server,
		TLSClientConfig: rest.TLSClientConfig{CAFile: p.ca.certFile(), CertFile: files.certFile, KeyFile: files.keyFile},
		QPS:             -1, // the tests poll
	}
}

// kubeconfig writes a client configuration beside its certificate.
func (p *plane) kubeconfig(c *cluster, client *rest.Config) string {
	file := strings.TrimSuffix(client.CertFile, ".crt") + ".kubeconfig"
	c.must(writeKubeconfig(file, client))
	return file
}
