package scenario

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pitot-autoscaling/pitot/pkg/internal/place"
)

// An Override gives a field of an HPA's spec another value, as in
//
//	behavior.scaleDown.stabilizationWindowSeconds=600
//	metrics[0].pods.target.averageValue="30"
//
// Objects on the way that are not there are made. That may mean more than it says:
// with a behavior, even one of a single field, come the defaults of the others.
type Override struct {
	Position
	Path string // below spec

	value *yaml.Node
}

// ParseOverride reads an override as the command line has it: a path, = and a
// value in YAML.
func ParseOverride(text string) (Override, error) {
	const example = "write field=value, as in behavior.scaleDown.stabilizationWindowSeconds=600"
	path, value, ok := strings.Cut(text, "=")
	if !ok {
		return Override{}, refuse(text, &place.Refusal{Cause: "it has no =", Hint: example})
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil || len(document.Content) == 0 {
		return Override{}, refuse(text, &place.Refusal{Cause: fmt.Sprintf("%q is not a value", value), Hint: example})
	}
	o, refusal := newOverride(Position{}, path, document.Content[0])
	if refusal != nil {
		return Override{}, refuse(text, refusal)
	}
	return o, nil
}

func newOverride(at Position, path string, value *yaml.Node) (Override, *place.Refusal) {
	o := Override{Position: at, Path: strings.TrimPrefix(path, "spec.")}
	if _, refusal := steps(o.Path); refusal != nil {
		return Override{}, refusal
	}
	if o.value = plain(value, new(int(mostNodes))); o.value == nil {
		return Override{}, &place.Refusal{Cause: "the value is too large"}
	}
	return o, nil
}

// mostNodes bounds what aliases unfold to.
const mostNodes = 10_000

// plain is a copy of a node in which what aliases stand for is written out; nil
// if that is more than budget nodes.
func plain(node *yaml.Node, budget *int) *yaml.Node {
	if *budget--; *budget < 0 {
		return nil
	}
	node = place.Target(node)
	out := &yaml.Node{Kind: node.Kind, Tag: node.Tag, Value: node.Value, Style: node.Style}
	for _, child := range node.Content {
		c := plain(child, budget)
		if c == nil {
			return nil
		}
		out.Content = append(out.Content, c)
	}
	return out
}

// A shape is what may stand in a field: an object with fields, one whose names
// are free, a list, or a value.
type shape struct {
	fields  map[string]shape
	free    bool
	element *shape
}

var value = shape{}

func object(fields map[string]shape) shape { return shape{fields: fields} }
func listOf(element shape) shape           { return shape{element: &element} }

// spec is the spec of an autoscaling/v2 HorizontalPodAutoscaler.
var spec = func() shape {
	target := object(map[string]shape{"type": value, "value": value, "averageValue": value, "averageUtilization": value})
	reference := object(map[string]shape{"apiVersion": value, "kind": value, "name": value})
	metric := object(map[string]shape{"name": value, "selector": object(map[string]shape{
		"matchLabels":      {free: true},
		"matchExpressions": listOf(object(map[string]shape{"key": value, "operator": value, "values": listOf(value)})),
	})})
	rules := object(map[string]shape{
		"stabilizationWindowSeconds": value, "selectPolicy": value, "tolerance": value,
		"policies": listOf(object(map[string]shape{"type": value, "value": value, "periodSeconds": value})),
	})
	return object(map[string]shape{
		"scaleTargetRef": reference, "minReplicas": value, "maxReplicas": value,
		"metrics": listOf(object(map[string]shape{
			"type":              value,
			"resource":          object(map[string]shape{"name": value, "target": target}),
			"containerResource": object(map[string]shape{"name": value, "container": value, "target": target}),
			"pods":              object(map[string]shape{"metric": metric, "target": target}),
			"object":            object(map[string]shape{"describedObject": reference, "metric": metric, "target": target}),
			"external":          object(map[string]shape{"metric": metric, "target": target}),
		})),
		"behavior": object(map[string]shape{"scaleUp": rules, "scaleDown": rules}),
	})
}()

// A step leads to a field of an object, or to an element of a list.
type step struct {
	field string
	index int // -1 for a field
}

// part is a field with the indices behind it.
var part = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._/-]*?)((?:\[[0-9]{1,3}\])*)$`)

// steps reads a path and looks each of its steps up.
func steps(path string) ([]step, *place.Refusal) {
	var all []step
	at := spec
	for rest := path; ; {
		word, more, dotted := strings.Cut(rest, ".")
		if at.free {
			word, dotted = rest, false // names of labels have dots
		}
		parts := part.FindStringSubmatch(word)
		if parts == nil {
			return nil, &place.Refusal{Cause: fmt.Sprintf("%q in %q is not a field", word, path), Hint: "write it as in behavior.scaleUp.policies[0].value"}
		}
		next, refusal := at.field(parts[1], path)
		if refusal != nil {
			return nil, refusal
		}
		all, at = append(all, step{field: parts[1], index: -1}), next
		for _, digits := range strings.FieldsFunc(parts[2], func(r rune) bool { return r == '[' || r == ']' }) {
			if at.element == nil {
				return nil, &place.Refusal{Cause: fmt.Sprintf("%s in %q is not a list", parts[1], path)}
			}
			index, err := strconv.Atoi(digits)
			if err != nil {
				return nil, &place.Refusal{Cause: fmt.Sprintf("%q in %q is not an index", digits, path)}
			}
			all, at = append(all, step{index: index}), *at.element
		}
		if !dotted {
			return all, nil
		}
		rest = more
	}
}

// field is what may stand in a field.
func (s shape) field(name, path string) (shape, *place.Refusal) {
	next, ok := s.fields[name]
	switch {
	case ok || s.free:
		return next, nil
	case s.element != nil:
		return shape{}, &place.Refusal{Cause: fmt.Sprintf("a list in %q has no field %q", path, name), Hint: "say which element, as in metrics[0]"}
	case s.fields == nil:
		return shape{}, &place.Refusal{Cause: fmt.Sprintf("what is before %q in %q has no fields", name, path)}
	}
	names := slices.Sorted(maps.Keys(s.fields))
	hint := place.DidYouMean(name, names)
	if hint == "" {
		hint = "there are " + listed(names)
	}
	return shape{}, &place.Refusal{Cause: fmt.Sprintf("an HPA has no field %q in %q", name, path), Hint: hint}
}

// apply changes the spec of an HPA.
func (o Override) apply(spec *yaml.Node) *place.Refusal {
	all, _ := steps(o.Path) // newOverride looked
	at := spec
	for _, s := range all {
		var refusal *place.Refusal
		if at, refusal = s.enter(at, o.Path); refusal != nil {
			return refusal
		}
	}
	*at = *o.value
	return nil
}

// enter goes one step down, and makes what is not there.
func (s step) enter(node *yaml.Node, path string) (*yaml.Node, *place.Refusal) {
	if node.Kind == yaml.ScalarNode && (node.Tag == "!!null" || node.Value == "") {
		*node = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if s.index >= 0 {
			*node = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		}
	}
	switch {
	case s.index < 0 && node.Kind == yaml.MappingNode:
		if found := place.Lookup(node, s.field); found != nil {
			return found, nil
		}
		made := missing()
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.field}, made)
		return made, nil
	case s.index >= 0 && node.Kind == yaml.SequenceNode:
		if s.index > len(node.Content) {
			return nil, &place.Refusal{Cause: fmt.Sprintf("the HPA has only %d elements where %q names number %d", len(node.Content), path, s.index), Hint: "they count from 0"}
		}
		if s.index == len(node.Content) {
			node.Content = append(node.Content, missing())
		}
		return node.Content[s.index], nil
	}
	return nil, &place.Refusal{Cause: fmt.Sprintf("the HPA has %s on the way to %q", place.Describe(node), path)}
}

func missing() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"} }
