package scenario

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
	"github.com/pitot-autoscaling/pitot/pkg/sim"
)

// Files reads a whole file. os.ReadFile is one.
type Files func(name string) ([]byte, error)

// Read reads a scenario file and what it names: HPAs and apps. Names are relative
// to the file. Traces and rules are not read. The error is Problems: those of the
// file, and of the files it names.
func Read(name string, files Files) ([]Case, error) {
	text, err := files(name)
	if err != nil {
		return nil, Problems{{Position: Position{File: name, Line: 1, Column: 1}, Cause: cause(err)}}
	}
	var problems Problems
	s := &scenarioConfig{files: files, dir: filepath.Dir(name)}
	d := decoder{place.NewDecoder(name, text, &problems)}
	var cases []Case
	if root, ok := d.Document(); ok {
		cases = d.scenario(root, s)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return cases, nil
}

// cause is why a file cannot be read, without its name.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}

// A scenarioConfig is a scenario as it is written.
type scenarioConfig struct {
	files Files
	dir   string

	at     Position
	hpa    hpaConfig
	app    appSource
	config place.Field[string]
	tests  []testConfig
}

// A hpaConfig says which HPA.
type hpaConfig struct {
	at        Position
	given     bool
	file      place.Field[string]
	name      place.Field[string]
	overrides []Override
}

// An appSource is a file, or an app that stands in the scenario.
type appSource struct {
	at     Position
	given  bool
	file   place.Field[string]
	inline *appConfig
	wrong  bool // the one that stands there
}

// A testConfig is an entry of tests.
type testConfig struct {
	at        Position
	name      place.Field[string]
	demand    demandConfig
	replicas  place.Field[int64]
	length    place.Field[time.Duration]
	events    []eventConfig
	objective place.Field[sim.Objective]
	seed      place.Field[int64]
	pipeline  place.Field[Pipeline]
	expect    []Expectation
	decisions place.Field[string]
}

func (s *scenarioConfig) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.dir, name)
}

// scenario reads the document and makes its cases, as far as it can.
func (d decoder) scenario(node *yaml.Node, s *scenarioConfig) []Case {
	s.at = d.At(node)
	var apiVersion, kind place.Field[string]
	var tests *yaml.Node
	ok := d.Object(node, "a scenario", place.Fields{
		"apiVersion": d.Text("apiVersion", &apiVersion),
		"kind":       d.Text("kind", &kind),
		"hpa":        func(node *yaml.Node) { d.hpa(node, &s.hpa) },
		"app":        func(node *yaml.Node) { d.appSource(node, &s.app) },
		"config":     d.Text("config", &s.config),
		"tests":      func(node *yaml.Node) { tests = node },
	})
	if !ok {
		return nil
	}
	d.Constant("apiVersion", s.at, apiVersion, APIVersion)
	d.Constant("kind", s.at, kind, ScenarioKind)
	if tests != nil {
		d.tests(tests, s)
	}
	d.presence(s, tests)
	return d.cases(s)
}

func (d decoder) presence(s *scenarioConfig, tests *yaml.Node) {
	missing := func(is bool, name, hint string) {
		if is {
			d.Report(s.at, fmt.Sprintf("field %q is missing", name), hint)
		}
	}
	missing(!s.hpa.given, "hpa", "name the file with the HorizontalPodAutoscaler, as in hpa: ../hpa.yaml")
	missing(!s.app.given, "app", "name the file that describes the service, as in app: ../app.yaml")
	missing(tests == nil, "tests", "say what happens and what you expect, as in tests: [{name: …, demand: …, expect: […]}]")
	if tests != nil && place.Target(tests).Kind == yaml.SequenceNode && len(place.Target(tests).Content) == 0 {
		d.Report(d.At(tests), "there are no tests", "")
	}
}

// hpa is a file, or more about it.
func (d decoder) hpa(node *yaml.Node, h *hpaConfig) {
	h.at, h.given = d.At(place.Target(node)), true
	if place.Target(node).Kind == yaml.ScalarNode {
		d.Text("hpa", &h.file)(node)
		return
	}
	d.Object(node, "hpa", place.Fields{
		"file": d.Text("file", &h.file),
		"name": d.Text("name", &h.name),
		"set":  func(node *yaml.Node) { h.overrides = d.overrides(node) },
	})
	if !h.file.Given {
		d.Report(h.at, `field "file" is missing`, "name the file with the HorizontalPodAutoscaler")
	}
}

func (d decoder) appSource(node *yaml.Node, a *appSource) {
	a.at, a.given = d.At(place.Target(node)), true
	if place.Target(node).Kind == yaml.ScalarNode {
		d.Text("app", &a.file)(node)
		return
	}
	before := len(*d.Problems)
	a.inline = &appConfig{}
	d.app(node, a.inline, false)
	a.wrong = len(*d.Problems) > before
}

