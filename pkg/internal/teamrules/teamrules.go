// Package teamrules serves the rules that teams keep beside their HPAs: in
// ConfigMaps of their own namespaces, labelled pitot.dev/rules: "true".
//
//	watcher := teamrules.New(teamrules.Options{Client: client.CoreV1(), Operator: rules, Publish: …, Log: log})
//	go watcher.Run(ctx)
//
// # What it promises
//
//   - Rules answer for the namespace of their ConfigMap and read its series alone,
//     see [rule.LoadTeam].
//   - Each ConfigMap loads by itself. A mistake breaks the rule that it is in, which
//     is served as it was before; it touches no other ConfigMap, no rule of the
//     operator, and neither the start of a server nor its readiness.
//   - Of two ConfigMaps with a rule for the same metric, the older one's counts: by
//     creation, then by name, so that all replicas agree. The other is told.
//   - What became of a ConfigMap is an event beside it: RulesLoaded or RuleBroken,
//     with the places of the mistakes and their cures.
//
// # Events
//
// No replica leads. The name of an event is made of what it says, so replicas that
// say the same write one event. It is written when its text changes, for each
// ConfigMap at most every ten seconds, and again every half hour, since events are
// forgotten after an hour. Nothing but events is ever written.
//
// # What it does not do
//
// It needs the right to list ConfigMaps, which cannot be narrowed to a label. What
// it does not ask for it does not hold: of a ConfigMap only the rules are kept.
package teamrules

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A Client makes the calls. Its account needs list and watch on configmaps, and
// create and patch on events, in all namespaces or in those that are watched.
type Client interface {
	client.ConfigMapsGetter
	client.EventsGetter
}

// Options configure a Watcher. All but Namespaces are required.
type Options struct {
	Client Client
	// Namespaces are those whose ConfigMaps are read; none: all.
	Namespaces []string
	// Operator is the configuration beside which the rules are loaded: its backends
	// are what they may ask.
	Operator *rule.Set
	// Publish is told of all rules that are to be served, by namespace, whenever one
	// changed. It is not called concurrently.
	Publish func(map[string]*rule.Set)
	Log     *zap.Logger
}

// pause is the time between two loads. However often a ConfigMap changes, it is
// loaded no more than once in it.
const pause = time.Second

// A Watcher keeps the rules of teams. Its methods may be called concurrently.
type Watcher struct {
	opts    Options
	sources []*mirror.Source[*corev1.ConfigMap]
	wake    chan struct{} // there is something to load
	events  *eventWriter

	mu       sync.Mutex
	operator *rule.Set
	maps     map[types.NamespacedName]*configMap
	sets     map[string]*rule.Set // what is served, by namespace
	dirty    map[types.NamespacedName]bool
	loading  bool // what was dirty
	settled  bool // see Ready
}

// New returns a Watcher that knows of no ConfigMap until Run.
func New(opts Options) *Watcher {
	w := &Watcher{
		opts: opts, operator: opts.Operator, wake: make(chan struct{}, 1), events: newEventWriter(opts.Client, opts.Log),
		maps: make(map[types.NamespacedName]*configMap), sets: make(map[string]*rule.Set), dirty: make(map[types.NamespacedName]bool),
	}
	namespaces := opts.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, namespace := range namespaces {
		w.sources = append(w.sources, &mirror.Source[*corev1.ConfigMap]{
			Resource:      corev1.Resource("configmaps"),
			Namespace:     namespace,
			Client:        opts.Client,
			Calls:         mirror.CallsOf(opts.Client.ConfigMaps(namespace)),
			LabelSelector: rule.TeamLabel + "=" + rule.TeamLabelValue,
			Slim:          slim,
			Copy:          mirrored{w, namespace},
		})
	}
	return w
}

