package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	autoscaling "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	discovery "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pitot-autoscaling/pitot/pkg/internal/demand"
	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/server"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A podIndex is a provider.Pods that says why it may be out of date.
type podIndex interface {
	provider.Pods
	Err() error
}

// noCluster is the pod index of a server without a cluster: it knows no pods,
// and says so instead of answering that there are none.
type noCluster struct{}

var errNoCluster = errors.New("a standalone server knows no pods: read one pod by its name, or serve a cluster")

func (noCluster) Err() error                                { return nil }
func (noCluster) Follow(string, string)                     {}
func (noCluster) Knows(string, string) error                { return errNoCluster }
func (noCluster) Live(string, labels.Selector) []string     { return nil }
func (noCluster) Of(string, pods.Workload) []string         { return nil }
func (noCluster) Workloads(string, string, string) []string { return nil }

// Departed is Of for pods that are gone.
func (noCluster) Departed(string, pods.Workload, time.Time) []string { return nil }

// podIndex starts the pod index of the cluster. Its ready check is nil where
// there is no cluster to wait for.
func (o *serveOptions) podIndex(ctx context.Context, group *errgroup.Group, log *zap.Logger) (index podIndex, ready map[string]func() error, err error) {
	if o.server.Standalone {
		return noCluster{}, nil, nil
	}
	cluster, err := server.ClientConfig(o.server.Kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	x, err := newPodIndex(cluster)
	if err != nil {
		return nil, nil, err
	}
	group.Go(func() error { x.Run(ctx); return nil })
	group.Go(func() error { every(ctx, podsInterval, logPods(log, x.Err)); return nil })
	return x, map[string]func() error{"pods": x.Ready}, nil
}

// podsInterval is the time between two looks at whether pods can be watched.
const podsInterval = 10 * time.Second

// logPods returns what logs when pods or their owners can no longer be listed or
// watched, and when they can again.
func logPods(log *zap.Logger, look func() error) func() {
	var last error
	return func() {
		err := look()
		switch {
		case err != nil && last == nil:
			log.Warn("pods are not watched: values are of the pods that were known", zap.Error(err))
		case err == nil && last != nil:
			log.Info("pods are watched again")
		}
		last = err
	}
}

func newPodIndex(cluster *rest.Config) (*pods.Index, error) {
	client, err := metadata.NewForConfig(cluster)
	if err != nil {
		return nil, err
	}
	slices, err := discovery.NewForConfig(compact(cluster))
	if err != nil {
		return nil, err
	}
	return pods.New(client, slices), nil
}

// compact is a cluster that answers in protobuf, which is smaller than JSON.
func compact(cluster *rest.Config) *rest.Config {
	cluster = rest.CopyConfig(cluster)
	cluster.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return cluster
}

// watchDemand has the metrics of the cluster's HPAs answered before they are
// read. It returns nil where there is no cluster.
func (o *serveOptions) watchDemand(ctx context.Context, group *errgroup.Group, metrics *provider.Provider, store *snapshot.Store, log *zap.Logger) (*demand.Watcher, error) {
	if o.server.Standalone {
		return nil, nil
	}
	cluster, err := server.ClientConfig(o.server.Kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := autoscaling.NewForConfig(compact(cluster))
	if err != nil {
		return nil, err
	}
	watcher := demand.New(demand.Options{Client: client, Keys: metrics, Store: store, Report: logDemand(log)})
	group.Go(func() error { watcher.Run(ctx); return nil })
	return watcher, nil
}

// logDemand logs when HPAs cannot be watched and when they can again.
func logDemand(log *zap.Logger) func(error) {
	return func(err error) {
		if err != nil {
			log.Warn("HorizontalPodAutoscalers are not watched: after a restart the first read of a metric may wait or fail", zap.Error(err))
			return
		}
		log.Info("HorizontalPodAutoscalers are watched again")
	}
}

// podIndex loads the pods that rules need from the cluster that kubectl would
// talk to. Call stop when done with it.
func (o *queryOptions) podIndex(ctx context.Context, rules []*rule.Rule) (index *pods.Index, stop func(), err error) {
	files := clientcmd.NewDefaultClientConfigLoadingRules()
	files.ExplicitPath = o.kubeconfig
	cluster, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(files, nil).ClientConfig()
	if err != nil {
		return nil, nil, err
	}
	index, err = newPodIndex(cluster)
	if err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { index.Run(running); return nil })
	stop = func() { cancel(); _ = group.Wait() }
	reader := provider.Reader{Pods: index}
	reader.Follow(rules)
	if err := awaitPods(ctx, index, rules); err != nil {
		stop()
		return nil, nil, err
	}
	return index, stop, nil
}

// awaitPods returns when the index has all that rules need, or ctx is done.
func awaitPods(ctx context.Context, index *pods.Index, rules []*rule.Rule) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	missing := func() error {
		for _, r := range rules {
			if err := index.Knows(r.Of.Group, r.Of.Resource); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		err := missing()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pods: %w", err)
		case <-ticker.C:
		}
	}
}

// announce logs what runs.
func announce(log *zap.Logger, api *server.Server, set *rule.Set) {
	backends := make([]string, 0, len(set.Backends))
	for _, b := range set.Backends {
		backends = append(backends, b.Name+"="+b.URL)
	}
	log.Info("serving",
		zap.String("version", version),
		zap.String("url", api.URL()),
		zap.Int("rules", len(set.Rules)),
		zap.Int("broken_rules", set.Broken()),
		zap.Strings("backends", backends),
	)
}
