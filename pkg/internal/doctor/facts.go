package doctor

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// Facts are what was read from a cluster. An empty list means that there is
// none, unless Gaps say that it could not be read.
type Facts struct {
	Now time.Time
	// Chosen are the HPAs to judge. Nil means all.
	Chosen map[types.NamespacedName]bool

	// APIServices are those of the metrics APIs that are registered.
	APIServices []APIService
	// Served are the newest versions of the metrics APIs by the cluster's own list
	// of APIs, which everybody may read.
	Served map[string]string
	// Kinds are the kinds of objects that the cluster has.
	Kinds map[schema.GroupKind]Kind
	// ControllerGrants answer ControllerRights, PitotGrants the PitotRights of the
	// Installation.
	ControllerGrants []Grant
	PitotGrants      []Grant

	Pitot *Installation // nil: none was found
	// Config is Pitot's configuration, nil where it could not be read.
	Config         *rule.Set
	ConfigProblems rule.Problems
	// Backends were asked directly.
	Backends []Backend
	// Controller is nil where kube-controller-manager shows no flags.
	Controller *Controller

	// The rest is of the namespaces of the HPAs.
	Autoscalers         []autoscalingv2.HorizontalPodAutoscaler
	Workloads           map[Object]*Workload // what the HPAs scale
	Described           map[Object]bool      // what Object metrics are of, as far as it exists
	Pods                []corev1.Pod
	Services            []corev1.Service
	VerticalAutoscalers []VerticalAutoscaler
	ScaledObjects       []ScaledObject
	Monitors            []Monitor
	Scrapers            []Scraper
	NamespaceLabels     map[string]labels.Set
	// Readings are the answers of the metrics APIs, by Question.Path.
	Readings map[string]Reading

	Gaps []Gap
}

// A Gap is something that could not be read.
type Gap struct {
	// Resource is in the words of the API, such as "deployments.apps".
	Resource string `json:"resource"`
	// Namespace is "" for all of them.
	Namespace string `json:"namespace,omitempty"`
	Why       string `json:"why"`
}

// knows reports whether a resource was read in a namespace.
func (f *Facts) knows(resource, namespace string) bool {
	for _, gap := range f.Gaps {
		if gap.Resource == resource && (gap.Namespace == "" || namespace == "" || gap.Namespace == namespace) {
			return false
		}
	}
	return true
}

// has reports whether the cluster has a kind, as far as discovery told.
func (f *Facts) has(group, kind string) bool {
	_, ok := f.Kinds[schema.GroupKind{Group: group, Kind: kind}]
	return ok
}

// A Kind is how the API names the objects of a kind.
type Kind struct {
	Resource   schema.GroupVersionResource
	Namespaced bool
}

// An Object is a name in the cluster.
type Object struct {
	schema.GroupKind
	Namespace string // "" for objects of the cluster
	Name      string
}

// An APIService registers one version of an API group.
type APIService struct {
	Group, Version        string
	Service               types.NamespacedName // zero: kube-apiserver serves it itself
	CABundle              []byte
	InsecureSkipTLSVerify bool
	Available             string // status of the condition; "" is none yet
	Reason, Message       string // of the condition
	// ServiceLabels are those of the Service, nil where it could not be read.
	ServiceLabels map[string]string
}

func (a APIService) name() string { return "apiservice " + a.Version + "." + a.Group }

// An Installation is the Deployment of Pitot and what belongs to it.
type Installation struct {
	Deployment appsv1.Deployment
	Pods       []corev1.Pod // behind the Deployment
	Budgets    []policyv1.PodDisruptionBudget
	// BudgetsUnknown says that the budgets could not be read, PodsUnknown that
	// the pods could not.
	BudgetsUnknown, PodsUnknown bool
}

func (i *Installation) name() string {
	return "deployment " + i.Deployment.Namespace + "/" + i.Deployment.Name
}

// A Backend is what a direct question to a backend of the configuration gave.
type Backend struct {
	Name, URL string
	Err       error
}

// A Workload is what an HPA scales, whatever its kind.
type Workload struct {
	Object
	Replicas int64
	// Selector finds its pods. Nil: it shows none.
	Selector labels.Selector
	// Containers are those of its pod template, nil where it has none.
	Containers []corev1.Container
	// Owners are the tools that will set spec.replicas again.
	Owners []string
}

// A VerticalAutoscaler changes the requests of a workload's pods.
type VerticalAutoscaler struct {
	Name      string
	Target    Object
	Off       bool     // it only recommends
	Resources []string // that it controls; nil: cpu and memory
}

// A ScaledObject is KEDA's. It has an HPA of its own.
type ScaledObject struct {
	Namespace, Name, HPA string
}

// A Monitor is a ServiceMonitor or PodMonitor of the Prometheus operator.
type Monitor struct {
	Kind, Namespace, Name string
	Labels                labels.Set
	Selector              labels.Selector // of Services or Pods
	AnyNamespace          bool
	Namespaces            []string // where not any; empty: its own
	Ports                 []string // names; "" is a port that is not named
}

// A Scraper is a Prometheus or PrometheusAgent of the Prometheus operator.
type Scraper struct {
	Namespace, Name string
	// The selectors of monitors by kind. Nil selects nothing.
	Monitors   map[string]labels.Selector
	Namespaces map[string]labels.Selector // nil: only its own
}

// A Reading is what the metrics API answered to a Question.
type Reading struct {
	Values  []Value
	Failure *Failure // nil: there are values
	// Unselected says, of a failed read with a metric selector, that without the
	// selector there are values.
	Unselected bool
}

// A Value is one item of an answer.
type Value struct {
	Milli int64
	At    time.Time
}

// A Failure is an answer without values.
type Failure struct {
	Code int // HTTP
	// Cause is Pitot's word for it, such as "unknown-metric"; other adapters have none.
	Cause   string
	Message string
}

// A Controller is what the flags of kube-controller-manager say.
type Controller struct {
	Pod        string
	QPS        float64
	SyncPeriod time.Duration
	Tolerance  float64
	Workers    int
}
