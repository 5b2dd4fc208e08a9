package rule

import "time"

// What holds where a file says nothing.
const (
	// DefaultTimeout bounds one query to a backend.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxResponseBytes bounds one answer of a backend, decoded.
	DefaultMaxResponseBytes = 64 << 20
)

// setDefaults fills in what the files leave out.
func (c *config) setDefaults() {
	for i := range c.backends {
		b := &c.backends[i]
		b.timeout.orElse(DefaultTimeout)
		b.maxResponseBytes.orElse(DefaultMaxResponseBytes)
		b.tls.insecureSkipVerify.orElse(false)
	}
	for i := range c.rules {
		r := &c.rules[i]
		r.onIdle.orElse(IdleError)
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
