package app

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/pitot-autoscaling/pitot/pkg/internal/pods"
	"github.com/pitot-autoscaling/pitot/pkg/internal/promdb"
	"github.com/pitot-autoscaling/pitot/pkg/internal/provider"
	"github.com/pitot-autoscaling/pitot/pkg/internal/server"
	"github.com/pitot-autoscaling/pitot/pkg/internal/snapshot"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// demoConfig holds the rules of the demo's own shop.
//
//go:embed demo.yaml
var demoConfig []byte

// Where the user's own application appears to be.
const (
	targetNamespace = "default"
	targetName      = "target"
)

// demoOptions are the flags of "pitot demo".
type demoOptions struct {
	config  *[]string
	targets []string
	hpa     string
	port    int
	every   time.Duration
	length  time.Duration
	output  *format
}

func newDemo(env Env) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See Pitot work on this machine alone: no cluster, no Prometheus",
		Long: `Demo runs Pitot's API server on loopback over an embedded PromQL engine that
scrapes a small web shop with a changing load. It shows the signals as an HPA
would read them, through the API, prints curl lines that read the same, and says
what an HPA that has just started would decide on them, and why.

With --target it scrapes your own application instead, which appears as one pod
of default/target, and serves the rules of --config. If no rule fits what the
page offers, the metric families found are listed and the exit code is 2. With
--hpa it decides on your own HPAs' metrics.`,
		Example: `  pitot demo
  pitot demo --for 30s -o json
  pitot demo --target http://localhost:8000/metrics --config pitot.yaml --hpa hpa.yaml`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	o.config = configFlag(flags)
	flags.StringArrayVar(&o.targets, "target", nil, "address of a /metrics page to scrape; repeat it for several pods")
	flags.StringVar(&o.hpa, "hpa", "", "manifest of HPAs whose decisions are shown; default: that of the demo's shop")
	flags.IntVar(&o.port, "port", 0, "port of the API server; 0 picks a free one")
	flags.DurationVar(&o.every, "every", time.Second, "time between two scrapes, queries and lines shown")
	flags.DurationVar(&o.length, "for", 0, "end after this time; 0 runs until interrupted")
	o.output = outputFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) }
	return cmd
}

func (o *demoOptions) validate() error {
	switch {
	case o.every < 100*time.Millisecond:
		return usageError("--every %s: use 100ms or more", o.every)
	case o.length < 0:
		return usageError("--for %s: use a positive time", o.length)
	}
	return nil
}

func (o *demoOptions) run(ctx context.Context, env Env) error {
	if err := o.validate(); err != nil {
		return err
	}
	set, err := o.rules(env)
	if err != nil {
		return err
	}
	// The terminal may be closed with the demo in it.
	ctx, ignore := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer ignore()
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	group, ctx := errgroup.WithContext(ctx)
	defer func() { _ = group.Wait() }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	scene, err := o.scene(ctx, group)
	if err != nil {
		return err
	}
	autoscalers, err := o.autoscalers(env, scene)
	if err != nil {
		return err
	}
	db := promdb.New(promdb.Options{})
	scraper, err := promdb.NewScraper(db, promdb.ScrapeOptions{Interval: o.every}, scene.targets...)
	if err != nil {
		return usageError("%w", err)
	}
	if err := firstScrape(ctx, scraper); err != nil {
		return err
	}
	if err := o.fit(ctx, env, db, set); err != nil {
		return err
	}
	group.Go(func() error { scraper.Run(ctx); return nil })

	store := snapshot.NewStore(snapshot.Options{Backends: everyBackend(set, db, o.every), Interval: o.every, MaxAge: 5 * o.every})
	defer store.Close()
	api, err := o.serve(set, store, scene.pods)
	if err != nil {
		return err
	}
	group.Go(func() error { return api.Run(ctx) })
	group.Go(func() error {
		defer stop()
		return o.show(ctx, env, api, set, scene, autoscalers)
	})
	return group.Wait()
}

