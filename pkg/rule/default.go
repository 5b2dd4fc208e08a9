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
		b.timeout.orElse(DefaultTimeout)
		b.scrapeInterval.orElse(DefaultScrapeInterval)
		b.maxResponseBytes.orElse(DefaultMaxResponseBytes)
		b.tls.insecureSkipVerify.orElse(false)
	}
	for i := range c.rules {
		r := &c.rules[i]
		r.onIdle.orElse(PolicyError)
		r.onEmpty.orElse(PolicyError)
		r.onNaN.orElse(PolicyError)
		r.clampMin.orElse(math.Inf(-1))
		r.clampMax.orElse(math.Inf(+1))
		r.ceiling.orElse(DefaultCeiling)
		r.scope.orElse(ScopeNamespace)
		if len(c.backends) == 1 && c.backends[0].name.valid {
			r.backend.orElse(c.backends[0].name.value)
		}
		switch {
		case r.typ.value == TypePods:
			r.of.orElse(pods)
		case r.typ.value == TypeExternal:
			r.of.orElse(namespaces)
		case r.shape() == ofNamespaces:
			r.objectLabel.orElse("namespace")
		}
	}
}
