package certs

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/klog/v2"

	"github.com/pitot-autoscaling/pitot/pkg/internal/mirror"
)

// Deps are what a Keeper needs from the rest of the program.
type Deps struct {
	// Secrets and APIServices read and write.
	Secrets     Secrets
	APIServices APIServices
	// SecretChanges, in the Secret's namespace, and APIServiceChanges tell when
	// to look.
	SecretChanges, APIServiceChanges Changes
	// Log is told what was done and what failed.
	Log *zap.Logger
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
}

// A Keeper keeps the certificate of one replica. It is safe for concurrent use.
type Keeper struct {
	options Options
	cluster cluster
	log     *zap.Logger
	now     func() time.Time
	started time.Time
	bell    chan struct{}
	changes map[schema.GroupVersionResource]Changes

	// steps only, which come one after the other
	memory  memory
	trouble string // as last logged

	mu     sync.Mutex
	served *leaf
	signed bool // served is by an authority
	report Report
	notify []func()
}

// New returns a keeper that serves a provisional certificate, which nobody can
// verify, until Run has signed one.
func New(o Options, deps Deps) (*Keeper, error) {
	if err := utilerrors.NewAggregate(o.Validate()); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	first, err := provisional(o, deps.Now())
	if err != nil {
		return nil, err
	}
	registerMetrics()
	return &Keeper{
		options: o, log: deps.Log, now: deps.Now, started: time.Now(),
		cluster: cluster{options: o, secrets: deps.Secrets, apiServices: deps.APIServices},
		bell:    make(chan struct{}, 1),
		changes: map[schema.GroupVersionResource]Changes{SecretResource: deps.SecretChanges, APIServiceResource: deps.APIServiceChanges},
		memory:  newMemory(), served: first,
	}, nil
}

// CurrentCertKeyContent is the certificate to serve and its key, in PEM.
func (k *Keeper) CurrentCertKeyContent() (cert, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.served.certPEM, k.served.keyPEM
}

// OnChange has f called whenever there is another certificate to serve.
func (k *Keeper) OnChange(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notify = append(k.notify, f)
}

// Ready is nil once the certificate served is one that the authority of all
// replicas has signed, and stays nil: a server that was good does not get better
// by leaving the Service.
func (k *Keeper) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signed {
		return nil
	}
	return k.report.cause()
}

// Run keeps the certificate until ctx is done. What fails is tried again.
func (k *Keeper) Run(ctx context.Context) {
	var watches sync.WaitGroup
	defer watches.Wait()
	// The libraries would log every attempt that fails. A watch only saves time.
	silent := klog.NewContext(ctx, klog.Logger{})
	for _, run := range k.watches() {
		watches.Go(func() { run(silent) })
	}
	failures := 0
	for {
		wake, failed := k.step(ctx)
		if failed {
			failures++
			wake = min(wake, backoff(failures))
		} else {
			failures = 0
		}
		bell := k.bell
		if failed {
			bell = nil // it may ring for the very thing that fails
		}
		timer := time.NewTimer(wake)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-bell:
			timer.Stop()
		}
	}
}

// backoff is the pause after so many failed steps in a row.
func backoff(failures int) time.Duration {
	return 100 * time.Millisecond << min(failures, 6)
}

// again is how soon to look at what a step has done.
const again = 20 * time.Millisecond

// step looks once, and does what is to be done. It says how long nothing will be
// to do, and whether a call failed.
func (k *Keeper) step(ctx context.Context) (wake time.Duration, failed bool) {
	v, secret := k.cluster.read(ctx)
	now := k.moment()
	var p plan
	k.memory, p = k.options.next(k.memory, v, now)
	troubles := v.troubles()
	done := false
	note := func(err error) bool {
		switch {
		case err == nil:
			done = true
		case apierrors.IsConflict(err):
			failed = true // somebody else was first: look again
		default:
			failed = true
			troubles = append(troubles, err)
		}
		return err == nil
	}
	if p.sign != nil {
		note(k.sign(*p.sign, now))
	}
	if p.write && note(k.share(ctx, secret, p, now)) {
		k.memory = k.memory.written(secretName, now)
	}
	for _, w := range p.bundles {
		if note(k.cluster.writeBundle(ctx, w)) {
			k.memory = k.memory.written(w.to.name, now)
			k.distributed(w)
		}
	}
	k.publish(v, now, troubles)
	if done {
		p.wake = again
	}
	return p.wake, failed || v.unread()
}

