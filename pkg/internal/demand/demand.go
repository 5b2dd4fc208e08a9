// Package demand learns from the cluster's HorizontalPodAutoscalers which
// queries will be read, and has them answered before the first read.
//
//	watcher := demand.New(demand.Options{Client: client.AutoscalingV2(), Keys: provider, Store: store})
//	go watcher.Run(ctx)
//
// A replica of Pitot that has just started, and one that has not been read
// because the connections of the aggregator all lead to another, is then as
// warm as that other.
//
// # Promises
//
//   - What an HPA reads is wanted as soon as the HPA is known, and again every
//     few seconds for as long as it exists, under the rules of that moment.
//   - What no rule serves, resource metrics among it, is passed over in silence:
//     the cause is for whoever reads the metric.
//   - Nothing waits for this package. Without the right to watch, or without a
//     cluster, reads make demand as they do anyway.
//
// # What it costs
//
// HPAs are listed once and then watched. Of each HPA its name is kept, and
// references to its metrics, which equal HPAs of a namespace share.
package demand

import (
	"context"
	"slices"
	"sync"
	"time"
	"unique"

	autoscaling "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	"k8s.io/klog/v2"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
)

// Keys finds the key that a read of a metric in a namespace asks for. An error says
// that no read of it can succeed. Its methods are called concurrently.
type Keys interface {
	CustomKey(namespace, metric string, of schema.GroupResource, selector labels.Selector) (snapshot.Key, error)
	ExternalKey(namespace, metric string, selector labels.Selector) (snapshot.Key, error)
}

// A Store keeps a key alive for some minutes after it was wanted. Want returns at
// once and is called concurrently. Its error is that of a read of the key.
type Store interface {
	Want(key snapshot.Key) error
}

// Options configure a Watcher. All but Report are required.
type Options struct {
	// Client needs list and watch on horizontalpodautoscalers.autoscaling in all
	// namespaces.
	Client client.HorizontalPodAutoscalersGetter
	Keys   Keys
	Store  Store
	// Report, if set, is told when HPAs can no longer be listed or watched, why,
	// and with nil when they can again. It is called once per change, not
	// concurrently.
	Report func(error)
}

// period is the time after which everything is wanted again, since rules may
// have changed: less than passes between two reads of an HPA, far less than until
// a Store forgets, and cheap beside the queries that it keeps alive.
const period = 10 * time.Second

// A Watcher wants what HPAs read. Its methods may be called concurrently.
type Watcher struct {
	opts Options
	hpas *mirror.Source[*autoscaling.HorizontalPodAutoscaler]

	mu      sync.Mutex
	metrics map[types.NamespacedName][]unique.Handle[metric] // by HPA, without those that have none
}

// New returns a Watcher that knows of no HPA until Run.
func New(opts Options) *Watcher {
	if opts.Report == nil {
		opts.Report = func(error) {}
	}
	w := &Watcher{opts: opts, metrics: make(map[types.NamespacedName][]unique.Handle[metric])}
	w.hpas = &mirror.Source[*autoscaling.HorizontalPodAutoscaler]{
		Resource: autoscaling.Resource("horizontalpodautoscalers"),
		Client:   opts.Client,
		Calls:    mirror.CallsOf(opts.Client.HorizontalPodAutoscalers(metav1.NamespaceAll)),
		Slim:     slim,
		Copy:     mirrored{w},
	}
	return w
}

// Run watches until ctx is done. What fails is tried again, with backoff; what
// was known stays known meanwhile. Call it once.
func (w *Watcher) Run(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	// The libraries would log every attempt that fails; Report is told once.
	silent := klog.NewContext(ctx, klog.Logger{})
	watching.Go(func() { w.hpas.Run(silent) })

	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var reported error
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.wantAll()
		if err := w.hpas.Err(); isNews(reported, err) {
			w.opts.Report(err)
			reported = err
		}
	}
}

// isNews reports whether err differs from the last one in kind. The texts of one
// kind differ from attempt to attempt, by ports and times.
func isNews(last, err error) bool {
	return (last == nil) != (err == nil) || apierrors.ReasonForError(last) != apierrors.ReasonForError(err)
}

// Watched is the number of HPAs that read custom or external metrics, as far as
// they are known. The error says why they may be out of date.
func (w *Watcher) Watched() (hpas int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.metrics), w.hpas.Err()
}

// wantAll wants the metrics of all HPAs, each once.
func (w *Watcher) wantAll() {
	distinct := make(map[unique.Handle[metric]]struct{})
	w.mu.Lock()
	for _, metrics := range w.metrics {
		for _, m := range metrics {
			distinct[m] = struct{}{}
		}
	}
	w.mu.Unlock()
	for m := range distinct {
		w.want(m.Value())
	}
}

// want makes a metric's key come alive, if there is one.
func (w *Watcher) want(m metric) {
	if key, err := m.key(w.opts.Keys); err == nil {
		_ = w.opts.Store.Want(key) // whoever reads it gets the cause
	}
}

// set replaces the metrics of an HPA and reports whether it had others before.
func (w *Watcher) set(hpa types.NamespacedName, metrics []unique.Handle[metric]) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Equal(w.metrics[hpa], metrics) {
		return false
	}
	if len(metrics) == 0 {
		delete(w.metrics, hpa)
	} else {
		w.metrics[hpa] = metrics
	}
	return true
}
