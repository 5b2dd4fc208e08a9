package rule

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A config is what all files say, each value with its place.
type config struct {
	backends []backendConfig
	rules    []ruleConfig
	problems Problems // of all of it
	// gaps says that something could not be read, so that what is not here may
	// be there nevertheless.
	gaps bool
	// unread are the texts of files in which what could not be read may be.
	unread []string
	// team is whose rules they are; nil for a configuration of the operator.
	team *Team
}

// A ruleConfig is one element of rules.
type ruleConfig struct {
	at            Position
	problems      Problems // its own
	metric        place.Field[string]
	typ           place.Field[Type]
	of            place.Field[GroupResource]
	backend       place.Field[string]
	query         place.Field[*promexpr.Expr]
	buckets       place.Field[*promexpr.Expr]
	quantile      place.Field[float64]
	aggregate     place.Field[Aggregate]
	objectLabel   place.Field[string]
	onIdle        place.Field[Policy]
	onEmpty       place.Field[Policy]
	onNaN         place.Field[Policy]
	zeroWhen      place.Field[*promexpr.Expr]
	maxSampleAge  place.Field[time.Duration]
	allowNegative place.Field[bool]
	clampMin      place.Field[float64]
	clampMax      place.Field[float64]
	ceiling       place.Field[float64]
	scope         place.Field[Scope]
	selectable    []place.Field[string]

	presets []place.Field[string]
	with    []withConfig
	withAt  Position
	window  place.Field[time.Duration] // of the preset: how far its query looks back
}

// A backendConfig is one element of backends.
type backendConfig struct {
	at               Position
	problems         Problems // its own
	name             place.Field[string]
	url              place.Field[string]
	timeout          place.Field[time.Duration]
	scrapeInterval   place.Field[time.Duration]
	delay            place.Field[time.Duration]
	maxResponseBytes place.Field[int64]
	labels           place.Field[Profile]
	bearerTokenFile  place.Field[string]
	teams            place.Field[bool]
	basicAuth        basicAuthConfig
	tls              tlsConfig
	compiled         *Backend // if it is of another configuration, as that compiled it
}

type basicAuthConfig struct {
	at           Position
	given        bool
	username     place.Field[string]
	passwordFile place.Field[string]
}

type tlsConfig struct {
	at                 Position
	given              bool
	caFile             place.Field[string]
	certFile           place.Field[string]
	keyFile            place.Field[string]
	serverName         place.Field[string]
	insecureSkipVerify place.Field[bool]
}

// document reads one YAML document into the configuration.
func (d decoder) document(node *yaml.Node, into *config) {
	var apiVersion, kind place.Field[string]
	rules, backends := len(into.rules), len(into.backends)
	ok := d.Object(node, "a configuration", place.Fields{
		"apiVersion": d.Text("apiVersion", &apiVersion),
		"kind":       d.Text("kind", &kind),
		"backends": func(node *yaml.Node) {
			if into.team != nil {
				d.Report(d.At(place.Target(node)), "backends are the operator's to define", "leave them out, and name one that the operator has opened to teams, as in backend: main")
				return
			}
			elements, ok := d.Elements(node, "backends")
			into.gaps = into.gaps || !ok
			for _, element := range elements {
				d.backend(element, into)
			}
		},
		"rules": func(node *yaml.Node) {
			elements, ok := d.Elements(node, "rules")
			into.gaps = into.gaps || !ok
			for _, element := range d.few(elements, into) {
				d.rule(element, into)
			}
		},
	})
	if !ok {
		into.gaps = true
		return
	}
	before := len(*d.Problems)
	d.Constant("apiVersion", d.At(node), apiVersion, APIVersion)
	d.Constant("kind", d.At(node), kind, Kind)
	into.blame(rules, backends, subject{}.own((*d.Problems)[before:]))
}

// blame gives the rules and backends of a document, from these indices on, the
// problems of its head: what they mean in another format is not known.
func (c *config) blame(rules, backends int, problems Problems) {
	for i := range c.rules[rules:] {
		r := &c.rules[rules+i]
		r.problems = append(r.problems, problems...)
	}
	for i := range c.backends[backends:] {
		b := &c.backends[backends+i]
		b.problems = append(b.problems, problems...)
	}
}

// rule adds an element of rules.
func (d decoder) rule(node *yaml.Node, into *config) {
	s := subject{rule: peek(node, "metric")}
	named := d.about(s)
	r, ok := named.ruleFields(node)
	named.presets(&r)
	r.problems = into.note(s, *named.Problems)
	if !ok {
		into.gaps = true
		return
	}
	into.rules = append(into.rules, r)
}

