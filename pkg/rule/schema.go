package rule

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/promexpr"
)

// A config is what all files say, each value with its place.
type config struct {
	backends []backendConfig
	rules    []ruleConfig
	// gaps says that something could not be read, so that what is not here may
	// be there nevertheless.
	gaps bool
}

// A ruleConfig is one element of rules.
type ruleConfig struct {
	at            Position
	problems      Problems // its own
	metric        field[string]
	typ           field[Type]
	of            field[GroupResource]
	backend       field[string]
	query         field[*promexpr.Expr]
	buckets       field[*promexpr.Expr]
	quantile      field[float64]
	aggregate     field[Aggregate]
	objectLabel   field[string]
	onIdle        field[Policy]
	onEmpty       field[Policy]
	onNaN         field[Policy]
	zeroWhen      field[*promexpr.Expr]
	maxSampleAge  field[time.Duration]
	allowNegative field[bool]
	clampMin      field[float64]
	clampMax      field[float64]
	ceiling       field[float64]
	scope         field[Scope]
	selectable    []field[string]

	presets []field[string]
	with    []withConfig
	withAt  Position
	window  field[time.Duration] // of the preset: how far its query looks back
}

// A backendConfig is one element of backends.
type backendConfig struct {
	at               Position
	problems         Problems // its own
	name             field[string]
	url              field[string]
	timeout          field[time.Duration]
	scrapeInterval   field[time.Duration]
	delay            field[time.Duration]
	maxResponseBytes field[int64]
	bearerTokenFile  field[string]
	basicAuth        basicAuthConfig
	tls              tlsConfig
}

type basicAuthConfig struct {
	at           Position
	given        bool
	username     field[string]
	passwordFile field[string]
}

type tlsConfig struct {
	at                 Position
	given              bool
	caFile             field[string]
	certFile           field[string]
	keyFile            field[string]
	serverName         field[string]
	insecureSkipVerify field[bool]
}

