// This file is put into a copy of the controller's package, beside record.go. It
// records what the unit tests ask of the replica calculator by itself.

package podautoscaler

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	autoscaling "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/test/conformance/translate"
)

// calculation is the twin of that in pkg/hpa's tests.
type calculation struct {
	Spec       hpa.Spec
	Now        time.Time
	Seen       hpa.Observation
	ReadingErr string `json:",omitempty"`

	Proposal int32
	Status   status
	Failed   bool `json:",omitempty"`
}

// A tap is one call of the calculator. It is nil within a reconcile, which
// record.go records as a whole.
type tap struct {
	c      *ReplicaCalculator
	client metricsclient.MetricsClient
	now    time.Time

	pods    metricsclient.PodMetricsInfo
	values  []int64
	failure error
}

func (c *ReplicaCalculator) tap() *tap {
	if !recording.TryLock() {
		return nil
	}
	t := &tap{c: c, client: c.metricsClient, now: time.Now()}
	c.metricsClient = t
	return t
}

func (t *tap) record(m hpa.Metric, replicas int32, tolerances Tolerances, namespace string, selector labels.Selector, out calculation) {
	if t == nil {
		return
	}
	defer recording.Unlock()
	t.c.metricsClient = t.client
	out.Spec = hpa.Spec{
		MaxReplicas: math.MaxInt32,
		Metrics:     []hpa.Metric{m},
		Behavior:    &hpa.Behavior{ScaleUp: hpa.Rules{Tolerance: &tolerances.scaleUp}, ScaleDown: hpa.Rules{Tolerance: &tolerances.scaleDown}},
		Controller: hpa.Controller{
			CPUInitializationPeriod: t.c.cpuInitializationPeriod,
			InitialReadinessDelay:   t.c.delayOfInitialReadinessStatus,
			Profile:                 profile(),
		},
	}
	out.Spec.Controller.Profile.Zero = hpa.ZeroByMinimum // the calculator goes on at zero
	pods := t.listed(namespace, selector)
	out.Seen = hpa.Observation{Replicas: replicas, StatusReplicas: replicas}
	for _, pod := range pods {
		out.Seen.Pods = append(out.Seen.Pods, translate.Pod(pod))
	}
	reading := translate.Samples(pods, t.pods)
	reading.Values = t.values
	out.Seen.Readings = []hpa.Reading{reading}
	if t.failure != nil {
		out.ReadingErr = t.failure.Error()
	}
	out.Now = t.now
	r := &recorder{now: t.now}
	r.vector.Now, r.vector.Seen = out.Now, out.Seen
	r.rebase()
	out.Now, out.Seen = r.vector.Now, r.vector.Seen
	write(os.Getenv("PITOT_RECORD")+".calculator", out)
}

