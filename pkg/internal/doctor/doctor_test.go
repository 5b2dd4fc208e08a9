package doctor

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

var now = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// The reads of shop/web in testdata/healthy.yaml.
const (
	requests = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second?labelSelector=app%3Dweb"
	p95      = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/deployments.apps/web/http_p95_seconds"
	queue    = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth?labelSelector=queue%3Demails"
)

// healthy are the facts of testdata/healthy.yaml, with answers to all questions.
func healthy(t testing.TB) *Facts {
	t.Helper()
	facts := &Facts{
		Now: now, Kinds: map[schema.GroupKind]Kind{}, Workloads: map[Object]*Workload{}, Described: map[Object]bool{},
		NamespaceLabels: map[string]labels.Set{"shop": {}, "monitoring": {}},
		Controller:      ReadController("kube-system/kube-controller-manager", nil),
		Pitot:           &Installation{},
	}
	for kind, resource := range map[schema.GroupKind]string{
		{Group: "apps", Kind: "Deployment"}:                          "deployments",
		{Kind: "Namespace"}:                                          "namespaces",
		{Group: OperatorGroup, Kind: ServiceMonitor}:                 "servicemonitors",
		{Group: OperatorGroup, Kind: PodMonitor}:                     "podmonitors",
		{Group: "networking.k8s.io", Kind: "Ingress"}:                "ingresses",
		{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}: "verticalpodautoscalers",
	} {
		facts.Kinds[kind] = Kind{Resource: schema.GroupVersionResource{Group: kind.Group, Version: "v1", Resource: resource}, Namespaced: resource != "namespaces"}
	}
	for _, o := range objects(t, "testdata/healthy.yaml") {
		facts.add(t, o)
	}
	for _, right := range facts.ControllerRights() {
		facts.ControllerGrants = append(facts.ControllerGrants, Grant{Right: right, Account: HPAController.String(), Allowed: true})
	}
	for _, right := range facts.Pitot.PitotRights() {
		facts.PitotGrants = append(facts.PitotGrants, Grant{Right: right, Account: "monitoring/pitot", Allowed: true})
	}
	facts.Readings = map[string]Reading{
		requests: answered(90_000, 110_000),
		p95:      answered(320),
		queue:    answered(12_000),
	}
	return facts
}

func objects(t testing.TB, file string) (objects []*unstructured.Unstructured) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := documents.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
}

// add takes an object for a fact.
func (f *Facts) add(t testing.TB, o *unstructured.Unstructured) {
	t.Helper()
	ofPitot := o.GetNamespace() == "monitoring"
	switch o.GetKind() {
	case "APIService":
		f.APIServices = append(f.APIServices, NewAPIService(o))
	case "HorizontalPodAutoscaler":
		f.Autoscalers = append(f.Autoscalers, typed[autoscalingv2.HorizontalPodAutoscaler](t, o))
	case "Deployment":
		if ofPitot {
			convert(t, o, &f.Pitot.Deployment)
			return
		}
		w := NewWorkload(o)
		f.Workloads[w.Object] = &w
	case "Pod":
		if ofPitot {
			f.Pitot.Pods = append(f.Pitot.Pods, typed[corev1.Pod](t, o))
			return
		}
		f.Pods = append(f.Pods, typed[corev1.Pod](t, o))
	case "Service":
		f.Services = append(f.Services, typed[corev1.Service](t, o))
	case "PodDisruptionBudget":
		f.Pitot.Budgets = append(f.Pitot.Budgets, typed[policyv1.PodDisruptionBudget](t, o))
	case "ConfigMap":
		text, _, _ := unstructured.NestedString(o.Object, "data", "pitot.yaml")
		f.Config, f.ConfigProblems = rule.LoadPartial(rule.File{Name: "pitot.yaml", Text: []byte(text)})
	case ServiceMonitor, PodMonitor:
		f.Monitors = append(f.Monitors, NewMonitor(o))
	case "Prometheus":
		f.Scrapers = append(f.Scrapers, NewScraper(o))
	default:
		t.Fatalf("%s: no fact", o.GetKind())
	}
}

