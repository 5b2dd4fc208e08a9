package rule

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// A File is a configuration file in memory. Its text is YAML, with any number of
// documents.
type File struct {
	Name string // as it appears in problems
	Text []byte
	Err  error // why there is no text; nil if there is
}

// Load reads the configuration that the files make together: their backends and
// rules, in order. The error is Problems: every mistake in every file, sorted.
//
// A file may have only backends or only rules, but together there must be at
// least one of each: without a rule there is nothing to serve, and an empty
// configuration is far more often a forgotten mount than a wish.
func Load(files ...File) (*Set, error) {
	c, problems := check(files)
	if len(problems) > 0 {
		return nil, problems
	}
	return c.compile(), nil
}

// check reads the files and finds everything that is wrong with them.
func check(files []File) (*config, Problems) {
	var problems Problems
	var c config
	for _, f := range files {
		c.read(f, &problems)
	}
	c.setDefaults()
	v := validator{config: &c, files: files, problems: &problems}
	v.presence()
	v.backends()
	v.rules()
	problems.sort()
	return &c, problems
}

// read adds the documents of a file.
func (c *config) read(f File, problems *Problems) {
	d := &decoder{reporter: reporter{problems: problems}, source: newSource(f)}
	if f.Err != nil {
		d.report(Position{File: f.Name, Line: 1, Column: 1}, f.Err.Error(), "")
		c.gaps = true
		return
	}
	documents := yaml.NewDecoder(bytes.NewReader(f.Text))
	for {
		var document yaml.Node
		err := documents.Decode(&document)
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			d.yaml(err)
			c.gaps = true
			return
		}
		if root := document.Content[0]; root.Tag != "!!null" {
			d.document(root, c)
		}
	}
}

// compile makes the set of a valid configuration.
func (c *config) compile() *Set {
	set := &Set{byKey: map[key]*Rule{}}
	for _, b := range c.backends {
		set.Backends = append(set.Backends, b.compile())
	}
	for _, r := range c.rules {
		set.add(set.aged(r.compile()))
	}
	return set
}

// add puts a rule into a set that is being made. The rule may be that of another
// set, which shares it.
func (s *Set) add(r *Rule) {
	s.Rules = append(s.Rules, r)
	for _, k := range r.keys() {
		s.byKey[k] = r
	}
}

// aged is a rule of this set that is being made, with what its backend says of
// the age of samples.
func (s *Set) aged(r *Rule) *Rule {
	if b, ok := s.Backend(r.Backend); ok {
		r.MaxSampleAge = cmp.Or(r.MaxSampleAge, b.MaxSampleAge()) + b.Delay
	}
	if r.ZeroWhen != nil {
		r.proof = r.ZeroWhen.Fresh(r.MaxSampleAge)
	}
	return r
}

func (r *ruleConfig) compile() *Rule {
	compiled := &Rule{
		Metric:        r.metric.value,
		Type:          r.typ.value,
		Of:            r.of.value,
		Backend:       r.backend.value,
		Query:         r.query.value,
		Buckets:       r.buckets.value,
		Quantile:      r.quantile.value,
		Aggregate:     r.aggregate.value,
		ObjectLabel:   r.objectLabel.value,
		OnIdle:        r.onIdle.value,
		OnEmpty:       r.onEmpty.value,
		OnNaN:         r.onNaN.value,
		ZeroWhen:      r.zeroWhen.value,
		MaxSampleAge:  r.maxSampleAge.value,
		AllowNegative: r.allowNegative.value,
		ClampMin:      r.clampMin.value,
		ClampMax:      r.clampMax.value,
		Ceiling:       r.ceiling.value,
		Scope:         r.scope.value,
		Position:      r.at,
	}
	for _, label := range r.selectable {
		compiled.Selectable = append(compiled.Selectable, label.value)
	}
	slices.Sort(compiled.Selectable)
	for _, name := range r.presets {
		compiled.Presets = append(compiled.Presets, name.value)
	}
	return compiled
}

func (b *backendConfig) compile() Backend {
	compiled := Backend{
		Name:             b.name.value,
		URL:              b.url.value,
		Timeout:          b.timeout.value,
		ScrapeInterval:   b.scrapeInterval.value,
		Delay:            b.delay.value,
		MaxResponseBytes: b.maxResponseBytes.value,
		BearerTokenFile:  b.bearerTokenFile.value,
		TLS: TLS{
			CAFile:             b.tls.caFile.value,
			CertFile:           b.tls.certFile.value,
			KeyFile:            b.tls.keyFile.value,
			ServerName:         b.tls.serverName.value,
			InsecureSkipVerify: b.tls.insecureSkipVerify.value,
		},
	}
	if b.basicAuth.given {
		compiled.BasicAuth = &BasicAuth{Username: b.basicAuth.username.value, PasswordFile: b.basicAuth.passwordFile.value}
	}
	return compiled
}
