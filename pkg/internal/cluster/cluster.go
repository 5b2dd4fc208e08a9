// Package cluster reads from a cluster the facts that package doctor judges.
//
//	reader, err := cluster.New(config)
//	facts, err := reader.Read(ctx, cluster.Scope{})
//
// It lists, in pages, and asks for single objects only where there are few; of
// the metrics APIs it reads each value once, as the HPA controller does. It
// writes nothing: the access reviews that it creates are questions.
//
// Whatever is refused or fails becomes a gap among the facts, and the rest goes
// on. Read fails only if the cluster cannot be reached at all.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
)

const (
	// atOnce is how many requests are under way, whatever the cluster's size.
	atOnce = 8
	// requestTimeout bounds each of them. A list is several.
	requestTimeout = 15 * time.Second
)

// A Reader reads facts. It may be used for several reads, one after another.
type Reader struct {
	typed    kubernetes.Interface
	objects  dynamic.Interface
	metadata metadata.Interface
	// Progress is told how many of a kind of reads are done. It is nil or safe
	// for concurrent use.
	Progress func(what string, done, total int)
}

// New returns a Reader of a cluster.
func New(config *rest.Config) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the number of requests at once is the limit
	config.Timeout = requestTimeout
	config.WarningHandler = rest.NoWarnings{} // such as that an API is deprecated
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	names, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Reader{typed: typed, objects: objects, metadata: names}, nil
}

// A Scope says which HPAs to look at.
type Scope struct {
	// Namespaces are those to look into; none means all.
	Namespaces []string
	// Autoscalers are the HPAs to judge, in the Namespaces; none means all.
	Autoscalers []types.NamespacedName
	// Own is the namespace to look into if all was meant, and is not allowed.
	Own string
}

// A reading gathers facts. Its steps run side by side; each has fields of the
// facts to itself, but for the gaps.
type reading struct {
	*Reader
	facts      *doctor.Facts
	namespaces []string // "" is all

	mu sync.Mutex // guards facts.Gaps
}

// Read reads everything. It ends with ctx; what was not read by then is a gap.
func (r *Reader) Read(ctx context.Context, scope Scope) (*doctor.Facts, error) {
	run := &reading{Reader: r, facts: &doctor.Facts{Now: time.Now()}, namespaces: scope.Namespaces}
	if len(run.namespaces) == 0 {
		run.namespaces = []string{metav1.NamespaceAll}
	}
	if err := run.kinds(); err != nil {
		return nil, err
	}
	if err := run.autoscalers(ctx, scope); err != nil {
		return nil, err
	}
	run.apiServices(ctx)
	run.together(ctx,
		run.workloads, run.described, run.pods, run.services,
		run.verticalAutoscalers, run.scaledObjects, run.monitors, run.scrapers,
		run.installation, run.controller,
	)
	run.selectors(ctx) // of workloads
	run.rights(ctx)    // of the installation, and to what is asked
	run.values(ctx)
	return run.facts, nil
}

func (r *reading) together(ctx context.Context, steps ...func(context.Context)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, step := range steps {
		group.Go(func() error { step(ctx); return nil })
	}
	_ = group.Wait() // steps report gaps, no errors
}

// each calls do for all indices below n, some at once.
func (r *reading) each(what string, n int, do func(i int)) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	done := 0
	for i := range n {
		group.Go(func() error {
			do(i)
			r.mu.Lock()
			defer r.mu.Unlock()
			if done++; r.Progress != nil {
				r.Progress(what, done, n)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// gap remembers that a resource could not be read, unless it does not exist.
func (r *reading) gap(resource, namespace string, err error) {
	if err == nil || apierrors.IsNotFound(err) {
		return
	}
	why := err.Error()
	switch {
	case apierrors.IsForbidden(err):
		why = "you have no right to read them"
	case errors.Is(err, context.DeadlineExceeded):
		why = "the time was over"
	}
	r.missing(doctor.Gap{Resource: resource, Namespace: namespace, Why: why})
}

func (r *reading) missing(gap doctor.Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.facts.Gaps {
		if known == gap {
			return
		}
	}
	r.facts.Gaps = append(r.facts.Gaps, gap)
}

// unread is the gap of a resource, if there is one.
func (r *reading) unread(resource string) (doctor.Gap, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, gap := range r.facts.Gaps {
		if gap.Resource == resource {
			return gap, true
		}
	}
	return doctor.Gap{}, false
}

// kinds asks the cluster what kinds of objects it has.
func (r *reading) kinds() error {
	groups, lists, err := r.typed.Discovery().ServerGroupsAndResources()
	var partial *discovery.ErrGroupDiscoveryFailed
	switch {
	case errors.As(err, &partial):
		for gv, why := range partial.Groups {
			r.missing(doctor.Gap{Resource: "kinds of " + gv.Group, Why: why.Error()})
		}
	case err != nil:
		return fmt.Errorf("cluster: %w", err)
	}
	r.facts.Served = map[string]string{}
	for _, group := range groups {
		for _, version := range group.Versions {
			// The first of those that HPAs read is the newest.
			if newest := r.facts.Served[group.Name]; newest == "" && slices.Contains(doctor.Versions[group.Name], version.Version) {
				r.facts.Served[group.Name] = version.Version
			}
		}
	}
	r.facts.Kinds = map[schema.GroupKind]doctor.Kind{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, resource := range list.APIResources {
			kind := schema.GroupKind{Group: gv.Group, Kind: resource.Kind}
			// The first version is the preferred one. What has a slash is a part of a resource.
			if _, known := r.facts.Kinds[kind]; !known && !strings.Contains(resource.Name, "/") && doctor.Versions[gv.Group] == nil {
				r.facts.Kinds[kind] = doctor.Kind{Resource: gv.WithResource(resource.Name), Namespaced: resource.Namespaced}
			}
		}
	}
	return nil
}

// A page lists some objects of a namespace.
type page func(ctx context.Context, namespace string, options metav1.ListOptions) (runtime.Object, error)

// list lists a resource in each namespace.
func (r *reading) list(ctx context.Context, resource string, namespaces []string, get page, add func(runtime.Object)) {
	for _, namespace := range namespaces {
		err := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return get(ctx, namespace, options)
		}).EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
			add(object)
			return nil
		})
		r.gap(resource, namespace, err)
	}
}

// everywhere is the namespaces of what may be in others than the HPAs'.
var everywhere = []string{corev1.NamespaceAll}