func (d decoder) tests(node *yaml.Node, s *scenarioConfig) {
	elements, _ := d.Elements(node, "tests")
	first := map[string]int{}
	for _, element := range elements {
		named := d
		if name := place.Lookup(element, "name"); name != nil && !place.Absent(name) {
			named = decoder{d.About(fmt.Sprintf("test %q", place.Target(name).Value))}
		}
		var t testConfig
		if !named.test(element, &t) {
			continue
		}
		if line, twice := first[t.name.Value]; twice && t.name.Valid {
			named.Report(t.name.At, fmt.Sprintf("there are two tests of this name: first in line %d", line), "")
		}
		first[t.name.Value] = t.name.At.Line
		s.tests = append(s.tests, t)
	}
}

func (d decoder) test(node *yaml.Node, t *testConfig) bool {
	t.at = d.At(place.Target(node))
	var expect *yaml.Node
	ok := d.Object(node, "a test", place.Fields{
		"name":      d.Text("name", &t.name),
		"demand":    func(node *yaml.Node) { d.demand(node, &t.demand) },
		"replicas":  d.Whole("replicas", &t.replicas),
		"length":    d.Duration("length", &t.length),
		"events":    func(node *yaml.Node) { t.events = d.events(node) },
		"objective": place.Scalar(d.Decoder, "objective", "text such as p95=500ms", nil, &t.objective, parseObjective),
		"seed":      d.Whole("seed", &t.seed),
		"pipeline":  place.OneOf(d.Decoder, "pipeline", &t.pipeline, Signals, PromQL),
		"expect":    func(node *yaml.Node) { expect = node },
		"decisions": d.Text("decisions", &t.decisions),
	})
	if !ok {
		return false
	}
	t.pipeline.OrElse(Signals)
	if expect != nil {
		t.expect = d.expectations(expect)
	}
	d.checkTest(t, expect != nil)
	return true
}

func (d decoder) checkTest(t *testConfig, expects bool) {
	missing := func(is bool, name, hint string) {
		if is {
			d.Report(t.at, fmt.Sprintf("field %q is missing", name), hint)
		}
	}
	missing(!t.name.Given, "name", "a sentence that says what is tested")
	missing(!t.demand.given, "demand", "how many requests arrive, as a shape, a trace or values")
	missing(!expects && !t.decisions.Given, "expect", "what must hold, as in expect: [p95 < 500ms for 99% of time]")
	c := appCheck{Reporter: d.Reporter}
	c.whole("replicas", t.replicas, 1, maxReplicas)
	c.whole("seed", t.seed, 0, 1<<62)
	c.time("length", t.length, time.Second, 366*24*time.Hour)
	if whole := t.demand.length; whole > 0 && t.length.Value > whole {
		d.Report(t.length.At, fmt.Sprintf("the demand ends before that, at %s", duration(whole)), "")
	}
	for _, e := range t.expect {
		d.checkExpectation(t, e)
	}
	end := t.end()
	for _, e := range t.events {
		if end > 0 && e.begin.Valid && e.begin.Value >= end {
			d.Report(e.begin.At, fmt.Sprintf("this is not within the test, which ends at %s", duration(end)), "")
		}
	}
}

// end is when the test ends; 0 where only its trace tells.
func (t *testConfig) end() time.Duration {
	whole := t.demand.length
	if own := t.length.Value; own > 0 && (whole == 0 || own < whole) {
		return own
	}
	return whole
}

// checkExpectation refuses what the test cannot tell.
func (d decoder) checkExpectation(t *testConfig, e Expectation) {
	if needsObjective := e.Figure == MinutesOver || e.Figure == LongestShort; needsObjective && !t.objective.Given {
		d.Report(e.Position, fmt.Sprintf("%s needs an objective", e.Figure), "add one to the test, as in objective: p95=500ms")
	}
	if last, end := max(e.From, e.Until), t.end(); end > 0 && last > end {
		d.Report(e.Position, fmt.Sprintf("%s is after the end of the test, %s", duration(last), duration(end)), "")
	}
}

// expectations reads texts. YAML makes an object of "never: Reason", which is a
// text here all the same.
func (d decoder) expectations(node *yaml.Node) []Expectation {
	var all []Expectation
	elements, _ := d.Elements(node, "expect")
	for _, element := range elements {
		var e place.Field[Expectation]
		place.Scalar(d.Decoder, "expect", "text such as max(replicas) <= 20", nil, &e, parseExpectation)(sentence(element))
		if e.Valid {
			e.Value.Position = e.At
			all = append(all, e.Value)
		}
	}
	return all
}

// sentence is an element of expect as text.
func sentence(node *yaml.Node) *yaml.Node {
	inner := place.Target(node)
	if inner.Kind != yaml.MappingNode || len(inner.Content) != 2 {
		return node
	}
	name, value := place.Target(inner.Content[0]), place.Target(inner.Content[1])
	if name.Kind != yaml.ScalarNode || value.Kind != yaml.ScalarNode {
		return node
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name.Value + ": " + value.Value, Line: name.Line, Column: name.Column}
}

