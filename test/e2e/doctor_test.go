package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/test/e2e/pki"
	"github.com/pitot-autoscaling/pitot/test/e2e/trial"
)

// A kind of others that doctor looks at.
type kind struct{ Group, Version, Kind, Singular, Plural string }

var doctorKinds = []kind{
	{"monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitor", "servicemonitors"},
	{"monitoring.coreos.com", "v1", "PodMonitor", "podmonitor", "podmonitors"},
	{"monitoring.coreos.com", "v1", "Prometheus", "prometheus", "prometheuses"},
}

// An object of the doctor test.
type located struct {
	schema.GroupVersionResource
	namespace, name string
}

func at(group, version, resource, namespace, name string) located {
	return located{schema.GroupVersionResource{Group: group, Version: version, Resource: resource}, namespace, name}
}

var (
	webHPA      = at("autoscaling", "v2", "horizontalpodautoscalers", "shop", "web")
	webMonitor  = at("monitoring.coreos.com", "v1", "servicemonitors", "shop", "web")
	externalAPI = at("apiregistration.k8s.io", "v1", "apiservices", "", "v1beta1.external.metrics.k8s.io")
	webTarget   = at("apps", "v1", "deployments", "shop", "web")
	pitotTarget = at("apps", "v1", "deployments", "pitot", "pitot")
	pitotBudget = at("policy", "v1", "poddisruptionbudgets", "pitot", "pitot")
	pitotRules  = at("", "v1", "configmaps", "pitot", "pitot")
	hpaRole     = at("rbac.authorization.k8s.io", "v1", "clusterroles", "", "system:controller:horizontal-pod-autoscaler")
)

// A trouble is a fault that is planted, and what doctor has to say of it.
type trouble struct {
	name string
	// patches are merge patches of objects; without text the object is deleted.
	patches map[located]string
	// silent takes the series of the pods from Prometheus, and fault spoils its answers.
	silent bool
	fault  fault
	want   string // the codes, each once
}

// metrics is the HPA with other metrics, in YAML's short form as JSON.
func metrics(list ...string) map[located]string {
	return map[located]string{webHPA: `{"spec": {"metrics": [` + strings.Join(list, ",") + `]}}`}
}

const (
	aPodsMetric = `{"type": "Pods", "pods": {"metric": {"name": %q}, "target": {"type": "AverageValue", "averageValue": "100"}}}`
	aP95        = `{"type": "Object", "object": {"describedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": %q}, "metric": {"name": %q}, "target": %s}}`
	aQueue      = `{"type": "External", "external": {"metric": {"name": "queue_depth", "selector": {"matchLabels": {%q: %q}}}, "target": {"type": "AverageValue", "averageValue": "30"}}}`
)

