package scenario

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/hpa"
	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
	"github.com/pitot-autoscaling/pitot/pkg/workload"
)

// An App is how one pod of a service works, and what is measured of it.
type App struct {
	Server workload.Server
	// Pods has the times to start and to stop, and what a pod requests. The first
	// container of its template is the one that serves: all CPU is used there.
	Pods sim.Pods

	// Signals are what the HPA's metrics measure, by their names.
	Signals map[string]sim.Signal
	// Exposes is what the metrics pages show, in the order of the file.
	Exposes []Exposed

	// Buckets are the upper bounds in seconds of the histogram that quantiles are
	// estimated from, rising and finite.
	Buckets []float64

	ScrapeInterval  time.Duration // of Prometheus, 15s by default
	RefreshInterval time.Duration // of the adapter, 15s by default

	assumptions []Assumption
}

// An Assumption is a property of an App that a result rests on.
type Assumption struct {
	Name  string `json:"name"`  // as in the file, such as server.serviceSCV
	Value string `json:"value"` // as it would be written there
	Given bool   `json:"given"` // otherwise it is the default
}

// Assumptions are the properties of the app, given and default, in the order of
// the documentation. Those that mean nothing for its kind of server are left out.
func (a *App) Assumptions() []Assumption { return slices.Clone(a.assumptions) }

