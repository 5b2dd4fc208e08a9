package doctor

// A Code names a kind of finding for good. Codes are never given to another one.
type Code string

// The metrics APIs.
const (
	NobodyServes    Code = "D101"
	NoService       Code = "D102"
	NoEndpoints     Code = "D103"
	NotVerified     Code = "D104"
	Unavailable     Code = "D105"
	InsecureTLS     Code = "D106"
	BadBundle       Code = "D107"
	BundleEnds      Code = "D108"
	SeveralServices Code = "D109"
)

// Rights.
const (
	ControllerMayNot Code = "D201"
	PitotMayNot      Code = "D202"
	NoDelegation     Code = "D203"
	NoAggregatorCA   Code = "D204"
)

// Pitot itself.
const (
	NoReplica       Code = "D301"
	FewReplicas     Code = "D302"
	OneReplica      Code = "D303"
	NoBudget        Code = "D304"
	BudgetBlocks    Code = "D305"
	SeveralVersions Code = "D306"
	BrokenConfig    Code = "D307"
	BackendFails    Code = "D308"
)

// The HPA and what it scales.
const (
	NoTarget          Code = "D401"
	NoPods            Code = "D402"
	Rivals            Code = "D403"
	VerticalRival     Code = "D404"
	ReplicasOwned     Code = "D405"
	FixedReplicas     Code = "D406"
	NeverUp           Code = "D407"
	NeverDown         Code = "D408"
	StuckAtZero       Code = "D409"
	CannotScale       Code = "D410"
	NotActive         Code = "D411"
	AtMaximum         Code = "D412"
	Paused            Code = "D413"
	NotLookedAt       Code = "D414"
	NoDescribedObject Code = "D415"
	NoRequest         Code = "D416"
	NoContainer       Code = "D417"
)

// Metrics.
const (
	UnknownMetric    Code = "D501"
	BrokenRule       Code = "D502"
	BadSelector      Code = "D503"
	EmptySelector    Code = "D504"
	NoSeries         Code = "D505"
	NoNumber         Code = "D506"
	OldValue         Code = "D507"
	ReadFails        Code = "D508"
	PercentileByPod  Code = "D509"
	SumAsValue       Code = "D510"
	WrongUnit        Code = "D511"
	ExternalOfObject Code = "D512"
)

// Scraping.
const (
	NoMonitor      Code = "D601"
	MonitorMissed  Code = "D602"
	MonitorElse    Code = "D603"
	NoSuchPort     Code = "D604"
	MonitorIgnored Code = "D605"
)

// kube-controller-manager.
const (
	SlowController Code = "D701"
	OddController  Code = "D702"
)

// An Entry says what a code means.
type Entry struct {
	Code     Code
	Severity Severity
	Meaning  string
	Cure     string
}

