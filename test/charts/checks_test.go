package charts

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/app"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// TestValueSets looks at everything that each set of values renders.
func TestValueSets(t *testing.T) {
	eachValueSet(t, func(t *testing.T, r release) {
		text := manifest(rendered(t, r))
		if again := manifest(rendered(t, r)); again != text {
			t.Errorf("a second rendering differs:\n%s", unified("first", text, "second", again))
		}
		all := decode(t, text)
		for _, o := range all {
			checkNulls(t, o)
			checkName(t, r, o)
		}
		checkUnique(t, all)
		checkSelectors(t, all)
		checkPorts(t, all)
		checkPodSecurity(t, all)
		checkFiles(t, all)
		checkMemory(t, all)
		checkCertificate(t, all)
		checkRights(t, all)
		checkConfiguration(t, all)
		checkCommandLine(t, all)
	})
}

// checkNulls finds fields without a value: what applies them either drops or keeps
// them, and GitOps shows a difference for ever.
func checkNulls(t *testing.T, o object) {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(o.text), &value); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case nil:
			t.Errorf("%s: %s is null", o, path)
		case map[string]any:
			for key, below := range value {
				walk(path+"."+key, below)
			}
		case []any:
			for i, below := range value {
				walk(fmt.Sprintf("%s[%d]", path, i), below)
			}
		}
	}
	walk("", value)
}

// checkName checks where an object is and what it is called, and its labels.
func checkName(t *testing.T, r release, o object) {
	t.Helper()
	switch namespace := o.meta.GetNamespace(); o.kind() {
	case "ClusterRole", "ClusterRoleBinding", "APIService":
		if namespace != "" {
			t.Errorf("%s has no namespace, and says %q", o, namespace)
		}
	case "Role", "RoleBinding":
		elsewhere := namespace == "kube-system" || strings.HasSuffix(o.meta.GetName(), ":teams")
		if namespace != r.namespace && !elsewhere {
			t.Errorf("%s is in another namespace than the release", o)
		}
	default:
		if namespace != r.namespace {
			t.Errorf("%s is in another namespace than the release", o)
		}
		for _, problem := range validation.IsDNS1123Subdomain(o.meta.GetName()) {
			t.Errorf("%s: %s", o, problem)
		}
	}
	if o.kind() == "Service" {
		for _, problem := range validation.IsDNS1035Label(o.meta.GetName()) {
			t.Errorf("%s: %s", o, problem)
		}
	}
	for key, value := range o.meta.GetLabels() {
		for _, problem := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
			t.Errorf("%s: label %s=%q: %s", o, key, value, problem)
		}
	}
	if o.meta.GetLabels()["app.kubernetes.io/instance"] != r.name && !strings.HasSuffix(o.meta.GetName(), "as-yaml") && !strings.HasSuffix(o.meta.GetName(), "as-text") {
		t.Errorf("%s does not say what release it is of", o)
	}
}

func checkUnique(t *testing.T, all []object) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range all {
		if seen[o.String()] {
			t.Errorf("%s is there twice", o)
		}
		seen[o.String()] = true
	}
}

// checkSelectors finds out whether each selector selects what it is for.
func checkSelectors(t *testing.T, all []object) {
	t.Helper()
	deployment, service := one[*appsv1.Deployment](t, all), one[*corev1.Service](t, all)
	pod := deployment.Spec.Template.Labels
	selects := func(what string, s *metav1.LabelSelector, set map[string]string) {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(labels.Set(set)) {
			t.Errorf("the selector %s of %s does not select %v: %v", selector, what, set, err)
		}
	}
	selects("the Deployment", deployment.Spec.Selector, pod)
	selects("the Service", metav1.SetAsLabelSelector(service.Spec.Selector), pod)
	for _, o := range of[*policyv1.PodDisruptionBudget](all) {
		selects("the PodDisruptionBudget", o.Spec.Selector, pod)
	}
	for _, o := range of[*networkingv1.NetworkPolicy](all) {
		selects("the NetworkPolicy", &o.Spec.PodSelector, pod)
	}
	for _, o := range of[*monitoring.ServiceMonitor](all) {
		selects("the ServiceMonitor", &o.Spec.Selector, service.Labels)
	}
	for _, o := range of[*monitoring.PodMonitor](all) {
		selects("the PodMonitor", &o.Spec.Selector, pod)
	}
	for _, c := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selects("the spread over "+c.TopologyKey, c.LabelSelector, pod)
	}
}

