package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/pitot-autoscaling/pitot/pkg/internal/demand"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/server"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/internal/telemetry"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// serveOptions are the flags of "pitot serve".
type serveOptions struct {
	config       *[]string
	refresh      time.Duration
	maxAge       time.Duration
	log          logOptions
	certificates certificateOptions
	teams        teamOptions
	server       *server.Options
}

func newServe(env Env) *cobra.Command {
	o := serveOptions{server: server.NewOptions()}
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Serve the metrics APIs",
		Long: `Serve answers the custom and external metrics APIs over HTTPS, as an aggregated API
server of a cluster or, with --standalone, for this machine alone.

It is ready when the pods of the cluster are known. A Prometheus that is down
does not make it unready: each metric then answers with the cause.

A broken rule takes no other away, and its metric answers with the mistake. The
configuration is read again when it changes; a rule that breaks is served as it
was. /statusz shows what is served.`,
		Example: `  pitot serve --config pitot.yaml
  pitot serve --config /etc/pitot
  pitot serve --config pitot.yaml --standalone --secure-port 8443`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	o.config = configFlag(flags)
	flags.DurationVar(&o.refresh, "refresh-interval", 15*time.Second, "time between two queries of a metric that is being read")
	flags.DurationVar(&o.maxAge, "max-age", 0, "age beyond which a value is not served any more (default: twice --refresh-interval, at least 30s)")
	o.log.addFlags(flags)
	o.certificates.addFlags(flags)
	o.teams.addFlags(flags)
	o.server.AddFlags(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env, flags.Changed) }
	return cmd
}

// validate reports what is wrong with the flags, told which of them were given.
func (o *serveOptions) validate(given func(flag string) bool) error {
	var errs []error
	if o.refresh < time.Second {
		errs = append(errs, fmt.Errorf("--refresh-interval %s: use 1s or more", o.refresh))
	}
	if o.maxAge != 0 && o.maxAge <= o.refresh {
		errs = append(errs, fmt.Errorf("--max-age %s: use more than --refresh-interval %s", o.maxAge, o.refresh))
	}
	errs = append(errs, o.certificates.validate(o.server, given)...)
	errs = append(errs, o.teams.validate(o.server)...)
	if err := errors.Join(append(errs, o.server.Validate()...)...); err != nil {
		return usageError("%w", err)
	}
	return nil
}

func (o *serveOptions) run(ctx context.Context, env Env, given func(flag string) bool) error {
	log, err := o.log.logger(env)
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error may be a pipe, which cannot be synced
	if err := o.validate(given); err != nil {
		return err
	}
	build := currentVersion()
	observed := telemetry.New(telemetry.Build{Version: build.Version, Revision: build.Commit, Go: build.Go})
	log = sampled(log, observed.LogEntryDropped)
	connect := func(b rule.Backend) backendClient { return observed.Backend(b.Name, newLateClient(b)) }
	reload, err := newReloader(newConfigFiles(env, *o.config), connect, log.Named("config"))
	if err != nil {
		return err
	}
	server.BridgeKlog(log.Named("kubernetes"))
	queries := newQueryLog(log.Named("query"))
	store := snapshot.NewStore(snapshot.Options{
		Backends:       reload.current.Load().asked(),
		Interval:       o.refresh,
		MaxAge:         o.maxAge,
		Observe:        func(r snapshot.Observation) { observed.Refreshed(countedRefresh(r)); queries.refreshed(r) },
		ObserveAbsence: logAbsences(log.Named("backend")),
	})
	defer store.Close()

	group, ctx := errgroup.WithContext(ctx)
	index, ready, err := o.podIndex(ctx, group, log.Named("pods"))
	if err != nil {
		return err
	}
	metrics := provider.New(reload.current.Load().served, provider.Reader{Store: store, Pods: index}, provider.KnownKinds())
	watcher, err := o.watchDemand(ctx, group, metrics, store, log.Named("demand"))
	if err != nil {
		return err
	}
	keeper, err := o.keepCertificate(ctx, group, log.Named("certificates"))
	if err != nil {
		return err
	}
	teams, err := o.watchTeams(reload, log.Named("teams"))
	if err != nil {
		return err
	}
	observed.Watch(watched(store, index, watcher))
	counted := observed.Reads(metrics, reload.current.Load().served, provider.KnownKinds())
	deps := server.Deps{
		Custom:      counted,
		External:    counted,
		ReadyChecks: ready,
		Pages: map[string]http.Handler{
			"/statusz": statusPage{reload: reload, store: store, pods: index, demand: watcher, keeper: keeper, teams: teams},
			"/metrics": observed.Handler(legacyregistry.DefaultGatherer, zap.NewStdLog(log.Named("metrics"))),
		},
	}
	if keeper != nil {
		deps.Certificate = keeper
		deps.ReadyChecks["certificate"] = keeper.Ready
	}
	if teams != nil {
		deps.ReadyChecks["team-rules"] = teams.Ready
	}
	api, err := server.New(o.server, deps)
	if err != nil {
		return err
	}
	reload.store, reload.provider, reload.teamProvider = store, counted, metrics
	group.Go(func() error { reload.run(ctx); return nil })
	if teams != nil {
		group.Go(func() error { teams.Run(ctx); return nil })
	}
	group.Go(func() error { return api.Run(ctx) })
	announce(log, api, reload.current.Load().served)
	return group.Wait()
}

// watched is what the metrics look at: no pods and HPAs where there is no cluster.
func watched(store *snapshot.Store, index podIndex, watcher *demand.Watcher) telemetry.Watched {
	w := telemetry.Watched{Store: countedStore{store}}
	if known, ok := index.(telemetry.Pods); ok {
		w.Pods = known
	}
	if watcher != nil {
		w.HPAs = watcher
	}
	return w
}
