package preset

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed data/*.yaml
var files embed.FS

// presets reads them when they are first asked for: most commands never do.
var presets = sync.OnceValues(func() ([]*Preset, map[string]*Preset) { return mustRead(files) })

// All returns the presets: first those that are complete, then the drafts, each
// by name. The slice is the caller's.
func All() []*Preset {
	all, _ := presets()
	return slices.Clone(all)
}

// Get returns the preset of a name.
func Get(name string) (*Preset, bool) {
	_, byName := presets()
	p, ok := byName[name]
	return p, ok
}

// mustRead panics rather than have half of the presets: they are part of the
// program, and its tests have read them.
func mustRead(from fs.FS) ([]*Preset, map[string]*Preset) {
	names, err := fs.Glob(from, "data/*.yaml")
	if err != nil {
		panic(err)
	}
	var complete, drafts []*Preset
	found := map[string]*Preset{}
	for _, file := range names {
		text, err := fs.ReadFile(from, file)
		if err != nil {
			panic(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, "data/"), ".yaml")
		p, err := decode(name, text)
		if err != nil {
			panic(fmt.Sprintf("preset: %s: %v", file, err))
		}
		found[name] = p
		if p.Draft {
			drafts = append(drafts, p)
		} else {
			complete = append(complete, p)
		}
	}
	return append(complete, drafts...), found
}

// decode reads one preset. Unknown fields are errors, and so is what would leave
// its user without an answer.
func decode(name string, text []byte) (*Preset, error) {
	p := &Preset{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil {
		return nil, err
	}
	p.Name = name
	return p, errors.Join(p.lacks()...)
}

// lacks reports what every preset needs and this one has not.
func (p *Preset) lacks() []error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for field, text := range map[string]string{
		"title": p.Title, "stack": p.Stack, "metric": p.Metric, "unit": p.Unit,
		"hpa.start": p.HPA.Start, "hpa.derivation": p.HPA.Derivation,
	} {
		need(text != "", "%s is missing", field)
	}
	need(p.Evidence == Page || p.Evidence == Source, "evidence: %q", p.Evidence)
	need(len(p.Assumptions) > 0, "no assumption")
	need(len(p.Pitfalls) > 0, "no pitfall")
	need((p.Rule.Query == "") != (p.Rule.Buckets == ""), "a rule has a query or buckets")
	need(p.HPA.Target == "AverageValue" || p.HPA.Target == "Value", "hpa.target: %q", p.HPA.Target)
	for _, one := range p.Parameters {
		need(one.Name != "" && one.Meaning != "", "parameter %q: no name or meaning", one.Name)
		need(slices.Contains([]Type{Duration, Number, Regexp}, one.Type), "parameter %q: type %q", one.Name, one.Type)
		need((one.Default == "") != (one.Example == ""), "parameter %q has a default or an example", one.Name)
	}
	used := placeholder.FindAllString(p.Rule.Query+p.Rule.Buckets+p.Rule.ZeroWhen, -1)
	for _, name := range used {
		_, known := p.Parameter(name[1:])
		need(known, "%s is no parameter", name)
	}
	for _, one := range p.Parameters {
		need(slices.Contains(used, "$"+one.Name), "parameter %q is not used", one.Name)
	}
	return errs
}
