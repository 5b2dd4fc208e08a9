package rule

import (
	"math"
	"time"
)

// What holds where a file says nothing.
const (
	// DefaultTimeout bounds one query to a backend.
	DefaultTimeout = 10 * time.Second
	// DefaultScrapeInterval is what most servers are set to.
	DefaultScrapeInterval = 15 * time.Second
	// DefaultMaxResponseBytes bounds one answer of a backend, decoded.
	DefaultMaxResponseBytes = 64 << 20
	// DefaultCeiling is the largest value served. The HPA multiplies and rounds
	// what it reads in integers of 32 and 64 bits without checking every product:
	// far above any real load, a larger value would come out as a small one.
	DefaultCeiling = 1e9
)

// setDefaults fills in what the files leave out.
func (c *config) setDefaults() {
	for i := range c.backends {
		b := &c.backends[i]
		b.timeout.OrElse(DefaultTimeout)
		b.scrapeInterval.OrElse(DefaultScrapeInterval)
		b.maxResponseBytes.OrElse(DefaultMaxResponseBytes)
		b.labels.OrElse(Auto)
		b.teams.OrElse(false)
		b.tls.insecureSkipVerify.OrElse(false)
	}
	for i := range c.rules {
		r := &c.rules[i]
		r.onIdle.OrElse(PolicyError)
		r.onEmpty.OrElse(PolicyError)
		r.onNaN.OrElse(PolicyError)
		r.clampMin.OrElse(math.Inf(-1))
		r.clampMax.OrElse(math.Inf(+1))
		r.ceiling.OrElse(DefaultCeiling)
		r.scope.OrElse(ScopeNamespace)
		if len(c.backends) == 1 && c.backends[0].name.Valid {
			r.backend.OrElse(c.backends[0].name.Value)
		}
		switch {
		case r.typ.Value == TypePods:
			r.of.OrElse(pods)
		case r.typ.Value == TypeExternal:
			r.of.OrElse(namespaces)
		case r.shape() == ofNamespaces:
			r.objectLabel.OrElse(NamespaceLabel)
		}
	}
}