// Run watches until ctx is done. What fails is tried again, with backoff; what was
// known stays known meanwhile. Call it once.
func (w *Watcher) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	// The libraries would log every attempt that fails.
	silent := klog.NewContext(ctx, klog.Logger{})
	for _, s := range w.sources {
		running.Go(func() { s.Run(silent) })
	}
	running.Go(func() { w.events.run(ctx) })

	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	var reported error
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-ticker.C:
		}
		w.load(time.Now())
		if err := w.Err(); (err == nil) != (reported == nil) {
			w.report(err)
			reported = err
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (w *Watcher) report(err error) {
	if err != nil {
		w.opts.Log.Warn("the ConfigMaps of teams are not watched: their rules stay as they were, and after a restart they are unknown", zap.Error(err))
		return
	}
	w.opts.Log.Info("the ConfigMaps of teams are watched again")
}

// SetOperator replaces the configuration of the operator. Whatever depends on it is
// loaded again, at most a moment later.
func (w *Watcher) SetOperator(operator *rule.Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.operator = operator
	for name := range w.maps {
		w.dirty[name] = true
	}
	w.awake()
}

// Ready is nil once every ConfigMap that there was has been loaded, or the cluster
// has refused to list them: no content and no lack of rights keeps it from that. It
// stays nil. Before, the operator's rules could answer where a team's should.
func (w *Watcher) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settled {
		return nil
	}
	for _, s := range w.sources {
		err := s.Ready()
		if err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
			return err
		}
	}
	if len(w.dirty) > 0 || w.loading {
		return errors.New("configmaps: not loaded yet")
	}
	w.settled = true
	return nil
}

// Err is nil while all ConfigMaps can be listed and watched, and says why the rules
// may be out of date.
func (w *Watcher) Err() error {
	var errs []error
	for _, s := range w.sources {
		errs = append(errs, s.Err())
	}
	return errors.Join(errs...)
}

// awake has the next load begin. w.mu is held.
func (w *Watcher) awake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// load loads what is dirty, and publishes the rules if any changed.
func (w *Watcher) load(now time.Time) {
	w.mu.Lock()
	dirty := w.dirty
	w.dirty, w.loading = make(map[types.NamespacedName]bool), len(dirty) > 0
	touched := map[string]bool{}
	for name := range dirty {
		touched[name.Namespace] = true
	}
	var told []*configMap
	for namespace := range touched {
		told = append(told, w.gather(namespace, dirty, now)...)
	}
	served := maps.Clone(w.sets)
	for _, m := range told {
		w.events.want(m.name, m.said)
	}
	w.mu.Unlock()
	if len(touched) == 0 {
		return
	}
	w.opts.Publish(served)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loading = false // only now are the rules served
}

// gather loads the ConfigMaps of a namespace that are dirty, decides which of all
// its rules are served, and returns them.
func (w *Watcher) gather(namespace string, dirty map[types.NamespacedName]bool, now time.Time) []*configMap {
	team := w.operator.TeamOf(namespace)
	all := w.of(namespace)
	if len(all) == 0 {
		delete(w.sets, namespace)
		return nil
	}
	var sets []*rule.Set
	for i, m := range all {
		switch {
		case i >= rule.MaxTeamConfigMaps:
			m.ignore()
		case dirty[m.name] || m.set == nil || m.ignored:
			m.load(team, now)
		}
		sets = append(sets, m.set)
	}
	set, lost := rule.Gather(sets...)
	w.sets[namespace] = set
	for i, m := range all {
		m.lost, m.served = lost[i], m.rulesIn(set)
		n := m.notice(w.operator)
		if n != m.said {
			w.log(m, n)
		}
		m.said = n
	}
	return all
}

// of are the ConfigMaps of a namespace, the oldest first.
func (w *Watcher) of(namespace string) []*configMap {
	var all []*configMap
	for name, m := range w.maps {
		if name.Namespace == namespace {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, older)
	return all
}

func (w *Watcher) log(m *configMap, n notice) {
	log := w.opts.Log.With(zap.String("namespace", m.name.Namespace), zap.String("configmap", m.name.Name))
	if n.warning() {
		log.Warn("rules of a team: "+n.reason, zap.String("problem", n.text))
		return
	}
	log.Info("rules of a team: "+n.reason, zap.String("what", n.text))
}

// A Status is what became of a ConfigMap.
type Status struct {
	Namespace, Name string
	LoadedAt        time.Time
	// Rules are those that are served. Kept are those of them that are broken now
	// and served as they were.
	Rules, Kept []*rule.Rule
	Problems    rule.Problems
}

// Statuses are the ConfigMaps, by namespace and name.
func (w *Watcher) Statuses() []Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Status
	for _, m := range w.maps {
		all = append(all, m.status())
	}
	slices.SortFunc(all, func(a, b Status) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return all
}

// String names the ConfigMap.
func (s Status) String() string { return fmt.Sprintf("%s/%s", s.Namespace, s.Name) }
