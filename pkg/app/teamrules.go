package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/util/validation"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/pitot-autoscaling/pitot/pkg/internal/instant"
	"github.com/pitot-autoscaling/pitot/pkg/internal/profile"
	"github.com/pitot-autoscaling/pitot/pkg/internal/server"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/internal/teamrules"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// teamOptions are the flags of "pitot serve" for the rules of teams.
type teamOptions struct {
	on         bool
	namespaces []string
}

func (o *teamOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.on, "team-rules", false, "serve the rules of ConfigMaps labelled "+rule.TeamLabel+"="+rule.TeamLabelValue+", each for its own namespace alone, from the backends with teams: true")
	flags.StringArrayVar(&o.namespaces, "team-rules-namespace", nil, "with --team-rules: a namespace whose ConfigMaps are read; may be repeated (default: all)")
}

func (o *teamOptions) validate(s *server.Options) (errs []error) {
	if o.on && s.Standalone {
		errs = append(errs, errors.New("--team-rules reads the ConfigMaps of a cluster: remove it or --standalone"))
	}
	if !o.on && len(o.namespaces) > 0 {
		errs = append(errs, errors.New("--team-rules-namespace has no effect without --team-rules"))
	}
	for _, namespace := range o.namespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			errs = append(errs, fmt.Errorf("--team-rules-namespace %q is no namespace: %s", namespace, problems[0]))
		}
	}
	return errs
}

// watchTeams prepares to serve the rules of teams. It returns nil where they bring
// none.
func (o *serveOptions) watchTeams(reload *reloader, log *zap.Logger) (*teamrules.Watcher, error) {
	if !o.teams.on {
		return nil, nil
	}
	cluster, err := server.ClientConfig(o.server.Kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := core.NewForConfig(compact(cluster))
	if err != nil {
		return nil, err
	}
	operators := reload.current.Load().served
	if len(operators.TeamOf("").Backends) == 0 {
		log.Warn("no backend is open to the rules of teams: write teams: true into one of the configuration")
	}
	watcher := teamrules.New(teamrules.Options{
		Client: client, Namespaces: o.teams.namespaces, Operator: operators, Publish: reload.setTeams, Log: log,
	})
	reload.replaced = watcher.SetOperator
	return watcher, nil
}

// A teamProvider serves the rules of teams.
type teamProvider interface {
	SetTeamRules(map[string]*rule.Set)
}

// setTeams serves these rules of teams instead of those before.
func (r *reloader) setTeams(teams map[string]*rule.Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.current.Load()
	backends := current.askedWith(r.teams)
	maps.Copy(backends, current.askedWith(teams))
	r.store.SetBackends(backends)
	r.teamProvider.SetTeamRules(teams)
	r.teams = teams
	r.store.SetBackends(current.askedWith(teams))
}

// What one namespace may have of a backend: queries in flight, and queries that are
// kept fresh. Rules are few; an HPA's selectors can make many queries of one.
const (
	teamConcurrency = 2
	teamKeys        = 200
)

// askedWith are the backends as the store asks them, with one for each team: a team
// that asks slow queries waits for them alone.
func (c *configuration) askedWith(teams map[string]*rule.Set) map[string]snapshot.Backend {
	asked := c.asked()
	for _, backend := range c.backends {
		if backend.team == nil {
			continue
		}
		for namespace := range teams {
			own := askedBackend(backend.Backend, teamQuerier{backend.labelled, backend.team})
			own.Concurrency, own.MaxKeys = teamConcurrency, teamKeys
			asked[backend.ForTeam(namespace).Name] = own
		}
	}
	return asked
}

// A teamQuerier asks a backend with the client of teams, which takes no large
// answers, and by the labels that the operator's rules found out.
type teamQuerier struct {
	labelled *profile.Backend
	client   backendClient
}

// Query implements snapshot.Querier.
func (q teamQuerier) Query(ctx context.Context, expr string, at time.Time) (instant.Vector, error) {
	found := q.labelled.Finding()
	if found.Err != nil {
		return instant.Vector{}, &profile.UndecidedError{Err: found.Err}
	}
	return profile.Query(ctx, q.client, found.Profile, expr, at)
}

// allTeams stands for all teams at once. It is the name of no namespace.
const allTeams = "*"

// operatorsBackend is the backend of the configuration that a team's leads to. The
// names of the others have no slash.
func operatorsBackend(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}

// countedRefresh is a refresh as it is counted: namespaces and the names that teams
// give would make any number of series, so all teams count as one.
func countedRefresh(o snapshot.Observation) snapshot.Observation {
	o.Key = countedKey(o.Key)
	return o
}

func countedKey(key snapshot.Key) snapshot.Key {
	if own := operatorsBackend(key.Backend); own != key.Backend {
		key.Backend, key.Metric = own+"/"+allTeams, ""
	}
	return key
}

// A countedStore is a Store as it is counted, see countedRefresh.
type countedStore struct{ *snapshot.Store }

// Keys has those of all teams as those of one.
func (s countedStore) Keys() []snapshot.KeyStatus {
	keys := s.Store.Keys()
	for i := range keys {
		keys[i].Key = countedKey(keys[i].Key)
	}
	return keys
}

// Backends has those of the operator alone: what leads to the same server says the
// same, but for what its team did to it.
func (s countedStore) Backends() []snapshot.BackendStatus {
	return slices.DeleteFunc(s.Store.Backends(), func(b snapshot.BackendStatus) bool { return operatorsBackend(b.Name) != b.Name })
}

// statusTeams is what is known of the rules of teams.
type statusTeams struct {
	ConfigMaps []statusConfigMap `json:"configmaps"`
	Problem    string            `json:"problem,omitempty"` // why they may be out of date
}

type statusConfigMap struct {
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	LoadedAt  time.Time      `json:"loaded_at"`
	Rules     []statusRule   `json:"rules"`
	Problems  []checkProblem `json:"problems"`

	problems rule.Problems
}

func (c *configuration) statusOfTeams(statuses []teamrules.Status, problem error) *statusTeams {
	teams := &statusTeams{ConfigMaps: []statusConfigMap{}, Problem: errorText(problem)}
	for _, s := range statuses {
		one := statusConfigMap{
			Namespace: s.Namespace, Name: s.Name, LoadedAt: s.LoadedAt, Rules: []statusRule{}, Problems: checkProblems(s.Problems), problems: s.Problems,
		}
		for _, r := range s.Rules {
			one.Rules = append(one.Rules, c.statusOfRule(r, slices.Contains(s.Kept, r)))
		}
		teams.ConfigMaps = append(teams.ConfigMaps, one)
	}
	return teams
}

// write writes the ConfigMaps for people, as rows of a table.
func (s *statusTeams) write(w io.Writer) {
	if s.Problem != "" {
		fmt.Fprintln(w, s.Problem)
	}
	for _, m := range s.ConfigMaps {
		fmt.Fprintf(w, "%s/%s\t%s\t%s\n", m.Namespace, m.Name, count(len(m.Rules), "rule"), count(len(m.Problems), "problem"))
		for _, r := range m.Rules {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", r.Metric, r.Type, r.Of, r.State, r.At, r.Query)
		}
		for _, p := range m.problems {
			fmt.Fprintf(w, "  %s\n", p)
		}
	}
}