// checkPorts follows a request from the kube-apiserver to the process.
func checkPorts(t *testing.T, all []object) {
	t.Helper()
	deployment, service := one[*appsv1.Deployment](t, all), one[*corev1.Service](t, all)
	pitot := pitotOf(deployment)
	if len(service.Spec.Ports) != 1 || len(pitot.Ports) != 1 {
		t.Fatalf("%d ports of the Service and %d of the container, want one each", len(service.Spec.Ports), len(pitot.Ports))
	}
	port, container := service.Spec.Ports[0], pitot.Ports[0]
	if port.TargetPort.StrVal != container.Name {
		t.Errorf("the Service leads to port %q, and the container has %q", port.TargetPort.StrVal, container.Name)
	}
	if got := arguments(pitot, "--secure-port"); !slices.Equal(got, []string{fmt.Sprint(container.ContainerPort)}) {
		t.Errorf("--secure-port is %s, and the container's port %d", got, container.ContainerPort)
	}
	for _, o := range of[*apiregistration.APIService](all) {
		at := o.Spec.Service
		if at.Name != service.Name || at.Namespace != service.Namespace || *at.Port != port.Port {
			t.Errorf("APIService %s leads to %s/%s:%d, and the Service is %s/%s:%d",
				o.Name, at.Namespace, at.Name, *at.Port, service.Namespace, service.Name, port.Port)
		}
		if o.Name != o.Spec.Version+"."+o.Spec.Group {
			t.Errorf("APIService %s is of %s/%s", o.Name, o.Spec.Group, o.Spec.Version)
		}
	}
	for _, o := range of[*networkingv1.NetworkPolicy](all) {
		if got := o.Spec.Ingress[0].Ports[0].Port.StrVal; len(o.Spec.Ingress) != 1 || got != container.Name {
			t.Errorf("the NetworkPolicy lets port %q in, and the container has %q", got, container.Name)
		}
	}
	for _, o := range of[*monitoring.ServiceMonitor](all) {
		if o.Spec.Endpoints[0].Port != port.Name {
			t.Errorf("the ServiceMonitor scrapes port %q, and the Service has %q", o.Spec.Endpoints[0].Port, port.Name)
		}
	}
	for _, o := range of[*monitoring.PodMonitor](all) {
		if got := *o.Spec.PodMetricsEndpoints[0].Port; got != container.Name {
			t.Errorf("the PodMonitor scrapes port %q, and the container has %q", got, container.Name)
		}
	}
	for _, probe := range []*corev1.Probe{pitot.LivenessProbe, pitot.ReadinessProbe} {
		if probe.HTTPGet.Port.StrVal != container.Name || probe.HTTPGet.Scheme != corev1.URISchemeHTTPS {
			t.Errorf("a probe asks %v, and the container has HTTPS at %q", probe.HTTPGet, container.Name)
		}
	}
}

// checkPodSecurity asks Kubernetes' own evaluator.
func checkPodSecurity(t *testing.T, all []object) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	evaluate := func(what string, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
		if result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, meta, spec)); !result.Allowed {
			t.Errorf("%s is not restricted: %s", what, result.ForbiddenDetail())
		}
		for _, c := range spec.Containers {
			if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Errorf("container %s of %s can write to its image", c.Name, what)
			}
		}
	}
	template := &one[*appsv1.Deployment](t, all).Spec.Template
	evaluate("the Deployment", &template.ObjectMeta, &template.Spec)
	for _, pod := range of[*corev1.Pod](all) {
		evaluate("pod "+pod.Name, &pod.ObjectMeta, &pod.Spec)
	}
}

// checkFiles finds a volume for each file that a flag names, and the objects of
// the release for the volumes.
func checkFiles(t *testing.T, all []object) {
	t.Helper()
	deployment := one[*appsv1.Deployment](t, all)
	spec, pitot := deployment.Spec.Template.Spec, pitotOf(deployment)
	for _, flag := range []string{"--config", "--tls-cert-file", "--tls-private-key-file"} {
		for _, file := range arguments(pitot, flag) {
			if !slices.ContainsFunc(pitot.VolumeMounts, func(m corev1.VolumeMount) bool {
				return file == m.MountPath || strings.HasPrefix(file, m.MountPath+"/")
			}) {
				t.Errorf("%s=%s is in no volume", flag, file)
			}
		}
	}
	for _, mount := range pitot.VolumeMounts {
		if mount.SubPath != "" {
			t.Errorf("%s is mounted by its subPath, so that changes never arrive", mount.Name)
		}
		if !slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name }) {
			t.Errorf("no volume %s", mount.Name)
		}
	}
	for _, volume := range spec.Volumes {
		if volume.ConfigMap != nil && !slices.ContainsFunc(of[*corev1.ConfigMap](all), func(c *corev1.ConfigMap) bool { return c.Name == volume.ConfigMap.Name }) {
			t.Errorf("no ConfigMap %s", volume.ConfigMap.Name)
		}
	}
}

