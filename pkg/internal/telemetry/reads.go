package telemetry

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
	api "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Provider answers reads by rules that can be replaced. An error of it is a
// Status whose first cause names, in one word of a finite list, why there is no
// value.
type Provider interface {
	api.MetricsProvider
	SetRules(rules *rule.Set)
}

// What a read came to: a value, or the cause that a Status names.
const (
	stateValue   = "value"
	stateUnknown = "unknown" // an error that names no cause
)

// Reads is a Provider that counts the reads of another.
type Reads struct {
	Provider
	metrics  *Metrics
	mapper   meta.RESTMapper
	custom   prometheus.Observer // of the time that reads take
	external prometheus.Observer
	unserved map[string]*outcomes // by API: reads of what no rule serves
	epoch    time.Time            // when this clock began: see now

	setting sync.Mutex // held by SetRules
	rules   atomic.Pointer[ruleIndex]
}

// A ruleIndex finds the outcomes of a rule. It is immutable.
type ruleIndex struct {
	set    *rule.Set
	custom map[string][]ruleOutcomes // by metric
	// external are the External rules, by metric: there is one at most.
	external map[string]*outcomes
}

// ruleOutcomes are those of one rule in the custom metrics API.
type ruleOutcomes struct {
	of rule.GroupResource
	*outcomes
}

// outcomes count what the reads of one rule through one API came to.
type outcomes struct {
	value  prometheus.Counter
	others *prometheus.CounterVec // by state
}

// The APIs, as labels.
const (
	customAPI   = "custom"
	externalAPI = "external"
)

// Reads returns p with its reads counted. The mapper is that by which p finds the
// rule of a resource that a path names in the singular, or without its group.
func (m *Metrics) Reads(p Provider, rules *rule.Set, mapper meta.RESTMapper) *Reads {
	r := &Reads{
		Provider: p, metrics: m, mapper: mapper,
		custom: m.readTime.WithLabelValues(customAPI), external: m.readTime.WithLabelValues(externalAPI),
		epoch:    time.Now(),
		unserved: map[string]*outcomes{customAPI: m.outcomes(customAPI, "", ""), externalAPI: m.outcomes(externalAPI, "", "")},
	}
	r.rules.Store(m.index(rules))
	return r
}

// SetRules implements Provider.
func (r *Reads) SetRules(rules *rule.Set) {
	r.setting.Lock()
	defer r.setting.Unlock()
	last, next := r.rules.Load(), r.metrics.index(rules)
	r.rules.Store(next)
	r.metrics.forget(last.set, rules)
	for _, was := range last.set.Rules {
		if !next.has(was) {
			r.metrics.reads.DeletePartialMatch(prometheus.Labels{"metric": was.Metric, "of": was.Of.String()})
		}
	}
	r.Provider.SetRules(rules)
}

func (m *Metrics) index(set *rule.Set) *ruleIndex {
	x := &ruleIndex{set: set, custom: map[string][]ruleOutcomes{}, external: map[string]*outcomes{}}
	for _, r := range set.Rules {
		if r.Type == rule.TypeExternal {
			x.external[r.Metric] = m.outcomes(externalAPI, r.Metric, r.Of.String())
		}
		x.custom[r.Metric] = append(x.custom[r.Metric], ruleOutcomes{r.Of, m.outcomes(customAPI, r.Metric, r.Of.String())})
	}
	return x
}

func (m *Metrics) outcomes(api, metric, of string) *outcomes {
	others := m.reads.MustCurryWith(prometheus.Labels{"api": api, "metric": metric, "of": of})
	return &outcomes{value: others.WithLabelValues(stateValue), others: others}
}

func (x *ruleIndex) has(r *rule.Rule) bool {
	_, ok := x.find(r.Metric, r.Of)
	return ok
}

func (x *ruleIndex) find(metric string, of rule.GroupResource) (*outcomes, bool) {
	for _, one := range x.custom[metric] {
		if one.of == of {
			return one.outcomes, true
		}
	}
	return nil, false
}

// now is the time on the monotonic clock alone: time.Now asks the wall clock too,
// which is a fifth of what counting a read costs.
func (r *Reads) now() time.Duration { return time.Since(r.epoch) }

// GetMetricByName implements Provider.
func (r *Reads) GetMetricByName(ctx context.Context, name types.NamespacedName, info api.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValue, error) {
	begun := r.now()
	value, err := r.Provider.GetMetricByName(ctx, name, info, selector)
	r.customRead(info, begun, err)
	return value, err
}

// GetMetricBySelector implements Provider.
func (r *Reads) GetMetricBySelector(ctx context.Context, namespace string, objects labels.Selector, info api.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValueList, error) {
	begun := r.now()
	list, err := r.Provider.GetMetricBySelector(ctx, namespace, objects, info, selector)
	r.customRead(info, begun, err)
	return list, err
}

// GetExternalMetric implements Provider.
func (r *Reads) GetExternalMetric(ctx context.Context, namespace string, selector labels.Selector, info api.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	begun := r.now()
	list, err := r.Provider.GetExternalMetric(ctx, namespace, selector, info)
	r.external.Observe((r.now() - begun).Seconds())
	read, ok := r.rules.Load().external[info.Metric]
	if !ok {
		read = r.unserved[externalAPI]
	}
	read.count(err)
	return list, err
}

func (r *Reads) customRead(info api.CustomMetricInfo, begun time.Duration, err error) {
	r.custom.Observe((r.now() - begun).Seconds())
	rules := r.rules.Load()
	read, ok := rules.find(info.Metric, rule.GroupResource(info.GroupResource))
	if !ok {
		read, ok = rules.find(info.Metric, r.plural(info.GroupResource))
	}
	if !ok {
		read = r.unserved[customAPI]
	}
	read.count(err)
}

// plural is the resource that a path means, or itself.
func (r *Reads) plural(named schema.GroupResource) rule.GroupResource {
	if full, err := r.mapper.ResourceFor(named.WithVersion("")); err == nil {
		named = full.GroupResource()
	}
	return rule.GroupResource(named)
}

func (o *outcomes) count(err error) {
	if err == nil {
		o.value.Inc()
		return
	}
	o.others.WithLabelValues(causeOf(err)).Inc()
}

// causeOf is the cause that a Status names.
func causeOf(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return stateUnknown
	}
	details := status.Status().Details
	if details == nil || len(details.Causes) == 0 {
		return stateUnknown
	}
	return string(details.Causes[0].Type)
}