func (d decoder) ruleFields(node *yaml.Node) (r ruleConfig, ok bool) {
	r.at = d.At(place.Target(node))
	ok = d.Object(node, "a rule", place.Fields{
		"metric":        d.Text("metric", &r.metric),
		"type":          place.OneOf(d.Decoder, "type", &r.typ, TypePods, TypeObject, TypeExternal),
		"of":            d.kind("of", &r.of),
		"backend":       d.Text("backend", &r.backend),
		"query":         d.expression("query", &r.query),
		"buckets":       d.expression("buckets", &r.buckets),
		"quantile":      d.Number("quantile", &r.quantile),
		"aggregate":     place.OneOf(d.Decoder, "aggregate", &r.aggregate, Sum, Max, Avg),
		"objectLabel":   d.Text("objectLabel", &r.objectLabel),
		"onIdle":        place.OneOf(d.Decoder, "onIdle", &r.onIdle, PolicyError, PolicyZero),
		"onEmpty":       place.OneOf(d.Decoder, "onEmpty", &r.onEmpty, PolicyError, PolicyZero),
		"onNaN":         place.OneOf(d.Decoder, "onNaN", &r.onNaN, PolicyError, PolicyZero, PolicyDrop),
		"zeroWhen":      d.expression("zeroWhen", &r.zeroWhen),
		"maxSampleAge":  d.Duration("maxSampleAge", &r.maxSampleAge),
		"allowNegative": d.Boolean("allowNegative", &r.allowNegative),
		"clampMin":      d.Number("clampMin", &r.clampMin),
		"clampMax":      d.Number("clampMax", &r.clampMax),
		"ceiling":       d.Number("ceiling", &r.ceiling),
		"scope":         place.OneOf(d.Decoder, "scope", &r.scope, ScopeNamespace, ScopeCluster),
		"selectable": func(node *yaml.Node) {
			elements, _ := d.Elements(node, "selectable")
			for _, element := range elements {
				var label place.Field[string]
				d.Text("selectable", &label)(element)
				r.selectable = append(r.selectable, label)
			}
		},
		"preset": func(node *yaml.Node) { r.presets = d.names("preset", node) },
		"with":   func(node *yaml.Node) { r.withAt, r.with = d.At(place.Target(node)), d.parameters(node) },
	})
	return r, ok
}

// backend adds an element of backends.
func (d decoder) backend(node *yaml.Node, into *config) {
	s := subject{backend: peek(node, "name")}
	named := d.about(s)
	b, ok := named.backendFields(node)
	b.problems = into.note(s, *named.Problems)
	if !ok {
		into.gaps = true
		return
	}
	into.backends = append(into.backends, b)
}

func (d decoder) backendFields(node *yaml.Node) (b backendConfig, ok bool) {
	b.at = d.At(place.Target(node))
	ok = d.Object(node, "a backend", place.Fields{
		"name":             d.Text("name", &b.name),
		"url":              d.Text("url", &b.url),
		"timeout":          d.Duration("timeout", &b.timeout),
		"scrapeInterval":   d.Duration("scrapeInterval", &b.scrapeInterval),
		"delay":            d.Duration("delay", &b.delay),
		"maxResponseBytes": d.bytes("maxResponseBytes", &b.maxResponseBytes),
		"labels":           d.profile("labels", &b.labels),
		"bearerTokenFile":  d.Text("bearerTokenFile", &b.bearerTokenFile),
		"teams":            d.Boolean("teams", &b.teams),
		"basicAuth": func(node *yaml.Node) {
			b.basicAuth.at, b.basicAuth.given = d.At(place.Target(node)), true
			d.Object(node, "basicAuth", place.Fields{
				"username":     d.Text("username", &b.basicAuth.username),
				"passwordFile": d.Text("passwordFile", &b.basicAuth.passwordFile),
			})
		},
		"tls": func(node *yaml.Node) {
			b.tls.at, b.tls.given = d.At(place.Target(node)), true
			d.Object(node, "tls", place.Fields{
				"caFile":             d.Text("caFile", &b.tls.caFile),
				"certFile":           d.Text("certFile", &b.tls.certFile),
				"keyFile":            d.Text("keyFile", &b.tls.keyFile),
				"serverName":         d.Text("serverName", &b.tls.serverName),
				"insecureSkipVerify": d.Boolean("insecureSkipVerify", &b.tls.insecureSkipVerify),
			})
		},
	})
	return b, ok
}

// peek returns the text of a field before the object is read, so that problems
// can name their subject. It is "" if there is no such text.
func peek(node *yaml.Node, name string) string {
	value := place.Lookup(node, name)
	if value == nil || place.Target(value).Kind != yaml.ScalarNode || place.Target(value).Tag != "!!str" {
		return ""
	}
	return place.Target(value).Value
}