// troublesOf are those of a Pitot that has a role, and a binding by which it
// knows the aggregator.
func troublesOf(pitotRole, pitotReader located) []trouble {
	return []trouble{
		{name: "nobody serves resource metrics", want: "D101",
			patches: metrics(`{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}}}`)},
		{name: "the Service of an API is gone", want: "D102", patches: map[located]string{externalAPI: `{"spec": {"service": {"name": "gone"}}}`}},
		{name: "the bundle is of another CA", want: "D104", patches: map[located]string{externalAPI: `{"spec": {"caBundle": "OTHER"}}`}},
		{name: "nobody verifies", want: "D106", patches: map[located]string{externalAPI: `{"spec": {"caBundle": null, "insecureSkipTLSVerify": true}}`}},
		{name: "the HPA controller may not read", want: "D201",
			patches: map[located]string{hpaRole: `{"rules": [{"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["get", "update"]}, {"apiGroups": ["autoscaling"], "resources": ["*"], "verbs": ["*"]}, {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}, {"apiGroups": ["custom.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}]}`}},
		{name: "Pitot may not list jobs", want: "D202",
			patches: map[located]string{pitotRole: `{"rules": [{"apiGroups": ["", "apps", "discovery.k8s.io", "autoscaling"], "resources": ["pods", "replicasets", "endpointslices", "horizontalpodautoscalers"], "verbs": ["get", "list", "watch"]}]}`}},
		{name: "Pitot may not read the aggregator's CA", want: "D204", patches: map[located]string{pitotReader: ""}},
		{name: "one replica of Pitot", want: "D303", patches: map[located]string{pitotTarget: `{"spec": {"replicas": 1}}`}},
		{name: "no disruption budget", want: "D304", patches: map[located]string{pitotBudget: ""}},
		{name: "a broken rule", want: "D307", patches: map[located]string{pitotRules: `{"data": {"more.yaml": "apiVersion: pitot.dev/v1alpha1\nkind: Config\nrules:\n- metric: broken\n  type: Pods\n  query: sum(\n"}}`}},

		{name: "the target is gone", want: "D401", patches: map[located]string{webHPA: `{"spec": {"scaleTargetRef": {"name": "gone"}}}`}},
		{name: "kubectl apply sets replicas", want: "D405",
			patches: map[located]string{webTarget: `{"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":{\"replicas\":1}}"}}}`}},
		{name: "equal bounds", want: "D406", patches: map[located]string{webHPA: `{"spec": {"maxReplicas": 1}}`}},
		{name: "scaling up is disabled", want: "D407", patches: map[located]string{webHPA: `{"spec": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}}`}},
		{name: "scaling down is disabled", want: "D408", patches: map[located]string{webHPA: `{"spec": {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}}`}},
		{name: "the HPA controller may not read the scale", want: "D410",
			patches: map[located]string{hpaRole: `{"rules": [{"apiGroups": ["autoscaling"], "resources": ["*"], "verbs": ["*"]}, {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}, {"apiGroups": ["custom.metrics.k8s.io", "external.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}]}`}},
		{name: "the described object is gone", want: "D415", patches: metrics(fmt.Sprintf(aP95, "gone", "http_p95_seconds", `{"type": "Value", "value": "500m"}`))},

		{name: "a metric with a typing mistake", want: "D501", patches: metrics(fmt.Sprintf(aPodsMetric, "http_request_per_second"))},
		{name: "a label that is not selectable", want: "D503", patches: metrics(fmt.Sprintf(aQueue, "priority", "high"))},
		{name: "a selector that matches nothing", want: "D504", patches: metrics(fmt.Sprintf(aQueue, "queue", "email"))},
		{name: "scraped, but no series", want: "D505", silent: true},
		{name: "NaN", want: "D506", fault: fault{Kind: "not-a-number"}},
		{name: "old samples", want: "D507", fault: fault{Kind: "outdated"}},
		{name: "a percentile divided by pods", want: "D509", patches: metrics(fmt.Sprintf(aP95, "web", "http_p95_seconds", `{"type": "AverageValue", "averageValue": "500m"}`))},
		{name: "a total as a Value", want: "D510", patches: metrics(fmt.Sprintf(aP95, "web", "http_requests", `{"type": "Value", "value": "100"}`))},
		{name: "a target in milliseconds", want: "D511", patches: metrics(fmt.Sprintf(aP95, "web", "http_p95_seconds", `{"type": "Value", "value": "500"}`))},
		{name: "an external metric of a Deployment", want: "D512", patches: metrics(fmt.Sprintf(aQueue, "deployment", "web"))},

		{name: "no monitor", want: "D601", silent: true, patches: map[located]string{webMonitor: ""}},
		{name: "the monitor selects another label", want: "D602", silent: true, patches: map[located]string{webMonitor: `{"spec": {"selector": {"matchLabels": {"tier": "front"}}}}`}},
		{name: "the monitor is for another namespace", want: "D603", silent: true, patches: map[located]string{webMonitor: `{"spec": {"namespaceSelector": {"matchNames": ["front"]}}}`}},
		{name: "the monitor names another port", want: "D604", silent: true, patches: map[located]string{webMonitor: `{"spec": {"endpoints": [{"port": "metrics"}]}}`}},
		{name: "no Prometheus takes up the monitor", want: "D605", silent: true, patches: map[located]string{webMonitor: `{"metadata": {"labels": {"release": "other"}}}`}},
		// The last one, as a backend that was away is asked again only now and then.
		{name: "a backend fails", want: "D308", fault: fault{Kind: "status", Code: 500}},
	}
}

