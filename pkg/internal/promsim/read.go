package promsim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	api "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
	"github.com/pitot-autoscaling/pitot/pkg/scenario"
)

// Read answers as the metrics APIs do. A query that is due within a step is asked at
// its end, as a scrape is, and so never in between.
func (p *Pipeline) Read(at time.Time, metrics []hpa.Metric, pods []int) []hpa.Reading {
	p.now = at
	p.pods.live = p.pods.live[:0]
	for _, id := range pods {
		if t := p.targets[id]; t != nil {
			p.pods.live = append(p.pods.live, t.name)
		}
	}
	readings := make([]hpa.Reading, len(metrics))
	for i := range metrics {
		readings[i] = p.read(&metrics[i], p.source(i), pods)
	}
	return readings
}

// source is where a metric of the autoscaler is read. An edited autoscaler has the
// sources of the one before it.
func (p *Pipeline) source(i int) manifest.Source {
	if i < len(p.opts.Autoscaler.Sources) {
		return p.opts.Autoscaler.Sources[i]
	}
	return manifest.Source{}
}

func (p *Pipeline) read(m *hpa.Metric, source manifest.Source, pods []int) hpa.Reading {
	if p.err != nil {
		return hpa.Reading{Err: p.err}
	}
	selector, err := selectorOf(source)
	if err != nil {
		return hpa.Reading{Err: err}
	}
	switch m.Type {
	case hpa.Pods:
		return p.readPods(m, selector, pods)
	case hpa.Object:
		return p.readObject(m, source.Object, selector)
	case hpa.External:
		return p.readExternal(m, selector)
	default:
		return hpa.Reading{}
	}
}

func (p *Pipeline) readPods(m *hpa.Metric, selector labels.Selector, pods []int) hpa.Reading {
	info := api.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: m.Name}
	list, err := p.provider.GetMetricBySelector(context.Background(), p.opts.Autoscaler.Namespace, labels.Everything(), info, selector)
	if err != nil {
		return hpa.Reading{Err: err}
	}
	values := make(map[string]int64, len(list.Items))
	for i := range list.Items {
		values[list.Items[i].DescribedObject.Name] = list.Items[i].Value.MilliValue()
	}
	samples := make([]hpa.Sample, len(pods))
	for i, id := range pods {
		if t := p.targets[id]; t != nil {
			samples[i].Milli, samples[i].Present = values[t.name]
		}
	}
	return hpa.Reading{Pods: samples}
}

func (p *Pipeline) readObject(m *hpa.Metric, object manifest.Target, selector labels.Selector) hpa.Reading {
	of, err := p.resource(object)
	if err != nil {
		return hpa.Reading{Err: err}
	}
	name := types.NamespacedName{Namespace: p.opts.Autoscaler.Namespace, Name: object.Name}
	info := api.CustomMetricInfo{GroupResource: of, Namespaced: of != schema.GroupResource{Resource: "namespaces"}, Metric: m.Name}
	value, err := p.provider.GetMetricByName(context.Background(), name, info, selector)
	if err != nil {
		return hpa.Reading{Err: err}
	}
	return hpa.Reading{Values: []int64{value.Value.MilliValue()}}
}

func (p *Pipeline) readExternal(m *hpa.Metric, selector labels.Selector) hpa.Reading {
	list, err := p.provider.GetExternalMetric(context.Background(), p.opts.Autoscaler.Namespace, selector, api.ExternalMetricInfo{Metric: m.Name})
	if err != nil {
		return hpa.Reading{Err: err}
	}
	var reading hpa.Reading
	for i := range list.Items {
		reading.Values = append(reading.Values, list.Items[i].Value.MilliValue())
	}
	return reading
}

// resource is the resource of an object's kind.
func (p *Pipeline) resource(object manifest.Target) (schema.GroupResource, error) {
	group, err := schema.ParseGroupVersion(object.APIVersion)
	if err != nil {
		return schema.GroupResource{}, err
	}
	mapping, err := p.mapper.RESTMapping(schema.GroupKind{Group: group.Group, Kind: object.Kind}, group.Version)
	if err != nil {
		return schema.GroupResource{}, fmt.Errorf("metrics of the kind %s cannot be simulated: %w", object.Kind, err)
	}
	return mapping.Resource.GroupResource(), nil
}

// want finds the keys of the autoscaler's metrics, and names each by its metric.
func (p *Pipeline) want(names map[snapshot.Key]string) error {
	for i := range p.opts.Autoscaler.Spec.Metrics {
		m, source := &p.opts.Autoscaler.Spec.Metrics[i], p.source(i)
		key, err := p.key(m, source)
		switch {
		case err != nil:
			return fmt.Errorf("metric %s: %w", m.Name, err)
		case key == snapshot.Key{} || names[key] != "":
			continue
		}
		names[key] = m.Name
		p.keys = append(p.keys, key)
	}
	return nil
}

// key is what a metric asks, and none for resource metrics.
func (p *Pipeline) key(m *hpa.Metric, source manifest.Source) (snapshot.Key, error) {
	selector, err := selectorOf(source)
	if err != nil {
		return snapshot.Key{}, err
	}
	namespace := p.opts.Autoscaler.Namespace
	switch m.Type {
	case hpa.External:
		return p.provider.ExternalKey(namespace, m.Name, selector)
	case hpa.Pods:
		return p.provider.CustomKey(namespace, m.Name, schema.GroupResource{Resource: "pods"}, selector)
	case hpa.Object:
		of, err := p.resource(source.Object)
		if err != nil {
			return snapshot.Key{}, err
		}
		return p.provider.CustomKey(namespace, m.Name, of, selector)
	default:
		return snapshot.Key{}, nil
	}
}

func selectorOf(source manifest.Source) (labels.Selector, error) {
	if source.Selector == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(source.Selector)
}

// Check implements sim.Checker: it refuses metrics that no rule serves.
func (p *Pipeline) Check(metrics []hpa.Metric) error {
	var errs []error
	for i := range metrics {
		m := &metrics[i]
		if err := p.served(m, p.source(i)); err != nil {
			errs = append(errs, fmt.Errorf("metric %s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

var errNoRule = errors.New("no rule of the configuration serves it")

func (p *Pipeline) served(m *hpa.Metric, source manifest.Source) error {
	of := rule.GroupResource{Resource: "pods"}
	switch m.Type {
	case hpa.External:
		r, ok := p.opts.Rules.External(m.Name)
		if !ok {
			return fmt.Errorf("%w as an external metric", errNoRule)
		}
		return p.exposes(r)
	case hpa.Object:
		found, err := p.resource(source.Object)
		if err != nil {
			return err
		}
		of = rule.GroupResource{Group: found.Group, Resource: found.Resource}
	case hpa.Pods:
	default:
		return nil
	}
	r, ok := p.opts.Rules.Custom(m.Name, of)
	if !ok {
		return fmt.Errorf("%w on %s", errNoRule, of)
	}
	return p.exposes(r)
}

// exposes reports which series of a rule's query the pages do not have.
func (p *Pipeline) exposes(r *rule.Rule) error {
	have := map[string]bool{"up": true}
	for _, s := range p.opts.Page {
		have[s.Name] = true
		if s.Of == scenario.CountsLatency {
			have[s.Name+"_bucket"], have[s.Name+"_sum"], have[s.Name+"_count"] = true, true, true
		}
	}
	var missing []string
	for _, name := range r.Expr().MetricNames() {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("its rule asks for %s, which the simulated pods do not expose (hint: add it to exposes of the app)", strings.Join(missing, ", "))
}
