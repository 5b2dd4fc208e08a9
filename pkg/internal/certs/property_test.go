package certs

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// TestMain removes the process-wide handlers of unexpected errors: one of them
// sleeps by the wall clock, which to the clock of a synctest bubble is decades.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	goleak.VerifyTestMain(m)
}

// lag is how long a reader may go on with a bundle that was replaced.
const lag = 500 * time.Millisecond

// A reader is a kube-apiserver: of each APIService it may have any bundle of the
// last moment. It checks that every leaf served verifies by each of them.
type reader struct {
	t       *testing.T
	o       Options
	start   time.Time
	mu      sync.Mutex
	bundles map[string][]held
	chains  map[string]bool
	others  bool // what is written now is not the keepers' doing
	checks  int
}

type held struct {
	bundle []byte
	from   time.Time
	others bool
}

func newReader(t *testing.T, o Options) *reader {
	return &reader{t: t, o: o, start: time.Now(), bundles: map[string][]held{}, chains: map[string]bool{}}
}

func (r *reader) changed(name string, bundle []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bundles[name] = append(r.bundles[name], held{bundle, time.Now(), r.others})
}

// mayHave are the bundles of name that a reader may have now and that keepers
// wrote.
func (r *reader) mayHave(name string) (bundles [][]byte) {
	history := r.bundles[name]
	for len(history) > 1 && time.Since(history[1].from) > lag {
		history = history[1:]
	}
	r.bundles[name] = history
	for _, h := range history {
		if !h.others {
			bundles = append(bundles, h.bundle)
		}
	}
	return bundles
}

// check fails the test if a leaf does not verify.
func (r *reader) check(replicas []*replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range r.o.APIServices {
		for _, bundle := range r.mayHave(name) {
			for _, replica := range replicas {
				l := replica.leaf()
				if l == nil {
					continue // it is not ready, and gets no requests
				}
				r.checks++
				if !r.chains[string(bundle)+string(l.certPEM)] || !valid(l.cert, time.Now()) || !valid(l.authority, time.Now()) {
					r.verify(name, bundle, replica, l)
				}
			}
		}
	}
}

func (r *reader) verify(name string, bundle []byte, replica *replica, l *leaf) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := l.cert.Verify(x509.VerifyOptions{
		Roots: roots, DNSName: "pitot.monitoring.svc", CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		r.t.Errorf("%s: the leaf of %s, by %s, does not verify by the bundle of %s: %v", seconds(r.start), replica.name, describe(l.authority), name, err)
	}
	r.chains[string(bundle)+string(l.certPEM)] = err == nil
}

// A saboteur does to a cluster what happens to clusters.
type saboteur struct {
	*testing.T
	o        Options
	rng      *rand.Rand
	w        *world
	r        *reader
	replicas []*replica
	started  int
	outage   map[string]error // of a replica's calls
	old      []byte           // a bundle of some time ago
}

func (s *saboteur) acts() []func() {
	return []func(){
		s.restart, s.setClock, s.cutOff,
		func() { s.apply(nil) },
		func() { s.apply([]byte("no certificate at all")) },
		func() { s.apply(s.old) },
		func() { s.old = s.w.bundle(pick(s.rng, s.o.APIServices)) },
		func() { s.w.editSecret(func(o *corev1.Secret) { o.Data = nil }) },
		func() {
			s.w.editSecret(func(o *corev1.Secret) {
				o.Data = map[string][]byte{authoritiesKey: []byte(`[{"certificate": "corrupt"}]`)}
			})
		},
		func() {
			s.w.editSecret(func(o *corev1.Secret) {
				if text := o.Data[authoritiesKey]; len(text) > 0 {
					o.Data[authoritiesKey] = text[:s.rng.IntN(len(text))]
				}
			})
		},
		func() {
			s.w.deleteSecret()
			time.Sleep(between(s.rng, 0, 4*time.Second))
			s.w.release(s.o)
		},
	}
}