// Entries are all codes in their order.
var Entries = []Entry{
	{NobodyServes, Error, "HPAs read a metrics API that nobody serves", "install Pitot, or metrics-server for Resource metrics"},
	{NoService, Error, "the APIService leads to a Service that does not exist; until that is settled no namespace can be deleted", "install what it belongs to again, or delete the APIService"},
	{NoEndpoints, Error, "behind the Service of an API no pod is ready", "look at the pods of the adapter"},
	{NotVerified, Error, "kube-apiserver cannot verify the certificate of the adapter", "put the CA that signed it into `caBundle`; see [certificates](certificates.md)"},
	{Unavailable, Error, "kube-apiserver does not reach the adapter for another reason", "the message names it: often a network policy or firewall between the control plane and the pods"},
	{InsecureTLS, Warning, "nobody verifies the certificate: whoever answers in the adapter's place scales your workloads", "remove `insecureSkipTLSVerify` and set `caBundle`; see [certificates](certificates.md)"},
	{BadBundle, Error, "the `caBundle` is no certificate, or none in it is valid any more", "write the right one; with `--certificates auto` Pitot does"},
	{BundleEnds, Warning, "the last certificate of the `caBundle` ends within two weeks, or a fifth of its life", "renew it; with `--certificates auto` Pitot does"},
	{SeveralServices, Warning, "the versions of one API lead to different Services: which one answers depends on the client", "one adapter for all versions of a group"},

	{ControllerMayNot, Error, "the HPA controller may not read the metrics", "bind a ClusterRole that lets it"},
	{PitotMayNot, Error, "Pitot lacks a right in the cluster", "grant it"},
	{NoDelegation, Error, "Pitot cannot ask the cluster who may read, so nobody may", "bind `system:auth-delegator`"},
	{NoAggregatorCA, Error, "Pitot cannot recognise kube-apiserver, so it refuses what that passes on", "bind `extension-apiserver-authentication-reader` in kube-system"},

	{NoReplica, Error, "no replica of Pitot is ready", "look at its pods and their log"},
	{FewReplicas, Warning, "not all replicas of Pitot are ready", "look at its pods and their log"},
	{OneReplica, Note, "Pitot has one replica: while it restarts, HPAs keep their replicas", "two replicas"},
	{NoBudget, Warning, "nothing keeps a drain from evicting all replicas of Pitot at once", "a PodDisruptionBudget"},
	{BudgetBlocks, Warning, "the PodDisruptionBudget of Pitot permits no eviction even when all is well: nodes cannot be drained", "`maxUnavailable: 1`"},
	{SeveralVersions, Warning, "the replicas of Pitot run different images", "wait for the rollout to end, or look at why it does not"},
	{BrokenConfig, Error, "Pitot's configuration has mistakes; what is right of it is served", "`pitot check` names all of them"},
	{BackendFails, Error, "a backend does not answer as it should; HPAs that need it keep their replicas", "look at the backend, its URL and its credentials"},

	{NoTarget, Error, "what the HPA scales does not exist", "correct `scaleTargetRef`"},
	{NoPods, Error, "the selector of what the HPA scales is missing or finds no pod", "compare the selector with the labels of the pods"},
	{Rivals, Error, "two HPAs scale one object, each its own way", "one HPA with the metrics of both"},
	{VerticalRival, Warning, "a VerticalPodAutoscaler changes the requests that the HPA divides by: they push each other", "another metric for the HPA, or `updateMode: \"Off\"`"},
	{ReplicasOwned, Warning, "a tool will set `spec.replicas` again at its next apply, over the HPA's decision", "remove `replicas` from the manifest"},
	{FixedReplicas, Warning, "`minReplicas` equals `maxReplicas`: the HPA cannot scale", "two different numbers"},
	{NeverUp, Warning, "the HPA may not scale up", "another `selectPolicy` in `behavior.scaleUp`"},
	{NeverDown, Note, "the HPA may not scale down", "another `selectPolicy` in `behavior.scaleDown`, unless you want that"},
	{StuckAtZero, Error, "from 0 replicas no percentage leads anywhere: the HPA never scales up again", "a policy of type `Pods` in `behavior.scaleUp`"},
	{CannotScale, Error, "the HPA can neither read nor set the replicas (condition AbleToScale)", "the message names why"},
	{NotActive, Error, "the HPA has no number to decide by (condition ScalingActive)", "see [when an HPA has no number](no-number.md)"},
	{AtMaximum, Note, "the HPA wants more than `maxReplicas` (condition ScalingLimited)", "raise `maxReplicas`, if the cluster has room"},
	{Paused, Note, "the HPA is paused, because somebody scaled to 0", "scale to 1 or more to resume"},
	{NotLookedAt, Error, "no controller has looked at the HPA", "look at kube-controller-manager"},
	{NoDescribedObject, Error, "the object that the metric is of does not exist", "correct `describedObject`"},
	{NoRequest, Error, "a utilization is a share of the request, and a container has none", "`resources.requests` for every container"},
	{NoContainer, Error, "the container that the metric is of does not exist", "correct `container`"},

	{UnknownMetric, Error, "no rule serves the metric as the HPA asks for it", "compare with `pitot check`"},
	{BrokenRule, Error, "the rule of the metric has a mistake", "`pitot check` names the line"},
	{BadSelector, Error, "the metric's selector is not one that the rule can answer", "add the label to `selectable`, or drop it"},
	{EmptySelector, Error, "the metric's selector matches no series; without it there are some", "compare the selector with the labels in Prometheus"},
	{NoSeries, Error, "the metric has no series", "run the query of `pitot query` in Prometheus"},
	{NoNumber, Error, "there are series, but no number to serve", "see [when an HPA has no number](no-number.md)"},
	{OldValue, Error, "the newest sample is too old", "look at the target in Prometheus"},
	{ReadFails, Error, "the metric cannot be read for another reason", "the message names it"},
	{PercentileByPod, Error, "a percentile, divided by the pods or averaged over them, is not one any more; the replicas then depend on the target alone", "an Object metric with `type: Value`"},
	{SumAsValue, Warning, "a total compared with a `Value` does not fall when pods are added: the HPA runs to its maximum", "`type: AverageValue`"},
	{WrongUnit, Warning, "value and target differ by a factor of hundreds: most likely one is in seconds and the other in milliseconds", "the target in the unit of the metric"},
	{ExternalOfObject, Note, "an External metric that selects one object of the cluster", "an Object metric says so, and is checked"},

	{NoMonitor, Error, "the metric has no series, and no monitor is for the pods", "a PodMonitor or ServiceMonitor"},
	{MonitorMissed, Error, "the metric has no series, and the selector of the monitor misses the labels by little", "the labels that it selects"},
	{MonitorElse, Error, "the metric has no series, and the monitor is for other namespaces", "`namespaceSelector`"},
	{NoSuchPort, Error, "the metric has no series, and the port that the monitor names does not exist", "the name of the port"},
	{MonitorIgnored, Error, "the metric has no series, and no Prometheus takes up the monitor", "the labels that the Prometheus selects"},

	{SlowController, Warning, "the HPA controller may send too few requests to look at every HPA once per period", "raise `--kube-api-qps` and `--kube-api-burst` of kube-controller-manager"},
	{OddController, Note, "kube-controller-manager decides with other settings than most", "give the simulator the same, or remove the flag"},
}

// Severity is how much findings of the code matter.
func (c Code) Severity() Severity {
	for _, e := range Entries {
		if e.Code == c {
			return e.Severity
		}
	}
	return ""
}
