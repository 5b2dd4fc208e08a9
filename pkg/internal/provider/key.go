package provider

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// CustomKey is the key that a read of a custom metric asks the Store for: the
// same for every object of the kind. The errors are those of the read.
func (p *Provider) CustomKey(metric string, of schema.GroupResource, selector labels.Selector) (snapshot.Key, error) {
	r, err := p.find(provider.CustomMetricInfo{GroupResource: of, Metric: metric})
	if err != nil {
		return snapshot.Key{}, err
	}
	return keyOf(r, selector)
}

// ExternalKey is the key that a read of an external metric asks the Store for:
// the same for every namespace. The errors are those of the read.
func (p *Provider) ExternalKey(metric string, selector labels.Selector) (snapshot.Key, error) {
	r, err := p.findExternal(provider.ExternalMetricInfo{Metric: metric})
	if err != nil {
		return snapshot.Key{}, err
	}
	return keyOf(r, selector)
}

func keyOf(r *rule.Rule, selector labels.Selector) (snapshot.Key, error) {
	matchers, err := matchers(selector)
	if err != nil {
		return snapshot.Key{}, err
	}
	q, err := pose(r, matchers)
	if err != nil {
		return snapshot.Key{}, err
	}
	return q.key(), nil
}