// Bounds are the upper bounds that a workload.Fleet has to count latencies for,
// rising: those of Buckets, or those of all histograms that the app exposes.
func (a *App) Bounds(p Pipeline) []float64 {
	if p == Signals {
		return slices.Clone(a.Buckets)
	}
	var all []float64
	for _, e := range a.Exposes {
		all = append(all, e.Buckets...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// SignalOptions are those of the signals of this app, for sim.NewSignals.
func (a *App) SignalOptions(seed uint64) sim.SignalOptions {
	return sim.SignalOptions{
		Seed: seed, Interval: a.ScrapeInterval, Refresh: a.RefreshInterval,
		Workers: a.Server.Workers, Bounds: a.Buckets,
	}
}

// ReadApp reads the text of an app.yaml. The name is for problems. The error is
// Problems unless the text cannot be read.
func ReadApp(name string, text io.Reader) (*App, error) {
	all, err := io.ReadAll(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var problems Problems
	d := decoder{place.NewDecoder(name, all, &problems)}
	var c appConfig
	if root, ok := d.Document(); ok {
		d.app(root, &c, true)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return c.compile(), nil
}

// What holds where an App says nothing.
const (
	// DefaultShutdown is Kubernetes' terminationGracePeriodSeconds.
	DefaultShutdown = 30 * time.Second
	// DefaultScrapeInterval is what most Prometheus servers are set to.
	DefaultScrapeInterval = 15 * time.Second
	// DefaultRefreshInterval is that of "pitot serve".
	DefaultRefreshInterval = 15 * time.Second
	// DefaultWindow is the window of signals that are rates.
	DefaultWindow = 2 * time.Minute
)

// defaultBuckets are those of a Histogram of prometheus_client, the Python
// library, where nobody chose others.
var defaultBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// An appConfig is an app as it is written, each value with its place.
type appConfig struct {
	at              Position
	server          serverConfig
	startup         startupConfig
	shutdown        place.Field[time.Duration]
	containers      []containerConfig
	signals         []signalConfig
	exposes         []exposedConfig
	scrapeInterval  place.Field[time.Duration]
	refreshInterval place.Field[time.Duration]
}

type serverConfig struct {
	at          Position
	kind        place.Field[workload.Kind]
	workers     place.Field[int64]
	serviceTime place.Field[time.Duration]
	serviceSCV  place.Field[float64]
	delay       place.Field[time.Duration]
	delaySCV    place.Field[float64]
	cpuTime     place.Field[time.Duration]
	background  place.Field[int64] // thousandths of a core
	balancer    place.Field[workload.Balancer]
	limit       place.Field[int64]
	timeout     place.Field[time.Duration]
	prefetch    place.Field[int64]
	warmUp      warmUpConfig
}

type warmUpConfig struct {
	at     Position
	given  bool
	length place.Field[time.Duration]
	from   place.Field[float64]
}

type startupConfig struct {
	at      Position
	given   bool
	mean    place.Field[time.Duration]
	scv     place.Field[float64]
	pending place.Field[time.Duration]
}

type containerConfig struct {
	name     string
	requests map[string]place.Field[int64]
}

// A decoder reads the fields of this package.
type decoder struct{ *place.Decoder }

// app reads an app: of a file of its own, with apiVersion and kind, or one that
// stands in a scenario.
func (d decoder) app(node *yaml.Node, c *appConfig, file bool) {
	c.at = d.At(place.Target(node))
	var apiVersion, kind place.Field[string]
	fields := place.Fields{
		"server":          func(node *yaml.Node) { d.server(node, &c.server) },
		"startup":         func(node *yaml.Node) { d.startup(node, &c.startup) },
		"shutdown":        d.Duration("shutdown", &c.shutdown),
		"resources":       func(node *yaml.Node) { d.resources(node, c) },
		"signals":         func(node *yaml.Node) { d.signals(node, c) },
		"exposes":         func(node *yaml.Node) { d.exposes(node, c) },
		"scrapeInterval":  d.Duration("scrapeInterval", &c.scrapeInterval),
		"refreshInterval": d.Duration("refreshInterval", &c.refreshInterval),
	}
	if file {
		fields["apiVersion"] = d.Text("apiVersion", &apiVersion)
		fields["kind"] = d.Text("kind", &kind)
	}
	if !d.Object(node, "an app", fields) {
		return
	}
	if file {
		d.Constant("apiVersion", c.at, apiVersion, APIVersion)
		d.Constant("kind", c.at, kind, AppKind)
	}
	c.setDefaults()
	appCheck{c, d.Reporter}.all()
}

func (d decoder) server(node *yaml.Node, s *serverConfig) {
	s.at = d.At(place.Target(node))
	d.Object(node, "server", place.Fields{
		"kind":        place.OneOf(d.Decoder, "kind", &s.kind, workload.Sync, workload.Async, workload.Queue, workload.Linear),
		"workers":     d.Whole("workers", &s.workers),
		"serviceTime": d.Duration("serviceTime", &s.serviceTime),
		"serviceSCV":  d.Number("serviceSCV", &s.serviceSCV),
		"delay":       d.Duration("delay", &s.delay),
		"delaySCV":    d.Number("delaySCV", &s.delaySCV),
		"cpuTime":     d.Duration("cpuTime", &s.cpuTime),
		"background":  d.quantity("background", &s.background),
		"balancer":    place.OneOf(d.Decoder, "balancer", &s.balancer, workload.Random, workload.RoundRobin, workload.LeastRequests),
		"limit":       d.Whole("limit", &s.limit),
		"timeout":     d.Duration("timeout", &s.timeout),
		"prefetch":    d.Whole("prefetch", &s.prefetch),
		"warmUp": func(node *yaml.Node) {
			s.warmUp.at, s.warmUp.given = d.At(place.Target(node)), true
			d.Object(node, "warmUp", place.Fields{
				"for":  d.Duration("for", &s.warmUp.length),
				"from": d.Number("from", &s.warmUp.from),
			})
		},
	})
}

// startup is a duration, or more about it.
func (d decoder) startup(node *yaml.Node, s *startupConfig) {
	s.at, s.given = d.At(place.Target(node)), true
	if place.Target(node).Kind == yaml.ScalarNode {
		d.Duration("startup", &s.mean)(node)
		return
	}
	d.Object(node, "startup", place.Fields{
		"mean":    d.Duration("mean", &s.mean),
		"scv":     d.Number("scv", &s.scv),
		"pending": d.Duration("pending", &s.pending),
	})
}

// resources are the requests of the one container that is called app, or those
// of several by their names.
func (d decoder) resources(node *yaml.Node, c *appConfig) {
	d.Object(node, "resources", place.Fields{
		"requests": func(node *yaml.Node) {
			c.containers = append(c.containers, containerConfig{name: "app", requests: d.requests(node)})
		},
		"containers": func(node *yaml.Node) {
			d.Each(node, "containers", func(name, value *yaml.Node) {
				c.containers = append(c.containers, containerConfig{name: name.Value, requests: d.requests(value)})
			})
		},
	})
	if requests, containers := place.Lookup(node, "requests"), place.Lookup(node, "containers"); requests != nil && containers != nil {
		d.Report(d.At(containers), `"requests" and "containers" exclude each other`, "write the requests of each container below containers")
	}
}

func (d decoder) requests(node *yaml.Node) map[string]place.Field[int64] {
	requests := map[string]place.Field[int64]{}
	d.Each(node, "requests", func(name, value *yaml.Node) {
		var amount place.Field[int64]
		d.quantity(name.Value, &amount)(value)
		requests[name.Value] = amount
	})
	return requests
}

// setDefaults fills in what the file leaves out.
func (c *appConfig) setDefaults() {
	s := &c.server
	s.serviceSCV.OrElse(1)
	s.delay.OrElse(0)
	s.delaySCV.OrElse(1)
	s.background.OrElse(0)
	s.balancer.OrElse(workload.Random)
	s.limit.OrElse(0)
	s.timeout.OrElse(0)
	s.prefetch.OrElse(0)
	s.warmUp.length.OrElse(0)
	s.warmUp.from.OrElse(1)
	c.startup.scv.OrElse(0)
	c.startup.pending.OrElse(0)
	c.shutdown.OrElse(DefaultShutdown)
	c.scrapeInterval.OrElse(DefaultScrapeInterval)
	c.refreshInterval.OrElse(DefaultRefreshInterval)
	for i := range c.signals {
		c.signals[i].setDefaults()
	}
}

// histogram is the buckets that quantiles are estimated from, and whether
// somebody gave them: for a signal, or with what the app exposes.
func (c *appConfig) histogram() (buckets []float64, given bool) {
	for i := range c.signals {
		if b := c.signals[i].buckets; len(b) > 0 {
			return b.values(), true
		}
	}
	for i := range c.exposes {
		if b := c.exposes[i].buckets; len(b) > 0 {
			return b.values(), true
		}
	}
	return slices.Clone(defaultBuckets), false
}

// compile makes the app of a valid configuration.
func (c *appConfig) compile() *App {
	s := &c.server
	a := &App{
		Server: workload.Server{
			Kind:       s.kind.Value,
			Workers:    int(s.workers.Value),
			Service:    workload.Time{Mean: s.serviceTime.Value, SCV: s.serviceSCV.Value},
			CPU:        s.cpuTime.Value,
			Background: float64(s.background.Value) / 1000,
			Limit:      int(s.limit.Value),
			Timeout:    s.timeout.Value,
			Prefetch:   int(s.prefetch.Value),
			WarmUp:     s.warmUp.length.Value,
		},
		Pods: sim.Pods{
			Startup:  workload.Time{Mean: c.startup.mean.Value, SCV: c.startup.scv.Value},
			Pending:  c.startup.pending.Value,
			Shutdown: c.shutdown.Value,
			Template: c.template(),
		},
		ScrapeInterval:  c.scrapeInterval.Value,
		RefreshInterval: c.refreshInterval.Value,
		Signals:         map[string]sim.Signal{},
		assumptions:     c.assumptions(),
	}
	if s.kind.Value == workload.Async {
		a.Server.Delay = workload.Time{Mean: s.delay.Value, SCV: s.delaySCV.Value}
	}
	if s.kind.Value == workload.Sync || s.kind.Value == workload.Async {
		a.Server.Balancer = s.balancer.Value
	}
	if s.warmUp.given {
		a.Server.WarmUpSpeed = s.warmUp.from.Value
	}
	a.Buckets, _ = c.histogram()
	for i := range c.signals {
		a.Signals[c.signals[i].metric] = c.signals[i].compile()
	}
	for _, e := range c.exposes {
		a.Exposes = append(a.Exposes, e.compile())
	}
	return a
}

func (c *appConfig) template() *hpa.Template {
	if len(c.containers) == 0 {
		return nil
	}
	t := &hpa.Template{}
	for _, container := range c.containers {
		requests := hpa.Requests{}
		for _, name := range slices.Sorted(maps.Keys(container.requests)) {
			requests[name] = container.requests[name].Value
		}
		t.Containers = append(t.Containers, hpa.Container{Name: container.name, Requests: requests})
	}
	return t
}