func (t *tap) listed(namespace string, selector labels.Selector) []*v1.Pod {
	if selector == nil {
		return nil
	}
	pods, err := t.c.podLister.Pods(namespace).List(selector)
	if err != nil {
		panic(err)
	}
	slices.SortFunc(pods, func(a, b *v1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

func (t *tap) GetResourceMetric(ctx context.Context, resource v1.ResourceName, namespace string, selector labels.Selector, container string) (metricsclient.PodMetricsInfo, time.Time, error) {
	info, at, err := t.client.GetResourceMetric(ctx, resource, namespace, selector, container)
	t.keep(info, err)
	return info, at, err
}

func (t *tap) GetRawMetric(name, namespace string, selector, metricSelector labels.Selector) (metricsclient.PodMetricsInfo, time.Time, error) {
	info, at, err := t.client.GetRawMetric(name, namespace, selector, metricSelector)
	t.keep(info, err)
	return info, at, err
}

// keep copies: the calculator deletes samples.
func (t *tap) keep(info metricsclient.PodMetricsInfo, err error) {
	t.failure, t.pods = err, metricsclient.PodMetricsInfo{}
	for name, sample := range info {
		t.pods[name] = sample
	}
}

func (t *tap) GetObjectMetric(name, namespace string, ref *autoscaling.CrossVersionObjectReference, selector labels.Selector) (int64, time.Time, error) {
	value, at, err := t.client.GetObjectMetric(name, namespace, ref, selector)
	t.values, t.failure = []int64{value}, err
	return value, at, err
}

func (t *tap) GetExternalMetric(name, namespace string, selector labels.Selector) ([]int64, time.Time, error) {
	values, at, err := t.client.GetExternalMetric(name, namespace, selector)
	t.values, t.failure = values, err
	return values, at, err
}

func (c *ReplicaCalculator) GetResourceReplicas(ctx context.Context, current, target int32, resource v1.ResourceName, tolerances Tolerances, namespace string, selector labels.Selector, container string) (int32, int32, int64, time.Time, error) {
	t := c.tap()
	n, percent, raw, at, err := c.getResourceReplicas(ctx, current, target, resource, tolerances, namespace, selector, container)
	m := hpa.Metric{Type: hpa.Resource, Name: string(resource), Target: hpa.Target{Type: hpa.Utilization, Percent: target}}
	if container != "" {
		m.Type, m.Container = hpa.ContainerResource, container
	}
	t.record(m, current, tolerances, namespace, selector, calculation{Proposal: n, Status: status{raw, percent}, Failed: err != nil})
	return n, percent, raw, at, err
}

func (c *ReplicaCalculator) GetMetricReplicas(current int32, target int64, name string, tolerances Tolerances, namespace string, selector, metricSelector labels.Selector) (int32, int64, time.Time, error) {
	t := c.tap()
	n, usage, at, err := c.getMetricReplicas(current, target, name, tolerances, namespace, selector, metricSelector)
	t.record(hpa.Metric{Type: hpa.Pods, Name: name, Target: average(target)}, current, tolerances, namespace, selector, calculated(n, usage, err))
	return n, usage, at, err
}

func (c *ReplicaCalculator) GetObjectMetricReplicas(current int32, target int64, name string, tolerances Tolerances, namespace string, ref *autoscaling.CrossVersionObjectReference, selector, metricSelector labels.Selector) (int32, int64, time.Time, error) {
	t := c.tap()
	n, usage, at, err := c.getObjectMetricReplicas(current, target, name, tolerances, namespace, ref, selector, metricSelector)
	t.record(hpa.Metric{Type: hpa.Object, Name: name, Target: whole(target)}, current, tolerances, namespace, selector, calculated(n, usage, err))
	return n, usage, at, err
}

func (c *ReplicaCalculator) GetObjectPerPodMetricReplicas(exist int32, target int64, name string, tolerances Tolerances, namespace string, ref *autoscaling.CrossVersionObjectReference, metricSelector labels.Selector) (int32, int64, time.Time, error) {
	t := c.tap()
	n, usage, at, err := c.getObjectPerPodMetricReplicas(exist, target, name, tolerances, namespace, ref, metricSelector)
	t.record(hpa.Metric{Type: hpa.Object, Name: name, Target: average(target)}, exist, tolerances, namespace, nil, calculated(n, usage, err))
	return n, usage, at, err
}

func (c *ReplicaCalculator) GetExternalMetricReplicas(current int32, target int64, name string, tolerances Tolerances, namespace string, metricSelector *metav1.LabelSelector, selector labels.Selector) (int32, int64, time.Time, error) {
	t := c.tap()
	n, usage, at, err := c.getExternalMetricReplicas(current, target, name, tolerances, namespace, metricSelector, selector)
	t.record(hpa.Metric{Type: hpa.External, Name: name, Target: whole(target)}, current, tolerances, namespace, selector, calculated(n, usage, err))
	return n, usage, at, err
}

func (c *ReplicaCalculator) GetExternalPerPodMetricReplicas(exist int32, target int64, name string, tolerances Tolerances, namespace string, metricSelector *metav1.LabelSelector) (int32, int64, time.Time, error) {
	t := c.tap()
	n, usage, at, err := c.getExternalPerPodMetricReplicas(exist, target, name, tolerances, namespace, metricSelector)
	t.record(hpa.Metric{Type: hpa.External, Name: name, Target: average(target)}, exist, tolerances, namespace, nil, calculated(n, usage, err))
	return n, usage, at, err
}

func average(milli int64) hpa.Target { return hpa.Target{Type: hpa.AverageValue, Milli: milli} }
func whole(milli int64) hpa.Target   { return hpa.Target{Type: hpa.Value, Milli: milli} }

func calculated(n int32, usage int64, err error) calculation {
	return calculation{Proposal: n, Status: status{Milli: usage}, Failed: err != nil}
}
