package e2e

import (
	"github.com/pitot-autoscaling/pitot/test/e2e/manifest"
	"github.com/pitot-autoscaling/pitot/test/e2e/pki"
	controlplane "github.com/pitot-autoscaling/pitot/test/e2e/plane"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"

	"context"
	"fmt"
	"os"
	"path/filepath"
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
	control *controlplane.Plane
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
	audit := newAudit(c)
	control := controlplane.Start(c.Trial, controlplane.Setup{
		Programs:     programs,
		Address:      "127.0.0.1",
		ServiceRange: "10.96.0.0/16",
		ServiceHost:  "10.96.0.1",
		APIServer: append([]string{
			"--authorization-mode=RBAC",
			// The address is a loopback one: there is nothing to reconcile.
			"--endpoint-reconciler-type=none",
			// It taints new nodes until the node lifecycle controller has seen them; none runs here.
			"--disable-admission-plugins=TaintNodesByCondition",
		}, audit.flags(c)...),
		Manager: []string{
			// Those that the test's objects need, and no more.
			"--controllers=deployment-controller,replicaset-controller,horizontal-pod-autoscaler-controller,endpointslice-controller," +
				"namespace-controller,serviceaccount-controller",
			"--horizontal-pod-autoscaler-sync-period=" + syncPeriod.String(),
			// The controller's own words about each of its decisions.
			"--vmodule=horizontal=4",
			// The tests have more HPAs than the default of 20 requests a second is enough
			// for. The number of workers is the default, 5.
			"--kube-api-qps=2000", "--kube-api-burst=2000",
		},
	})
	p := &plane{
		control: control,
		pki:     control.PKI, ca: control.CA, server: control.Server,
		admin: control.Admin, client: control.Client, dynamic: control.Dynamic, applier: control.Applier,
		audit: audit,
	}
	p.startNode(c, programs)
	return p
}

// startNode starts kwok and waits for its node.
func (p *plane) startNode(c *cluster, programs string) {
	stages := filepath.Join(c.Folder, "kwok.yaml")
	c.Check(os.WriteFile(stages, trial.Must(testdata.ReadFile("testdata/kwok.yaml"))(c), 0o644))
	c.Start(trial.Command{Name: "kwok", Path: filepath.Join(programs, "kwok"), Args: []string{
		"--kubeconfig=" + p.control.Kubeconfig(p.control.User("kwok", "kwok", "system:masters")),
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