// cases reads the files that the scenario names and puts all together.
func (d decoder) cases(s *scenarioConfig) []Case {
	app := d.loadApp(s)
	text, hpaFile := d.loadHPA(s)
	var autoscaler *manifest.Autoscaler
	if text != nil {
		autoscaler = d.autoscaler(s, hpaFile, text, s.hpa.overrides)
	}
	d.checkPipelines(s, app, autoscaler)
	var cases []Case
	for i := range s.tests {
		t := &s.tests[i]
		c := t.compile(s, app, autoscaler)
		if autoscaler != nil {
			c.Events = d.compileEvents(s, t, hpaFile, text)
		}
		cases = append(cases, c)
	}
	return cases
}

func (d decoder) loadApp(s *scenarioConfig) *App {
	switch {
	case s.app.inline != nil && !s.app.wrong:
		return s.app.inline.compile()
	case !s.app.file.Valid:
		return nil
	}
	name := s.path(s.app.file.Value)
	text, err := s.files(name)
	if err != nil {
		d.Report(s.app.file.At, fmt.Sprintf("field %q: %s: %s", "app", name, cause(err)), "names are relative to this file")
		return nil
	}
	app, err := ReadApp(name, bytes.NewReader(text))
	d.adopt(err)
	return app
}

func (d decoder) loadHPA(s *scenarioConfig) (text []byte, name string) {
	if !s.hpa.file.Valid {
		return nil, ""
	}
	name = s.path(s.hpa.file.Value)
	text, err := s.files(name)
	if err != nil {
		d.Report(s.hpa.file.At, fmt.Sprintf("field %q: %s: %s", "hpa", name, cause(err)), "names are relative to this file")
		return nil, ""
	}
	return text, name
}

// adopt takes over the problems of another file.
func (d decoder) adopt(err error) {
	var problems Problems
	if errors.As(err, &problems) {
		*d.Problems = append(*d.Problems, problems...)
	}
}

func (d decoder) autoscaler(s *scenarioConfig, name string, text []byte, overrides []Override) *manifest.Autoscaler {
	a, err := ReadAutoscaler(name, text, s.hpa.name.Value, overrides...)
	if err != nil {
		d.adopt(err)
		return nil
	}
	return &a
}

// checkPipelines reports, once for each pipeline that a test wants, what the app
// cannot give to the HPA.
func (d decoder) checkPipelines(s *scenarioConfig, app *App, a *manifest.Autoscaler) {
	var done []Pipeline
	for i := range s.tests {
		t := &s.tests[i]
		if t.pipeline.Value == PromQL && !s.config.Given {
			d.Report(t.pipeline.At, "the promql pipeline evaluates Pitot's rules, and there are none", "name their file, as in config: ../pitot.yaml")
		}
		if app == nil || a == nil || slices.Contains(done, t.pipeline.Value) {
			continue
		}
		done = append(done, t.pipeline.Value)
		var problems Problems
		if err := app.Check(t.pipeline.Value, a.Spec.Metrics); errors.As(err, &problems) {
			for _, p := range problems {
				p.Position = s.app.at
				*d.Problems = append(*d.Problems, p)
			}
		}
	}
}

// compileEvents makes the events, in the order of time. Each edit is read with
// the overrides of the ones before it.
func (d decoder) compileEvents(s *scenarioConfig, t *testConfig, name string, text []byte) []sim.Event {
	slices.SortStableFunc(t.events, func(a, b eventConfig) int { return cmp.Compare(a.begin.Value, b.begin.Value) })
	overrides := s.hpa.overrides
	var events []sim.Event
	for i := range t.events {
		e := &t.events[i]
		var edited *manifest.Autoscaler
		if e.kind.Value == sim.Edit {
			with := slices.Concat(overrides, e.overrides)
			if edited = d.autoscaler(s, name, text, with); edited != nil {
				overrides = with
			}
		}
		events = append(events, e.compile(edited))
	}
	return events
}

func (t *testConfig) compile(s *scenarioConfig, app *App, a *manifest.Autoscaler) Case {
	c := Case{
		Position: t.at,
		Name:     t.name.Value,
		App:      app,
		Demand:   t.demand.compile(),
		Pipeline: t.pipeline.Value,
		Replicas: int32(t.replicas.Value),
		Length:   t.length.Value,
		Seed:     uint64(t.seed.Value),
		Expect:   t.expect,
	}
	if a != nil {
		c.Autoscaler = *a
	}
	if t.objective.Given {
		c.Objective = &t.objective.Value
	}
	if s.config.Given {
		c.Config = s.path(s.config.Value)
	}
	if c.Demand.Trace != "" {
		c.Demand.Trace = s.path(c.Demand.Trace)
	}
	if t.decisions.Given {
		c.Decisions = s.path(t.decisions.Value)
	}
	return c
}