// TestDoctor plants faults, one after another, in a cluster that works: doctor
// finds each of them and nothing else.
func TestDoctor(t *testing.T) {
	c := startCluster(t, built, oftenSync)
	c.farm = startFarm(c)
	setup := pitotSetup{config: "pitot-doctor.yaml", values: map[string]any{"Farm": c.farm.url}, flags: []string{"--max-age=5s"}}
	c.pitot = startPitot(c, setup)
	c.openShopForDoctor(t)

	admin := filepath.Join(c.pki, "admin.kubeconfig")
	c.doctorSays(t, admin, "", time.Minute)
	for _, trouble := range troublesOf(c.rightsOfPitot(t)) {
		t.Run(trouble.name, func(t *testing.T) {
			heal := c.plant(t, trouble)
			defer heal()
			c.doctorSays(t, admin, trouble.want, 30*time.Second)
		})
	}
	c.doctorSays(t, admin, "", time.Minute)
	t.Run("two HPAs on one target", func(t *testing.T) {
		second := trial.Must(c.objects(webHPA).Get(c.Ctx, webHPA.name, metav1.GetOptions{}))(c)
		second.SetName("web-2")
		second.SetResourceVersion("")
		second.SetUID("")
		trial.Must(c.objects(webHPA).Create(c.Ctx, second, metav1.CreateOptions{}))(c)
		defer func() { c.Check(c.objects(webHPA).Delete(c.Ctx, "web-2", metav1.DeleteOptions{})) }()
		c.doctorSays(t, admin, "D403", 30*time.Second)
	})
	t.Run("Argo CD sets replicas", func(t *testing.T) {
		owns := func(spec string) {
			body := `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": ` + spec + `}`
			trial.Must(c.objects(webTarget).Patch(c.Ctx, "web", types.ApplyPatchType, []byte(body), metav1.PatchOptions{FieldManager: "argocd-controller", Force: new(true)}))(c)
		}
		owns(`{"replicas": 1}`)
		defer owns(`{}`)
		c.doctorSays(t, admin, "D405", 30*time.Second)
	})
	t.Run("a slow controller", func(t *testing.T) {
		c.replaceController(t, "--kube-api-qps=0.1")
		defer c.replaceController(t, "--leader-elect=true")
		c.doctorSays(t, admin, "D701", 30*time.Second)
	})
	t.Run("a controller of another mind", func(t *testing.T) {
		c.replaceController(t, "--horizontal-pod-autoscaler-sync-period=5m")
		defer c.replaceController(t, "--leader-elect=true")
		c.doctorSays(t, admin, "D702", 30*time.Second)
	})
	t.Run("nothing is left", func(t *testing.T) { c.doctorSays(t, admin, "", 30*time.Second) })
	t.Run("the rights of one namespace are enough for its HPAs", func(t *testing.T) { testDeveloper(t, c) })
	t.Run("text", func(t *testing.T) {
		out, code := c.doctor(t, "doctor", "--kubeconfig="+admin, "shop/web")
		if code != 0 || !strings.Contains(out, "nothing found") || !strings.Contains(out, "available, verified") {
			t.Errorf("exit code %d:\n%s", code, out)
		}
	})
}

// A developer may read one namespace. What is wrong there is found, and the
// report says what was not seen.
func testDeveloper(t *testing.T, c *cluster) {
	file := c.control.Kubeconfig(c.control.User("developer", "developer"))
	if out, code := c.doctor(t, "doctor", "--kubeconfig="+file); code != 1 || !strings.Contains(out, "horizontalpodautoscalers") {
		t.Errorf("in all namespaces: exit code %d:\n%s", code, out)
	}
	heal := c.plant(t, trouble{patches: metrics(fmt.Sprintf(aPodsMetric, "http_request_per_second"), fmt.Sprintf(aQueue, "queue", "email"))})
	defer heal()
	c.doctorSays(t, file, "D501 D504", 30*time.Second, "shop")
	out, code := c.doctor(t, "doctor", "--kubeconfig="+file, "shop")
	if code != 3 {
		t.Errorf("exit code %d", code)
	}
	for _, unseen := range []string{"apiservices.apiregistration.k8s.io", "rights of service accounts", "servicemonitors.monitoring.coreos.com", "flags of kube-controller-manager"} {
		if !strings.Contains(out, unseen) {
			t.Errorf("not a word of %s:\n%s", unseen, out)
		}
	}
}