func typed[T any](t testing.TB, o *unstructured.Unstructured) (out T) {
	t.Helper()
	convert(t, o, &out)
	return out
}

func convert(t testing.TB, o *unstructured.Unstructured, out any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, out); err != nil {
		t.Fatal(err)
	}
}

func answered(milli ...int64) (r Reading) {
	for _, m := range milli {
		r.Values = append(r.Values, Value{Milli: m, At: now.Add(-10 * time.Second)})
	}
	return r
}

func failed(code int, cause, message string) Reading {
	return Reading{Failure: &Failure{Code: code, Cause: cause, Message: message}}
}

// found writes findings as lines: code, objects.
func found(facts *Facts) (lines []string) {
	for _, f := range Examine(facts) {
		lines = append(lines, string(f.Code)+" "+strings.Join(f.Objects, ", "))
	}
	return lines
}

// The parts of facts that tests change.
func (f *Facts) hpa() *autoscalingv2.HorizontalPodAutoscaler { return &f.Autoscalers[0] }
func (f *Facts) web() *Workload {
	return f.Workloads[Object{GroupKind: schema.GroupKind{Group: "apps", Kind: "Deployment"}, Namespace: "shop", Name: "web"}]
}
func (f *Facts) eachAPI(change func(*APIService)) {
	for i := range f.APIServices {
		if f.APIServices[i].Group != ResourceGroup {
			change(&f.APIServices[i])
		}
	}
}

// refuse takes a right from Pitot.
func (f *Facts) refuse(resource string) {
	for i := range f.PitotGrants {
		if f.PitotGrants[i].Resource == resource {
			f.PitotGrants[i].Allowed = false
		}
	}
}

const threeAPIs = "apiservice v1beta1.custom.metrics.k8s.io, apiservice v1beta1.external.metrics.k8s.io, apiservice v1beta2.custom.metrics.k8s.io"

// nothing is what Pitot says of pods that are not scraped.
var nothing = failed(404, "empty", `metric "http_requests_per_second": none of the 1 objects has a value; shop/web-1: no series with namespace="shop" and pod="web-1"`)

