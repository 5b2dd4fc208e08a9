package app

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/internal/telemetry"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// pollInterval is the time between two readings of the configuration files, and
// more than the longest request lives. Reading is cheaper than it is to be told:
// see hack/decisions.
const pollInterval = 3 * time.Second

// A reloader serves the configuration files as they are now.
type reloader struct {
	files   configFiles
	connect func(rule.Backend) backendClient
	log     *zap.Logger

	store    *snapshot.Store
	provider telemetry.Provider
	current  atomic.Pointer[configuration]

	seen []rule.File // at the last poll

	teamProvider teamProvider
	replaced     func(*rule.Set) // is told of each configuration that is served; nil: nobody

	mu      sync.Mutex           // held while backends and rules are replaced
	retired []closer             // since the last poll
	teams   map[string]*rule.Set // the rules that teams bring, by namespace
}

// A closer is what nobody will use any more.
type closer interface{ Close() }

// newReloader loads the configuration for the first time. What is wrong with it
// is logged; it is an error only if no file can be read at all.
func newReloader(files configFiles, connect func(rule.Backend) backendClient, log *zap.Logger) (*reloader, error) {
	if len(files.names) == 0 {
		return nil, errNoConfig()
	}
	r := &reloader{files: files, connect: connect, log: log}
	texts := files.read()
	var unread []error
	for _, f := range texts {
		if f.Err != nil {
			unread = append(unread, f.Err)
		}
	}
	if len(unread) > 0 && len(unread) == len(texts) {
		return nil, errors.Join(unread...)
	}
	first := empty().next(texts, time.Now(), connect)
	for _, c := range problemChanges(empty(), first) {
		c.log(log)
	}
	r.current.Store(first)
	observeLoad(first)
	return r, nil
}

// run reloads the configuration whenever it changes, until ctx is done.
func (r *reloader) run(ctx context.Context) {
	every(ctx, pollInterval, r.poll)
}

// poll loads the files if they have changed and two readings agree: then nobody
// is in the middle of writing them.
func (r *reloader) poll() {
	r.retire()
	files := r.files.read()
	last := r.current.Load()
	if !sameFiles(files, last.files) && sameFiles(files, r.seen) {
		r.replace(last, last.next(files, time.Now(), r.connect))
	}
	r.seen = files
}

// replace serves next instead of last. The backends of last stay until no read
// by its rules can be under way.
func (r *reloader) replace(last, next *configuration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	backends := last.askedWith(r.teams)
	maps.Copy(backends, next.askedWith(r.teams))
	r.store.SetBackends(backends)
	r.provider.SetRules(next.served)
	r.current.Store(next)
	observeLoad(next)
	for _, c := range changes(last, next) {
		c.log(r.log)
	}
	for name, backend := range last.backends {
		if next.backends[name].labelled != backend.labelled {
			r.retired = append(r.retired, backend.labelled)
		}
		if next.backends[name].client != backend.client {
			r.retired = append(r.retired, backend.client)
		}
		if backend.team != nil && next.backends[name].team != backend.team {
			r.retired = append(r.retired, backend.team)
		}
	}
	if r.replaced != nil {
		r.replaced(next.served)
	}
}

// retire lets go of the backends that the last poll found to be gone.
func (r *reloader) retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.retired) == 0 {
		return
	}
	r.store.SetBackends(r.current.Load().askedWith(r.teams))
	for _, one := range r.retired {
		one.Close()
	}
	r.retired = nil
}
