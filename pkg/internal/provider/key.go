package provider

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// CustomKey is the key that a read of a custom metric asks the Store for: the
// same for every object of the kind in a namespace. The errors are those of the
// read.
func (p *Provider) CustomKey(namespace, metric string, of schema.GroupResource, selector labels.Selector) (snapshot.Key, error) {
	r, err := p.find(types.NamespacedName{Namespace: namespace, Name: namespace}, provider.CustomMetricInfo{GroupResource: of, Metric: metric})
	if err != nil {
		return snapshot.Key{}, err
	}
	return keyOf(r, namespace, selector)
}

// ExternalKey is the key that a read of an external metric asks the Store for.
// The errors are those of the read.
func (p *Provider) ExternalKey(namespace, metric string, selector labels.Selector) (snapshot.Key, error) {
	r, err := p.findExternal(namespace, provider.ExternalMetricInfo{Metric: metric})
	if err != nil {
		return snapshot.Key{}, err
	}
	return keyOf(r, namespace, selector)
}

func keyOf(r *rule.Rule, namespace string, selector labels.Selector) (snapshot.Key, error) {
	matchers, err := matchers(selector)
	if err != nil {
		return snapshot.Key{}, err
	}
	q, err := pose(r, namespace, matchers)
	if err != nil {
		return snapshot.Key{}, err
	}
	return q.key(), nil
}
