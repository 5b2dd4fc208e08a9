package conformance

import (
	"context"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
)

// The names of the one HPA, its target and the pods' label.
const (
	namespace = "shop"
	name      = "web"
	target    = "web"
	key       = namespace + "/" + name
	selector  = "app=web"
)

// The controller's flags, as kube-controller-manager has them without any.
const (
	syncPeriod             = 15 * time.Second
	downscaleStabilization = 5 * time.Minute
	tolerance              = 0.1
	cpuInitialization      = 5 * time.Minute
	initialReadiness       = 30 * time.Second
)

// init silences the controller. Its handlers of errors must go because one of
// them waits until a millisecond has passed since the last error, which in a
// bubble is years: the machine's clock and the bubble's are not the same.
func init() {
	klog.SetLogger(klog.Logger{})
	utilruntime.ErrorHandlers = nil
}

// An upstream is the real controller in a world. It lives in a synctest bubble.
type upstream struct {
	world *world

	hpaInformer *informer
	podInformer *informer
	hpas        *hpas
	scales      *scales
	events      *events

	controller *podautoscaler.HorizontalController
	ctx        context.Context
	cancel     context.CancelFunc
	generation int
}

func newUpstream(w *world) *upstream {
	u := &upstream{world: w, hpaInformer: newInformer(), podInformer: newInformer(), scales: &scales{world: w}, events: &events{}}
	u.hpas = &hpas{indexer: u.hpaInformer.indexer}
	u.hpas.store(&autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
	})
	u.start()
	return u
}

// start makes a controller that remembers nothing.
func (u *upstream) start() {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{appsv1.SchemeGroupVersion})
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.controller = podautoscaler.NewHorizontalController(u.ctx, u.events, u.scales, u.hpas, mapper, metricsOf{u.world},
		hpaInformer{u.hpaInformer}, podInformer{u.podInformer},
		syncPeriod, downscaleStabilization, tolerance, cpuInitialization, initialReadiness)
	handlers := u.hpaInformer.handlers
	handlers[len(handlers)-1].OnAdd(u.hpas.stored(), true) // the controller registers the selector there
}

// stop ends the controller and what it started: Run shuts down the queue.
func (u *upstream) stop() {
	u.cancel()
	u.controller.Run(u.ctx, 0)
}

func (u *upstream) restart() {
	u.stop()
	u.start()
}

// A sync is what one sync of the real controller did.
type sync struct {
	writes []int32 // to the scale
	events []string
	failed bool
	status autoscalingv2.HorizontalPodAutoscalerStatus
	memory hpa.State
}

// sync lets the controller see the world and reconcile once.
func (u *upstream) sync() sync {
	u.see()
	u.scales.writes, u.events.rescales = nil, nil
	_, err := reconcileKey(u.controller, u.ctx, key)
	synctest.Wait() // events arrive by a goroutine
	return sync{
		writes: u.scales.writes,
		events: u.events.rescales,
		failed: err != nil,
		status: u.hpas.stored().Status,
		memory: memory(u.controller),
	}
}

// see brings the informers up to date. Each sync has another UID, so that
// events are not dropped as too many for one object.
func (u *upstream) see() {
	u.generation++
	hpa := u.hpas.stored().DeepCopy()
	hpa.Spec = *u.world.hpa.DeepCopy()
	hpa.UID = types.UID(time.Duration(u.generation).String())
	u.hpas.store(hpa)
	if !u.world.podsChanged {
		return
	}
	pods := make([]any, len(u.world.pods))
	for i, pod := range u.world.pods {
		pods[i] = pod
	}
	if err := u.podInformer.indexer.Replace(pods, ""); err != nil {
		panic(err)
	}
	u.world.podsChanged = false
}