// openShopForDoctor makes the objects of testdata/doctor.yaml, and series of them.
func (c *cluster) openShopForDoctor(t *testing.T) {
	t.Helper()
	config := trial.Must(os.ReadFile(filepath.Join(c.Folder, "pitot.yaml")))(c)
	text := trial.Must(render("doctor.yaml", map[string]any{"Kinds": doctorKinds, "Config": string(config)}))(c)
	c.Eventually(t, time.Minute, "the objects of testdata/doctor.yaml are there", func(ctx context.Context) error {
		// The kinds take a moment, and so do the service accounts of namespaces.
		_ = c.applier.Serves(schema.GroupKind{})
		return c.applier.Apply(ctx, text)
	})
	c.awaitReplicas(t, "shop", "web", 1)
	c.awaitReplicas(t, "pitot", "pitot", 2)
	c.series(t, false)
}

// rightsOfPitot are the ClusterRole of the service account pitot/pitot, and its
// RoleBinding in kube-system.
func (c *cluster) rightsOfPitot(t *testing.T) (role, reader located) {
	t.Helper()
	isPitot := func(s rbacv1.Subject) bool { return s.Namespace == "pitot" && s.Name == "pitot" }
	roles, err1 := c.client.RbacV1().ClusterRoleBindings().List(c.Ctx, metav1.ListOptions{})
	readers, err2 := c.client.RbacV1().RoleBindings("kube-system").List(c.Ctx, metav1.ListOptions{})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for _, binding := range roles.Items {
		if slices.ContainsFunc(binding.Subjects, isPitot) && binding.RoleRef.Name != "system:auth-delegator" {
			role = at("rbac.authorization.k8s.io", "v1", "clusterroles", "", binding.RoleRef.Name)
		}
	}
	for _, binding := range readers.Items {
		if slices.ContainsFunc(binding.Subjects, isPitot) {
			reader = at("rbac.authorization.k8s.io", "v1", "rolebindings", "kube-system", binding.Name)
		}
	}
	return role, reader
}

// series gives Prometheus the series of the shop, or all but those of the pods.
func (c *cluster) series(t *testing.T, silent bool) {
	t.Helper()
	all := []series{
		{map[string]string{"__name__": "latency", "namespace": "shop", "deployment": "web"}, 0.2},
		{map[string]string{"__name__": "jobs", "namespace": "shop", "queue": "emails", "deployment": "web"}, 12},
	}
	pods, err := c.client.CoreV1().Pods("shop").List(c.Ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if !silent {
			all = append(all, series{map[string]string{"__name__": "load", "namespace": "shop", "pod": pod.Name}, 40})
		}
	}
	if err := c.farm.setSeries(c.Ctx, "main", all); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) objects(l located) resourceClient {
	return c.dynamic.Resource(l.GroupVersionResource).Namespace(l.namespace)
}

// resourceClient is what the test calls of a dynamic client.
type resourceClient interface {
	Get(context.Context, string, metav1.GetOptions, ...string) (*unstructured.Unstructured, error)
	Create(context.Context, *unstructured.Unstructured, metav1.CreateOptions, ...string) (*unstructured.Unstructured, error)
	Update(context.Context, *unstructured.Unstructured, metav1.UpdateOptions, ...string) (*unstructured.Unstructured, error)
	Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (*unstructured.Unstructured, error)
	Delete(context.Context, string, metav1.DeleteOptions, ...string) error
}