// apply writes a bundle as a tool that knows no better does.
func (s *saboteur) apply(bundle []byte) {
	s.r.mu.Lock()
	s.r.others = true
	s.r.mu.Unlock()
	s.w.setBundle(pick(s.rng, s.o.APIServices), bundle)
	s.r.mu.Lock()
	s.r.others = false
	s.r.mu.Unlock()
}

// restart replaces a replica by one that remembers nothing, while another serves.
func (s *saboteur) restart() {
	i := s.rng.IntN(len(s.replicas))
	for j, other := range s.replicas {
		if j != i && other.leaf() == nil {
			return
		}
	}
	s.replicas[i].stop()
	s.start(i)
}

func (s *saboteur) start(i int) {
	s.started++
	s.replicas[i] = s.w.start(s.T, s.o, fmt.Sprintf("replica %d", s.started), between(s.rng, -2*time.Second, 2*time.Second))
	s.replicas[i].keeper.OnChange(func() { s.r.check(s.replicas[i : i+1]) })
}

func (s *saboteur) setClock() {
	pick(s.rng, s.replicas).setClock(between(s.rng, -2*time.Second, 2*time.Second))
}

// cutOff has the calls of one replica fail for a while.
func (s *saboteur) cutOff() {
	name := pick(s.rng, s.replicas).name
	s.blame(name, pick(s.rng, []error{
		context.DeadlineExceeded,
		apierrors.NewForbidden(secretResource, "x", nil),
		apierrors.NewInternalError(fmt.Errorf("etcd is away")),
	}))
	time.Sleep(between(s.rng, 0, 4*time.Second))
	s.blame(name, nil)
}

func (s *saboteur) blame(replica string, err error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.outage[replica] = err
}

// Whatever happens in whatever order, what a replica serves verifies by what
// keepers wrote, at every moment of two CA lives and more. Lives are those of an
// accelerated test: an authority for a minute, a leaf for 20 s.
func TestEveryLeafVerifiesByEveryBundleThatAReaderMayHave(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { sabotage(t, seed) }) })
	}
}

func sabotage(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test that can be repeated
	o := testOptions()
	w := newWorld(o)
	r := newReader(t, o)
	s := &saboteur{T: t, o: o, rng: rng, w: w, r: r, outage: map[string]error{}, replicas: make([]*replica, 2+rng.IntN(2))}
	latencies := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a test that can be repeated
	var mu sync.Mutex
	w.latency = func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return between(latencies, 0, 40*time.Millisecond)
	}
	w.fail = func(replica, _, _ string) error { return s.outage[replica] }
	w.changed = r.changed
	for i := range s.replicas {
		s.start(i)
	}
	defer func() {
		for _, replica := range s.replicas {
			replica.stop()
		}
	}()
	s.calm(5 * time.Second)
	acts := s.acts()
	for time.Since(r.start) < 150*time.Second {
		pick(rng, acts)()
		s.calm(between(rng, 100*time.Millisecond, 6*time.Second))
	}
	s.calm(10 * time.Second)
	s.wantOrder()
	if r.checks < 1000 {
		t.Errorf("%d checks: hardly anything was looked at", r.checks)
	}
}

// calm lets time pass, and looks.
func (s *saboteur) calm(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		s.r.check(s.replicas)
	}
}

// wantOrder is for when all is quiet: replicas serve, agree, and every bundle
// is right.
func (s *saboteur) wantOrder() {
	for _, replica := range s.replicas {
		if err := replica.keeper.Ready(); err != nil {
			s.Errorf("%s is not ready: %v", replica.name, err)
		}
		report := replica.keeper.Report()
		for _, state := range report.APIServices {
			if state.State != "in sync" {
				s.Errorf("%s: %s is %s", replica.name, state.Name, state.State)
			}
		}
		if len(report.Problems) > 0 {
			s.Errorf("%s: %q", replica.name, report.Problems)
		}
	}
	if got := len(s.w.authorities(s.T, s.o)); got > 4 {
		s.Errorf("%d authorities are shared", got)
	}
}
