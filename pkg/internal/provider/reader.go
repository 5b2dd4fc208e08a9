package provider

import (
	"context"
	"fmt"
	"slices"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/reading"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Store answers queries, from memory where it can. Its errors say in a
// sentence why there is no answer.
type Store interface {
	Read(ctx context.Context, key snapshot.Key) (*snapshot.Snapshot, error)
}

// Pods knows which pods exist, from memory. Its answers are sorted; none of its
// methods blocks.
type Pods interface {
	// Follow begins to learn the pods of a kind of workload, if that takes more
	// than knowing all pods and their owners. It may be called again.
	Follow(group, resource string)
	// Knows is nil once the answers for a kind of workload, or for pods, are
	// complete, and says what is missing until then. Before, they must not be used.
	Knows(group, resource string) error
	// Live names the pods of a namespace whose labels match.
	Live(namespace string, selector labels.Selector) []string
	// Of names the pods that belong to a workload.
	Of(namespace string, workload pods.Workload) []string
	// Departed names the pods that left a workload at or after a time.
	Departed(namespace string, workload pods.Workload, since time.Time) []string
	// Workloads names the workloads of a kind that own a pod.
	Workloads(namespace, group, resource string) []string
}

// A Reader reads rules: it puts a query's answer and the pods together.
type Reader struct {
	Store Store
	Pods  Pods
	// Now is the clock by which answers age. Default time.Now.
	Now func() time.Time
}

// An Answer is what a rule reads, with where it comes from.
type Answer struct {
	Readings []reading.Reading
	// At is the evaluation time of the query.
	At time.Time
	// Window is how far the query looks back; 0 for an instant value.
	Window time.Duration
	// Query is the PromQL that was asked.
	Query string
}

// Object reads one object, which for External rules is a namespace.
func (rd *Reader) Object(ctx context.Context, r *rule.Rule, object instant.Object, selector []*promlabels.Matcher) (Answer, error) {
	q, err := rd.ask(ctx, r, object.Namespace, selector)
	if err != nil {
		return Answer{}, err
	}
	one, err := rd.read(q, object)
	return q.answer(one), err
}

// Objects reads those objects of a namespace that objects selects: pods by
// their labels. Other kinds can only be read all together.
func (rd *Reader) Objects(ctx context.Context, r *rule.Rule, namespace string, objects labels.Selector, selector []*promlabels.Matcher) (Answer, error) {
	if r.Type != rule.TypePods && !objects.Empty() {
		return Answer{}, &BadRequestError{Reason: fmt.Sprintf("labelSelector %q: only pods can be selected by their labels: name one of %s, or all by *", objects, r.Of)}
	}
	q, err := rd.ask(ctx, r, namespace, selector)
	if err != nil {
		return Answer{}, err
	}
	names, err := rd.names(q, namespace, objects)
	if err != nil {
		return Answer{}, err
	}
	answer := q.answer()
	for _, name := range names {
		one, err := rd.read(q, instant.Object{Namespace: namespace, Name: name})
		if err != nil {
			return Answer{}, err
		}
		answer.Readings = append(answer.Readings, one)
	}
	return answer, nil
}

// Series reads the items of an External rule, as a namespace sees them.
func (rd *Reader) Series(ctx context.Context, r *rule.Rule, namespace string, selector []*promlabels.Matcher) (Answer, error) {
	q, err := rd.ask(ctx, r, namespace, selector)
	if err != nil {
		return Answer{}, err
	}
	return q.answer(q.series(namespace)...), nil
}

// All reads everything that the answer to a rule's query speaks of: in one
// namespace, or in all when namespace is "". It is for people who look, not for
// HPAs: pods count here even if the cluster does not know them.
func (rd *Reader) All(ctx context.Context, r *rule.Rule, namespace string, selector labels.Selector) (Answer, error) {
	matchers, err := matchers(selector)
	if err != nil {
		return Answer{}, err
	}
	if namespace == "" && r.EachNamespace() {
		return Answer{}, &BadRequestError{Reason: "the rule asks for each namespace by itself: name one (--namespace)"}
	}
	q, err := rd.ask(ctx, r, namespace, matchers)
	if err != nil {
		return Answer{}, err
	}
	if r.Type == rule.TypeExternal && (r.Scope == rule.ScopeCluster || namespace != "") {
		return q.answer(q.series(namespace)...), nil
	}
	answer := q.answer()
	for _, ns := range namespacesIn(q.groups()) {
		if namespace != "" && namespace != ns {
			continue
		}
		readings, err := rd.everything(q, ns)
		if err != nil {
			return Answer{}, err
		}
		answer.Readings = append(answer.Readings, readings...)
	}
	return answer, nil
}

// everything reads all that the answer speaks of in a namespace.
func (rd *Reader) everything(q *question, namespace string) ([]reading.Reading, error) {
	if q.rule.Type == rule.TypeExternal {
		// Of a namespace without a selected series the answer does not speak.
		return slices.DeleteFunc(q.series(namespace), func(one reading.Reading) bool {
			return one.State == reading.Empty && one.Cause != ""
		}), nil
	}
	names := namesIn(q.groups(), namespace)
	if q.rule.OverPods() {
		var err error
		if names, err = rd.names(q, namespace, labels.Everything()); err != nil {
			return nil, err
		}
	}
	var readings []reading.Reading
	for _, name := range names {
		one, err := rd.read(q, instant.Object{Namespace: namespace, Name: name})
		if err != nil {
			return nil, err
		}
		readings = append(readings, one)
	}
	return readings, nil
}

// A question is a rule narrowed by a selector, with the answer to its query.
type question struct {
	rule *rule.Rule
	expr *promexpr.Expr
	snap *snapshot.Snapshot // nil until it is asked
	view reading.View       // how the answer is read: at one time, for all of its objects
}

// pose narrows a rule by the reader's namespace and a metric's selector.
func pose(r *rule.Rule, namespace string, selector []*promlabels.Matcher) (*question, error) {
	expr, filter, err := r.Narrow(namespace, selector)
	if err != nil {
		return nil, &BadRequestError{Reason: err.Error()}
	}
	return &question{rule: r, expr: expr, view: reading.View{Filter: filter}}, nil
}

// key is what the question asks of which backend. Whoever wants an answer to be
// in memory before it is read must come to the same key.
func (q *question) key() snapshot.Key {
	key := snapshot.Key{
		Backend: q.rule.Backend, Query: q.expr.String(), Window: q.expr.Window(), SampleTimes: q.expr.SampleTimes(), Metric: q.rule.Metric,
	}
	if proof := q.rule.Proof(); proof != nil {
		key.ZeroWhen = proof.String()
	}
	return key
}

func (rd *Reader) ask(ctx context.Context, r *rule.Rule, namespace string, selector []*promlabels.Matcher) (*question, error) {
	q, err := pose(r, namespace, selector)
	if err != nil {
		return nil, err
	}
	q.snap, err = rd.Store.Read(ctx, q.key())
	if err != nil {
		return nil, err
	}
	q.view.Elapsed = rd.now().Sub(q.snap.AskedAt)
	q.view.Proof, q.view.ProofErr = q.snap.Proof.Vector.Samples, q.snap.Proof.Err
	return q, nil
}

func (rd *Reader) now() time.Time {
	if rd.Now == nil {
		return time.Now()
	}
	return rd.Now()
}

func (q *question) answer(readings ...reading.Reading) Answer {
	return Answer{Readings: readings, At: q.snap.Vector.At, Window: q.expr.Window(), Query: q.expr.String()}
}

// groups are the samples of each object that the rule's result speaks of.
func (q *question) groups() instant.Groups {
	return q.snap.Group(reading.NamespaceLabel, q.label())
}

// label is the label of the result that names its objects.
func (q *question) label() string {
	switch {
	case q.rule.Type == rule.TypeExternal:
		return reading.NamespaceLabel
	case q.rule.ObjectLabel != "":
		return q.rule.ObjectLabel
	default:
		return reading.PodLabel
	}
}

// series are the items of an External rule that a namespace sees, at least one.
func (q *question) series(namespace string) []reading.Reading {
	if q.rule.Scope == rule.ScopeCluster || q.rule.EachNamespace() {
		return reading.Series(q.rule, q.snap.Vector.Samples, q.view, namespace)
	}
	return reading.Series(q.rule, q.groups()[instant.Object{Namespace: namespace, Name: namespace}], q.view, namespace)
}

// read reads one object of a rule of any shape.
func (rd *Reader) read(q *question, object instant.Object) (reading.Reading, error) {
	switch {
	case q.rule.Type == rule.TypePods:
		return reading.Pod(q.rule, q.groups(), q.view, object), nil
	case q.rule.Type == rule.TypeExternal:
		return reading.Total(q.rule, q.series(object.Name), object.Name), nil
	case q.rule.ObjectLabel != "":
		return reading.Labelled(q.rule, q.groups(), q.view, object), nil
	default:
		if err := rd.Pods.Knows(q.rule.Of.Group, q.rule.Of.Resource); err != nil {
			return reading.Reading{}, &NotReadyError{Err: err}
		}
		workload := pods.Workload{Group: q.rule.Of.Group, Resource: q.rule.Of.Resource, Name: object.Name}
		return reading.Workload(q.rule, q.groups(), q.view, object, rd.members(q, object.Namespace, workload)), nil
	}
}

// members names the pods whose series make a workload's value: those that it
// has and, where the query looks back over a window, those that left it within.
// What these counted was load of the workload, and their share in the answer
// fades by itself; without them a rate dips in every rollout. An average is per
// pod, so there they would stand for pods that the workload no longer has. A
// workload without a live pod has no value, whatever departed.
func (rd *Reader) members(q *question, namespace string, workload pods.Workload) reading.Members {
	members := reading.Members{Live: rd.Pods.Of(namespace, workload)}
	window := q.expr.Window()
	if len(members.Live) > 0 && window > 0 && q.rule.Aggregate != rule.Avg {
		members.Departed = rd.Pods.Departed(namespace, workload, q.snap.AskedAt.Add(-window))
	}
	return members
}

// names lists the objects of a namespace that a rule can be read for.
func (rd *Reader) names(q *question, namespace string, objects labels.Selector) ([]string, error) {
	switch {
	case q.rule.Type == rule.TypeExternal:
		return []string{namespace}, nil
	case q.rule.ObjectLabel != "":
		return namesIn(q.groups(), namespace), nil
	}
	if err := rd.Pods.Knows(q.rule.Of.Group, q.rule.Of.Resource); err != nil {
		return nil, &NotReadyError{Err: err}
	}
	if q.rule.Type == rule.TypePods {
		return rd.Pods.Live(namespace, objects), nil
	}
	return rd.Pods.Workloads(namespace, q.rule.Of.Group, q.rule.Of.Resource), nil
}
