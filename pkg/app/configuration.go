package app

import (
	"reflect"
	"slices"
	"time"

	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// A configuration is one load of the configuration files, and what is served
// since then. It is immutable.
type configuration struct {
	files    []rule.File
	at       time.Time // of the load
	problems rule.Problems
	// loaded is what is right in the files; served has besides what is kept of
	// earlier loads.
	loaded *rule.Set
	served *rule.Set
	// backends are those of served, by name.
	backends map[string]connectedBackend
}

type connectedBackend struct {
	rule.Backend
	client backendClient
	team   backendClient // that the rules of teams ask with; nil where they may not
	// labelled asks the client in the words of rules, and asks is what the labels are
	// found out by; "" where they are configured.
	labelled *profile.Backend
	asks     string
}

// A backendClient asks a backend. Close drops its idle connections.
type backendClient interface {
	snapshot.Querier
	Close()
}

// empty is the configuration before the first load.
func empty() *configuration { return &configuration{loaded: &rule.Set{}, served: &rule.Set{}} }

// next loads files after c. It keeps the rules that problems take away, and the
// clients of backends that are as they were.
func (c *configuration) next(files []rule.File, now time.Time, connect func(rule.Backend) backendClient) *configuration {
	loaded, problems := rule.LoadPartial(files...)
	n := &configuration{
		files: files, at: now, problems: problems,
		loaded: loaded, served: loaded.Keep(c.served),
		backends: make(map[string]connectedBackend),
	}
	for _, backend := range n.served.Backends {
		last, ok := c.backends[backend.Name]
		if !ok || !reflect.DeepEqual(last.Backend, backend) {
			last = connectedBackend{Backend: backend, client: connect(backend)}
			if backend.Teams {
				last.team = connect(backend.ForTeam(allTeams))
			}
		}
		n.backends[backend.Name] = last.askedBy(rulesOn(n.served, backend.Name))
	}
	return n
}

// askedBy is the backend as these rules ask it.
func (b connectedBackend) askedBy(rules []*rule.Rule) connectedBackend {
	asks := ""
	if b.Labels.IsAuto() {
		asks = profile.Asks(rules)
	}
	if b.labelled == nil || b.asks != asks {
		b.labelled, b.asks = profile.New(b.client, b.Labels, rules), asks
	}
	return b
}

// rulesOn are the rules of a backend.
func rulesOn(set *rule.Set, backend string) []*rule.Rule {
	var rules []*rule.Rule
	for _, r := range set.Rules {
		if r.Backend == backend {
			rules = append(rules, r)
		}
	}
	return rules
}

// asked are the backends as the store asks them.
func (c *configuration) asked() map[string]snapshot.Backend {
	asked := make(map[string]snapshot.Backend)
	for name, backend := range c.backends {
		asked[name] = askedBackend(backend.Backend, backend.labelled)
	}
	return asked
}

// text is a query as it reaches a backend.
func (c *configuration) text(backend, query string) string {
	if b, ok := c.backends[operatorsBackend(backend)]; ok {
		return b.labelled.Text(query)
	}
	return query
}

// kept reports whether a rule is served as it was in an earlier load.
func (c *configuration) kept(r *rule.Rule) bool { return !slices.Contains(c.loaded.Rules, r) }

// sameFiles reports whether two readings of files are equal.
func sameFiles(a, b []rule.File) bool {
	return slices.EqualFunc(a, b, func(a, b rule.File) bool {
		return a.Name == b.Name && string(a.Text) == string(b.Text) && errorText(a.Err) == errorText(b.Err)
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
