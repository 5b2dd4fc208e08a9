package server

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver/metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	customstorage "sigs.k8s.io/custom-metrics-apiserver/pkg/registry/custom_metrics"
)

// customStorage is the library's storage, except that a metricLabelSelector
// that does not parse is the caller's mistake (400) and not the server's (500).
type customStorage struct {
	*customstorage.REST
}

func newCustomStorage(p provider.CustomMetricsProvider) customStorage {
	return customStorage{customstorage.NewREST(p)}
}

// List implements the library's ListerWithOptions.
func (s customStorage) List(ctx context.Context, options *metainternalversion.ListOptions, metricOptions runtime.Object) (runtime.Object, error) {
	if o, ok := metricOptions.(*custom_metrics.MetricListOptions); ok {
		if _, err := labels.Parse(o.MetricLabelSelector); err != nil {
			return nil, apierrors.NewBadRequest("metricLabelSelector: " + err.Error())
		}
	}
	return s.REST.List(ctx, options, metricOptions)
}

// registerMetrics adds the library's histogram of the age of served metrics to
// the process's registry, once however many servers a process runs.
var registerMetrics = sync.OnceValue(func() error {
	return metrics.RegisterMetrics(legacyregistry.Register)
})