func (k *Keeper) moment() moment {
	return moment{Wall: k.now().Round(0), Up: time.Since(k.started)}
}

// sign serves a new leaf of a.
func (k *Keeper) sign(a authority, now moment) error {
	l, err := a.sign(k.options, now.Wall, rand.Float64()) //nolint:gosec // jitter is no secret
	if err != nil {
		return err
	}
	k.memory.leaf = l
	k.mu.Lock()
	k.served, k.signed = l, true
	notify := slices.Clone(k.notify)
	k.mu.Unlock()
	for _, f := range notify {
		f()
	}
	rotations.WithLabelValues("leaf").Inc()
	k.log.Info("new serving certificate", zap.String("authority", describe(a.cert)), zap.Time("ends", l.cert.NotAfter))
	return nil
}

// share writes the Secret, with a new authority if that is planned. The new one
// counts only once it is read back.
func (k *Keeper) share(ctx context.Context, secret *corev1.Secret, p plan, now moment) error {
	all := p.share
	if p.add {
		a, err := newAuthority(k.options, now.Wall)
		if err != nil {
			return err
		}
		if p.active {
			a.active = a.created
		}
		all = merge(all, []authority{a})
	}
	if err := k.cluster.writeSecret(ctx, secret, all); err != nil {
		return err
	}
	if p.add {
		rotations.WithLabelValues("ca").Inc()
	}
	k.log.Info("authorities shared", zap.Int("authorities", len(all)), zap.Bool("new", p.add))
	return nil
}

func (k *Keeper) distributed(w bundleWrite) {
	if w.repair {
		repairs.WithLabelValues(w.to.name).Inc()
		k.log.Warn("somebody had changed the caBundle: repaired (hint: see docs/certificates.md, GitOps)", zap.String("apiservice", w.to.name))
		return
	}
	k.log.Info("caBundle written", zap.String("apiservice", w.to.name))
}

// publish makes known how things stand. A trouble is logged when it comes, and
// when the last one has gone.
func (k *Keeper) publish(v view, now moment, troubles []error) {
	report := k.options.report(k.memory, v, now, troubles)
	report.observe(len(troubles))
	k.mu.Lock()
	k.report = report
	k.mu.Unlock()
	text := strings.Join(report.Problems, "; ")
	switch text {
	case k.trouble:
	case "":
		k.log.Info("certificates are in order again")
	default:
		k.log.Warn("certificates are not in order", zap.String("problems", text))
	}
	k.trouble = text
}

// Report says how things stood at the last look.
func (k *Keeper) Report() Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.report
}

// watches ring the bell when the Secret or an APIService changes. They only save
// time: everything is also looked at regularly.
func (k *Keeper) watches() []func(context.Context) {
	runs := []func(context.Context){k.watch(SecretResource, k.options.Secret.Name)}
	for _, name := range k.options.APIServices {
		runs = append(runs, k.watch(APIServiceResource, name))
	}
	return runs
}

func (k *Keeper) watch(resource schema.GroupVersionResource, name string) func(context.Context) {
	changes := k.changes[resource]
	source := &mirror.Source[*metav1.PartialObjectMetadata]{
		Resource:      resource.GroupResource(),
		Client:        changes,
		Calls:         mirror.CallsOf(changes),
		FieldSelector: "metadata.name=" + name,
		Slim:          func(o *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata { return o },
		Copy:          ringer{k},
	}
	return source.Run
}

// A ringer is a copy that keeps nothing.
type ringer struct{ keeper *Keeper }

func (r ringer) Set(*metav1.PartialObjectMetadata)    { r.keeper.ring() }
func (r ringer) Delete(*metav1.PartialObjectMetadata) { r.keeper.ring() }
func (r ringer) Replace(map[types.NamespacedName]*metav1.PartialObjectMetadata) {
	r.keeper.ring()
}

func (k *Keeper) ring() {
	select {
	case k.bell <- struct{}{}:
	default: // it has been rung
	}
}
