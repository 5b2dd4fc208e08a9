package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

var sampleTime = metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

// echo is a provider of fixed values that shows in its answers what it was
// asked: the object, the metric and the metric selector. The metric's name
// chooses the answer:
//
//	missing   404, a Status error
//	backoff   503, a Status error that asks for Retry-After
//	broken    an error that is no Status error
//	slow      an error that says so once the context ends
//	deaf      no answer until the test ends, whatever the context says
//	anything  1500 milli for one object, two pods for a selector
type echo struct {
	deafUntil <-chan struct{}
}

func (e echo) fail(ctx context.Context, metric string) error {
	switch metric {
	case "missing":
		return apierrors.NewNotFound(schema.GroupResource{Group: "custom.metrics.k8s.io", Resource: "metrics"}, metric)
	case "backoff":
		err := apierrors.NewServiceUnavailable("backend is away")
		err.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 7}
		return err
	case "broken":
		return errors.New("something the author did not expect")
	case "slow":
		<-ctx.Done()
		return apierrors.NewTimeoutError("the backend is slow", 0)
	case "deaf":
		<-e.deafUntil
		return errors.New("too late to matter")
	default:
		return nil
	}
}

func (echo) value(namespace, name string, info provider.CustomMetricInfo, metricSelector labels.Selector) custom_metrics.MetricValue {
	selector, _ := metav1.ParseToLabelSelector(metricSelector.String())
	return custom_metrics.MetricValue{
		DescribedObject: custom_metrics.ObjectReference{Kind: info.GroupResource.String(), Namespace: namespace, Name: name},
		Metric:          custom_metrics.MetricIdentifier{Name: info.Metric, Selector: selector},
		Timestamp:       sampleTime,
		Value:           *resource.NewMilliQuantity(1500, resource.DecimalSI),
	}
}

func (e echo) GetMetricByName(ctx context.Context, name types.NamespacedName, info provider.CustomMetricInfo, metricSelector labels.Selector) (*custom_metrics.MetricValue, error) {
	if err := e.fail(ctx, info.Metric); err != nil {
		return nil, err
	}
	v := e.value(name.Namespace, name.Name, info, metricSelector)
	return &v, nil
}

func (e echo) GetMetricBySelector(ctx context.Context, namespace string, selector labels.Selector, info provider.CustomMetricInfo, metricSelector labels.Selector) (*custom_metrics.MetricValueList, error) {
	if err := e.fail(ctx, info.Metric); err != nil {
		return nil, err
	}
	list := &custom_metrics.MetricValueList{}
	for _, pod := range []string{"web-0", "web-1"} {
		if selector.Matches(labels.Set{"app": "web", "pod": pod}) {
			list.Items = append(list.Items, e.value(namespace, pod, info, metricSelector))
		}
	}
	return list, nil
}

func (echo) ListAllMetrics() []provider.CustomMetricInfo {
	return []provider.CustomMetricInfo{
		{GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: "http_requests"},
		{GroupResource: schema.GroupResource{Group: "apps", Resource: "deployments"}, Namespaced: true, Metric: "http_p95_seconds"},
	}
}

func (e echo) GetExternalMetric(ctx context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	if err := e.fail(ctx, info.Metric); err != nil {
		return nil, err
	}
	return &external_metrics.ExternalMetricValueList{Items: []external_metrics.ExternalMetricValue{{
		MetricName:   info.Metric,
		MetricLabels: map[string]string{"namespace": namespace, "selector": selector.String()},
		Timestamp:    sampleTime,
		Value:        *resource.NewMilliQuantity(250, resource.DecimalSI),
	}}}, nil
}

func (echo) ListAllExternalMetrics() []provider.ExternalMetricInfo {
	return []provider.ExternalMetricInfo{{Metric: "queue_depth"}}
}

var (
	_ provider.MetricsProvider = echo{}
	_ http.ResponseWriter      = (*retryAfterRemover)(nil)
)
