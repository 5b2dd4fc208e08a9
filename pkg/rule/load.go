package rule

import (
	"cmp"
	"slices"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// A File is a configuration file in memory. Its text is YAML, with any number of
// documents.
type File struct {
	Name string // as it appears in problems
	Text []byte
	Err  error // why there is no text; nil if there is

	// inside reads the text where it stands in another; nil if it does not.
	inside func(*place.Problems) *place.Decoder
}

// decoder reads the text.
func (f File) decoder(problems *place.Problems) *place.Decoder {
	if f.inside != nil {
		return f.inside(problems)
	}
	return place.NewDecoder(f.Name, f.Text, problems)
}

// Load reads the configuration that the files make together: their backends and
// rules, in order. The error is Problems: every mistake in every file, sorted.
//
// A file may have only backends or only rules, but together there must be at
// least one of each: without a rule there is nothing to serve, and an empty
// configuration is far more often a forgotten mount than a wish.
func Load(files ...File) (*Set, error) {
	c := check(files)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return c.compile(), nil
}

// check reads the files and finds everything that is wrong with them.
func check(files []File) *config {
	var c config
	for _, f := range files {
		c.read(f)
	}
	c.setDefaults()
	v := validator{config: &c, files: files}
	v.presence()
	v.backends()
	v.rules()
	c.problems.sort()
	return &c
}

// read adds the documents of a file.
func (c *config) read(f File) {
	var problems place.Problems
	d := decoder{Decoder: f.decoder(&problems)}
	d.UnknownHint = unknownHint
	if c.team != nil {
		d.longest = maxTeamExpression
	}
	if f.Err != nil {
		d.Report(Position{File: f.Name, Line: 1, Column: 1}, f.Err.Error(), "")
		c.gaps = true
	}
	for root, wrong := range d.Documents() {
		if wrong != nil {
			d.Report(wrong.Position, wrong.Cause, yamlHint(wrong.Cause))
			c.gaps = true
			break
		}
		d.document(root, c)
	}
	if c.gaps {
		c.unread = append(c.unread, string(f.Text))
	}
	c.problems = append(c.problems, subject{}.own(problems)...)
}

// note takes in problems of a subject and returns them as its own.
func (c *config) note(s subject, found place.Problems) Problems {
	own := s.own(found)
	c.problems = append(c.problems, own...)
	return own
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
		Metric:        r.metric.Value,
		Type:          r.typ.Value,
		Of:            r.of.Value,
		Backend:       r.backend.Value,
		Query:         r.query.Value,
		Buckets:       r.buckets.Value,
		Quantile:      r.quantile.Value,
		Aggregate:     r.aggregate.Value,
		ObjectLabel:   r.objectLabel.Value,
		OnIdle:        r.onIdle.Value,
		OnEmpty:       r.onEmpty.Value,
		OnNaN:         r.onNaN.Value,
		ZeroWhen:      r.zeroWhen.Value,
		MaxSampleAge:  r.maxSampleAge.Value,
		AllowNegative: r.allowNegative.Value,
		ClampMin:      r.clampMin.Value,
		ClampMax:      r.clampMax.Value,
		Ceiling:       r.ceiling.Value,
		Scope:         r.scope.Value,
		Position:      r.at,
	}
	for _, label := range r.selectable {
		compiled.Selectable = append(compiled.Selectable, label.Value)
	}
	slices.Sort(compiled.Selectable)
	for _, name := range r.presets {
		compiled.Presets = append(compiled.Presets, name.Value)
	}
	return compiled
}

func (b *backendConfig) compile() Backend {
	if b.compiled != nil {
		return *b.compiled
	}
	compiled := Backend{
		Name:             b.name.Value,
		URL:              b.url.Value,
		Timeout:          b.timeout.Value,
		ScrapeInterval:   b.scrapeInterval.Value,
		Delay:            b.delay.Value,
		MaxResponseBytes: b.maxResponseBytes.Value,
		Labels:           b.labels.Value,
		BearerTokenFile:  b.bearerTokenFile.Value,
		Teams:            b.teams.Value,
		TLS: TLS{
			CAFile:             b.tls.caFile.Value,
			CertFile:           b.tls.certFile.Value,
			KeyFile:            b.tls.keyFile.Value,
			ServerName:         b.tls.serverName.Value,
			InsecureSkipVerify: b.tls.insecureSkipVerify.Value,
		},
	}
	if b.basicAuth.given {
		compiled.BasicAuth = &BasicAuth{Username: b.basicAuth.username.Value, PasswordFile: b.basicAuth.passwordFile.Value}
	}
	return compiled
}
