package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
	"github.com/pitot-autoscaling/pitot/pkg/manifest"
)

// ReadAutoscaler reads one HPA of a manifest. Which names it; that may be left
// empty where the text has only one.
//
// The overrides are applied to what is written, before defaults and validation.
// The error is Problems: those of the text at their places in it, and those that
// come of an override at the override's.
func ReadAutoscaler(name string, text []byte, which string, overrides ...Override) (manifest.Autoscaler, error) {
	var none manifest.Autoscaler
	all, err := manifest.Read(name, bytes.NewReader(text))
	if err != nil {
		return none, fromManifest(err)
	}
	found, refusal := choose(all, which)
	if refusal != nil {
		return none, Problems{{Position: Position{File: name, Line: 1, Column: 1}, Cause: refusal.Cause, Hint: refusal.Hint}}
	}
	if len(overrides) == 0 {
		return found, nil
	}
	changed, err := override(name, text, found, overrides)
	if err != nil {
		return none, err
	}
	changed.Position = found.Position
	return changed, nil
}

// fromManifest are the problems of a manifest as those of this package.
func fromManifest(err error) error {
	var found manifest.Problems
	if !errors.As(err, &found) {
		return err
	}
	var problems Problems
	for _, p := range found {
		problems = append(problems, p.Problem)
	}
	return problems
}

// choose finds an autoscaler by its name.
func choose(all []manifest.Autoscaler, which string) (manifest.Autoscaler, *place.Refusal) {
	var names []string
	for _, a := range all {
		if a.Name == which || which == "" && len(all) == 1 {
			return a, nil
		}
		names = append(names, a.Name)
	}
	switch {
	case len(all) == 0:
		return manifest.Autoscaler{}, &place.Refusal{Cause: "there is no HorizontalPodAutoscaler in it"}
	case which == "":
		return manifest.Autoscaler{}, &place.Refusal{Cause: fmt.Sprintf("there are %d HorizontalPodAutoscalers in it", len(all)), Hint: "say which: " + place.List(names)}
	}
	hint := place.DidYouMean(which, names)
	if hint == "" {
		hint = "there is " + listed(names)
	}
	return manifest.Autoscaler{}, &place.Refusal{Cause: fmt.Sprintf("there is no HorizontalPodAutoscaler %q in it", which), Hint: hint}
}

// override reads an autoscaler again with its overrides.
func override(name string, text []byte, a manifest.Autoscaler, overrides []Override) (manifest.Autoscaler, error) {
	var none manifest.Autoscaler
	node := standing(text, a.Line, a.Column)
	if node == nil {
		return none, Problems{{Position: a.Position, Subject: a.Name, Cause: "an override cannot find it in the text", Hint: "write it as a document of its own"}}
	}
	if version := place.Lookup(node, "apiVersion"); version != nil && version.Value == "autoscaling/v1" {
		return none, Problems{{Position: a.Position, Subject: a.Name, Cause: "autoscaling/v1 cannot be overridden", Hint: "write it as autoscaling/v2"}}
	}
	head(node, "apiVersion", "autoscaling/v2")
	head(node, "kind", "HorizontalPodAutoscaler")
	var problems Problems
	for _, o := range overrides {
		if refusal := o.apply(place.Lookup(node, "spec")); refusal != nil {
			problems = append(problems, o.problem(refusal.Cause, refusal.Hint))
		}
	}
	if err := problems.Err(); err != nil {
		return none, err
	}
	changed, err := yaml.Marshal(node)
	if err != nil {
		return none, fmt.Errorf("%s: %w", name, err)
	}
	again, err := manifest.Read(name, bytes.NewReader(changed))
	if err != nil {
		return none, blame(err, overrides)
	}
	return again[0], nil
}

// head adds what an element of a typed list leaves out.
func head(node *yaml.Node, field, value string) {
	if place.Lookup(node, field) == nil {
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: field}, &yaml.Node{Kind: yaml.ScalarNode, Value: value})
	}
}

// standing is a copy of the object that begins at a place; nil if none does.
func standing(text []byte, line, column int) *yaml.Node {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		if err := documents.Decode(&document); err != nil {
			return nil
		}
		if found := within(&document, line, column); found != nil {
			return plain(found, new(int(mostNodes)))
		}
	}
}

func within(node *yaml.Node, line, column int) *yaml.Node {
	if node.Kind == yaml.MappingNode && node.Line == line && node.Column == column {
		return node
	}
	for _, child := range node.Content {
		if found := within(child, line, column); found != nil {
			return found
		}
	}
	return nil
}

func (o Override) problem(cause, hint string) Problem {
	return Problem{Position: o.Position, Subject: "set " + o.Path, Cause: cause, Hint: hint}
}

// blame places the problems of an autoscaler, which had none before, at the
// overrides that they come of.
func blame(err error, overrides []Override) error {
	var found manifest.Problems
	if !errors.As(err, &found) {
		return err
	}
	var problems Problems
	for _, p := range found {
		path := strings.TrimPrefix(p.Field, "spec.")
		i := slices.IndexFunc(overrides, func(o Override) bool {
			return strings.HasPrefix(path, o.Path) || strings.HasPrefix(o.Path, path)
		})
		problems = append(problems, overrides[max(i, 0)].problem(p.Field+": "+p.Cause, p.Hint))
	}
	return problems.Err()
}
