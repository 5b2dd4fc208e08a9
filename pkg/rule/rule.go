// Package rule reads Pitot's configuration: which backends exist and which
// metrics are served from them.
//
// One rule is one PromQL expression that answers for every object of a kind,
// in the words of the HorizontalPodAutoscaler that will read it:
//
//	set, err := rule.Load(rule.File{Name: "pitot.yaml", Text: text})
//	r, ok := set.Custom("http_p95_seconds", rule.GroupResource{Group: "apps", Resource: "deployments"})
//	expr, filter, err := r.Narrow(namespace, selector)
//
// Load is strict and gathers: every mistake of every file comes back at once,
// as a Problem that names file, line, column, rule, cause and cure.
//
// A rule may name presets (package preset) in place of a query. Then it has their
// fields, but for those that it says itself.
//
// The package does no I/O and knows neither Prometheus' API nor Kubernetes'.
package rule

import (
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// APIVersion and Kind head every configuration file.
const (
	APIVersion = "pitot.dev/v1alpha1"
	Kind       = "Config"
)

// A Set is a configuration: from Load a valid one with at least one backend and
// one rule, from LoadPartial what is right of one. It is immutable.
type Set struct {
	// Backends and Rules are in the order of their files.
	Backends []Backend
	Rules    []*Rule

	byKey  map[key]*Rule
	broken *broken // nil: nothing is
}

// A Type says through which of the HPA's metric source types a rule is read.
type Type string

// The types of rules, spelled as in the HPA's spec.metrics[].type.
const (
	TypePods     Type = "Pods"
	TypeObject   Type = "Object"
	TypeExternal Type = "External"
)

// A GroupResource names a kind of object as kubectl does: plural resource, and
// group where it is not the core group. Its text form is "deployments.apps" or "services".
type GroupResource struct {
	Group    string
	Resource string
}

// An Aggregate folds the values of a workload's pods into the workload's value.
type Aggregate string

// The aggregates over pods.
const (
	Sum Aggregate = "sum"
	Max Aggregate = "max"
	Avg Aggregate = "avg"
)

// A Policy says what to serve where the answer to a query has no number. A
// failed query is never subject to it.
type Policy string

// The policies. PolicyError is the default everywhere: no number is served that
// was not measured.
const (
	PolicyError Policy = "error"
	// PolicyZero serves 0.
	PolicyZero Policy = "zero"
	// PolicyDrop leaves the pod or the series out of those that are read together.
	PolicyDrop Policy = "drop"
)

// A Scope says whose series an External rule answers with.
type Scope string

// ScopeNamespace, the default, answers with the series whose namespace label is
// the namespace of the reader, before they are aggregated if need be. ScopeCluster
// answers every namespace with all of them.
const (
	ScopeNamespace Scope = "namespace"
	ScopeCluster   Scope = "cluster"
)

// A Rule is one metric: how it is asked for and how it is computed.
//
// Exactly one of these shapes holds:
//
//   - Pods: Query, its result labelled by namespace and pod.
//   - External: Query.
//   - Object with ObjectLabel: Query, its result labelled by namespace and ObjectLabel.
//   - Object with Aggregate: Query, its result labelled by namespace and pod.
//   - Object with Quantile: Buckets, its result labelled by namespace, pod and le.
type Rule struct {
	Metric  string
	Type    Type
	Of      GroupResource // Object rules; pods for Pods rules, namespaces for External rules
	Backend string        // name of a Backend of the Set

	Query       *promexpr.Expr // nil when Buckets is set
	Buckets     *promexpr.Expr // nil when Query is set
	Quantile    float64        // 0 < Quantile < 1, with Buckets
	Aggregate   Aggregate      // "" unless the rule folds pods
	ObjectLabel string         // "" unless the query carries the object's own label

	// OnIdle is for a quantile of no observations: series are present and their
	// rate is zero. PolicyZero or PolicyError.
	OnIdle Policy
	// OnEmpty is for no series at all. Always PolicyError for Pods rules and
	// quantiles; PolicyZero or PolicyError otherwise. A workload without pods is
	// an error whatever it says.
	OnEmpty Policy
	// OnNaN is for each pod or series whose value is NaN. PolicyDrop only where an
	// HPA reads several as one: External rules and aggregates. Always PolicyError
	// for quantiles.
	OnNaN Policy

	// ZeroWhen is a condition that proves zero where the query answers no series:
	// where it has a result, the value is 0 for an object that agrees with the
	// result on the labels that name it. Its result carries no other labels. nil:
	// nothing proves it.
	ZeroWhen *promexpr.Expr
	// MaxSampleAge bounds the age of the newest sample behind a value. It includes
	// the delay of the Backend.
	MaxSampleAge time.Duration

	// AllowNegative serves values below zero. Without it they are errors.
	AllowNegative bool
	// ClampMin and ClampMax bound what is served, zeros by policy included, after
	// everything else is decided. They make no number of what has none. -Inf and
	// +Inf where the rule has no such bound.
	ClampMin, ClampMax float64
	// Ceiling is the largest magnitude served; beyond it is an error.
	Ceiling float64

	Scope      Scope
	Selectable []string // labels that a metric selector may name, sorted

	// Presets are the names of those that the rule is made of, in their order; most
	// rules have none.
	Presets []string

	Position Position // of the rule in its file

	// Namespace is that of the team that brought the rule: the rule answers for it
	// alone, and its expressions read no series of another. "" for the operator's.
	Namespace string

	proof *promexpr.Expr
}

// Proof is the expression that proves zero: ZeroWhen, where its own samples are
// no older than MaxSampleAge. nil: nothing proves it.
func (r *Rule) Proof() *promexpr.Expr { return r.proof }

// Expr is the expression that the rule asks of its backend: Query or Buckets.
func (r *Rule) Expr() *promexpr.Expr {
	if r.Buckets != nil {
		return r.Buckets
	}
	return r.Query
}

// OverPods reports whether the rule is computed over the pods of a workload.
func (r *Rule) OverPods() bool { return r.Aggregate != "" || r.Buckets != nil }

// A Backend is a Prometheus-compatible server.
type Backend struct {
	Name string
	// URL is the base address; a path prefix is kept. "http" or "https", without
	// user, password, query and fragment.
	URL string
	// Timeout bounds one query, connection included. Default 10s.
	Timeout time.Duration
	// ScrapeInterval is the server's time between two scrapes of a target: the
	// longest, where targets differ. Default 15s. A server that was away for more
	// than two of them has missed data.
	ScrapeInterval time.Duration
	// Delay is how late samples arrive at the server, such as by a remote write.
	// Default 0. It is an allowance on top of every bound of their age.
	Delay time.Duration
	// MaxResponseBytes bounds the decoded body of one answer. Default 64 MiB.
	MaxResponseBytes int64
	// Labels is how its series name the objects of the cluster. Default Auto.
	Labels Profile

	// Teams opens the backend to the rules of teams, see LoadTeam.
	Teams bool

	BasicAuth       *BasicAuth // nil: none
	BearerTokenFile string     // "": none; read anew when it changes
	TLS             TLS
}

// MaxSampleAge is the bound for rules that have none of their own: three scrapes
// may fail, and at least a minute.
func (b Backend) MaxSampleAge() time.Duration { return max(time.Minute, 3*b.ScrapeInterval) }

// BasicAuth holds a user name and the file with the password.
type BasicAuth struct {
	Username     string
	PasswordFile string
}

// TLS says how to verify a backend and how to identify to it. Files are read
// anew when they change.
type TLS struct {
	CAFile             string
	CertFile           string
	KeyFile            string
	ServerName         string
	InsecureSkipVerify bool
}