// plant makes a trouble. Call heal to end it.
func (c *cluster) plant(t *testing.T, trouble trouble) (heal func()) {
	t.Helper()
	var heals []func()
	for l, patch := range trouble.patches {
		before, err := c.objects(l).Get(c.Ctx, l.name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if patch == "" {
			err = c.objects(l).Delete(c.Ctx, l.name, metav1.DeleteOptions{})
		} else {
			patch = strings.ReplaceAll(patch, "OTHER", otherBundle(c))
			_, err = c.objects(l).Patch(c.Ctx, l.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "trouble"})
		}
		if err != nil {
			t.Fatalf("%s %s: %v", l.Resource, l.name, err)
		}
		heals = append(heals, func() { c.restore(t, l, before) })
	}
	if trouble.silent {
		c.series(t, true)
		heals = append(heals, func() { c.series(t, false) })
	}
	if trouble.fault.Kind != "" {
		if err := c.farm.setFault(c.Ctx, "main", trouble.fault); err != nil {
			t.Fatal(err)
		}
		heals = append(heals, func() { c.Check(c.farm.setFault(c.Ctx, "main", healthy)) })
	}
	return func() {
		for _, heal := range heals {
			heal()
		}
	}
}

// restore makes an object as it was, whether it still exists or not.
func (c *cluster) restore(t *testing.T, l located, before *unstructured.Unstructured) {
	t.Helper()
	c.Eventually(t, 10*time.Second, l.Resource+" "+l.name+" is as it was", func(ctx context.Context) error {
		now, err := c.objects(l).Get(ctx, l.name, metav1.GetOptions{})
		next := before.DeepCopy()
		next.SetManagedFields(nil)
		if apierrors.IsNotFound(err) {
			next.SetResourceVersion("")
			next.SetUID("")
			_, err = c.objects(l).Create(ctx, next, metav1.CreateOptions{FieldManager: "trouble"})
			return err
		}
		if err != nil {
			return err
		}
		next.SetResourceVersion(now.GetResourceVersion())
		_, err = c.objects(l).Update(ctx, next, metav1.UpdateOptions{FieldManager: "trouble"})
		return err
	})
}

// otherBundle is a CA that signed nothing.
func otherBundle(c *cluster) string {
	other := trial.Must(pki.New(c.pki, "other-ca"))(c)
	return base64.StdEncoding.EncodeToString(trial.Must(os.ReadFile(other.CertFile()))(c))
}

// replaceController shows another flag of kube-controller-manager: in a pod of
// another name, since kwok may delete the old one a second time, by its name.
func (c *cluster) replaceController(t *testing.T, flag string) {
	t.Helper()
	pods := c.client.CoreV1().Pods("kube-system")
	labels := map[string]string{"component": "kube-controller-manager"}
	old, err := pods.List(c.Ctx, metav1.ListOptions{LabelSelector: "component=kube-controller-manager"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range old.Items {
		c.Check(pods.Delete(c.Ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	}
	trial.Must(pods.Create(c.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "kube-controller-manager-", Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "kube-controller-manager", Image: "kube-controller-manager", Command: []string{"kube-controller-manager", flag},
		}}},
	}, metav1.CreateOptions{}))(c)
}

// doctorSays waits until doctor finds exactly these codes.
func (c *cluster) doctorSays(t *testing.T, kubeconfig, codes string, within time.Duration, args ...string) {
	t.Helper()
	c.Eventually(t, within, "doctor says "+strings.TrimSpace(codes+" "), func(context.Context) error {
		out, _ := c.doctor(t, append([]string{"doctor", "-o", "json", "--kubeconfig=" + kubeconfig}, args...)...)
		var report struct {
			Findings []struct{ Code, What string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var found []string
		for _, f := range report.Findings {
			found = append(found, f.Code)
		}
		if got := strings.Join(slices.Compact(found), " "); got != codes {
			return fmt.Errorf("%q, want %q: %+v", got, codes, report.Findings)
		}
		return nil
	})
}

// doctor runs pitot and returns what it prints, and its exit code.
func (c *cluster) doctor(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var all bytes.Buffer
	command := exec.CommandContext(c.Ctx, c.programs.pitot, args...)
	command.Stdout, command.Stderr = &all, &all
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return all.String(), command.ProcessState.ExitCode()
}
