// Package provider serves rules through the interfaces of the custom and
// external metrics APIs.
//
// A request names a metric and an object; the Provider finds the rule, has a
// Reader read it, and answers with quantities and describing references:
//
//	p := provider.New(rules, provider.Reader{Store: store, Pods: index}, mapper)
//	value, err := p.GetMetricByName(ctx, name, info, selector)
//
// # Promises
//
//   - Quantities are the reading rounded to the nearest thousandth.
//   - Timestamps are the query's evaluation time, windows the query's own.
//   - A read of many objects leaves out those without a series, with samples that
//     are too old or with NaN, if the rule has no policy for them, and fails for
//     every other state without a number: an HPA treats a missing pod with care, and a wrong one not at all.
//   - Every error is a Status whose message says what is wrong with the metric.
//   - Nothing here blocks but the first read of a query.
package provider

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider/defaults"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/reading"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Provider answers reads of both metrics APIs. It may be used concurrently.
//
// Its discovery lists are constant and never empty, whatever the rules: a large
// list slows every client of the cluster, and an empty one makes them fail.
type Provider struct {
	defaults.DefaultCustomMetricsProvider
	defaults.DefaultExternalMetricsProvider

	write  sync.Mutex // of rules
	rules  atomic.Pointer[book]
	reader Reader
	mapper meta.RESTMapper
}

var _ provider.MetricsProvider = (*Provider)(nil)

// New returns a Provider of the operator's rules. The mapper turns resources into the kinds
// that answers refer to, and singular resources into plural ones.
func New(rules *rule.Set, reader Reader, mapper meta.RESTMapper) *Provider {
	p := &Provider{reader: reader, mapper: mapper}
	p.rules.Store(&book{})
	p.SetRules(rules)
	return p
}

// GetMetricByName reads a metric of one object.
func (p *Provider) GetMetricByName(ctx context.Context, name types.NamespacedName, info provider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValue, error) {
	value, err := p.byName(ctx, name, info, selector)
	if err != nil {
		return nil, status(info.Metric, err)
	}
	return value, nil
}

// GetMetricBySelector reads a metric of the objects that a label selector picks.
func (p *Provider) GetMetricBySelector(ctx context.Context, namespace string, objects labels.Selector, info provider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValueList, error) {
	list, err := p.bySelector(ctx, namespace, objects, info, selector)
	if err != nil {
		return nil, status(info.Metric, err)
	}
	return list, nil
}

// GetExternalMetric reads an external metric.
func (p *Provider) GetExternalMetric(ctx context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	list, err := p.external(ctx, namespace, selector, info)
	if err != nil {
		return nil, status(info.Metric, err)
	}
	return list, nil
}

func (p *Provider) byName(ctx context.Context, name types.NamespacedName, info provider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValue, error) {
	r, err := p.find(name, info)
	if err != nil {
		return nil, err
	}
	matchers, err := matchers(selector)
	if err != nil {
		return nil, err
	}
	answer, err := p.reader.Object(ctx, r, objectOf(r, name), matchers)
	if err != nil {
		return nil, err
	}
	one := answer.Readings[0]
	if err := one.Err(); err != nil {
		return nil, err
	}
	return p.value(r, answer, one, metricSelector(selector)), nil
}

func (p *Provider) bySelector(ctx context.Context, namespace string, objects labels.Selector, info provider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValueList, error) {
	r, err := p.find(types.NamespacedName{Namespace: namespace, Name: namespace}, info)
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		return nil, &BadRequestError{Reason: "name one namespace: a read across namespaces is not served"}
	}
	matchers, err := matchers(selector)
	if err != nil {
		return nil, err
	}
	answer, err := p.reader.Objects(ctx, r, namespace, objects, matchers)
	if err != nil {
		return nil, err
	}
	readings, err := present(answer.Readings, fmt.Sprintf("no %s in namespace %q matches %q", r.Of, namespace, objects))
	if err != nil {
		return nil, err
	}
	list := &custom_metrics.MetricValueList{}
	for _, one := range readings {
		list.Items = append(list.Items, *p.value(r, answer, one, metricSelector(selector)))
	}
	return list, nil
}