// checkMemory holds GOMEMLIMIT against the limit.
func checkMemory(t *testing.T, all []object) {
	t.Helper()
	pitot := pitotOf(one[*appsv1.Deployment](t, all))
	limit := pitot.Resources.Limits.Memory().Value()
	var values []string
	for _, env := range pitot.Env {
		if env.Name == "GOMEMLIMIT" {
			values = append(values, env.Value)
		}
	}
	switch {
	case limit == 0 && len(values) == 0:
		return
	case limit == 0 || len(values) != 1:
		t.Errorf("GOMEMLIMIT %s for a limit of %d bytes", values, limit)
	case strings.HasSuffix(values[0], "iB"): // of the user's own
		return
	default:
		got := resource.MustParse(values[0])
		if want := limit * 9 / 10; got.Value() < want-1 || got.Value() > want+1 {
			t.Errorf("GOMEMLIMIT is %s, and 90%% of the limit are %d", values[0], want)
		}
	}
}

// checkCertificate holds the mode that the arguments mean against what the other
// objects need for it.
func checkCertificate(t *testing.T, all []object) {
	t.Helper()
	pitot := pitotOf(one[*appsv1.Deployment](t, all))
	auto := len(arguments(pitot, "--certificates")) > 0
	files := len(arguments(pitot, "--tls-cert-file")) > 0
	for _, o := range of[*apiregistration.APIService](all) {
		injected := slices.ContainsFunc(slices.Collect(maps.Keys(o.Annotations)), func(key string) bool { return strings.Contains(key, "inject-ca") })
		switch spec := o.Spec; {
		case auto:
			if len(spec.CABundle) > 0 || spec.InsecureSkipTLSVerify || injected {
				t.Errorf("APIService %s: its caBundle is Pitot's to write", o.Name)
			}
			if !slices.Contains(arguments(pitot, "--apiservice"), o.Name) {
				t.Errorf("APIService %s: Pitot is not told to keep it", o.Name)
			}
		case files:
			if spec.InsecureSkipTLSVerify || (len(spec.CABundle) == 0) != injected {
				t.Errorf("APIService %s: either a caBundle or its injection", o.Name)
			}
		default:
			if !spec.InsecureSkipTLSVerify {
				t.Errorf("APIService %s: nothing verifies the certificate, and nothing says so", o.Name)
			}
		}
	}
	for _, o := range of[*corev1.Secret](all) {
		if len(o.Data) > 0 || len(o.StringData) > 0 {
			t.Errorf("Secret %s: an upgrade would replace what Pitot wrote", o.Name)
		}
	}
	own := slices.ContainsFunc(of[*corev1.Secret](all), func(s *corev1.Secret) bool {
		return slices.Equal(arguments(pitot, "--ca-secret"), []string{"$(NAMESPACE)/" + s.Name})
	})
	if auto != own {
		t.Errorf("--certificates auto is %t, and its Secret is there: %t", auto, own)
	}
}

// checkConfiguration reads the files of the ConfigMap as "pitot check" does.
func checkConfiguration(t *testing.T, all []object) {
	t.Helper()
	name := one[*appsv1.Deployment](t, all).Name
	for _, o := range of[*corev1.ConfigMap](all) {
		if o.Name != name {
			continue
		}
		var files []rule.File
		for _, file := range slices.Sorted(maps.Keys(o.Data)) {
			files = append(files, rule.File{Name: file, Text: []byte(o.Data[file])})
		}
		_, err := rule.Load(files...)
		if err != nil && !strings.Contains(err.Error(), "no rule is configured") {
			t.Errorf("the configuration is refused: %v\n%s", err, o.Data)
		}
		return
	}
	t.Errorf("no ConfigMap %s", name)
}

// checkCommandLine starts Pitot with the arguments of the container, for a cluster
// that is not there: a wrong command line ends with another exit code.
func checkCommandLine(t *testing.T, all []object) {
	t.Helper()
	pitot := pitotOf(one[*appsv1.Deployment](t, all))
	config := filepath.Join(t.TempDir(), "pitot.yaml")
	if err := os.WriteFile(config, []byte("apiVersion: pitot.dev/v1alpha1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, arg := range pitot.Args {
		switch {
		case strings.HasPrefix(arg, "--config="):
			arg = "--config=" + config
		case strings.HasPrefix(arg, "--tls-cert-file="), strings.HasPrefix(arg, "--tls-private-key-file="):
			continue // read before anything else
		}
		args = append(args, strings.ReplaceAll(arg, "$(NAMESPACE)", "monitoring"))
	}
	args = append(args, "--kubeconfig="+filepath.Join(t.TempDir(), "missing"))
	var said strings.Builder
	env := app.Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &said, Getenv: os.Getenv}
	if code := app.Main(context.Background(), env, args); code != 1 || !strings.Contains(said.String(), "missing") {
		t.Errorf("pitot %s: exit code %d: %s", strings.Join(args, " "), code, said.String())
	}
}

// equal reports a difference between two values.
func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