// document reads one YAML document into the configuration.
func (d *decoder) document(node *yaml.Node, into *config) {
	var apiVersion, kind field[string]
	rules, backends := len(into.rules), len(into.backends)
	ok := d.object(node, "a configuration", fields{
		"apiVersion": d.text("apiVersion", &apiVersion),
		"kind":       d.text("kind", &kind),
		"backends": func(node *yaml.Node) {
			elements, ok := d.list(node, "backends")
			into.gaps = into.gaps || !ok
			for _, element := range elements {
				d.backend(element, into)
			}
		},
		"rules": func(node *yaml.Node) {
			elements, ok := d.list(node, "rules")
			into.gaps = into.gaps || !ok
			for _, element := range elements {
				d.rule(element, into)
			}
		},
	})
	if !ok {
		into.gaps = true
		return
	}
	head := d.begin()
	d.constant("apiVersion", d.at(node), apiVersion, APIVersion)
	d.constant("kind", d.at(node), kind, Kind)
	into.blame(rules, backends, head.end())
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

// constant checks a field that has only one possible value.
func (d *decoder) constant(name string, document Position, f field[string], want string) {
	switch {
	case !f.given:
		d.report(document, fmt.Sprintf("field %q is missing", name), fmt.Sprintf("begin with %s: %s", name, want))
	case f.valid && f.value != want:
		d.report(f.at, fmt.Sprintf("field %q: %q is not supported", name, f.value), fmt.Sprintf("write %s: %s", name, want))
	}
}

// rule adds an element of rules.
func (d *decoder) rule(node *yaml.Node, into *config) {
	named := *d
	named.reporter.rule = peek(node, "metric")
	own := d.begin()
	r, ok := named.ruleFields(node)
	named.presets(&r)
	r.problems = own.end()
	if !ok {
		into.gaps = true
		return
	}
	into.rules = append(into.rules, r)
}

func (d *decoder) ruleFields(node *yaml.Node) (r ruleConfig, ok bool) {
	r.at = d.at(target(node))
	ok = d.object(node, "a rule", fields{
		"metric":        d.text("metric", &r.metric),
		"type":          oneOf(d, "type", &r.typ, TypePods, TypeObject, TypeExternal),
		"of":            d.kind("of", &r.of),
		"backend":       d.text("backend", &r.backend),
		"query":         d.expression("query", &r.query),
		"buckets":       d.expression("buckets", &r.buckets),
		"quantile":      d.number("quantile", &r.quantile),
		"aggregate":     oneOf(d, "aggregate", &r.aggregate, Sum, Max, Avg),
		"objectLabel":   d.text("objectLabel", &r.objectLabel),
		"onIdle":        oneOf(d, "onIdle", &r.onIdle, PolicyError, PolicyZero),
		"onEmpty":       oneOf(d, "onEmpty", &r.onEmpty, PolicyError, PolicyZero),
		"onNaN":         oneOf(d, "onNaN", &r.onNaN, PolicyError, PolicyZero, PolicyDrop),
		"zeroWhen":      d.expression("zeroWhen", &r.zeroWhen),
		"maxSampleAge":  d.duration("maxSampleAge", &r.maxSampleAge),
		"allowNegative": d.boolean("allowNegative", &r.allowNegative),
		"clampMin":      d.number("clampMin", &r.clampMin),
		"clampMax":      d.number("clampMax", &r.clampMax),
		"ceiling":       d.number("ceiling", &r.ceiling),
		"scope":         oneOf(d, "scope", &r.scope, ScopeNamespace, ScopeCluster),
		"selectable": func(node *yaml.Node) {
			elements, _ := d.list(node, "selectable")
			for _, element := range elements {
				var label field[string]
				d.text("selectable", &label)(element)
				r.selectable = append(r.selectable, label)
			}
		},
		"preset": func(node *yaml.Node) { r.presets = d.names("preset", node) },
		"with":   func(node *yaml.Node) { r.withAt, r.with = d.at(target(node)), d.parameters(node) },
	})
	return r, ok
}

// backend adds an element of backends.
func (d *decoder) backend(node *yaml.Node, into *config) {
	named := *d
	named.reporter.backend = peek(node, "name")
	own := d.begin()
	b, ok := named.backendFields(node)
	b.problems = own.end()
	if !ok {
		into.gaps = true
		return
	}
	into.backends = append(into.backends, b)
}

func (d *decoder) backendFields(node *yaml.Node) (b backendConfig, ok bool) {
	b.at = d.at(target(node))
	ok = d.object(node, "a backend", fields{
		"name":             d.text("name", &b.name),
		"url":              d.text("url", &b.url),
		"timeout":          d.duration("timeout", &b.timeout),
		"scrapeInterval":   d.duration("scrapeInterval", &b.scrapeInterval),
		"delay":            d.duration("delay", &b.delay),
		"maxResponseBytes": d.bytes("maxResponseBytes", &b.maxResponseBytes),
		"bearerTokenFile":  d.text("bearerTokenFile", &b.bearerTokenFile),
		"basicAuth": func(node *yaml.Node) {
			b.basicAuth.at, b.basicAuth.given = d.at(target(node)), true
			d.object(node, "basicAuth", fields{
				"username":     d.text("username", &b.basicAuth.username),
				"passwordFile": d.text("passwordFile", &b.basicAuth.passwordFile),
			})
		},
		"tls": func(node *yaml.Node) {
			b.tls.at, b.tls.given = d.at(target(node)), true
			d.object(node, "tls", fields{
				"caFile":             d.text("caFile", &b.tls.caFile),
				"certFile":           d.text("certFile", &b.tls.certFile),
				"keyFile":            d.text("keyFile", &b.tls.keyFile),
				"serverName":         d.text("serverName", &b.tls.serverName),
				"insecureSkipVerify": d.boolean("insecureSkipVerify", &b.tls.insecureSkipVerify),
			})
		},
	})
	return b, ok
}

// peek returns the text of a field before the object is read, so that problems
// can name their subject. It is "" if there is no such text.
func peek(node *yaml.Node, name string) string {
	node = target(node)
	if node.Kind != yaml.MappingNode {
		return ""
	}
	value := lookup(node, name)
	if value == nil || target(value).Kind != yaml.ScalarNode || target(value).Tag != "!!str" {
		return ""
	}
	return target(value).Value
}
