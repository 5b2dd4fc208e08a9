package rule

// A key is what a metric is asked for by. External metrics have a second one,
// with the kind namespaces.
type key struct {
	external bool
	metric   string
	of       GroupResource // zero for external
}

// keys returns what the rule answers to.
func (r *Rule) keys() []key {
	custom := key{metric: r.Metric, of: r.Of}
	if r.Type == TypeExternal {
		return []key{{external: true, metric: r.Metric}, custom}
	}
	return []key{custom}
}

// Custom returns the rule that the custom metrics API serves under a metric and
// a kind of object. External rules are found under the kind namespaces.
func (s *Set) Custom(metric string, of GroupResource) (*Rule, bool) {
	r, ok := s.byKey[key{metric: metric, of: of}]
	return r, ok
}

// External returns the rule that the external metrics API serves under a metric.
func (s *Set) External(metric string) (*Rule, bool) {
	r, ok := s.byKey[key{external: true, metric: metric}]
	return r, ok
}

// Backend returns the backend of a name. The backend of a rule in the set is
// always found.
func (s *Set) Backend(name string) (Backend, bool) {
	for _, b := range s.Backends {
		if b.Name == name {
			return b, true
		}
	}
	return Backend{}, false
}
