package certs

import (
	"bytes"
	"crypto/x509"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// A moment is now by two clocks. What is shared between machines goes by Wall;
// what one replica has watched goes by Up, which nobody can set.
type moment struct {
	Wall time.Time
	Up   time.Duration // since the replica started
}

// A view is the cluster as one replica reads it.
type view struct {
	secret   secretView
	services []apiService
}

// A secretView is the Secret.
type secretView struct {
	unread      error       // why it could not be read; nil if it could
	authorities []authority // those that it holds for our Service
	flaw        error       // what else it holds, or lacks
}

// An apiService is what matters of an APIService.
type apiService struct {
	name    string
	unread  error // why it could not be read; nil if it could
	absent  bool
	service types.NamespacedName // that it leads to
	// insecure APIServices verify nothing, and accept no bundle.
	insecure bool
	bundle   []byte
	version  string // of the object, for a write that loses to others
}

// A memory is what a replica knows beyond what it reads. Each step returns a new
// one.
type memory struct {
	authorities []authority // as last agreed on in the Secret
	leaf        *leaf       // nil before the first
	// held is since when (Up) every bundle has held an authority.
	held map[fingerprint]time.Duration
	// bare is since when (Up) the Secret has held no authority while bundles do;
	// below zero if it is not so.
	bare time.Duration
	// wrote is when (Up) this replica last wrote an object, by name.
	wrote map[string]time.Duration
	// synced is the bundle with which an APIService was last seen in order.
	synced map[string]string
}

func newMemory() memory {
	return memory{bare: -1, held: map[fingerprint]time.Duration{}, wrote: map[string]time.Duration{}, synced: map[string]string{}}
}

// secretName stands for the Secret among the names of written objects: no
// APIService has this name.
const secretName = "the CA Secret"

// written is m after an object was written.
func (m memory) written(name string, now moment) memory {
	m.wrote = maps.Clone(m.wrote)
	m.wrote[name] = now.Up
	return m
}

// A plan is what a replica does next.
type plan struct {
	// share is what the Secret is to hold; nil if it is right or cannot be
	// written. With add, a new authority joins it: at once active, or not.
	share  []authority
	write  bool
	add    bool
	active bool
	// bundles are those to be written, by the name of the APIService.
	bundles []bundleWrite
	// sign is the authority for a new leaf; nil if the leaf is good.
	sign *authority
	// wake is when to look again, if nothing rings before.
	wake time.Duration
}

// A bundleWrite puts a bundle into an APIService.
type bundleWrite struct {
	to     apiService
	bundle []byte
	repair bool // somebody else had changed it
}

// next decides what a replica does, from what it sees and remembers.
func (o Options) next(m memory, v view, now moment) (memory, plan) {
	p := plan{wake: o.poll()}
	m.held = o.heldSince(m, v, now)
	m.authorities = o.agreed(m, v)
	p.bundles, m.synced = o.distribute(m, v, now, &p)
	o.share(&m, v, now, &p)
	p.sign = o.signNext(m, now)
	return m, p
}

// agreed is what the replicas share: what the Secret holds. A Secret in disorder
// takes nothing from memory: then each replica remembers for all.
func (o Options) agreed(m memory, v view) []authority {
	if v.secret.unread != nil {
		return m.authorities
	}
	if v.secret.flaw != nil {
		return merge(v.secret.authorities, m.authorities)
	}
	return v.secret.authorities
}

// merge returns the authorities of both, by the time they were created. Of one
// in both it keeps what first says: a key that was erased does not come back.
func merge(first, second []authority) []authority {
	all := slices.Clone(first)
	for _, a := range second {
		if !slices.ContainsFunc(all, func(b authority) bool { return b.cert.Equal(a.cert) }) {
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b authority) int {
		if order := a.created.Compare(b.created); order != 0 {
			return order
		}
		return bytes.Compare(a.cert.Raw, b.cert.Raw)
	})
	return all
}

// leadsToUs reports whether a bundle of ours belongs into s.
func (o Options) leadsToUs(s apiService) bool {
	return s.unread == nil && !s.absent && !s.insecure && s.service == o.Service
}

// heldSince brings up to date since when every bundle has held an authority. A
// bundle that cannot be read may hold nothing.
func (o Options) heldSince(m memory, v view, now moment) map[fingerprint]time.Duration {
	held := map[fingerprint]time.Duration{}
	for _, a := range merge(v.secret.authorities, m.authorities) {
		id := fingerprintOf(a.cert)
		if !slices.ContainsFunc(v.services, func(s apiService) bool { return !o.holds(s, id) }) {
			held[id] = now.Up
			if since, known := m.held[id]; known {
				held[id] = since
			}
		}
	}
	return held
}

// holds reports whether readers of s can verify by an authority, or need not.
func (o Options) holds(s apiService, id fingerprint) bool {
	if s.unread != nil {
		return false
	}
	return !o.leadsToUs(s) || slices.ContainsFunc(parseBundle(s.bundle), func(c *x509.Certificate) bool { return fingerprintOf(c) == id })
}

// holds reports whether every bundle holds a now.
func (m memory) holds(a *authority) bool {
	_, held := m.held[fingerprintOf(a.cert)]
	return held
}

// settled reports whether every reader can verify by a.
func (o Options) settled(m memory, a authority, now moment) bool {
	since, held := m.held[fingerprintOf(a.cert)]
	return held && now.Up-since >= o.settling()
}

// distribute returns the bundles to write. A bundle loses an authority of ours
// only when that has ended: whoever dropped it from the Secret, a leaf of it may
// still be served.
func (o Options) distribute(m memory, v view, now moment, p *plan) (writes []bundleWrite, synced map[string]string) {
	synced = maps.Clone(m.synced)
	for _, s := range v.services {
		if !o.leadsToUs(s) {
			delete(synced, s.name)
			continue
		}
		want := o.bundle(m, s.bundle, now)
		switch {
		case len(want) == 0: // nothing is known: what is there may be right
		case bytes.Equal(want, s.bundle):
			synced[s.name] = string(want)
		case o.mayWrite(m, s.name, now, p):
			writes = append(writes, bundleWrite{to: s, bundle: want, repair: synced[s.name] == string(want)})
		}
	}
	return writes, synced
}

// bundle is what an APIService is to hold, given what it holds.
func (o Options) bundle(m memory, holds []byte, now moment) []byte {
	var want []*x509.Certificate
	for _, a := range m.authorities {
		if now.Wall.Before(a.cert.NotAfter) {
			want = append(want, a.cert)
		}
	}
	if m.leaf != nil && now.Wall.Before(m.leaf.authority.NotAfter) {
		want = append(want, m.leaf.authority)
	}
	if len(want) == 0 {
		return nil
	}
	for _, cert := range parseBundle(holds) {
		if isOurs(cert, o.Service) && !ended(cert, now.Wall) {
			want = append(want, cert)
		}
	}
	return encodeBundle(want)
}

// mayWrite reports whether an object may be written again already, and otherwise
// has the plan wake when it may.
func (o Options) mayWrite(m memory, name string, now moment, p *plan) bool {
	last, wrote := m.wrote[name]
	if !wrote || now.Up-last >= o.repairGap() {
		return true
	}
	p.wake = min(p.wake, o.repairGap()-(now.Up-last))
	return false
}

// share decides what the Secret is to hold.
func (o Options) share(m *memory, v view, now moment, p *plan) {
	if v.secret.unread != nil {
		m.bare = -1
		return
	}
	next := o.evolve(*m, now)
	add, active := false, false
	switch newest := newestSigner(next, now.Wall); {
	case newest != nil:
		m.bare = -1
		add = now.Wall.Sub(newest.created) >= newest.life()*2/3
	case !o.othersMayKnow(v, now):
		add, active = true, true
	default:
		add = o.waitedForOthers(m, now, p)
	}
	if !add && v.secret.flaw == nil && sameAuthorities(next, v.secret.authorities) {
		return
	}
	if !add && len(next) == 0 || !o.mayWrite(*m, secretName, now, p) {
		return
	}
	p.write, p.share, p.add, p.active = true, next, add, active
}

// evolve moves each authority on to what it is now: active, without a key, gone.
func (o Options) evolve(m memory, now moment) (next []authority) {
	signer := currentSigner(m.authorities, now.Wall)
	for _, a := range m.authorities {
		if ended(a.cert, now.Wall) {
			continue
		}
		ripe := signer == nil || now.Wall.Sub(a.created) >= a.life()/20
		if a.active.IsZero() && a.signs(now.Wall) && ripe && o.settled(m, a, now) {
			a.active = now.Wall.UTC().Truncate(time.Millisecond)
		}
		next = append(next, a)
	}
	for i := range next {
		if slices.ContainsFunc(next, func(b authority) bool { return o.succeeded(next[i], b, now) }) {
			next[i].key = nil
		}
	}
	return next
}

// succeeded reports whether every replica has signed by b what it once signed
// by a.
func (o Options) succeeded(a, b authority, now moment) bool {
	return b.signs(now.Wall) && !b.active.IsZero() && b.created.After(a.created) && now.Wall.Sub(b.active) >= o.LeafLife
}

// othersMayKnow reports whether an authority that the Secret lacks is in use:
// somebody has put it into a bundle. A bundle that cannot be read may hold one.
func (o Options) othersMayKnow(v view, now moment) bool {
	return slices.ContainsFunc(v.services, func(s apiService) bool {
		return s.unread != nil || o.leadsToUs(s) && slices.ContainsFunc(parseBundle(s.bundle), func(c *x509.Certificate) bool {
			return isOurs(c, o.Service) && valid(c, now.Wall)
		})
	})
}

// waitedForOthers gives other replicas the time to restore from their memory
// what the Secret has lost.
func (o Options) waitedForOthers(m *memory, now moment, p *plan) bool {
	if m.bare < 0 {
		m.bare = now.Up
	}
	rest := o.settling() - (now.Up - m.bare)
	if rest > 0 {
		p.wake = min(p.wake, rest)
	}
	return rest <= 0
}

// newestSigner is the authority whose age decides when the next is due.
func newestSigner(authorities []authority, now time.Time) *authority {
	var newest *authority
	for i, a := range authorities {
		if a.signs(now) && (newest == nil || a.created.After(newest.created)) {
			newest = &authorities[i]
		}
	}
	return newest
}

// currentSigner is the authority that leaves are to be signed by: the one that
// became active last.
func currentSigner(authorities []authority, now time.Time) *authority {
	var current *authority
	for i, a := range authorities {
		if !a.active.IsZero() && a.signs(now) && (current == nil || a.active.After(current.active)) {
			current = &authorities[i]
		}
	}
	return current
}

func sameAuthorities(a, b []authority) bool {
	return slices.EqualFunc(a, b, func(a, b authority) bool {
		return a.cert.Equal(b.cert) && a.active.Equal(b.active) && (a.key == nil) == (b.key == nil)
	})
}

// signNext returns the authority to sign a new leaf by, or nil. A first leaf
// waits for its authority to be in every bundle: before that the replica is not
// ready, and nobody asks it. A leaf that is served is replaced by one of another
// authority only when every reader can verify that.
func (o Options) signNext(m memory, now moment) *authority {
	current := currentSigner(m.authorities, now.Wall)
	if m.leaf == nil {
		if current == nil || !m.holds(current) {
			return nil
		}
		return current
	}
	if !now.Wall.Before(m.leaf.cert.NotAfter) {
		return current
	}
	own := slices.IndexFunc(m.authorities, func(a authority) bool {
		return a.cert.Equal(m.leaf.authority) && a.signs(now.Wall)
	})
	due := !now.Wall.Before(m.leaf.renew) || now.Wall.Before(m.leaf.cert.NotBefore)
	switch {
	case current != nil && !current.cert.Equal(m.leaf.authority) && o.settled(m, *current, now):
		return current
	case due && own >= 0 && m.leaf.cert.NotAfter.Before(m.leaf.authority.NotAfter):
		return &m.authorities[own]
	default:
		return nil
	}
}