// rules are those of --config, or the shop's.
func (o *demoOptions) rules(env Env) (*rule.Set, error) {
	if len(*o.config) > 0 {
		return loadConfig(env, *o.config)
	}
	return rule.Load(rule.File{Name: "demo.yaml", Text: demoConfig})
}

// autoscalers are the HPAs of --hpa, or the shop's; none for the user's own
// application without one.
func (o *demoOptions) autoscalers(env Env, scene scene) ([]*demoHPA, error) {
	switch {
	case o.hpa != "":
		text, err := readInput(env, o.hpa)
		if err != nil {
			return nil, err
		}
		return readDemoHPAs(o.hpa, text, scene.namespace, scene.names)
	case len(o.targets) == 0 && len(*o.config) == 0:
		return readDemoHPAs("demo_hpa.yaml", demoAutoscaler, scene.namespace, scene.names)
	default:
		return nil, nil
	}
}

// A scene is what the demo scrapes and which pods that is.
type scene struct {
	namespace string
	targets   []promdb.Target
	names     []string // of the pods
	pods      provider.Pods
}

// scene opens the shop, or takes the user's pages for pods of default/target.
func (o *demoOptions) scene(ctx context.Context, group *errgroup.Group) (scene, error) {
	if len(o.targets) > 0 {
		return targetScene(o.targets), nil
	}
	shop, err := openShop()
	if err != nil {
		return scene{}, err
	}
	group.Go(func() error { shop.run(ctx); return nil })
	var names []string
	for _, pod := range shop.pods {
		names = append(names, pod.name)
	}
	return scene{
		namespace: shopNamespace,
		targets:   shop.targets(),
		names:     names,
		pods:      demoPods(shopNamespace, shopWorkload, names),
	}, nil
}

func targetScene(urls []string) scene {
	s := scene{namespace: targetNamespace}
	var names []string
	for i, url := range urls {
		name := fmt.Sprintf("%s-%d", targetName, i)
		names = append(names, name)
		s.targets = append(s.targets, promdb.Target{URL: url, Labels: labels.FromStrings("namespace", targetNamespace, "pod", name)})
	}
	s.names, s.pods = names, demoPods(targetNamespace, targetName, names)
	return s
}

// anyKind is the pod index of one workload, which is of every kind that a rule
// may speak of: without a cluster nothing says that it is a Deployment.
type anyKind struct{ *pods.Index }

var demoKind = pods.Workload{Group: "apps", Resource: "deployments"}

func demoPods(namespace, workload string, names []string) anyKind {
	owner := demoKind
	owner.Name = workload
	var list []pods.Pod
	for _, name := range names {
		list = append(list, pods.Pod{Namespace: namespace, Name: name, Owner: owner})
	}
	return anyKind{pods.Static(list...)}
}

// Of ignores the kind.
func (p anyKind) Of(namespace string, w pods.Workload) []string {
	return p.Index.Of(namespace, pods.Workload{Group: demoKind.Group, Resource: demoKind.Resource, Name: w.Name})
}

// Workloads ignores the kind.
func (p anyKind) Workloads(namespace, _, _ string) []string {
	return p.Index.Workloads(namespace, demoKind.Group, demoKind.Resource)
}

// firstScrape reads every page once, so that a wrong address is told at once.
func firstScrape(ctx context.Context, scraper *promdb.Scraper) error {
	var errs []error
	for _, scrape := range scraper.Scrape(ctx) {
		if scrape.Err != nil {
			errs = append(errs, fmt.Errorf("scrape %s: %w", scrape.Target.URL, scrape.Err))
		}
	}
	return errors.Join(errs...)
}

// fit tells which rules have no series yet on the user's pages. If that is all
// of them, they cannot be meant for these pages: the error lists what is there.
func (o *demoOptions) fit(ctx context.Context, env Env, db *promdb.DB, set *rule.Set) error {
	if len(o.targets) == 0 {
		return nil
	}
	fitting := 0
	for _, r := range set.Rules {
		missing, err := missingSeries(ctx, db, r)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			fitting++
			continue
		}
		fmt.Fprintf(env.Stderr, "rule %q: no series named %s on the page\n", r.Metric, strings.Join(missing, ", "))
	}
	if fitting > 0 {
		return nil
	}
	hint := "write rules on these and give them with --config"
	if len(*o.config) > 0 {
		hint = "write the rules on these"
	}
	return usageError("no rule fits. The page offers these metric families (%s):\n%s", hint, families(db))
}