func TestExamine(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Facts)
		want   []string
	}{
		{"all is well", func(*Facts) {}, nil},

		// The metrics APIs.
		{"nobody serves external metrics", func(f *Facts) {
			f.APIServices = append(f.APIServices[:2:2], f.APIServices[3])
			delete(f.Readings, queue)
		}, []string{"D101 hpa shop/web"}},
		{"nobody serves resource metrics", func(f *Facts) { f.APIServices = f.APIServices[:3] }, []string{"D101 hpa shop/web"}},
		{"a version that nobody serves is not missed", func(f *Facts) {
			f.APIServices = append(f.APIServices[:1:1], f.APIServices[2:]...)
			f.Readings = map[string]Reading{}
		}, nil},
		{"the APIServices could not be read", func(f *Facts) {
			f.APIServices, f.Readings = nil, nil
			f.Served = map[string]string{CustomGroup: "v1beta2", ExternalGroup: "v1beta1", ResourceGroup: "v1beta1"}
			f.Gaps = []Gap{{Resource: "apiservices.apiregistration.k8s.io", Why: "forbidden"}}
		}, nil},
		{"the list of APIs is enough to read, and to miss one", func(f *Facts) {
			f.APIServices, f.Served = nil, map[string]string{CustomGroup: "v1beta2", ResourceGroup: "v1beta1"}
			f.Gaps = []Gap{{Resource: "apiservices.apiregistration.k8s.io", Why: "forbidden"}}
			f.Readings[p95] = failed(500, "", "boom")
		}, []string{"D101 hpa shop/web", "D508 hpa shop/web"}},
		{"the Service is gone", func(f *Facts) {
			f.eachAPI(func(a *APIService) { a.Available, a.Reason = "False", "ServiceNotFound" })
		}, []string{"D102 " + threeAPIs}},
		{"no endpoint is ready", func(f *Facts) {
			f.eachAPI(func(a *APIService) { a.Available, a.Reason = "False", "MissingEndpoints" })
		}, []string{"D103 " + threeAPIs}},
		{"the certificate is of another CA", func(f *Facts) {
			f.eachAPI(func(a *APIService) {
				a.Available, a.Reason, a.Message = "False", "FailedDiscoveryCheck", "tls: failed to verify certificate: x509: certificate signed by unknown authority"
			})
		}, []string{"D104 " + threeAPIs}},
		{"a firewall", func(f *Facts) {
			f.eachAPI(func(a *APIService) {
				a.Available, a.Reason, a.Message = "False", "FailedDiscoveryCheck", "context deadline exceeded"
			})
		}, []string{"D105 " + threeAPIs}},
		{"one version of two is down", func(f *Facts) {
			f.APIServices[0].Available, f.APIServices[0].Reason = "False", "MissingEndpoints"
		}, []string{"D103 apiservice v1beta1.custom.metrics.k8s.io"}},
		{"nobody verifies", func(f *Facts) { f.eachAPI(func(a *APIService) { a.InsecureSkipTLSVerify = true }) }, []string{"D106 " + threeAPIs}},
		{"the bundle is no certificate", func(f *Facts) { f.APIServices[0].CABundle = []byte("secret") }, []string{"D107 apiservice v1beta1.custom.metrics.k8s.io"}},
		{"the bundle has ended", func(f *Facts) { f.APIServices[0].CABundle = bundle(t, now.Add(-time.Hour)) }, []string{"D107 apiservice v1beta1.custom.metrics.k8s.io"}},
		{"the bundle ends soon", func(f *Facts) { f.APIServices[0].CABundle = bundle(t, now.Add(-time.Hour), now.Add(48*time.Hour)) }, []string{"D108 apiservice v1beta1.custom.metrics.k8s.io"}},
		{"a bundle that never lives long", func(f *Facts) { f.APIServices[0].CABundle = shortBundle(t) }, nil},
		{"the bundle is valid", func(f *Facts) { f.APIServices[0].CABundle = bundle(t, now.Add(1000*time.Hour)) }, nil},
		{"two adapters share a group", func(f *Facts) { f.APIServices[0].Service.Name = "prometheus-adapter" }, []string{"D109 api custom.metrics.k8s.io"}},

		// Rights.
		{"the HPA controller may not read", func(f *Facts) { f.ControllerGrants[0].Allowed = false }, []string{"D201 api custom.metrics.k8s.io"}},
		{"Pitot may not list pods", func(f *Facts) {
			f.refuse("pods")
			f.Readings[p95] = failed(503, "pods-unknown", "the pods are not known yet")
		}, []string{"D202 deployment monitoring/pitot"}},
		{"Pitot may not ask who may read", func(f *Facts) { f.refuse("tokenreviews"); f.refuse("subjectaccessreviews") }, []string{"D203 deployment monitoring/pitot"}},
		{"Pitot may not read the aggregator's CA", func(f *Facts) { f.refuse("configmaps") }, []string{"D204 deployment monitoring/pitot"}},
		{"Pitot may not write its authority", func(f *Facts) { f.refuse("secrets") }, []string{"D202 deployment monitoring/pitot"}},

		// Pitot.
		{"no replica is ready", func(f *Facts) { f.Pitot.Deployment.Status.ReadyReplicas = 0 }, []string{"D301 deployment monitoring/pitot"}},
		{"one of two is ready", func(f *Facts) { f.Pitot.Deployment.Status.ReadyReplicas = 1 }, []string{"D302 deployment monitoring/pitot"}},
		{"one replica, which needs no budget", func(f *Facts) { f.Pitot.Deployment.Spec.Replicas, f.Pitot.Budgets = new(int32(1)), nil }, []string{"D303 deployment monitoring/pitot"}},
		{"no budget", func(f *Facts) { f.Pitot.Budgets = nil }, []string{"D304 deployment monitoring/pitot"}},
		{"budgets could not be read", func(f *Facts) { f.Pitot.Budgets, f.Pitot.BudgetsUnknown = nil, true }, nil},
		{"a budget that permits nothing", func(f *Facts) { f.Pitot.Budgets[0].Status.DisruptionsAllowed = 0 }, []string{"D305 poddisruptionbudget monitoring/pitot"}},
		{"a budget that is used up", func(f *Facts) {
			f.Pitot.Budgets[0].Status.DisruptionsAllowed, f.Pitot.Budgets[0].Status.CurrentHealthy = 0, 1
		}, nil},
		{"two images", func(f *Facts) { f.Pitot.Pods[0].Spec.Containers[0].Image = "pitot:v2" }, []string{"D306 deployment monitoring/pitot"}},
		{"a broken rule", func(f *Facts) {
			_, f.ConfigProblems = rule.LoadPartial(rule.File{Name: "pitot.yaml", Text: []byte("apiVersion: pitot.dev/v1alpha1\nkind: Config\nrules:\n- metric: rps\n  type: Pods\n  query: sum(\n")})
			f.ConfigProblems = f.ConfigProblems[:1]
		}, []string{"D307 configuration pitot.yaml"}},
		{"a backend fails, which two metrics say and a direct question", func(f *Facts) {
			f.Readings[p95] = failed(503, "failed", `metric "http_p95_seconds": backend "main": connection refused (last good answer 3s ago)`)
			f.Readings[queue] = failed(503, "failed", `metric "queue_depth": backend "main": connection refused (last good answer 4s ago)`)
			f.Backends = []Backend{{Name: "main", Err: errors.New("connection refused")}, {Name: "other"}}
		}, []string{"D308 backend main"}},

		// The HPA and what it scales.
		{"the target is gone", func(f *Facts) {
			clear(f.Workloads)
			delete(f.Readings, p95)
			f.hpa().Spec.Metrics = f.hpa().Spec.Metrics[:1]
			f.hpa().Status.Conditions[0].Status = corev1.ConditionFalse
		}, []string{"D401 hpa shop/web"}},
		{"the target is of a kind that the cluster does not have", func(f *Facts) {
			f.hpa().Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web"}
		}, []string{"D401 hpa shop/web"}},
		{"targets could not be read", func(f *Facts) {
			clear(f.Workloads)
			f.Described[f.hpaTarget()] = true
			f.Gaps = []Gap{{Resource: "deployments.apps", Namespace: "shop"}}
		}, nil},
		{"no pod has the labels", func(f *Facts) { f.Pods[0].Labels = map[string]string{"app": "other"} }, []string{"D402 hpa shop/web"}},
		{"no pod, and none is wanted", func(f *Facts) { f.Pods, f.web().Replicas = nil, 0 }, nil},
		{"pods could not be read", func(f *Facts) { f.Pods, f.Gaps = nil, []Gap{{Resource: "pods"}} }, nil},
		{"the target has no selector", func(f *Facts) { f.web().Selector = nil }, []string{"D402 hpa shop/web"}},
		{"two HPAs on one target", func(f *Facts) {
			f.Autoscalers = append(f.Autoscalers, *f.hpa().DeepCopy())
			f.Autoscalers[1].Name = "keda-hpa-web"
			f.ScaledObjects = []ScaledObject{{Namespace: "shop", Name: "web", HPA: "keda-hpa-web"}}
		}, []string{"D403 hpa shop/keda-hpa-web, hpa shop/web"}},
		{"of two HPAs one is chosen", func(f *Facts) {
			f.Autoscalers = append(f.Autoscalers, *f.hpa().DeepCopy())
			f.Autoscalers[1].Name = "web-2"
			f.Chosen = map[types.NamespacedName]bool{{Namespace: "shop", Name: "web"}: true}
		}, []string{"D403 hpa shop/web"}},
		{"a VerticalPodAutoscaler changes what is divided by", func(f *Facts) { f.VerticalAutoscalers = []VerticalAutoscaler{{Name: "web", Target: f.hpaTarget()}} }, []string{"D404 hpa shop/web"}},
		{"one that changes memory, and one that is off", func(f *Facts) {
			f.VerticalAutoscalers = []VerticalAutoscaler{{Name: "web", Target: f.hpaTarget(), Resources: []string{"memory"}}, {Name: "off", Target: f.hpaTarget(), Off: true}}
		}, nil},
		{"Argo CD owns the replicas", func(f *Facts) { f.web().Owners = []string{"argocd-controller"} }, []string{"D405 hpa shop/web"}},
		{"two equal bounds", func(f *Facts) { f.hpa().Spec.MaxReplicas = 2 }, []string{"D406 hpa shop/web"}},
		{"it may not scale up", func(f *Facts) {
			f.hpa().Spec.Behavior.ScaleUp = &autoscalingv2.HPAScalingRules{SelectPolicy: new(autoscalingv2.DisabledPolicySelect)}
		}, []string{"D407 hpa shop/web"}},
		{"it may not scale down", func(f *Facts) {
			f.hpa().Spec.Behavior.ScaleDown = &autoscalingv2.HPAScalingRules{SelectPolicy: new(autoscalingv2.DisabledPolicySelect)}
		}, []string{"D408 hpa shop/web"}},
		{"from zero by percentages", func(f *Facts) {
			f.hpa().Spec.MinReplicas = new(int32(0))
			f.hpa().Spec.Behavior.ScaleUp = &autoscalingv2.HPAScalingRules{Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100}}}
		}, []string{"D409 hpa shop/web"}},
		{"it cannot set the replicas", func(f *Facts) { f.condition(0, corev1.ConditionFalse, "FailedUpdateScale") }, []string{"D410 hpa shop/web"}},
		{"it has no number although there is one now", func(f *Facts) { f.condition(1, corev1.ConditionFalse, "FailedGetPodsMetric") }, []string{"D411 hpa shop/web"}},
		{"it is at its maximum", func(f *Facts) { f.condition(2, corev1.ConditionTrue, "TooManyReplicas") }, []string{"D412 hpa shop/web"}},
		{"it is at its minimum", func(f *Facts) { f.condition(2, corev1.ConditionTrue, "TooFewReplicas") }, nil},
		{"somebody scaled to 0", func(f *Facts) { f.condition(1, corev1.ConditionFalse, "ScalingDisabled") }, []string{"D413 hpa shop/web"}},
		{"nobody looks at it", func(f *Facts) { f.hpa().Status.Conditions = nil }, []string{"D414 hpa shop/web"}},
		{"it is new", func(f *Facts) { f.hpa().Status.Conditions, f.hpa().CreationTimestamp = nil, metav1.NewTime(now) }, nil},
		{"the described object is gone", func(f *Facts) {
			f.hpa().Spec.Metrics[1].Object.DescribedObject = autoscalingv2.CrossVersionObjectReference{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "web"}
		}, []string{"D415 hpa shop/web"}},
		{"a container requests no cpu", func(f *Facts) { f.web().Containers = append(f.web().Containers, corev1.Container{Name: "proxy"}) }, []string{"D416 hpa shop/web"}},
		{"a limit is a request", func(f *Facts) {
			f.web().Containers[0].Resources = corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("1")}}
		}, nil},
		{"a container that is not there", func(f *Facts) {
			f.hpa().Spec.Metrics[3] = autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
				Name: "cpu", Container: "app", Target: autoscalingv2.MetricTarget{AverageUtilization: new(int32(70))},
			}}
		}, []string{"D417 hpa shop/web"}},

		// Metrics.
		{"no such metric", func(f *Facts) {
			f.Readings[requests] = failed(404, "unknown-metric", `metric "http_requests_per_second": no rule has this name`)
		}, []string{"D501 hpa shop/web"}},
		{"its rule is broken", func(f *Facts) {
			f.Readings[requests] = failed(503, "broken-rule", `metric "http_requests_per_second": the configuration is broken: pitot.yaml:3:4: …`)
		}, []string{"D502 hpa shop/web"}},
		{"a label that is not selectable", func(f *Facts) {
			f.Readings[queue] = failed(400, "bad-request", `metric "queue_depth": label "queue" is not selectable`)
		}, []string{"D503 hpa shop/web"}},
		{"a selector that matches nothing", func(f *Facts) {
			r := failed(404, "empty", `metric "queue_depth": no matching series`)
			r.Unselected = true
			f.Readings[queue] = r
		}, []string{"D504 hpa shop/web"}},
		{"no series of a queue", func(f *Facts) { f.Readings[queue] = failed(404, "empty", `metric "queue_depth": no matching series`) }, []string{"D505 hpa shop/web"}},
		{"another adapter does not know it", func(f *Facts) { f.Readings[queue] = failed(404, "", "the server could not find the metric") }, []string{"D505 hpa shop/web"}},
		{"not a number", func(f *Facts) {
			f.Readings[p95] = failed(422, "nan", `metric "http_p95_seconds": the query gave NaN`)
		}, []string{"D506 hpa shop/web"}},
		{"the newest sample is old", func(f *Facts) {
			f.Readings[p95] = failed(503, "stale", `metric "http_p95_seconds": the newest sample is 5m old`)
		}, []string{"D507 hpa shop/web"}},
		{"another adapter serves an old value", func(f *Facts) {
			f.Readings[p95] = Reading{Values: []Value{{Milli: 300, At: now.Add(-time.Hour)}}}
		}, []string{"D507 hpa shop/web"}},
		{"another error", func(f *Facts) { f.Readings[p95] = failed(500, "", "boom") }, []string{"D508 hpa shop/web"}},
		{"who asks may not read", func(f *Facts) { f.Readings[p95] = failed(403, "", "forbidden") }, nil},
		{"a percentile divided by pods", func(f *Facts) {
			f.hpa().Spec.Metrics[1].Object.Target = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(resource.MustParse("500m"))}
		}, []string{"D509 hpa shop/web"}},
		{"a percentile of another adapter, by its name", func(f *Facts) {
			f.Config = nil
			f.hpa().Spec.Metrics[1].Object.Target = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(resource.MustParse("500m"))}
		}, []string{"D509 hpa shop/web"}},
		{"a total as a Value", func(f *Facts) { f.hpa().Spec.Metrics[1].Object.Metric.Name = "http_requests" }, []string{"D510 hpa shop/web"}},
		{"a target in milliseconds", func(f *Facts) { f.hpa().Spec.Metrics[1].Object.Target.Value = new(resource.MustParse("500")) }, []string{"D511 hpa shop/web"}},
		{"a value in milliseconds", func(f *Facts) { f.Readings[p95] = answered(320_000) }, []string{"D511 hpa shop/web"}},
		{"a backlog far above its target is no unit", func(f *Facts) { f.Readings[queue] = answered(90_000_000) }, nil},
		{"an idle latency is no unit", func(f *Facts) { f.Readings[p95] = answered(0) }, nil},
		{"an external metric of a Deployment", func(f *Facts) {
			f.hpa().Spec.Metrics[2].External.Metric.Selector.MatchLabels = map[string]string{"deployment": "web"}
		}, []string{"D512 hpa shop/web"}},

		// Scraping.
		{"scraped, and yet no series", func(f *Facts) { f.Readings[requests] = nothing }, []string{"D505 hpa shop/web"}},
		{"no monitor", func(f *Facts) { f.Readings[requests], f.Monitors = nothing, nil }, []string{"D601 hpa shop/web"}},
		{"no monitor, but the operator is not there either", func(f *Facts) {
			f.Readings[requests], f.Monitors = nothing, nil
			delete(f.Kinds, schema.GroupKind{Group: OperatorGroup, Kind: ServiceMonitor})
		}, []string{"D505 hpa shop/web"}},
		{"no monitor, but annotations", func(f *Facts) {
			f.Readings[requests], f.Monitors = nothing, nil
			f.Pods[0].Annotations = map[string]string{"prometheus.io/scrape": "true"}
		}, []string{"D505 hpa shop/web"}},
		{"monitors could not be read", func(f *Facts) {
			f.Readings[requests], f.Monitors, f.Gaps = nothing, nil, []Gap{{Resource: "servicemonitors.monitoring.coreos.com"}}
		}, []string{"D505 hpa shop/web"}},
		{"the monitor selects another label", func(f *Facts) {
			f.Readings[requests] = nothing
			f.Monitors[0].Selector = labels.SelectorFromSet(labels.Set{"app": "web", "tier": "front"})
		}, []string{"D602 hpa shop/web"}},
		{"the monitor is for its own namespace", func(f *Facts) { f.Readings[requests], f.Monitors[0].Namespace = nothing, "monitoring" }, []string{"D603 hpa shop/web"}},
		{"the monitor names another port", func(f *Facts) { f.Readings[requests], f.Monitors[0].Ports = nothing, []string{"metrics"} }, []string{"D604 hpa shop/web"}},
		{"a PodMonitor names another port", func(f *Facts) {
			f.Readings[requests] = nothing
			f.Monitors = []Monitor{{Kind: PodMonitor, Namespace: "shop", Name: "pods", Selector: labels.Everything(), Ports: []string{"metrics"}}}
		}, []string{"D604 hpa shop/web"}},
		{"no Prometheus takes up the monitor", func(f *Facts) { f.Readings[requests], f.Monitors[0].Labels = nothing, nil }, []string{"D605 hpa shop/web"}},

		// kube-controller-manager.
		{"too many HPAs for its limit", func(f *Facts) {
			for range 400 {
				f.Autoscalers = append(f.Autoscalers, *f.hpa().DeepCopy())
				f.Autoscalers[len(f.Autoscalers)-1].Spec.ScaleTargetRef.Name = "gone"
			}
			f.Chosen = map[types.NamespacedName]bool{}
		}, []string{"D701 pod kube-system/kube-controller-manager"}},
		{"an odd tolerance", func(f *Facts) {
			f.Controller = ReadController("kube-system/kcm", []string{"kube-controller-manager", "--leader-elect=true", "--horizontal-pod-autoscaler-tolerance=0.5"})
		}, []string{"D702 pod kube-system/kcm"}},
		{"its flags are not known", func(f *Facts) { f.Controller = nil }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			facts := healthy(t)
			test.change(facts)
			if diff := cmp.Diff(test.want, found(facts)); diff != "" {
				t.Errorf("(-want +got)\n%s\n%+v", diff, Examine(facts))
			}
		})
	}
}

func (f *Facts) hpaTarget() Object { return TargetOf(f.hpa()) }

func (f *Facts) condition(i int, status corev1.ConditionStatus, reason string) {
	f.hpa().Status.Conditions[i].Status, f.hpa().Status.Conditions[i].Reason = status, reason
}

// The questions are those that the HPA controller asks.
func TestQuestions(t *testing.T) {
	var paths []string
	for _, q := range healthy(t).Questions() {
		paths = append(paths, q.Path)
	}
	if diff := cmp.Diff([]string{requests, p95, queue}, paths); diff != "" {
		t.Error(diff)
	}
}

// The Secret of the authority is named by a variable of the pod.
func TestPitotRightsOnItsSecret(t *testing.T) {
	var secrets []string
	for _, right := range healthy(t).Pitot.PitotRights() {
		if right.Resource == "secrets" {
			secrets = append(secrets, right.String())
		}
	}
	if diff := cmp.Diff([]string{"get secrets pitot-ca in monitoring", "update secrets pitot-ca in monitoring"}, secrets); diff != "" {
		t.Error(diff)
	}
}