func (p *Provider) external(ctx context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	r, err := p.findExternal(namespace, info)
	if err != nil {
		return nil, err
	}
	matchers, err := matchers(selector)
	if err != nil {
		return nil, err
	}
	answer, err := p.reader.Series(ctx, r, namespace, matchers)
	if err != nil {
		return nil, err
	}
	// The HPA sums the items: with one of them missing the sum is wrong, and it
	// can leave the range that its items keep.
	if err := reading.Total(r, answer.Readings, namespace).Err(); err != nil {
		return nil, err
	}
	list := &external_metrics.ExternalMetricValueList{}
	for _, one := range largestFirst(answer.Readings) {
		list.Items = append(list.Items, external_metrics.ExternalMetricValue{
			MetricName:    info.Metric,
			MetricLabels:  one.Series.Map(),
			Timestamp:     metav1.NewTime(answer.At),
			WindowSeconds: seconds(answer.Window),
			Value:         quantity(one),
		})
	}
	return list, nil
}

// largestFirst orders the items that an HPA sums. With an AverageValue target it
// takes any sum below zero on the way for an overflow, and scales to the maximum
// (GetExternalPerPodMetricReplicas of Kubernetes 1.37): in this order there is
// none unless the whole sum is negative.
func largestFirst(items []reading.Reading) []reading.Reading {
	return slices.SortedStableFunc(slices.Values(items), func(a, b reading.Reading) int { return cmp.Compare(b.Value, a.Value) })
}

// present keeps the readings with a number and leaves out objects without a
// series, with samples that are too old or with NaN. Any other state is an error, and so is nothing left.
func present(readings []reading.Reading, none string) ([]reading.Reading, error) {
	cause := &reading.NoValueError{State: reading.Empty, Cause: none}
	var kept []reading.Reading
	for _, one := range readings {
		err := one.Err()
		switch {
		case err == nil:
			kept = append(kept, one)
		case one.State == reading.Empty, one.State == reading.NotANumber, one.State == reading.Stale:
			if len(kept) == 0 {
				cause = &reading.NoValueError{State: one.State, Cause: fmt.Sprintf("none of the %d objects has a value; %s: %s", len(readings), one.Object, one.Cause)}
			}
		default:
			return nil, fmt.Errorf("%s: %w", one.Object, err)
		}
	}
	if len(kept) == 0 {
		return nil, cause
	}
	return kept, nil
}

// objectOf is the object whose samples answer for name. A namespace is inside
// itself: its samples carry it as their namespace.
func objectOf(r *rule.Rule, name types.NamespacedName) instant.Object {
	if r.Of == namespaces {
		return instant.Object{Namespace: name.Name, Name: name.Name}
	}
	return instant.Object{Namespace: name.Namespace, Name: name.Name}
}

var namespaces = rule.GroupResource{Resource: "namespaces"}

func (p *Provider) value(r *rule.Rule, answer Answer, one reading.Reading, selector *metav1.LabelSelector) *custom_metrics.MetricValue {
	return &custom_metrics.MetricValue{
		DescribedObject: p.reference(r.Of, one.Object),
		Metric:          custom_metrics.MetricIdentifier{Name: r.Metric, Selector: selector},
		Timestamp:       metav1.NewTime(answer.At),
		WindowSeconds:   seconds(answer.Window),
		Value:           quantity(one),
	}
}

// reference describes an object. A kind that the mapper does not know keeps the
// resource's name, which no reader mistakes for a kind.
func (p *Provider) reference(of rule.GroupResource, object instant.Object) custom_metrics.ObjectReference {
	ref := custom_metrics.ObjectReference{Name: object.Name, Namespace: object.Namespace, Kind: of.Resource}
	if of == namespaces {
		ref.Namespace = ""
	}
	if kind, err := p.mapper.KindFor(schema.GroupVersionResource{Group: of.Group, Resource: of.Resource}); err == nil {
		ref.APIVersion, ref.Kind = kind.ToAPIVersionAndKind()
	}
	return ref
}

func quantity(r reading.Reading) resource.Quantity {
	return *resource.NewMilliQuantity(r.Milli(), resource.DecimalSI)
}

// seconds is nil for an instant value, as the API defines it.
func seconds(window time.Duration) *int64 {
	if window == 0 {
		return nil
	}
	s := int64(window / time.Second)
	return &s
}

// metricSelector repeats a metric's selector in the answer; nil when there is none.
func metricSelector(selector labels.Selector) *metav1.LabelSelector {
	if selector == nil || selector.Empty() {
		return nil
	}
	parsed, err := metav1.ParseToLabelSelector(selector.String())
	if err != nil {
		return nil
	}
	return parsed
}