func missingSeries(ctx context.Context, db *promdb.DB, r *rule.Rule) ([]string, error) {
	var missing []string
	for _, name := range r.Expr().MetricNames() {
		vector, err := db.Query(ctx, fmt.Sprintf("count({__name__=%q})", name), time.Time{})
		if err != nil {
			return nil, err
		}
		if len(vector.Samples) == 0 {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

func families(db *promdb.DB) string {
	var lines []string
	for _, family := range db.MetricFamilies() {
		if family.Name == "up" || strings.HasPrefix(family.Name, "scrape_") {
			continue
		}
		lines = append(lines, fmt.Sprintf("  %s (%s)", family.Name, family.Type))
	}
	return strings.Join(lines, "\n")
}

// everyBackend lets one querier answer for each backend of the rules.
func everyBackend(set *rule.Set, querier snapshot.Querier, scrapeInterval time.Duration) map[string]snapshot.Backend {
	backends := make(map[string]snapshot.Backend)
	for _, backend := range set.Backends {
		backends[backend.Name] = snapshot.Backend{Querier: querier, ScrapeInterval: scrapeInterval}
	}
	return backends
}

// serve prepares the API server.
func (o *demoOptions) serve(set *rule.Set, store *snapshot.Store, index provider.Pods) (*server.Server, error) {
	server.BridgeKlog(zap.NewNop())
	opts := server.NewOptions()
	opts.Standalone = true
	opts.Serving.BindAddress = net.IPv4(127, 0, 0, 1)
	opts.Serving.BindPort = o.port
	metrics := provider.New(set, provider.Reader{Store: store, Pods: index}, provider.KnownKinds())
	return server.New(opts, server.Deps{Custom: metrics, External: metrics})
}

// show prints the curl lines and then the signals, until ctx is done.
func (o *demoOptions) show(ctx context.Context, env Env, api *server.Server, set *rule.Set, scene scene, autoscalers []*demoHPA) error {
	select {
	case <-api.Ready():
	case <-ctx.Done():
		return nil
	}
	folder, err := os.MkdirTemp("", "pitot-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder that stays behind harms nobody
	ca := filepath.Join(folder, "ca.crt")
	if err := os.WriteFile(ca, api.CA(), 0o600); err != nil {
		return err
	}
	reader, err := newAPIReader(api.URL(), api.CA())
	if err != nil {
		return err
	}
	signals := signalsOf(set, scene.namespace)
	warmUp(ctx, reader, signals, o.every)
	display := newDisplay(env, *o.output)
	display.begin(api.URL(), ca, signals)
	ticker := time.NewTicker(o.every)
	defer ticker.Stop()
	for {
		decisions, err := decideAll(ctx, autoscalers, reader, time.Now())
		if err != nil {
			return err
		}
		if err := display.refresh(time.Now(), reader.readAll(ctx, signals), decisions); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func decideAll(ctx context.Context, autoscalers []*demoHPA, reader *apiReader, now time.Time) ([]demoDecision, error) {
	var decisions []demoDecision
	for _, h := range autoscalers {
		decision, err := h.decide(ctx, reader, now)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, decision)
	}
	return decisions, nil
}

// warmUp waits until every signal has a value, but not for long: rates need two
// scrapes, and what has no traffic never comes.
func warmUp(ctx context.Context, reader *apiReader, signals []demoSignal, every time.Duration) {
	for begun := time.Now(); time.Since(begun) < 5*time.Second; {
		readings := reader.readAll(ctx, signals)
		if !slices.ContainsFunc(readings, func(r demoReading) bool { return r.Error != "" }) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}
